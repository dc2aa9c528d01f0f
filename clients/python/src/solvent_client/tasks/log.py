"""How does a record get into the log once, whatever happens to the answer?

A `Unit` is one or more records that stand or fall together, each expected to follow a certain
record of its subject (compare and set). `Appender` packs the units of many callers into atomic
batches. Where no answer comes, it looks: a record is never written again before the log was asked.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from os import urandom
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec
import nats.errors

from solvent_client.host import jitter
from solvent_client.tasks.errors import (
    LimitReached,
    LogConflict,
    OutcomeUnknown,
    QueueUnreachable,
)
from solvent_client.tasks.record import STREAM, chain_hash, decode

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from solvent_client.tasks.place import Faults

log = logging.getLogger("solvent_client.tasks")

MAX_BATCH: Final = 500
"""Records in an atomic batch; the server takes 1,000."""
MAX_UNIT: Final = 900
_MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
_MAX_IN_FLIGHT: Final = 2
_ACK_S: Final = 5.0
_ACK_LEAST_S: Final = 0.1
_READ_S: Final = 2.0
_PAUSE_S: Final = 0.1
GIVE_UP_S: Final = 30.0
"""Longer than the log's fail-over (7 s) by far."""
_WRONG_SEQUENCE: Final = {10071, 10164}
_LIMIT: Final = 42_900


@dataclass(slots=True)
class Entry:
    """One record to write.

    Args:
        subject: where.
        expected: the sequence of the record before it there; 0: there must be none.
        data: the record's bytes.
        fresh: nobody else can know this subject, so whatever stands on it is ours.
    """

    subject: str
    expected: int
    data: bytes
    fresh: bool = False


@dataclass(slots=True)
class Unit:
    """Records that are written together or not at all."""

    entries: list[Entry]
    settled: asyncio.Future[None]
    give_up_at: float
    """By the monotonic clock."""
    doubtful: bool = False
    """It was sent once without an answer, so it may be in the log."""


