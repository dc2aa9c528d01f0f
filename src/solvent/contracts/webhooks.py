"""What does the webhooks system tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class EndpointDisabled:
    """An endpoint gets nothing more until somebody enables it.

    The reason is `gone` (it answered 410), `failing` (for days, without a success) or what was
    told by whoever disabled it.
    """

    NAME: ClassVar[str] = "webhooks.endpoint_disabled.v1"

    endpoint_id: str
    reason: str
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """The last attempt to bring a message to an endpoint failed; it can be replayed."""

    NAME: ClassVar[str] = "webhooks.message_failed.v1"

    endpoint_id: str
    message_id: str
    event_type: str
    attempts: int


@dataclass(frozen=True, slots=True)
class MessageBypassed:
    """A message that fails holds up the others of an ordered endpoint no more, from `since` on.

    It is tried further, beside the order.
    """

    NAME: ClassVar[str] = "webhooks.message_bypassed.v1"

    endpoint_id: str
    message_id: str
    event_type: str
    since: datetime


@dataclass(frozen=True, slots=True)
class EndpointTested:
    """Somebody asked for a test: this is sent to the one endpoint and heard by nobody else."""

    NAME: ClassVar[str] = "webhooks.endpoint_tested.v1"

    endpoint_id: str
    note: str
