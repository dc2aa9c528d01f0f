"""What does this machine remember of its license, and is that memory whole?

It is kept twice, in two places: the license's own file, and a witness elsewhere that knows how far
the file had come. Putting back an old copy of the one, or deleting it, contradicts the other.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar, cast

from solvent_client.licensing import clock
from solvent_client.licensing.store import Body, Safe, Unreadable

MAX_PENDING: Final = 8
MAX_ENDED: Final = 1000
"""Nonces and activations that are over; a machine that has more has other problems."""

MAX_PERIODS: Final = 12
"""Periods whose use is remembered: a year of months in which no server could be told."""

T = TypeVar("T")


class Pending(NamedTuple):
    """A request that waits for its answer. `floor` is the latest time known when it was made."""

    secret: str
    kind: str
    license_key: str | None
    fingerprint: str
    components: Mapping[str, str]
    floor: int

    @property
    def nonce(self) -> str:
        """Return what the request shows of its secret."""
        digest = hashlib.sha256(b"solvent nonce v1\0" + bytes.fromhex(self.secret))
        return digest.hexdigest()[:32]


class Held(NamedTuple):
    """The license that this machine holds: a file, or the lines that somebody typed."""

    text: str
    typed: bool
    secret: str | None
    license_key: str | None
    fingerprint: str
    components: Mapping[str, str]


class Memory(NamedTuple):
    """Everything that is remembered."""

    generation: int = 0
    held: Held | None = None
    pending: tuple[Pending, ...] = ()
    ended: tuple[str, ...] = ()
    seen: clock.Reading | None = None
    used: Mapping[str, Mapping[str, int]] = {}
    revocations: str | None = None
    trial_used: bool = False
    proof: str | None = None

    def to_json(self) -> Body:
        """Return it as the safe keeps it."""
        return {
            **self._asdict(),
            "held": self.held and self.held._asdict(),
            "pending": [one._asdict() for one in self.pending],
            "seen": self.seen and self.seen.to_json(),
        }

    def testimony(self) -> Body:
        """Return what the witness has to know of it."""
        return {
            "generation": self.generation,
            "holds": self.held is not None,
            "ended": self.ended,
            "seen": self.seen and self.seen.to_json(),
            "trial_used": self.trial_used,
        }


def memory_of(body: Body) -> Memory:
    """Return what a safe kept.

    Raises:
        Unreadable: that is no memory.
    """
    try:
        held, pending = body["held"], cast("list[dict[str, object]]", body["pending"])
        return Memory(
            generation=_checked(body, "generation", int),
            held=None if held is None else _record(Held, held),
            pending=tuple(_record(Pending, one) for one in pending),
            ended=tuple(_texts(body, "ended")),
            seen=clock.reading_of(body["seen"]),
            used=cast("dict[str, dict[str, int]]", _checked(body, "used", dict)),
            revocations=cast("str | None", body["revocations"]),
            trial_used=_checked(body, "trial_used", bool),
            proof=cast("str | None", body["proof"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("store_damaged") from error


def _record(make: Callable[..., T], told: object) -> T:
    return make(**cast("dict[str, object]", told))


def _checked(body: Body, name: str, kind: type[T]) -> T:
    value = body[name]
    if not isinstance(value, kind):
        raise TypeError(name)
    return value


def _texts(body: Body, name: str) -> list[str]:
    return [str(one) for one in cast("list[object]", _checked(body, name, list))]


class Witness(NamedTuple):
    """What the other place says: nothing (`generation` 0), or how far the memory had come."""

    generation: int = 0
    holds: bool = False
    ended: tuple[str, ...] = ()
    seen: clock.Reading | None = None
    trial_used: bool = False


def witness_of(body: Body | None) -> Witness:
    """Return what the other place keeps.

    Raises:
        Unreadable: that is no testimony.
    """
    if body is None:
        return Witness()
    try:
        return Witness(
            generation=_checked(body, "generation", int),
            holds=_checked(body, "holds", bool),
            ended=tuple(_texts(body, "ended")),
            seen=clock.reading_of(body["seen"]),
            trial_used=_checked(body, "trial_used", bool),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("store_damaged") from error


class Recalled(NamedTuple):
    """What is remembered, and why it is not to be believed, if so.

    Where it is not, `memory` still has what both places agree must not be forgotten: when this
    program ran, and what is over.
    """

    memory: Memory
    problem: str | None = None
    seen: tuple[clock.Reading, ...] = ()


def recall(safe: Safe, other: Safe) -> Recalled:
    """Return what the two places remember. Never raises."""
    # The witness first: writers change the safe first, so that it is never behind what we read.
    witness, lost = _loaded(lambda: witness_of(other.load()), Witness())
    memory, problem = _loaded(lambda: _memory_in(safe), None)
    problem = problem or lost or _contradiction(memory, witness)
    whole = memory or Memory()
    seen = tuple(one for one in (whole.seen, witness.seen) if one is not None)
    kept = whole._replace(
        generation=max(whole.generation, witness.generation),
        ended=tuple(dict.fromkeys((*whole.ended, *witness.ended)))[-MAX_ENDED:],
        seen=max(seen, key=lambda one: one.wall, default=None),
        trial_used=whole.trial_used or witness.trial_used,
    )
    if problem is not None:  # what is not believed must not come back with the next change
        kept = kept._replace(held=None, pending=(), used={}, proof=None)
    return Recalled(kept, problem, seen)


def _memory_in(safe: Safe) -> Memory | None:
    body = safe.load()
    return None if body is None else memory_of(body)


def _loaded(load: Callable[[], T], otherwise: T) -> tuple[T, str | None]:
    try:
        return load(), None
    except Unreadable as error:
        return otherwise, error.reason


def _contradiction(memory: Memory | None, witness: Witness) -> str | None:
    if memory is None:
        return "store_deleted" if witness.holds else None
    if witness.generation == 0 and memory.held is not None:
        return "store_deleted"
    return "store_restored" if memory.generation < witness.generation else None


def remember(memory: Memory, safe: Safe, other: Safe) -> Memory:
    """Keep what has changed, in both places, and return it.

    Raises:
        OSError: the folder cannot be written.
    """
    newer = memory._replace(generation=memory.generation + 1)
    safe.save(newer.to_json())
    other.save(newer.testimony())
    return newer


def note_seen(memory: Memory, safe: Safe, other: Safe) -> None:
    """Keep only when this program ran last: the memory is no newer by it.

    Raises:
        OSError: the folder cannot be written.
    """
    safe.save(memory.to_json())
    other.save(memory.testimony())