class _Verdict(Enum):
    """What is known of records after they were sent."""

    WRITTEN = auto()
    REFUSED = auto()
    LIMITED = auto()
    NOBODY = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as the log keeps it."""

    seq: int
    data: bytes
    at_ns: int


class _Answer(msgspec.Struct):
    class Error(msgspec.Struct):
        err_code: int = 0
        description: str = ""

    seq: int = 0
    error: Error | None = None


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class Reader:
    """Looks up the last record of a subject."""

    client: Client
    faults: Faults

    async def last(self, subject: str, *, until: float | None = None) -> Stored | None:
        """Return the subject's last record, None if there is none.

        Args:
            subject: which.
            until: when to give up, by the monotonic clock.

        Raises:
            QueueUnreachable: nobody answers.
        """
        end = until if until is not None else monotonic() + GIVE_UP_S
        while True:
            try:
                return await self._last(subject)
            except (TimeoutError, nats.errors.Error) as error:
                if self.client.is_closed or monotonic() > end:
                    raise QueueUnreachable(self.faults.last or str(error)) from error
                await asyncio.sleep(_PAUSE_S)

    async def _last(self, subject: str) -> Stored | None:
        asked = f"$JS.API.DIRECT.GET.{STREAM}.{subject}"
        found = await self.client.request(asked, b"", timeout=_READ_S)
        headers = found.headers or {}
        status = headers.get("Status")
        if status == "404":
            return None
        if status is not None:
            raise nats.errors.Error(f"{status} {headers.get('Description', '')}")
        return Stored(
            int(headers["Nats-Sequence"]), found.data, _nanoseconds(headers["Nats-Time-Stamp"])
        )


def _nanoseconds(stamp: str) -> int:
    """Return the nanoseconds since 1970 of an RFC 3339 time with up to nine decimals."""
    whole, _, decimals = stamp.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(decimals.ljust(9, "0") or 0)


class Appender:
    """Writes units in atomic batches, a few batches at a time."""

    def __init__(self, client: Client, reader: Reader) -> None:
        self.client = client
        self.reader = reader
        self._acks = _Acks(client)
        reader.faults.when_lost.append(self._acks.lose)
        self._sending = asyncio.Lock()
        self._waiting: deque[Unit] = deque()
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, entries: list[Entry], *, give_up_s: float = GIVE_UP_S) -> asyncio.Future[None]:
        """Have the records written; the future is done once the log has them.

        It raises:
            LogConflict: one of them does not follow the record that it expects; none was written.
            LimitReached: the space may submit nothing now; none was written.
            OutcomeUnknown: the log did not answer for `give_up_s`.
        """
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Unit(entries, settled, monotonic() + give_up_s))
        if self._in_flight < _MAX_IN_FLIGHT and len(self._waiting) == 1:
            self._start(self._drain())
        return settled

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        """Send batches until nothing waits: what came in one turn of the loop goes together."""
        await asyncio.sleep(0)
        while self._waiting and self._in_flight < _MAX_IN_FLIGHT:
            units = self._take()
            self._in_flight += 1
            if self._waiting and self._in_flight < _MAX_IN_FLIGHT:
                self._start(self._drain())
            try:
                await self._deliver(units)
            finally:
                self._in_flight -= 1

    def _take(self) -> list[Unit]:
        units: list[Unit] = []
        records = size = 0
        while self._waiting:
            unit = self._waiting[0]
            records += len(unit.entries)
            size += sum(len(entry.data) for entry in unit.entries)
            if units and (records > MAX_BATCH or size > _MAX_BATCH_BYTES):
                break
            units.append(self._waiting.popleft())
        return units

    async def _deliver(self, units: list[Unit]) -> None:
        """Write the units as one batch; each alone where they cannot stand together."""
        try:
            alone = await self._settle_together(units)
        except Exception as error:  # noqa: BLE001 - whoever waits for the unit is told
            for unit in units:
                _fail(unit, error)
            return
        except asyncio.CancelledError:
            for unit in units:
                _fail(unit, QueueUnreachable("the connection was closed"))
            raise
        left = iter(units if alone else ())
        while some := list(islice(left, _SINGLES)):
            await asyncio.gather(*(self._deliver([unit]) for unit in some))

    async def _settle_together(self, units: list[Unit]) -> bool:
        """Write the batch and look where the answer says nothing; True: try each unit alone.

        A batch is atomic, so its first record tells of all.

        Raises:
            LogConflict: there is one unit, and it does not follow what it expects.
            OutcomeUnknown: for too long there was no answer.
            QueueUnreachable: for too long there was nobody to answer, so nothing was written.
        """
        entries = [entry for unit in units for entry in unit.entries]
        while True:
            verdict = await self._append(entries, until=max(unit.give_up_at for unit in units))
            if verdict is _Verdict.UNKNOWN:
                for unit in units:
                    unit.doubtful = True
            if verdict in {_Verdict.REFUSED, _Verdict.LIMITED} and len(units) > 1:
                return True
            try:
                written = verdict is _Verdict.WRITTEN or await self._has_landed(units[0], verdict)
            except LogConflict:
                if len(units) > 1:
                    return True
                raise
            if written:
                _settle(units)
                return False
            await asyncio.sleep(_PAUSE_S * (1 + jitter()))

    async def _has_landed(self, unit: Unit, verdict: _Verdict) -> bool:
        """Say whether the unit is in the log; False: not yet, try again. Raises as above."""
        if verdict is _Verdict.REFUSED and not unit.doubtful:
            raise LogConflict(unit.entries[0].subject)
        landed: list[bool | None] = [False]
        if verdict is not _Verdict.NOBODY:
            try:
                landed = [await self._landed(one, until=unit.give_up_at) for one in unit.entries]
            except QueueUnreachable as error:
                raise OutcomeUnknown(str(error)) from error
        if landed[0]:
            return True
        if None in landed:
            raise LogConflict(unit.entries[landed.index(None)].subject)
        if verdict is _Verdict.LIMITED:
            raise LimitReached(self.reader.faults.last)
        if monotonic() > unit.give_up_at:
            told = self.reader.faults.last or "no answer from the log"
            raise OutcomeUnknown(told) if unit.doubtful else QueueUnreachable(told)
        return False

    async def _landed(self, entry: Entry, *, until: float | None = None) -> bool | None:
        """Say whether the record is in the log; None: somebody else's stands in its place."""
        last = await self.reader.last(entry.subject, until=until)
        if last is None or last.seq <= entry.expected:  # or this replica is behind: look again
            return False
        if entry.fresh or last.data == entry.data:
            return True
        try:
            follows = decode(last.data).prev == chain_hash(entry.data)
        except msgspec.DecodeError:
            follows = False
        return True if follows else None

    async def _append(self, entries: list[Entry], *, until: float) -> _Verdict:
        """Send the records once, and say what is known of them then."""
        patience_s = min(_ACK_S, max(_ACK_LEAST_S, until - monotonic()))
        try:
            async with asyncio.timeout(patience_s):
                answer = _ANSWERS.decode(await self._publish(entries))
        except nats.errors.NoRespondersError:
            self.reader.faults.last = "nobody keeps a queue there"
            return _Verdict.NOBODY
        except (TimeoutError, nats.errors.Error, msgspec.DecodeError) as error:
            log.debug("no answer from the log: %r", error)
            return _Verdict.UNKNOWN
        if answer.error is None:
            return _Verdict.WRITTEN
        if answer.error.err_code in _WRONG_SEQUENCE:
            return _Verdict.REFUSED
        self.reader.faults.last = answer.error.description
        return _Verdict.LIMITED if answer.error.err_code == _LIMIT else _Verdict.UNKNOWN

    async def _publish(self, entries: list[Entry]) -> bytes:
        """Send the records and return the answer to the last, which commits the others."""
        last = entries[-1]
        async with self._acks.expect() as (reply, answer):
            async with self._sending:  # whoever guards the log lets a line open one batch at a time
                batch = urandom(16).hex() if len(entries) > 1 else ""
                if batch:
                    await self._write_open(entries[:-1], batch)
                headers = _headers(last, batch, len(entries))
                if batch:
                    headers["Nats-Batch-Commit"] = "1"
                await self.client.publish(last.subject, last.data, reply=reply, headers=headers)
            return await answer

    async def _write_open(self, entries: list[Entry], batch: str) -> None:
        """Write the records before the one that commits them, which sends them along.

        The client's own way with a message takes eight times as long, twice for each job.
        """
        if max(len(entry.data) for entry in entries) > self.client.max_payload:
            raise nats.errors.MaxPayloadError
        frames = [_frame(entry, batch, place) for place, entry in enumerate(entries, 1)]
        await self.client._send_command(b"".join(frames))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


