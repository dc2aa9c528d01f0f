"""How do bytes get to Solvent and back? Kept-alive connections of the standard library."""

import http.client
import json
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from solvent_client.errors import BadKey, ProtocolError, Refused, Unreachable
from solvent_client.parse import parse_object

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_MAX_IDLE: Final = 16
_MAX_PROBLEM_BYTES: Final = 65_536
_MAX_KEY_CHARACTERS: Final = 512
_USER_AGENT: Final = "solvent-client/0.1"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer with status 2xx."""

    status: int
    body: bytes


class Transport:
    """Speaks HTTP with one Solvent, from any thread.

    Args:
        url: the API's address, `https://…` or `http://…`, a path in front is kept.
        key: the secret API key.
        timeout_s: how long connecting, or waiting for the next bytes, may take.

    Raises:
        ValueError: the address or the key cannot be one.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url: expected https://host or http://host:port")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("url: expected no query, no fragment and no user")
        printable = key.isascii() and key.isprintable() and " " not in key
        if not key or not printable or len(key) > _MAX_KEY_CHARACTERS:
            raise ValueError("key: expected an API key, say sk_test_…")
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": _USER_AGENT}
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=_MAX_IDLE)

    def connect(self, *, timeout_s: float | None = None) -> http.client.HTTPConnection:
        """Return a connection that is not shared and not yet open."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)

    def ask(
        self, connection: http.client.HTTPConnection, path: str, *, accept: str
    ) -> http.client.HTTPResponse:
        """Send a GET on this connection and return the answer with its body unread.

        Raises:
            Refused: 4xx.
            Unreachable: anything else that is not 2xx.
            OSError, http.client.HTTPException: the connection failed.
        """
        connection.request("GET", self._prefix + path, headers={**self._headers, "Accept": accept})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            body = answer.read(MAX_BODY_BYTES)
            raise _error_of(answer.status, body, answer.headers.get("Retry-After"))
        return answer

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return its answer.

        A kept-alive connection that the other side closed meanwhile is replaced, once.

        Raises:
            Refused: 4xx.
            Unreachable: no answer, or one that may be better in a moment.
        """
        payload = None if body is None else json.dumps(body, allow_nan=False).encode()
        sent = {**self._headers, "Accept": "application/json", **(headers or {})}
        if payload is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._once(self.connect(), method, path, payload, sent)
        try:
            return self._once(connection, method, path, payload, sent)
        except _StaleConnection:
            return self._once(self.connect(), method, path, payload, sent)

    def _once(  # noqa: PLR0917 -- the five parts of a request
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        payload: bytes | None,
        headers: Mapping[str, str],
    ) -> Response:
        kept_alive = connection.sock is not None
        try:
            connection.request(method, self._prefix + path, body=payload, headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read(MAX_BODY_BYTES + 1)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            connection.close()
            if kept_alive:
                raise _StaleConnection(_why(error)) from error
            raise Unreachable(_why(error)) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(_why(error)) from error
        if len(body) > MAX_BODY_BYTES:
            connection.close()
            raise ProtocolError("The answer is too long.")
        self._give_back(connection, answer)
        if http.client.OK <= answer.status < http.client.MULTIPLE_CHOICES:
            return Response(status=answer.status, body=body)
        raise _error_of(answer.status, body, answer.headers.get("Retry-After"))

    def _give_back(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> None:
        if answer.will_close or len(self._idle) == _MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def forget_connections(self) -> None:
        """Let go of all idle connections (after a fork they are the parent's)."""
        idle, self._idle = self._idle, deque(maxlen=_MAX_IDLE)
        for connection in idle:
            connection.close()


class _StaleConnection(Unreachable):
    """A connection kept from an earlier call turned out to be closed."""


def _why(error: BaseException) -> str:
    return f"Solvent cannot be reached: {type(error).__name__}: {error}"


def _error_of(status: int, body: bytes, retry_after: str | None) -> Refused | Unreachable:
    """Return the error that problem+json describes, or the bare status where it is none."""
    problem = _problem_of(body)
    code = problem.get("code", f"http_{status}")
    message = problem.get("detail") or problem.get("title") or f"Solvent answered {status}."
    busy = status in {http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS}
    if busy or not http.client.BAD_REQUEST <= status < http.client.INTERNAL_SERVER_ERROR:
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return Unreachable(f"{message} [{status} {code}]", retry_after_s=wait_s)
    kind = BadKey if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN} else Refused
    return kind(message, status=status, code=code, field=problem.get("field"))


def _problem_of(body: bytes) -> Mapping[str, str]:
    """Return the texts of a problem+json body, none where it is another."""
    try:
        fields = parse_object(body[:_MAX_PROBLEM_BYTES])
    except ProtocolError:
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}
