"""Which requests are let in at all: not too large, not too many, each with a name?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from solvent.kit.clock import monotonic_ms
from solvent.kit.errors import Invalid, LimitReached, SolventError
from solvent.kit.http.problems import answer_at
from solvent.kit.http.rates import IDENTITY, Rates, Sender
from solvent.kit.ids import IdSource
from solvent.kit.limits import BODY_BYTES_MAX
from solvent.kit.log import bind, get_logger
from solvent.kit.telemetry import HTTP_REQUESTS, HTTP_SECONDS, span

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = get_logger(__name__)

REQUEST_ID = "x-request-id"
_LENGTH = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class BodyTooLarge(Invalid):
    """The request body is larger than this address takes."""

    code = "kit.body_too_large"
    status = 413
    title = "Body too large"


class TooManyRequests(LimitReached):
    """Too many requests; wait for the seconds in Retry-After."""

    code = "kit.too_many_requests"


@dataclass(slots=True)
class Gate:
    """ASGI middleware: names, counts, bounds and times each request."""

    app: ASGIApp
    ids: IdSource
    rates: Rates | None = None
    trusted_proxies: tuple[str, ...] = ()
    body_bytes_max: int = BODY_BYTES_MAX

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer with the problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers) or self.ids.new("req")
        passage = _Passage(scope, receive, send, request_id, self.body_bytes_max)
        sender = Sender.of(scope, headers, self.trusted_proxies)
        with bind(request_id=request_id), span("http", path=scope["path"]):
            try:
                self._admit(sender, headers)
                await self.app(scope, passage.receive, passage.send)
            except (BodyTooLarge, TooManyRequests) as refused:
                await passage.refuse(refused)
            finally:
                passage.count()
                if self.rates:
                    identity = scope.get(IDENTITY)
                    self.rates.note(sender, identity=identity, status=passage.status)

    def _admit(self, sender: Sender, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not _LENGTH.match(length) or int(length) > self.body_bytes_max:
            raise BodyTooLarge(limit_bytes=self.body_bytes_max)
        wait_s = self.rates.admit(sender) if self.rates else 0
        if wait_s:
            raise TooManyRequests(retry_after_s=max(1, ceil(wait_s)))


@dataclass(slots=True)
class _Passage:
    """One request on its way through the gate."""

    scope: Scope
    inner_receive: Receive
    inner_send: Send
    request_id: str
    body_bytes_max: int
    body_bytes: int = 0
    status: int = 0
    began_ms: float = field(default_factory=monotonic_ms)

    async def receive(self) -> Message:
        """Pass the body on, as far as the limit."""
        message = await self.inner_receive()
        self.body_bytes += len(message.get("body", b""))
        if self.body_bytes > self.body_bytes_max:
            raise BodyTooLarge(limit_bytes=self.body_bytes_max)
        return message

    async def send(self, message: Message) -> None:
        """Add the request's name to its answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message).append(REQUEST_ID, self.request_id)
        await self.inner_send(message)

    async def refuse(self, refused: SolventError) -> None:
        """Answer with the problem, unless an answer has begun."""
        if self.status:
            return
        await answer_at(self.scope, refused)(self.scope, self.inner_receive, self.send)

    def count(self) -> None:
        """Note the answer's status and time under its route, not its path: paths are unbounded."""
        route = getattr(self.scope.get("route"), "path", "unknown")
        HTTP_REQUESTS.labels(route, str(self.status or 500)).inc()
        HTTP_SECONDS.labels(route).observe((monotonic_ms() - self.began_ms) / 1000)


def _request_id(headers: Headers) -> str | None:
    given = headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.match(given) else None
