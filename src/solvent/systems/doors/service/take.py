"""What becomes of the events of a request: usage, duplicates, conflicts, dead letters?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from solvent.contracts.doors import UsageBuried
from solvent.kernel.metering.errors import EventConflict
from solvent.kernel.metering.model import EventFate
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError
from solvent.kit.telemetry import DOOR_EVENTS
from solvent.systems.doors.errors import LettersFull
from solvent.systems.doors.limits import LETTERS_MAX, RAW_BYTES_MAX, TOLD_CHARS_MAX
from solvent.systems.doors.model import DeadLetter, Door, LetterState, Sent, Taken
from solvent.systems.doors.service.record import Arrived, record
from solvent.systems.doors.store import letters as store

LETTER_PREFIX = "dle"


async def take(ctx: Ctx, door: Door, sent: Sequence[Sent]) -> list[Taken]:
    """Store what can be counted, bury what cannot, and return what became of each event.

    Promises: an event that is refused keeps no other from being stored, and is kept with its bytes
    and the reason. A conflict is only told: it is for the caller to answer it, or to bury it.

    Raises:
        LettersFull: something is to be buried and no room is left; nothing is stored then.
    """
    arrived = [_arrived(ctx, one) for one in sent]
    fates = await record(ctx, door, arrived)
    taken = [_taken(one, fate) for one, fate in zip(arrived, fates, strict=True)]
    for name, many in Counter(outcome(fate) for fate in fates).items():
        DOOR_EVENTS.labels(door.value, name).inc(many)
    dead = [
        _letter(ctx, door, one, refused=fate)
        for one, fate in zip(arrived, fates, strict=True)
        if isinstance(fate, SolventError) and not isinstance(fate, EventConflict)
    ]
    await _bury(ctx, door, dead)
    return taken


def _arrived(ctx: Ctx, sent: Sent) -> Arrived:
    nameless = sent.use is None or sent.use.id is None
    return Arrived(sent, ctx.now(), ctx.ids.new(LETTER_PREFIX) if nameless else "")


def _taken(arrived: Arrived, fate: EventFate) -> Taken:
    use = arrived.sent.use
    return Taken(arrived.sent, fate, (use and use.id) or arrived.fallback_id)


async def bury_conflicts(ctx: Ctx, door: Door, taken: Sequence[Taken]) -> None:
    """Keep events whose id is known with other content, where nobody is told of them."""
    await _bury(
        ctx,
        door,
        [
            _letter(ctx, door, Arrived(one.sent, ctx.now()), one.fate)
            for one in taken
            if isinstance(one.fate, EventConflict)
        ],
    )


def outcome(fate: EventFate) -> str:
    """Return what became of an event, as the metric names it."""
    if isinstance(fate, EventConflict):
        return "conflict"
    return "dead" if isinstance(fate, SolventError) else fate.value


def why(refused: SolventError) -> tuple[str, str | None, str]:
    """Return a refusal's code, field and message, fit to be kept."""
    return refused.code, _clean(refused.field), _clean(refused.message) or ""


def _clean(text: str | None) -> str | None:
    if text is None:
        return None
    plain = text[:TOLD_CHARS_MAX].encode(errors="backslashreplace").decode()
    return plain.replace("\0", "\\x00")


def _letter(ctx: Ctx, door: Door, arrived: Arrived, refused: SolventError) -> DeadLetter:
    reason, field, told = why(refused)
    use = arrived.sent.use
    return DeadLetter(
        id=arrived.fallback_id or ctx.ids.new(LETTER_PREFIX),
        door=door,
        state=LetterState.WAITING,
        reason=reason,
        field=field,
        told=told,
        raw=arrived.sent.raw,
        cut=len(arrived.sent.raw) > RAW_BYTES_MAX,
        event_id=use and use.id,
        event=use and use.event,
        customer=use and use.customer,
        times=1,
        received_at=arrived.at,
        arrived_at=ctx.now(),
        settled_at=None,
    )


async def _bury(ctx: Ctx, door: Door, letters: Sequence[DeadLetter]) -> None:
    if not letters:
        return
    waiting = await store.count_waiting(ctx.tx, ctx.tenant_id, most=LETTERS_MAX)
    if waiting + len(letters) > LETTERS_MAX:
        raise LettersFull(limit=LETTERS_MAX, waiting=waiting)
    ordered = sorted(letters, key=lambda one: one.raw)  # two at once wait, and never deadlock
    await store.bury(ctx.tx, ctx.tenant_id, ordered)
    reasons = Counter(one.reason for one in letters)
    event = UsageBuried(door=door.value, events=len(letters), reasons=tuple(sorted(reasons)))
    await ctx.bus.emit(ctx, event)
