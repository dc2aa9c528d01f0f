"""How does a JetStream stream keep the promises of the log?

One record goes out as a plain publication, several as an atomic batch; each names the sequence
that it expects last on its subject. What the server says is one of three things: taken, refused
(nothing was written), or nothing. In the last case the subject is read: by compare-and-set the
record after the expected one is ours if and only if ours was taken. Measured on server 2.15.1: a
refusal does not say which subject it is about, a stream stages at most 50 open batches, a batch
holds at most 1,000 records, and an unfinished one is forgotten after ten seconds.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.log import (
    Append,
    Bounds,
    Entry,
    LogAway,
    LogConflict,
    LogOutcomeUnknown,
    check_append,
)
from solvent.kit.jobs.reader import Reader
from solvent.kit.jobs.wire import Answer, Wire, WireLost, frame
from solvent.kit.log import get_logger

STREAM: Final = "JOBS"

ACK_S: Final = 3.0
"""How long the log may take to say what became of an append before we go and look."""

READ_S: Final = 2.0
SETTLE_S: Final = 20.0
"""How long an outcome is looked for. An election takes up to seven seconds."""

PAUSE_S: Final = 0.02
PAUSE_MAX_S: Final = 0.5

IN_FLIGHT_MAX: Final = 32
"""Appends of one process on their way at once; a stream stages 50 batches of all its writers."""

WRONG_LAST: Final = frozenset((10071, 10164))
"""The expected sequence is not the last on its subject (one says by how much, one does not)."""

NOT_TAKEN: Final = frozenset((10176, 10210, 10008, 10009, 10023, 10039, 10074))
"""Incomplete or too many batches, no leader now, no memory, another stream's limits."""

NO_MESSAGE: Final = 10037

UNKNOWN: Final = 0
REFUSED: Final = -1
NOT_NOW: Final = -2
"""What `_try` may return beside a sequence."""

OVERTAKEN: Final = -1

NS: Final = 1_000_000_000

log = get_logger(__name__)

T = TypeVar("T")


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    count: int = 1
    error: _Error | None = None


class _Stored(msgspec.Struct):
    seq: int
    subject: str
    time: str
    data: str = ""


class _Found(msgspec.Struct):
    message: _Stored | None = None
    error: _Error | None = None


class _State(msgspec.Struct):
    first_seq: int = 0
    last_seq: int = 0


class _Info(msgspec.Struct):
    state: _State | None = None
    success: bool = False
    error: _Error | None = None


_ACKS: Final = msgspec.json.Decoder(_Ack)
_FOUND: Final = msgspec.json.Decoder(_Found)
_INFOS: Final = msgspec.json.Decoder(_Info)
_JSON: Final = msgspec.json.Encoder()


