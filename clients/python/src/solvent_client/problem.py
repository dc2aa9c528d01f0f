"""What is a refused request told? One problem+json body for every framework."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from solvent_client.decision import Decision
from solvent_client.errors import PaymentRequired

_RETRY_AFTER_S: Final = 1
_MAX_URL_CHARACTERS: Final = 2048

Scope = MutableMapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as HTTP: also an ASGI application, so a Starlette handler may return it.

    Nothing that a client sent becomes part of a header.
    """

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        del scope, receive
        await send(self.start())
        await send({"type": "http.response.body", "body": self.body})

    def start(self, kind: str = "http.response.start") -> MutableMapping[str, Any]:
        """Return the ASGI message that begins this response."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers]
        return {"type": kind, "status": int(self.status), "headers": headers}


def of(decision: Decision, *, upgrade_url: str | None = None) -> Problem:
    """Return the response to a decision that refuses: 402, or 503 where it is for an outage.

    A customer who paid must not be told to pay because Solvent is down, so a feature that stays
    closed in an outage answers 503 with `Retry-After`.
    """
    outage = decision.code == "outage"
    status = HTTPStatus.SERVICE_UNAVAILABLE if outage else HTTPStatus.PAYMENT_REQUIRED
    code = "entitlements_unavailable" if outage else "payment_required"
    fields: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": "Try again shortly" if outage else "Payment required",
        "status": int(status),
        "code": code,
        "reason_code": decision.code,
        "detail": decision.reason,
    }
    if upgrade_url is not None and not outage:
        fields["upgrade_url"] = upgrade_url
    body = json.dumps(fields).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if outage:
        headers.append(("Retry-After", str(_RETRY_AFTER_S)))
    return Problem(status=status, headers=tuple(headers), body=body)


def payment_required_handler(request: object, error: Exception) -> Problem:
    """Answer `PaymentRequired` in Starlette or FastAPI.

    `app.add_exception_handler(PaymentRequired, payment_required_handler)`; behind
    `PaywallMiddleware` it is not needed.
    """
    del request
    assert isinstance(error, PaymentRequired)  # noqa: S101 -- the framework looked it up by type
    return of(error.decision, upgrade_url=error.upgrade_url)


def checked_upgrade_url(url: str | None) -> str | None:
    """Return the address if a browser may be sent there.

    Raises:
        ValueError: it is neither https with a host nor a path on this host.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    absolute = parts.scheme == "https" and bool(parts.hostname)
    relative = not parts.scheme and not parts.netloc and url.startswith("/")
    plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\')
    if not plain or len(url) > _MAX_URL_CHARACTERS or not (absolute or relative):
        raise ValueError("upgrade_url: expected an https address or a path that begins with /")
    return url
