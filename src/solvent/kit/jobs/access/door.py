"""Through what do applications of tenants connect to the log?

A listener that speaks the client protocol of NATS. It knows each connection by its key, seals it
for the callout, passes on what `protocol` allows, and lets go of a connection whose key has been
revoked within `RECHECK_S`. What comes back from the server goes through untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from solvent.kit.errors import Denied, SolventError, Unauthenticated
from solvent.kit.jobs.access.callout import TOKEN_S, seal_of
from solvent.kit.jobs.access.grant import PAYLOAD_BYTES_MAX, Admitter, Grant
from solvent.kit.jobs.access.protocol import (
    LINE_BYTES_MAX,
    Gate,
    Judge,
    NotAllowed,
    answer_of,
    let_in,
    refusal,
)
from solvent.kit.jobs.link import SUBJECT_DOOR
from solvent.kit.log import get_logger
from solvent.kit.nkey import Keypair

RECHECK_S = 15.0
"""A revoked key is let go within this time."""
LIFE_S = TOKEN_S - 300
"""A connection is let go before its token ends: its client reconnects as after any break."""
HELLO_S = 5.0
BATCH_OPEN_S = 2.0
BATCHES_OPEN_MAX = 8
"""The server holds 50 open batches a stream: no space gets more than a few of them."""
CONNECTIONS_PER_SPACE_MAX = 256
CHUNK_BYTES = 65_536
INFO_KEPT = (
    "server_id",
    "server_name",
    "version",
    "proto",
    "go",
    "headers",
    "max_payload",
    "jetstream",
    "client_id",
    "auth_required",
)

log = get_logger(__name__)


class _Hello(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(name="pass", default="")
    name: str = ""
    lang: str = ""
    version: str = ""
    protocol: int = 1
    verbose: bool = False
    pedantic: bool = False
    echo: bool = True
    headers: bool = True
    no_responders: bool = True


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Where the door listens, and its certificate's files if it speaks TLS."""

    host: str
    port: int
    certificate: str = ""
    key: str = ""


@dataclass(slots=True)
class _Space:
    """What one space uses of the door."""

    connections: int = 0
    batches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES_OPEN_MAX))


