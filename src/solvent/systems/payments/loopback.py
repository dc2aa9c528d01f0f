"""How does an emulator of a provider's API hear requests, over real HTTP on this machine?"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
BODY_MAX = 1_000_000
POLL_S = 0.02
HELD_S = 30
"""An answer that an emulator is told to hold back, and that is forgotten, goes out after this."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that an emulator got."""

    path: str
    headers: Mapping[str, str]
    body: Json
    """JSON as it was sent; a form as a flat table, brackets and all."""
    method: str = "POST"
    text: str = ""
    """The body, or the query of a GET, as it was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it answers: JSON, or a page."""

    status: int
    body: Json | str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def data(self) -> bytes:
        """Return the body as it goes over the wire."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    @property
    def kind(self) -> str:
        """Return the content type."""
        return "text/html; charset=utf-8" if isinstance(self.body, str) else "application/json"


class LoopbackServer:
    """Answers requests in threads; `close` ends it."""

    def __init__(
        self, answer: Callable[[Call], Answer], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        kind = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
        self._server = _Server((host, port), kind)
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    @property
    def url(self) -> str:
        """Return the base address."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Hear no more requests."""
        self._server.shutdown()
        self._server.server_close()


def _read_json(text: str) -> Json:
    """Return a JSON object; nothing where it is none."""
    try:
        told: object = json.loads(text)
    except ValueError:
        return {}
    return cast("Json", told) if isinstance(told, dict) else {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the emulator, writes the answer."""

    answer: ClassVar[Callable[[Call], Answer]]
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer any request."""
        call = self._read()
        told = type(self).answer(call) if call else Answer(413, {"error": {"message": "Too long."}})
        data = told.data
        self.send_response(told.status)
        for name, value in {"content-type": told.kind, **told.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_DELETE = do_PUT = do_PATCH = do_POST  # noqa: N815 - the base looks for these names

    def _read(self) -> Call | None:
        """Return the request; None where its body is too long, or how long it is is not said."""
        told = self.headers.get("content-length") or "0"
        if not told.isdecimal() or int(told) > BODY_MAX:
            self.close_connection = True
            return None
        raw = self.rfile.read(int(told)).decode(errors="replace")
        place = urlsplit(self.path)
        is_json = "json" in (self.headers.get("content-type") or "")
        text = raw if self.command == "POST" else place.query
        body = _read_json(raw) if is_json else dict(parse_qsl(text))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Call(place.path, headers, body, self.command, text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""