class NatsLog:
    """The log on a stream that `guard.ensure_log` has made."""

    def __init__(self, login: NatsLogin, wire: Wire, *, stream: str = STREAM) -> None:
        """Write over this wire; each `read` opens one of its own."""
        self._login = login
        self._wire = wire
        self._stream = stream
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._nonce = secrets.token_hex(6)
        self._batches = 0

    @classmethod
    async def open(cls, login: NatsLogin, *, name: str, stream: str = STREAM) -> NatsLog:
        """Connect.

        Raises:
            WireRefused, WireLost: as `Wire.open`.
        """
        return cls(login, await Wire.open(login, name=name), stream=stream)

    @property
    def wire(self) -> Wire:
        """The connection, for messages that are not kept: deliveries, beats, pokes."""
        return self._wire

    async def close(self) -> None:
        """Connect no more."""
        await self._wire.close()

    # ----------------------------------------------------------------------------------- appending

    async def append(self, records: Sequence[Append]) -> list[int]:
        """Write all records or none, durably; as `Log.append` promises."""
        check_append(records)
        async with self._room:
            return await self._settle(records)

    async def _settle(self, records: Sequence[Append]) -> list[int]:
        """Try until the outcome is certain."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLE_S
        pause_s = PAUSE_S
        self._batches += 1
        name = f"{self._nonce}{self._batches:x}"
        tries = 0
        uncertain = False
        while True:
            tries += 1
            outcome = await self._try(records, f"{name}.{tries}", name)
            if outcome > 0:
                return list(range(outcome - len(records) + 1, outcome + 1))
            uncertain = uncertain or outcome == UNKNOWN
            if (uncertain or outcome == REFUSED) and (found := await self._look(records)):
                return found
            if loop.time() > end:
                raise LogOutcomeUnknown if uncertain else LogAway
            await asyncio.sleep(pause_s * (0.5 + secrets.randbelow(500) / 1000))
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _try(self, records: Sequence[Append], batch: str, message: str) -> int:
        """Return the last sequence, or what else is known of the outcome."""
        try:
            answer = await self._send(records, batch, message)
        except TimeoutError:
            self._wire.reconnect()
            return UNKNOWN
        except WireLost:
            return UNKNOWN
        if answer.is_nobody:
            return NOT_NOW
        ack = _ACKS.decode(answer.data)
        if ack.error is None:
            return ack.seq
        log.info("log_refuses", code=ack.error.err_code, reason=ack.error.description)
        if ack.error.err_code in WRONG_LAST:
            return REFUSED
        return NOT_NOW if ack.error.err_code in NOT_TAKEN else UNKNOWN

    async def _send(self, records: Sequence[Append], batch: str, message: str) -> Answer:
        inbox = self._wire.new_inbox()
        async with asyncio.timeout(ACK_S):
            await self._wire.up.wait()
            waiting = self._wire.expect(inbox)
            try:
                self._wire.write(frames_of(records, inbox, batch=batch, message=message))
                return await waiting
            finally:
                self._wire.forget(inbox)

    async def _look(self, records: Sequence[Append]) -> list[int]:
        """Return the sequences of our records, if the log has them; nothing if it may be tried on.

        Raises:
            LogConflict: somebody else was faster, or part of it stands from an earlier append.
        """
        try:
            found = await asyncio.gather(*(self._find(one) for one in records))
        except (TimeoutError, WireLost):
            return []
        moved = [one.subject for one, seq in zip(records, found, strict=True) if seq]
        ours = {one.subject: seq for one, seq in zip(records, found, strict=True) if seq > 0}
        if not moved:
            return []
        if len(ours) < sum(one.expected is not None for one in records):
            raise LogConflict(moved, taken=ours)
        place = next(place for place, seq in enumerate(found) if seq)
        begin = found[place] - place
        return list(range(begin, begin + len(records)))

    async def _find(self, one: Append) -> int:
        """Return where our record stands, 0 if its place is still free, OVERTAKEN if it is not.

        By compare-and-set the record after the expected one is ours, or ours was never written.
        """
        if one.expected is None:
            return 0
        entry = await self._get({"seq": one.expected + 1, "next_by_subj": one.subject})
        if entry is not None:
            return entry.seq if entry.data == one.data else OVERTAKEN
        if one.expected and await self._last(one.subject) is None:
            return OVERTAKEN  # the expected record was purged
        return 0

    # ------------------------------------------------------------------------------------- reading

    async def last(self, subject: str) -> Entry | None:
        """Return the newest record on the subject, by the leader's word."""
        return await self._persist(lambda: self._last(subject))

    async def bounds(self) -> Bounds:
        """Return what the log holds now, by the leader's word."""
        info = await self._persist(lambda: self._ask("INFO", {}))
        if info.state is None:
            raise LogAway
        return Bounds(info.state.first_seq, info.state.last_seq)

    def read(self, from_seq: int) -> AsyncGenerator[list[Entry]]:
        """Give all records from `from_seq` on, in order, as they come, for ever."""
        return Reader.read(self._login, self._stream, from_seq)

    async def purge(self, before_seq: int) -> None:
        """Remove all records older than `before_seq`."""
        await self._persist(lambda: self._ask("PURGE", {"seq": before_seq}))

    async def _last(self, subject: str) -> Entry | None:
        return await self._get({"last_by_subj": subject})

    async def _get(self, query: dict[str, str | int]) -> Entry | None:
        """Return the stored record; the stream's leader alone answers this question."""
        answer = await self._call("MSG.GET", query)
        found = _FOUND.decode(answer.data)
        if found.error is not None and found.error.err_code == NO_MESSAGE:
            return None
        if found.message is None:
            raise WireLost
        stored = found.message
        return Entry(
            stored.seq, _parse_ns(stored.time), stored.subject, base64.b64decode(stored.data)
        )

    async def _ask(self, verb: str, body: dict[str, int]) -> _Info:
        answer = await self._call(verb, body)
        info = _INFOS.decode(answer.data)
        if info.error is not None:
            log.info("log_refuses", code=info.error.err_code, reason=info.error.description)
            raise WireLost
        return info

    async def _call(self, verb: str, body: Mapping[str, str | int]) -> Answer:
        subject = f"$JS.API.STREAM.{verb}.{self._stream}"
        answer = await self._wire.request(subject, _JSON.encode(body), timeout_s=READ_S)
        if answer.is_nobody:
            raise WireLost
        return answer

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again until there is an answer.

        Raises:
            LogAway: there was none within the bound.
        """
        end = asyncio.get_running_loop().time() + SETTLE_S
        while True:
            try:
                return await ask()
            except TimeoutError:
                self._wire.reconnect()
            except WireLost:
                await asyncio.sleep(PAUSE_S)
            if asyncio.get_running_loop().time() > end:
                raise LogAway


def frames_of(records: Sequence[Append], inbox: str, *, batch: str, message: str) -> list[bytes]:
    """Return the frames that append these records, the answer going to `inbox`.

    A lone record that expects nothing carries a message id, so that sending it again is safe.
    """
    if len(records) == 1:
        one = records[0]
        if one.expected is None:
            headers = b"Nats-Msg-Id:%b\r\n" % message.encode()
        else:
            headers = b"Nats-Expected-Last-Subject-Sequence:%d\r\n" % one.expected
        return [frame(one.subject, one.data, reply=inbox, headers=headers)]
    named = b"Nats-Batch-Id:%b\r\nNats-Batch-Sequence:" % batch.encode()
    frames: list[bytes] = []
    for place, one in enumerate(records, 1):
        headers = b"%b%d\r\n" % (named, place)
        if one.expected is not None:
            headers += b"Nats-Expected-Last-Subject-Sequence:%d\r\n" % one.expected
        if place == len(records):
            headers += b"Nats-Batch-Commit:1\r\n"
            frames.append(frame(one.subject, one.data, reply=inbox, headers=headers))
        else:
            frames.append(frame(one.subject, one.data, headers=headers))
    return frames


def _parse_ns(text: str) -> int:
    """Return nanoseconds since 1970 of an RFC 3339 time with up to nine decimals."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * NS + int(rest.ljust(9, "0")[:9] or "0")
