"""What does the queue ask of its log, and how does a log of one process keep it?

The log is one totally ordered sequence of records. Whoever appends names the sequence of the last
record that it knows on each subject, and the log refuses what was overtaken: that is the whole of
the locking in the queue. `MemoryLog` is for tests and for a process that keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from solvent.kit.errors import Conflict, Invalid, Unavailable

SUBJECT_JOBS: Final = "job"
SUBJECT_CHECKPOINT: Final = "checkpoint"
SUBJECT_SCALING: Final = "scaling"
SUBJECT_SCHEDULES: Final = "cron"

BATCH_MAX: Final = 500
"""Records in one atomic append; the server takes 1,000."""

SINGLY_MAX: Final = 2
"""So many records that stand for themselves are not written as a batch: each is synced alone."""

RECORD_BYTES_MAX: Final = 1_000_000
"""The server's own limit for a message, headers included, is 1 MiB."""

READ_BATCH_MAX: Final = 2_000


class Append(NamedTuple):
    """A record to write; `expected` is the sequence of the last one on its subject, 0 for none.

    Where `expected` is None the record is written whatever stands on its subject.
    """

    subject: str
    expected: int | None
    data: bytes


class Entry(NamedTuple):
    """A record as the log holds it; `ts_ns` is the log server's time when it took it."""

    seq: int
    ts_ns: int
    subject: str
    data: bytes


class Bounds(NamedTuple):
    """The first and the last sequence that the log holds; of an empty one `last` = `first` - 1."""

    first: int
    last: int


class LogConflict(Conflict):
    """Somebody else has written about these jobs before."""

    code = "kit.log_conflict"

    def __init__(self, subjects: Sequence[str], *, taken: Mapping[str, int] | None = None) -> None:
        """Name the subjects whose last record is another than expected.

        `taken` are those of them where that is this very record: an earlier try has written it,
        whose outcome nobody could tell.
        """
        self.subjects: tuple[str, ...] = tuple(subjects)
        self.taken: Mapping[str, int] = taken or {}
        super().__init__(subjects=list(self.subjects[:10]))


class LogOutcomeUnknown(Unavailable):
    """The log did not say in time whether it took these records; read before you write again."""

    code = "kit.log_outcome_unknown"


class LogAway(Unavailable):
    """The log of jobs cannot be reached."""

    code = "kit.log_away"


class RecordTooLarge(Invalid):
    """A job's arguments, result or error take more room than a record of the log has."""

    code = "kit.record_too_large"


def check_append(records: Sequence[Append]) -> None:
    """Refuse what no log takes.

    Raises:
        RecordTooLarge: a record is longer than RECORD_BYTES_MAX.
        ValueError: there are none or too many, or two on one subject.
    """
    if not 0 < len(records) <= BATCH_MAX:
        raise ValueError(f"an append has 1 to {BATCH_MAX} records, not {len(records)}")
    if len({one.subject for one in records}) < len(records):
        raise ValueError("the records of an append stand on subjects of their own")
    for one in records:
        if len(one.data) > RECORD_BYTES_MAX:
            raise RecordTooLarge(subject=one.subject, bytes=len(one.data), most=RECORD_BYTES_MAX)


class Log(Protocol):
    """An ordered log of records with compare-and-set by subject."""

    async def append(self, records: Sequence[Append]) -> list[int]:
        """Write all records or none, durably; return their sequences, which follow each other.

        At most BATCH_MAX records, each on a subject of its own.

        Raises:
            LogConflict: nothing was written; it names every subject that was overtaken.
            LogOutcomeUnknown: nobody could say within the bound whether they were written.
        """
        ...

    async def last(self, subject: str) -> Entry | None:
        """Return the newest record on the subject, by the leader's word.

        Raises:
            LogAway: nobody could say.
        """
        ...

    async def bounds(self) -> Bounds:
        """Return what the log holds now, by the leader's word.

        Raises:
            LogAway: nobody could say.
        """
        ...

    def read(self, from_seq: int) -> AsyncGenerator[list[Entry]]:
        """Give all records from `from_seq` on, in order, as they come, for ever.

        A lost connection is made good by itself; what was purged meanwhile is left out, which the
        fold notices by the sequences.
        """
        ...

    async def purge(self, before_seq: int) -> None:
        """Remove all records older than `before_seq`.

        Raises:
            LogAway: nobody could say whether it was done; it is safe to ask again.
        """
        ...


