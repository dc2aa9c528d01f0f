"""How do bytes get to the log server and back with as little work as possible?

The client protocol of NATS, spoken over one socket: text lines and counted payloads. Headers are
cut off by their length and never parsed, frames written in one turn of the loop leave together.
The general client costs about 20 us a message; a dispatcher reads 30,000 a second.
https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Final, NamedTuple, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import Unavailable
from solvent.kit.log import get_logger

CONNECT_S: Final = 2.0
"""How long one server may take to let us in."""

RECONNECT_PAUSE_S: Final = 0.05
RECONNECT_PAUSE_MAX_S: Final = 1.0
FIRST_CONNECT_S: Final = 10.0
PING_S: Final = 1.0
PINGS_UNANSWERED_MAX: Final = 3
PORT: Final = 4222
READ_LIMIT_BYTES: Final = 64 * 1024 * 1024

M, H = b"MH"

log = get_logger(__name__)

Take: TypeAlias = Callable[[bytes, bytes, bytes, bytes], None]
"""Is given a message's subject, reply subject, headers and payload, each as bytes."""


class WireLost(Unavailable):
    """The connection to the log was lost; what was on its way may have arrived."""

    code = "kit.wire_lost"


class WireRefused(Unavailable):
    """The log server does not let us in."""

    code = "kit.wire_refused"


class Answer(NamedTuple):
    """What came back on a request."""

    head: bytes
    data: bytes

    @property
    def is_nobody(self) -> bool:
        """Whether the server says that nobody listens there."""
        return self.head.startswith(b"NATS/1.0 503")


class Address(NamedTuple):
    """One server that may be connected to."""

    host: str
    port: int
    tls: bool
    user: str
    password: str


def addresses_of(login: NatsLogin) -> list[Address]:
    """Return the servers that the login names; a URL of its own user comes before the login's."""
    found: list[Address] = []
    for url in login.url.split(","):
        parts = urlsplit(url if "//" in url else f"nats://{url}")
        user, password = parts.username, parts.password
        found.append(
            Address(
                parts.hostname or "127.0.0.1",
                parts.port or PORT,
                parts.scheme == "tls",
                unquote(user) if user else login.user,
                unquote(password or "") if user else login.password,
            )
        )
    return found


