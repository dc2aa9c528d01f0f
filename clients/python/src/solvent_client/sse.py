"""Which events do these bytes hold? A bounded parser of `text/event-stream`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from solvent_client.errors import ProtocolError

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""A chunk of 500 records with 200 features each is shorter; what is longer is not Solvent's."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name (`message` where the stream gives none) and its data."""

    name: str
    data: str


class EventParser:
    """Turns pieces of a stream, cut anywhere, into events, as the WHATWG text says.

    It holds at most one unfinished event of at most `max_event_bytes`.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail = bytearray()
        self._searched = 0
        self._held_bytes = 0
        self._name = ""
        self._data: list[str] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that this piece completes.

        Raises:
            ProtocolError: the event is too long, or is not UTF-8.
        """
        self._tail += piece
        while (line := self._next_line()) is not None:
            event = self._take(line)
            if event is not None:
                yield event
        if self._held_bytes + len(self._tail) > self._max_event_bytes:
            raise ProtocolError(f"An event is longer than {self._max_event_bytes} bytes.")

    def _next_line(self) -> bytes | None:
        """Return the next whole line; CR, LF and CRLF end one, even where cut in two."""
        if self._after_cr and self._tail:
            if self._tail[0] == ord("\n"):
                del self._tail[:1]
            self._after_cr = False
        end = _LINE_END.search(self._tail, self._searched)
        if end is None:
            self._searched = len(self._tail)
            return None
        line = bytes(self._tail[: end.start()])
        self._after_cr = end.group() == b"\r" and end.end() == len(self._tail)
        del self._tail[: end.end()]
        self._searched = 0
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _take(self, line: bytes) -> Event | None:
        """Add one line to the event at hand; an empty line finishes it."""
        self._held_bytes += len(line)
        if self._held_bytes > self._max_event_bytes:
            raise ProtocolError(f"An event is longer than {self._max_event_bytes} bytes.")
        if not line:
            return self._finish()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = _decode(value)
        elif field == b"data":
            self._data.append(_decode(value))
        # `id` and `retry` mean nothing here: a new connection gets a new snapshot
        return None

    def _finish(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._held_bytes = "", [], 0
        return Event(name=name, data="\n".join(data)) if data else None


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("An event is not UTF-8.") from error
