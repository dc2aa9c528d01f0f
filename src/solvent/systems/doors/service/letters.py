"""What may be done about dead letters: look at them, let them count after all, discard them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from solvent.kernel.audit import service as audit
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import EventFate, Fate
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError
from solvent.kit.ids import is_id
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.doors.errors import LetterCut, LetterNotFound
from solvent.systems.doors.limits import LETTERS_MAX, REPLAY_MAX
from solvent.systems.doors.model import (
    DeadLetter,
    Door,
    LettersAsked,
    LetterState,
    Replayed,
)
from solvent.systems.doors.rules.readers import read_again
from solvent.systems.doors.service.record import Arrived, record
from solvent.systems.doors.service.take import LETTER_PREFIX, why
from solvent.systems.doors.store import letters as store


class _Undone(Exception):
    """Ends the savepoint of a dry run."""


async def list_letters(
    ctx: Ctx,
    asked: LettersAsked,
    *,
    state: LetterState | None = LetterState.WAITING,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> list[DeadLetter]:
    """Return letters, the earliest first; needs `metering:read`."""
    ctx.require(metering.SCOPE_READ)
    return await store.list_letters(
        ctx.tx, ctx.tenant_id, asked, state=state, after=after, limit=limit
    )


async def get_letter(ctx: Ctx, letter_id: str) -> DeadLetter:
    """Return a letter; needs `metering:read`. Raises LetterNotFound."""
    ctx.require(metering.SCOPE_READ)
    found = None
    if is_id(letter_id, prefix=LETTER_PREFIX):
        found = await store.get_letter(ctx.tx, ctx.tenant_id, letter_id)
    if found is None:
        raise LetterNotFound(field="letter", given=letter_id[:64])
    return found


async def count_letters(ctx: Ctx) -> list[tuple[Door, str, int]]:
    """Return how many letters wait at each door for each reason; needs `metering:read`."""
    ctx.require(metering.SCOPE_READ)
    return await store.counts(ctx.tx, ctx.tenant_id)


async def replay(
    ctx: Ctx, asked: LettersAsked, *, after: str | None = None, dry_run: bool = False
) -> tuple[Replayed, str | None]:
    """Try up to 500 letters again, the earliest first, as if they came now; say where to go on.

    An event that tells no time happened when it first came. What still cannot be counted stays,
    with the reason of today; one that was discarded is tried if it is named by its id. The place
    is None at the end. A dry run tells what would come of it. Needs `metering:write`.

    Raises:
        LetterNotFound: a letter that is named is not there, or counted already.
        LetterCut: one that is named was not kept whole.
    """
    ctx.require(metering.SCOPE_WRITE)
    found = await store.hold_letters(
        ctx.tx, ctx.tenant_id, asked, after=after, limit=REPLAY_MAX + 1
    )
    some, more = found[:REPLAY_MAX], len(found) > REPLAY_MAX
    _check_named(asked, some)
    fates = await _rehearse(ctx, some) if dry_run else await _try_again(ctx, some)
    told = _count(fates)
    if some and not dry_run:
        data = {"recorded": told.recorded, "still_dead": told.still_dead}
        audit.record(ctx, action="doors.letters_replayed", subject=some[0].id, data=data)
    return told, some[-1].id if more else None


def _check_named(asked: LettersAsked, found: Sequence[DeadLetter]) -> None:
    missing = sorted(set(asked.ids) - {one.id for one in found})
    if missing:
        raise LetterNotFound(field="ids", given=missing[0][:64])
    cut = next((one.id for one in found if one.cut and asked.ids), None)
    if cut:
        raise LetterCut(field="ids", given=cut)


async def _rehearse(ctx: Ctx, letters: Sequence[DeadLetter]) -> list[EventFate]:
    fates: list[EventFate] = []
    try:
        async with ctx.tx.savepoint():
            fates = await _try_again(ctx, letters)
            raise _Undone  # noqa: TRY301 - what a savepoint undoes is what raised in it
    except _Undone:
        return fates


async def _try_again(ctx: Ctx, letters: Sequence[DeadLetter]) -> list[EventFate]:
    fates: dict[str, EventFate] = {}
    for door in Door:
        mine = [one for one in letters if one.door is door and not one.cut]
        arrived = [
            Arrived(read_again(door, one.raw), one.received_at, fallback_id=one.id) for one in mine
        ]
        told = await record(ctx, door, arrived)
        fates |= {one.id: fate for one, fate in zip(mine, told, strict=True)}
    fates |= {one.id: LetterCut() for one in letters if one.cut}
    counted = [name for name, fate in fates.items() if isinstance(fate, Fate)]
    await store.settle(ctx.tx, ctx.tenant_id, counted, state=LetterState.REPLAYED, at=ctx.now())
    await store.retell(ctx.tx, ctx.tenant_id, [_retold(one, fates[one.id]) for one in letters])
    return [fates[one.id] for one in letters]


def _retold(letter: DeadLetter, fate: EventFate) -> DeadLetter:
    if not isinstance(fate, SolventError) or isinstance(fate, LetterCut):
        return letter
    reason, field, told = why(fate)
    return replace(letter, reason=reason, field=field, told=told)


def _count(fates: Sequence[EventFate]) -> Replayed:
    refused = [one.code for one in fates if isinstance(one, SolventError)]
    uncounted = fates.count(Fate.UNCOUNTED)
    return Replayed(
        recorded=fates.count(Fate.RECORDED) + uncounted,
        uncounted=uncounted,
        duplicates=fates.count(Fate.DUPLICATE),
        still_dead=len(refused),
        reasons=dict(sorted(Counter(refused).items())),
    )


async def discard(ctx: Ctx, asked: LettersAsked) -> int:
    """Discard letters that wait and match; return how many. Needs `metering:write`.

    They are kept for as long as others, and can be replayed by their ids.

    Raises:
        LetterNotFound: one that is named does not wait.
    """
    ctx.require(metering.SCOPE_WRITE)
    count = await store.discard(ctx.tx, ctx.tenant_id, asked, at=ctx.now(), limit=LETTERS_MAX)
    if count < len(set(asked.ids)):
        raise LetterNotFound(field="ids")
    if count:
        subject = asked.ids[0] if asked.ids else "letters"
        audit.record(ctx, action="doors.letters_discarded", subject=subject, data={"count": count})
    return count
