"""What does an event look like on its way?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from solvent.kit.errors import Invalid
from solvent.kit.ids import TenantId
from solvent.kit.limits import EVENT_BYTES_MAX
from solvent.kit.wiring import Event

SUBJECT_ROOT = "ev"


class EventUnknown(Invalid):
    """No event of this name is known to this version of the program."""

    code = "kit.event_unknown"


class EventTooLarge(Invalid):
    """An event is larger than the bus carries."""

    code = "kit.event_too_large"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with what the bus must know of it; `payload` is the event itself."""

    id: str
    tenant_id: TenantId
    name: str
    at: datetime
    actor: str
    payload: Any

    def subject(self) -> str:
        """Return the subject it is published on: `ev.<tenant>.<name>`."""
        return f"{SUBJECT_ROOT}.{self.tenant_id}.{self.name}"

    def encode(self) -> bytes:
        """Return the JSON that is published.

        Raises:
            EventTooLarge: past the limit; an event names things, it does not carry them all.
        """
        data = _envelopes().dump_json(self)
        if len(data) > EVENT_BYTES_MAX:
            raise EventTooLarge(name=self.name, size_bytes=len(data), limit_bytes=EVENT_BYTES_MAX)
        return data


def decode(data: bytes) -> Envelope:
    """Return the envelope of what `encode` wrote."""
    return _envelopes().validate_json(data)


class Registry:
    """Turns event names into types, and payloads into events."""

    def __init__(self, events: Iterable[type[Event]]) -> None:
        """Know these event types."""
        self._types = {event.NAME: event for event in events}

    def event_of(self, envelope: Envelope) -> Event:
        """Return the typed event.

        Raises:
            EventUnknown: the name is not known here.
        """
        if envelope.name not in self._types:
            raise EventUnknown(name=envelope.name)
        return adapter(self._types[envelope.name]).validate_python(envelope.payload)


@cache
def adapter(kind: type[Event]) -> TypeAdapter[Event]:
    """Return the (de)serializer of an event type."""
    return TypeAdapter(kind)


@cache
def _envelopes() -> TypeAdapter[Envelope]:
    return TypeAdapter(Envelope)
