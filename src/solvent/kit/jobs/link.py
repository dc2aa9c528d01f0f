"""Through what does a process write to the log of jobs, read a job's history and ask the desk?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import Unavailable
from solvent.kit.jobs.desk.messages import SUBJECT, Ask, Refused, encode
from solvent.kit.jobs.log import SUBJECT_SCALING, Entry, Log
from solvent.kit.jobs.nats_log import STREAM, NatsLog

NS: Final = 1_000_000_000
ASK_S: Final = 5.0
DOOR_S: Final = 2.0
SUBJECT_DOOR: Final = "door.where"
READ_S: Final = 5.0
HISTORY_MAX: Final = 200
"""Records of one subject that are read at most: the newest of a longer history are left out."""

A = TypeVar("A")


class DeskAway(Unavailable):
    """No dispatcher answers: is `solvent up` running, and has it read the log?"""

    code = "kit.desk_away"


class DoorShut(Unavailable):
    """No door for applications is open; the worker's log says why (queue_part_waits)."""

    code = "kit.door_shut"


class NotLinked(Unavailable):
    """This process is not connected to the log of jobs."""

    code = "kit.jobs_not_linked"


@asynccontextmanager
async def reading(log: Log, from_seq: int) -> AsyncGenerator[AsyncIterator[list[Entry]]]:
    """Give the log's records from `from_seq` on, as `Log.read`; let go of them after the block."""
    batches = log.read(from_seq)
    try:
        yield batches
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()


@dataclass(slots=True)
class JobsLink:
    """One a process; connected by whoever opens the house, its log opened when first needed."""

    login: NatsLogin | None = None
    bus: Client | None = None
    _log: NatsLog | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    def connect(self, login: NatsLogin, bus: Client) -> None:
        """Say where the log is."""
        self.login, self.bus = login, bus

    async def close(self) -> None:
        """Let go of the log; `connect` may be called again."""
        opened, self._log, self.bus = self._log, None, None
        if opened is not None:
            await opened.close()

    async def log(self) -> Log:
        """Return the log, to append to and to read.

        Raises:
            Unavailable: it cannot be reached.
        """
        async with self._opening:
            if self._log is None:
                if self.login is None:
                    raise NotLinked
                self._log = await NatsLog.open(self.login, name="solvent-jobs-link")
            return self._log

    async def ask(self, question: Ask, kind: type[A]) -> A:
        """Return the desk's answer, which is of this kind.

        Raises:
            DeskAway: nobody answered, or nobody can yet.
        """
        try:
            told = await self._bus().request(SUBJECT, encode(question), timeout=ASK_S)
        except (nats.errors.Error, TimeoutError) as away:
            raise DeskAway from away
        try:
            return msgspec.msgpack.decode(told.data, type=kind)
        except msgspec.ValidationError:
            refused = msgspec.msgpack.decode(told.data, type=Refused)
            raise DeskAway(reason=refused.reason) from None

    async def door_port(self) -> int:
        """Return the port of a door for applications that is open now.

        Raises:
            DoorShut: none is: its port is another program's, or it is switched off.
        """
        try:
            told = await self._bus().request(SUBJECT_DOOR, timeout=DOOR_S)
        except (nats.errors.Error, TimeoutError) as shut:
            raise DoorShut from shut
        return int(told.data)

    async def history(self, subject: str) -> list[Entry]:
        """Return the records of a subject, the earliest first, `HISTORY_MAX` at most.

        `*` stands for any one token, as in `scaling.*`.

        Raises:
            DeskAway: nobody answered.
        """
        bus = self._bus()
        inbox = bus.new_inbox()
        found: list[Entry] = []
        heard = await bus.subscribe(inbox)
        try:
            wanted = {"seq": 1, "next_by_subj": subject, "batch": HISTORY_MAX}
            asked = msgspec.json.encode(wanted)
            await bus.publish(f"$JS.API.DIRECT.GET.{STREAM}", asked, reply=inbox)
            while True:
                message = await heard.next_msg(timeout=READ_S)
                headers = message.headers or {}
                if "Nats-Sequence" not in headers:
                    return found
                found.append(_entry(message.data, headers))
        except (nats.errors.Error, TimeoutError) as away:
            raise DeskAway from away
        finally:
            await heard.unsubscribe()

    async def decisions(self) -> list[Entry]:
        """Return the scalers' decisions that the log holds, the earliest first."""
        return await self.history(f"{SUBJECT_SCALING}.*")

    def _bus(self) -> Client:
        if self.bus is None:
            raise NotLinked
        return self.bus


def _entry(data: bytes, headers: dict[str, str]) -> Entry:
    at_ns = _parse_ns(headers["Nats-Time-Stamp"])
    return Entry(int(headers["Nats-Sequence"]), at_ns, headers["Nats-Subject"], data)


def _parse_ns(text: str) -> int:
    """Return nanoseconds since 1970 of an RFC 3339 time with up to nine decimals."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * NS + int(rest.ljust(9, "0")[:9])
