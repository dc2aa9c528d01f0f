"""Who keeps the snapshot fresh? One thread that follows Solvent's event stream."""

import contextlib
import http.client
import logging
import os
import socket
import threading
from typing import Final

from solvent_client.errors import BadKey, ProtocolError, Refused, Unreachable
from solvent_client.host import elapsed_ms, jitter
from solvent_client.snapshot import Session, Snapshot
from solvent_client.sse import EventParser
from solvent_client.transport import Transport

PATH: Final = "/v1/entitlements/stream"
_PIECE_BYTES: Final = 65_536
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 15.0
_MAX_DOUBLINGS: Final = 10
_REANCHOR_AFTER_BEATS: Final = 25
_JOIN_S: Final = 5.0

log = logging.getLogger("solvent_client")


class Stream:
    """Follows the event stream into a snapshot until it is closed.

    Args:
        transport: where to ask.
        snapshot: what to renew.
        bound_ms: the application's own bound on staleness; None takes the server's.
        silence_s: a connection on which nothing came for so long is dead; it is opened anew.
    """

    def __init__(
        self,
        transport: Transport,
        snapshot: Snapshot,
        *,
        bound_ms: float | None,
        silence_s: float,
    ) -> None:
        self._transport = transport
        self._snapshot = snapshot
        self._bound_ms = bound_ms
        self._silence_s = silence_s
        self._closing = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="solvent-stream", daemon=True)
        self._failures = 0
        self._patience = _REANCHOR_AFTER_BEATS
        self.last_error: Exception | None = None

    def start(self) -> None:
        """Start following in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop following and wait for the thread to end."""
        self._closing.set()
        held = self._socket
        if held is not None:
            _shut(held)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def abandon(self) -> None:
        """Let go of the connection without a word on it: after a fork it is the parent's."""
        self._closing.set()
        held, self._socket = self._socket, None
        if held is not None:
            os.close(held.detach())

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
                self.last_error = None
            except (
                Refused,
                Unreachable,
                ProtocolError,
                OSError,
                http.client.HTTPException,
            ) as error:
                self._note(error)
            except Exception as error:
                log.exception("solvent_stream_failed")
                self.last_error = error
            self._closing.wait(self._wait_s())

    def _note(self, error: Exception) -> None:
        """Say once what is wrong, not at every attempt."""
        if self._closing.is_set():
            return
        if str(error) != str(self.last_error):
            level = logging.ERROR if isinstance(error, BadKey | ProtocolError) else logging.WARNING
            log.log(level, "Solvent's stream is down, checks ask the database: %s", error)
        self.last_error = error

    def _wait_s(self) -> float:
        """Return how long to wait: twice as long after each failure, spread over half of it."""
        if self._failures == 0:
            return _FIRST_WAIT_S * jitter()
        doublings = min(self._failures - 1, _MAX_DOUBLINGS)
        longest_s = min(_FIRST_WAIT_S * 2**doublings, _LONGEST_WAIT_S)
        return longest_s * (0.5 + jitter() / 2)

    def _follow(self) -> None:
        """Follow one connection until it ends; every end is a failure until it proved fresh."""
        self._failures += 1
        connection = self._transport.connect(timeout_s=self._silence_s)
        try:
            connection.connect()
            held = connection.sock
            self._socket = held
            if self._closing.is_set():
                return
            held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self._snapshot, asked_ms=elapsed_ms(), bound_ms=self._bound_ms)
            self._read(self._transport.ask(connection, PATH, accept="text/event-stream"), session)
        finally:
            self._socket = None
            connection.close()

    def _read(self, answer: http.client.HTTPResponse, session: Session) -> None:
        if answer.headers.get_content_type() != "text/event-stream":
            raise ProtocolError("The stream is not text/event-stream.")
        parser = EventParser()
        while piece := answer.read1(_PIECE_BYTES):
            received_ms = elapsed_ms()
            for event in parser.feed(piece):
                session.apply(event, received_ms=received_ms)
            if session.least_lag_ms < session.bound_ms:
                self._failures = 0
                self.last_error = None
            if self._must_reanchor(session):
                return
        raise Unreachable("Solvent ended the stream.")

    def _must_reanchor(self, session: Session) -> bool:
        """Say whether the clocks must be compared anew.

        Where the first comparison was bad (a slow greeting) or the clocks have drifted apart since,
        beats prove less than they could. The next connection compares them again; the snapshot
        stays in use meanwhile as long as its proof lasts.
        """
        if session.beats < self._patience:
            return False
        lagging = session.least_lag_ms > session.bound_ms / 2
        longest = _REANCHOR_AFTER_BEATS * 2**_MAX_DOUBLINGS
        self._patience = min(self._patience * 2, longest) if lagging else _REANCHOR_AFTER_BEATS
        session.start_window()
        return lagging


def _shut(held: socket.socket) -> None:
    """End a connection that another thread reads from, beneath TLS."""
    with contextlib.suppress(OSError):  # the other side was quicker
        socket.socket.shutdown(held, socket.SHUT_RDWR)