@dataclass(slots=True)
class _Line:
    """A connection: its two sides, and what it may do."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    up_reader: asyncio.StreamReader
    up_writer: asyncio.StreamWriter


@dataclass(slots=True)
class Door:
    """Lets tenants' applications in; `port` is known once it is open."""

    nats_url: str
    issuer: Keypair
    admitter: Admitter
    settings: DoorSettings
    port: int = 0
    spaces: dict[str, _Space] = field(default_factory=lambda: defaultdict(_Space))
    lines: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    recheck_s: float = RECHECK_S
    bus: Client | None = None
    """Through which submissions that were left out are answered."""
    judge: Judge = let_in
    """Asked of each submission before it is passed on."""
    _tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Listen for the length of the block; connections end with it."""
        if self.settings.certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(self.settings.certificate, self.settings.key or None)
        server = await asyncio.start_server(
            self._welcome, self.settings.host, self.settings.port, limit=CHUNK_BYTES
        )
        self.port = server.sockets[0].getsockname()[1]
        log.info("queue_door_open", host=self.settings.host, port=self.port)
        asked = self.bus and await self.bus.subscribe(SUBJECT_DOOR, cb=self._tell_port)
        try:
            yield
        finally:
            if asked and self.bus and not self.bus.is_closed:
                await asked.unsubscribe()
            server.close()
            for line in list(self.lines):
                line.cancel()
            await asyncio.gather(*self.lines, return_exceptions=True)

    @property
    def present(self) -> frozenset[str]:
        """The spaces that are connected."""
        return frozenset(name for name, space in self.spaces.items() if space.connections)

    async def _tell_port(self, message: Msg) -> None:
        await message.respond(b"%d" % self.port)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - streams call this in a task
        self.lines.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, ValueError, ssl.SSLError) as gone:
            log.debug("queue_line_ended", reason=str(gone)[:200])
        except asyncio.CancelledError:
            log.debug("queue_line_ended", reason="the door closes")  # to 3.11's streams an error
        finally:
            self.lines.discard(task)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._connect_up()
        line = _Line(reader, writer, up_reader, up_writer)
        try:
            async with asyncio.timeout(HELLO_S):
                hello = await self._greet(line)
            await self._admit(line, hello)
        except NotAllowed as refused:
            writer.write(refusal(str(refused)))
            await writer.drain()
        finally:
            await _close(up_writer)

    async def _connect_up(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.nats_url.partition(",")[0])
        return await asyncio.open_connection(parts.hostname, parts.port or 4222, limit=CHUNK_BYTES)

    async def _greet(self, line: _Line) -> _Hello:
        """Show the server's greeting without its addresses; return who the client says it is."""
        greeting = await line.up_reader.readline()
        info = msgspec.json.decode(greeting.removeprefix(b"INFO "), type=dict[str, object])
        if self.nats_url.startswith("tls://"):
            host = urlsplit(self.nats_url.partition(",")[0]).hostname
            await line.up_writer.start_tls(ssl.create_default_context(), server_hostname=host)
        kept = {name: info[name] for name in INFO_KEPT if name in info}
        kept["max_payload"] = PAYLOAD_BYTES_MAX
        kept["tls_required"] = self._tls is not None
        line.writer.write(b"INFO " + msgspec.json.encode(kept) + b"\r\n")
        await line.writer.drain()
        if self._tls:
            await line.writer.start_tls(self._tls)
        said = await line.reader.readline()
        if not said.startswith(b"CONNECT {") or len(said) > LINE_BYTES_MAX:
            raise NotAllowed("Authorization Violation")
        try:
            return msgspec.json.decode(said.removeprefix(b"CONNECT "), type=_Hello)
        except msgspec.DecodeError:
            raise NotAllowed("Authorization Violation") from None

    async def _admit(self, line: _Line, hello: _Hello) -> None:
        try:
            grant = await self.admitter(hello.user, hello.password)
        except SolventError as refused:
            log.info("queue_key_refused", reason=refused.code)
            raise NotAllowed("Authorization Violation") from None
        space = self.spaces[grant.space]
        if space.connections >= CONNECTIONS_PER_SPACE_MAX:
            raise NotAllowed("Maximum Connections Exceeded")
        space.connections += 1
        try:
            told = msgspec.to_builtins(hello) | {"auth_token": seal_of(self.issuer)}
            line.up_writer.write(b"CONNECT " + msgspec.json.encode(told) + b"\r\n")
            await self._pass_on(line, grant, hello)
        finally:
            space.connections -= 1

    async def _pass_on(self, line: _Line, grant: Grant, hello: _Hello) -> None:
        """Carry bytes both ways until one side ends, the key is revoked or the time is over."""
        back = asyncio.create_task(_copy(line.up_reader, line.writer))
        there = asyncio.create_task(self._guard(line, grant))
        watch = asyncio.create_task(self._watch(hello, grant))
        tasks = (back, there, watch)
        try:
            await asyncio.wait(tasks, timeout=LIFE_S, return_when=asyncio.FIRST_COMPLETED)
            if there.done():
                there.result()  # raises NotAllowed, to be told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _guard(self, line: _Line, grant: Grant) -> None:
        gate, buffer = Gate(grant), bytearray()
        slots, holding = self.spaces[grant.space].batches, False
        try:
            while True:
                async with asyncio.timeout(BATCH_OPEN_S if gate.open_batch else None):
                    chunk = await line.reader.read(CHUNK_BYTES)
                if not chunk:
                    return
                buffer += chunk
                gate.judge = self.judge
                passed = gate.take(buffer)
                if gate.open_batch and not holding:
                    await slots.acquire()
                    holding = True
                line.up_writer.write(passed)
                await line.up_writer.drain()
                await self._answer(gate)
                if holding and not gate.open_batch:
                    slots.release()
                    holding = False
        finally:
            if holding:
                slots.release()

    async def _answer(self, gate: Gate) -> None:
        """Say why submissions were left out, where their writer waits for the log's answer."""
        while gate.refused:
            reply, reason = gate.refused.pop()
            if self.bus is not None:
                await self.bus.publish(reply, answer_of(reason))

    async def _watch(self, hello: _Hello, grant: Grant) -> None:
        """Return once the key opens this no more; while that cannot be told it stays open."""
        while True:
            await asyncio.sleep(self.recheck_s)
            try:
                if await self.admitter(hello.user, hello.password) != grant:
                    return
            except (Unauthenticated, Denied) as refused:
                log.info("queue_key_let_go", space=grant.space, reason=refused.code)
                return
            except SolventError:
                continue


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
        await writer.wait_closed()
