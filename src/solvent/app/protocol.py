"""Where does the head of a request end, in bytes and in time, for a sender who never ends it?

uvicorn's parser adds up a header for as long as it comes: 200 MB of one cost it minutes.
"""

from __future__ import annotations

from asyncio import Transport
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle

HEAD_BYTES_MAX = 65_536
HEAD_S = 30


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 that hangs up on a head without end."""

    _head_timer: TimerHandle | None = None
    _head_bytes = 0
    _begun = False

    def connection_made(self, transport: Transport) -> None:
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._has_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Expect the head of the connection's next request."""
        super().on_message_begin()
        self._begun = True
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Let the request's body take its time."""
        self._has_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what is nothing but head; past the limit answer 400 and close."""
        self._begun, waits = False, self._head_timer is not None
        super().data_received(data)
        if waits and self._head_timer is not None and not self._begun:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._has_head()
                self.send_400_response("Request head too large.")

    def _expect_head(self) -> None:
        self._has_head()
        self._head_timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _has_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