async def append_each(log: Log, records: Sequence[Append]) -> list[int | None]:
    """Write all records that are not overtaken; return their sequences, None for the others.

    The records stand for themselves: those refused for a conflict leave the rest to be written.

    Raises:
        LogOutcomeUnknown: nobody could say of some; those before them may stand.
    """
    if len(records) <= SINGLY_MAX:
        return await _append_singly(log, records)
    taken: dict[str, int] = {}
    rest = list(records)
    while rest:
        try:
            seqs = await log.append(rest)
        except LogConflict as conflict:
            taken |= conflict.taken
            overtaken = frozenset(conflict.subjects)
            rest = [one for one in rest if one.subject not in overtaken]
        else:
            taken |= {one.subject: seq for one, seq in zip(rest, seqs, strict=True)}
            break
    return [taken.get(one.subject) for one in records]


async def _append_singly(log: Log, records: Sequence[Append]) -> list[int | None]:
    """Write few records side by side: an atomic batch costs the server as much as ten of them."""

    async def write(one: Append) -> int | None:
        try:
            return (await log.append([one]))[0]
        except LogConflict as conflict:
            return conflict.taken.get(one.subject)

    found = await asyncio.gather(*map(write, records), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]


class MemoryLog:
    """A log in this process's memory; it keeps the port's promises except durability."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        """Begin empty; `now_ns` stands for the log server's clock."""
        self._now_ns = now_ns
        self._first = 1
        self._entries: list[Entry] = []
        self._newest: dict[str, Entry] = {}
        self._grown = asyncio.Event()

    async def append(self, records: Sequence[Append]) -> list[int]:
        """Write all records or none."""
        check_append(records)
        overtaken = [one.subject for one in records if not self._is_current(one)]
        if overtaken:
            raise LogConflict(overtaken)
        ts_ns = self._now_ns()
        begin = self._first + len(self._entries)
        for seq, one in enumerate(records, begin):
            entry = Entry(seq, ts_ns, one.subject, one.data)
            self._entries.append(entry)
            self._newest[one.subject] = entry
        self._grown.set()
        self._grown = asyncio.Event()
        return list(range(begin, begin + len(records)))

    def _is_current(self, one: Append) -> bool:
        newest = self._newest.get(one.subject)
        return one.expected is None or one.expected == (newest.seq if newest else 0)

    async def last(self, subject: str) -> Entry | None:
        """Return the newest record on the subject."""
        return self._newest.get(subject)

    async def bounds(self) -> Bounds:
        """Return what the log holds now."""
        return Bounds(self._first, self._first + len(self._entries) - 1)

    async def read(self, from_seq: int) -> AsyncGenerator[list[Entry]]:
        """Give all records from `from_seq` on, in order, as they come, for ever."""
        at = from_seq
        while True:
            grown = self._grown
            begin = max(at - self._first, 0)
            batch = self._entries[begin : begin + READ_BATCH_MAX]
            if batch:
                at = batch[-1].seq + 1
                yield batch
            else:
                await grown.wait()

    async def purge(self, before_seq: int) -> None:
        """Remove all records older than `before_seq`."""
        count = min(max(before_seq - self._first, 0), len(self._entries))
        for entry in self._entries[:count]:
            if self._newest.get(entry.subject) is entry:
                del self._newest[entry.subject]
        del self._entries[:count]
        self._first += count