class _Socket(asyncio.Protocol):
    """One connection's bytes, cut into messages."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.transport: asyncio.Transport | None = None
        self.rest = b""
        self.info: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unanswered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=READ_LIMIT_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for waiting in (self.info, self.ready):
            if not waiting.done():
                waiting.set_exception(WireLost())
                waiting.exception()  # it may have nobody to hear it
        self.wire.note_lost(self)

    def data_received(self, data: bytes) -> None:
        """Hand over every message that is complete; keep the rest."""
        if self.rest:
            data = self.rest + data
        at = 0
        taking = self.wire.taking
        while (end := data.find(b"\r\n", at)) >= 0:
            lead = data[at]
            if lead not in {M, H}:
                self._take_line(data[at:end])
                at = end + 2
                continue
            words = data[at:end].split(b" ")
            begin = end + 2
            stop = begin + int(words[-1])
            if stop + 2 > len(data):
                break
            body = begin + int(words[-2]) if lead == H else begin
            reply = words[3] if len(words) > (5 if lead == H else 4) else b""
            take = taking.get(words[2])
            if take is not None:
                take(words[1], reply, data[begin:body], data[body:stop])
            at = stop + 2
        self.rest = data[at:]

    def _take_line(self, line: bytes) -> None:
        if line[:4] == b"PING":
            self.write(b"PONG\r\n")
        elif line[:4] == b"PONG":
            self.unanswered = 0
            if not self.ready.done():
                self.ready.set_result(None)
        elif line[:4] == b"INFO" and not self.info.done():
            self.info.set_result(line[5:])
        elif line[:4] == b"-ERR":
            self._take_error(line[5:].decode(errors="replace").strip("'"))

    def _take_error(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(WireRefused(f"The log server does not let us in: {reason}"))
        else:
            log.warning("wire_error", reason=reason)

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Wire:
    """A connection that comes back by itself, to the next server if need be."""

    def __init__(self, login: NatsLogin, *, name: str) -> None:
        """Prepare; `open` connects."""
        self.login = login
        self.name = name
        self.taking: dict[bytes, Take] = {}
        """Who takes the messages of a subscription, by its id."""
        self.generation = 0
        """How many connections there have been: grows when subscriptions may have missed some."""
        self.up = asyncio.Event()
        self.fault = ""
        """Why the last attempt to connect failed."""
        self._addresses = addresses_of(login)
        self._place = secrets.randbelow(len(self._addresses))
        self._subjects: dict[bytes, tuple[str, str]] = {}
        self._next_sid = 1
        self._socket: _Socket | None = None
        self._frames: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox = f"_INBOX.{secrets.token_hex(12)}"
        self._waiting: dict[bytes, asyncio.Future[Answer]] = {}
        self._asked = 0
        self._closed = False

    @classmethod
    async def open(cls, login: NatsLogin, *, name: str) -> Wire:
        """Return a connection to one of the servers.

        Raises:
            WireRefused: a server answered and does not let us in.
            WireLost: none answered for ten seconds.
        """
        wire = cls(login, name=name)
        wire.subscribe(f"{wire._inbox}.*", wire._take_answer)
        try:
            async with asyncio.timeout(FIRST_CONNECT_S):
                await wire._connect_somewhere()
        except TimeoutError:
            raise WireLost(f"The log cannot be reached: {wire.fault or 'no answer'}") from None
        wire._spawn(wire._keep_alive())
        return wire

    async def close(self) -> None:
        """Send what is written and connect no more."""
        self._closed = True
        self._flush()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.close()

    # ------------------------------------------------------------------------------------ messages

    def subscribe(self, subject: str, take: Take, *, queue: str = "") -> int:
        """Take the messages of a subject from now on, across connections; return its id."""
        sid = b"%d" % self._next_sid
        self._next_sid += 1
        self.taking[sid] = take
        self._subjects[sid] = (subject, queue)
        self._send(f"SUB {subject} {queue} {sid.decode()}\r\n".encode())
        return int(sid)

    def unsubscribe(self, sid: int) -> None:
        """Take no more of them."""
        self.taking.pop(b"%d" % sid, None)
        self._subjects.pop(b"%d" % sid, None)
        self._send(b"UNSUB %d\r\n" % sid)

    def publish(self, subject: str, data: bytes, *, reply: str = "") -> None:
        """Send a message, or drop it where there is no connection now."""
        self._send(frame(subject, data, reply=reply))

    def write(self, frames: Iterable[bytes]) -> None:
        """Send frames made by `frame`, all before anything else, or drop them."""
        self._send(b"".join(frames))

    def new_inbox(self) -> str:
        """Return a subject that nobody else has."""
        self._asked += 1
        return f"{self._inbox}.{self._asked}"

    def expect(self, inbox: str) -> asyncio.Future[Answer]:
        """Return what the first message to a new inbox will be; WireLost if the wire is cut."""
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[inbox.encode()] = waiting
        return waiting

    def forget(self, inbox: str) -> None:
        """Expect nothing there any more."""
        self._waiting.pop(inbox.encode(), None)

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> Answer:
        """Return the answer.

        Raises:
            WireLost: the connection was lost meanwhile, or there is none.
            TimeoutError: nobody answered in time.
        """
        inbox = self.new_inbox()
        try:
            async with asyncio.timeout(timeout_s):
                await self.up.wait()
                waiting = self.expect(inbox)
                self._send(frame(subject, data, reply=inbox))
                return await waiting
        finally:
            self.forget(inbox)

    def pause(self) -> None:
        """Read no more until `resume`."""
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._socket is not None and self._socket.transport is not None:
            self._socket.transport.resume_reading()

    def reconnect(self) -> None:
        """Leave this server for the next one: it seems to be cut off from the others."""
        if self._socket is not None:
            self._socket.abort()

    def _take_answer(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del reply
        waiting = self._waiting.pop(subject, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(head, data))

    # ---------------------------------------------------------------------------------- connection

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            return
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._flush)
        self._frames.append(data)

    def _flush(self) -> None:
        if self._frames and self._socket is not None:
            self._socket.write(b"".join(self._frames))
        self._frames.clear()

    async def _connect_somewhere(self) -> None:
        pause_s = RECONNECT_PAUSE_S
        while True:
            self._place = (self._place + 1) % len(self._addresses)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._connect(self._addresses[self._place])
                return
            except WireRefused:
                if not self.generation:
                    raise
            except (OSError, TimeoutError, WireLost) as error:
                self.fault = str(error) or type(error).__name__
                log.debug("wire_away", reason=self.fault)
            await asyncio.sleep(pause_s * (0.5 + secrets.randbelow(500) / 1000))
            pause_s = min(pause_s * 2, RECONNECT_PAUSE_MAX_S)

    async def _connect(self, address: Address) -> None:
        made = _Socket(self)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: made, address.host, address.port)
            info = json.loads(await made.info)
            if address.tls or info.get("tls_required"):
                await self._secure(made, address.host)
            made.write(self._greeting(address))
            await made.ready
        except BaseException:
            made.abort()
            raise
        self._socket = made
        self.generation += 1
        self.up.set()

    @staticmethod
    async def _secure(made: _Socket, host: str) -> None:
        transport = made.transport
        if transport is None:
            raise WireLost
        upgraded = await asyncio.get_running_loop().start_tls(
            transport, made, ssl.create_default_context(), server_hostname=host
        )
        made.transport = upgraded

    def _greeting(self, address: Address) -> bytes:
        """Say who we are, what we subscribe to, and ask whether that was heard."""
        options = {
            "verbose": False,
            "pedantic": False,
            "lang": "solvent",
            "version": "1",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "name": self.name,
        }
        if address.user:
            options |= {"user": address.user, "pass": address.password}
        lines = [f"CONNECT {json.dumps(options)}\r\n"]
        lines += [
            f"SUB {subject} {queue} {sid.decode()}\r\n"
            for sid, (subject, queue) in self._subjects.items()
        ]
        return "".join([*lines, "PING\r\n"]).encode()

    def note_lost(self, lost: _Socket) -> None:
        """Tell everybody who waits, and connect again."""
        if lost is not self._socket:
            return
        self._socket = None
        self.up.clear()
        self._frames.clear()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WireLost())
        self._waiting.clear()
        if not self._closed:
            self._spawn(self._connect_somewhere())

    async def _keep_alive(self) -> None:
        """Notice a server that is gone or stands still without a word."""
        while True:
            await asyncio.sleep(PING_S)
            if self._socket is None:
                continue
            if self._socket.unanswered >= PINGS_UNANSWERED_MAX:
                self._socket.abort()
                continue
            self._socket.unanswered += 1
            self._send(b"PING\r\n")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def frame(subject: str, data: bytes, *, reply: str = "", headers: bytes = b"") -> bytes:
    """Return the bytes of one message; `headers` are whole lines, each with its line end."""
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data)
    head = b"NATS/1.0\r\n%b\r\n" % headers
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject.encode(),
        reply.encode(),
        len(head),
        len(head) + len(data),
        head,
        data,
    )