class _Acks:
    """Where the log's answers come in."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = ""
        self._count = 0
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def expect(self) -> AsyncGenerator[tuple[str, asyncio.Future[bytes]]]:
        """Give a subject for one answer, and the answer."""
        async with self._opening:
            if not self._prefix:
                prefix = self._client.new_inbox()
                await self._client.subscribe(f"{prefix}.*", cb=self._note)
                self._prefix = prefix
        self._count += 1
        reply = f"{self._prefix}.{self._count}"
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = answer
        try:
            yield reply, answer
        finally:
            del self._waiting[reply]

    def lose(self) -> None:
        """Tell all who wait that their answers will not come."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(nats.errors.ConnectionClosedError())

    async def _note(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject)
        if answer is None or answer.done():
            return
        if message.headers and message.headers.get("Status") == "503":
            answer.set_exception(nats.errors.NoRespondersError())
        else:
            answer.set_result(message.data)


_SINGLES: Final = 64
"""Units on their way at once where a batch was refused."""


def _headers(entry: Entry, batch: str, place: int) -> dict[str, str]:
    expected = {"Nats-Expected-Last-Subject-Sequence": str(entry.expected)}
    if not batch:
        return expected
    return {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place), **expected}


def _frame(entry: Entry, batch: str, place: int) -> bytes:
    """Return the bytes that publish a record of a batch.

    https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub
    """
    head = (
        f"NATS/1.0\r\nNats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {place}\r\n"
        f"Nats-Expected-Last-Subject-Sequence: {entry.expected}\r\n\r\n"
    )
    size = len(head) + len(entry.data)
    line = f"HPUB {entry.subject} {len(head)} {size}\r\n{head}"
    return b"%b%b\r\n" % (line.encode(), entry.data)


def _settle(units: list[Unit]) -> None:
    for unit in units:
        if not unit.settled.done():
            unit.settled.set_result(None)


def _fail(unit: Unit, error: Exception) -> None:
    if not unit.settled.done():
        unit.settled.set_exception(error)
