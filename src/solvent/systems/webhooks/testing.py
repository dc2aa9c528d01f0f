"""How does a test get a receiver of webhooks, a business that sends them, and a clock to move?"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from solvent.kernel.audit import service as audit
from solvent.kit.bus import Envelope
from solvent.kit.bus.envelope import decode
from solvent.kit.bus.outbox import read_pending
from solvent.kit.clock import FrozenClock, SystemClock
from solvent.kit.ctx import OPERATOR, Actor, Ctx, Edge
from solvent.kit.db import Database
from solvent.kit.ids import TenantId
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.webhooks import service
from solvent.systems.webhooks.limits import ENDPOINTS_MAX
from solvent.systems.webhooks.model import Attempt, Delivery, Endpoint, Made, Message
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.sender import Sender
from solvent.systems.webhooks.service.deliver import Pump
from solvent.systems.webhooks.service.endpoints import Signing

T = TypeVar("T")

LOOPBACK = Guard.of(("127.0.0.0/8", "::1/128"))
TYPE = "billing.period_closed.v1"
AHEAD = timedelta(seconds=200)
"""The pump's time is ahead of the database's, however slow a test is, so that what comes in is due;
and by less than receivers tolerate."""

EVENTS_MAX = 100_000
PASSES_MAX = 50


@dataclass(frozen=True, slots=True)
class Received:
    """A request as a receiver got it; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Return the message's id."""
        return self.headers.get("webhook-id", "")

    @property
    def told(self) -> dict[str, Any]:
        """Return what stands in the body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answers."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Answering = Callable[[Received], Awaitable[Reply]]


async def accept(received: Received) -> Reply:
    """Accept everything."""
    del received
    return Reply()


@dataclass(slots=True)
class Receiver:
    """A real HTTP server on a free port of this machine; `answer` decides."""

    answer: Answering = accept
    received: list[Received] = field(default_factory=list[Received])
    port: int = 0
    open_now: int = 0
    open_most: int = 0

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        """Return the ids of what came in, in its order."""
        return [one.id for one in self.received]

    def replies(self, *statuses: int, **headers: str) -> None:
        """Answer with these statuses, one after another, and with the last one for ever."""
        left = list(statuses)

        async def answer(received: Received) -> Reply:
            del received
            return Reply(left.pop(0) if len(left) > 1 else left[0], headers)

        self.answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and close."""
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                received = await _read(reader)
                self.received.append(received)
                writer.write(_spelled(await self.answer(received)))
                await writer.drain()
        finally:
            self.open_now -= 1
            writer.close()


@contextlib.asynccontextmanager
async def open_receiver(answer: Answering = accept, **tls: Any) -> AsyncGenerator[Receiver]:  # noqa: ANN401 - asyncio's
    """Yield a receiver that listens."""
    made = Receiver(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, **tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


@dataclass(slots=True)
class Business:
    """A tenant with endpoints; each call is a transaction of its own.

    `clock` is the real time of its pump, which a test moves on.
    """

    edge: Edge
    system: Database
    tenant_id: TenantId
    sender: Sender
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(SystemClock().now() + AHEAD))
    counted: int = 0

    async def do(self, act: Callable[[Ctx], Awaitable[T]], actor: Actor = OPERATOR) -> T:
        """Run a use case in a transaction of its own."""
        async with self.edge.open(self.tenant_id, actor) as ctx:
            return await act(ctx)

    async def add(
        self, url: str, *types: str, signing: Signing | None = None, order_wait_s: int | None = None
    ) -> Made:
        """Make an endpoint."""
        wanted = service.Wanted(url, types or ("*",), order_wait_s=order_wait_s)
        return await self.do(
            lambda ctx: service.create(ctx, wanted, guard=LOOPBACK, signing=signing)
        )

    async def happens(self, *types: str, **data: object) -> None:
        """Let events of these types come in, as the log brings them."""
        envelopes = [self._envelope(one, data) for one in types or (TYPE,)]
        await self.do(lambda ctx: service.take_events(ctx, envelopes))

    def _envelope(self, event_type: str, data: Mapping[str, object]) -> Envelope:
        self.counted += 1
        told = {"count": self.counted, **data}
        event_id = self.edge.ids.new("evt")
        return Envelope(event_id, self.tenant_id, event_type, self.clock.now(), "test:x", told)

    def pump(self) -> Pump:
        """Return a new pump: a process that has just been started."""
        return Pump(replace(self.edge, clock=self.clock), self.sender)

    async def deliver(self) -> int:
        """Attempt what is due until nothing is; return how many attempts that took."""
        pump, done = self.pump(), 0
        for _ in range(PASSES_MAX):
            taken = await pump.once()
            done += taken
            if not taken:
                break
        return done

    async def later(self, **span: float) -> int:
        """Move the time on, and deliver."""
        self.clock.advance(timedelta(**span))
        return await self.deliver()

    async def messages(self) -> list[Message]:
        """Return the messages in the order in which they came to be."""
        found = await self.do(lambda ctx: service.list_messages(ctx, limit=PAGE_SIZE_MAX))
        return sorted(found, key=lambda one: json.loads(one.body)["data"].get("count", 0))

    async def deliveries(self, endpoint: Endpoint) -> dict[str, Delivery]:
        """Return what goes to an endpoint, by message."""
        found = await self.do(
            lambda ctx: service.deliveries_to(ctx, endpoint.id, limit=PAGE_SIZE_MAX)
        )
        return {one.message_id: one for one in found}

    async def only(self, endpoint: Endpoint) -> Delivery:
        """Return the one thing that goes to an endpoint."""
        (found,) = (await self.deliveries(endpoint)).values()
        return found

    async def attempts(self, message_id: str) -> list[Attempt]:
        """Return the attempts of a message, the earliest first."""
        found = await self.do(lambda ctx: service.attempts_of(ctx, message_id, limit=PAGE_SIZE_MAX))
        return sorted(found, key=lambda one: one.at)

    async def fresh(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint as it is now."""
        return await self.do(lambda ctx: service.get(ctx, endpoint.id))

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name that are on their way, as they were emitted."""
        async with self.system.transaction() as tx:
            found = [decode(one.envelope) for one in await read_pending(tx, limit=EVENTS_MAX)]
        mine = (one for one in found if one.tenant_id == self.tenant_id)
        return [one.payload for one in mine if one.name == name]

    async def audited(self, action: str) -> list[str]:
        """Return the subjects of the audit records of an action."""
        found = await self.do(lambda ctx: audit.list_records(ctx, action=action, limit=100))
        return [record.entry.subject for record in found]

    async def close(self) -> None:
        """Remove what other tests' pumps would attempt."""
        for one in await self.do(lambda ctx: service.list_endpoints(ctx, limit=ENDPOINTS_MAX)):
            await self.do(lambda ctx, name=one.id: service.remove(ctx, name))


def moment(text: datetime | None) -> datetime:
    """Return a time that must be there."""
    if text is None:
        msg = "there is no time"
        raise AssertionError(msg)
    return text


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    if headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).strip() or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _spelled(reply: Reply) -> bytes:
    headers = {"content-length": str(len(reply.body)), "connection": "close", **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Told\r\n{head}\r\n".encode() + reply.body
