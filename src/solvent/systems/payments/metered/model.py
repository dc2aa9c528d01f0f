"""What are a meter that Stripe bills, an event that it is told, and what came of it?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class SendState(StrEnum):
    """What became of a meter event."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    """Nobody knows whether Stripe has it: it was tried, and its answer never seen."""


@dataclass(frozen=True, slots=True)
class Metered:
    """A meter whose usage Stripe is told, by this event name, from this moment on."""

    meter_key: str
    event_name: str
    since: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A customer's use of a meter."""

    meter_key: str
    customer_ref: str


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """What Stripe is told of an hour; `id` is its identifier there."""

    id: str
    meter_key: str
    customer_ref: str
    hour: datetime
    number: int
    event_name: str
    value: Decimal
    state: SendState
    reason: str | None
    tries: int
    first_tried_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that is to be sent now, to whom at Stripe, and what is known of it there."""

    event: MeterEvent
    stripe_customer: str
    arrived: Decimal
    """What of the same hour Stripe has for certain."""
    in_doubt: bool
    """It may have arrived long ago: its identifier no longer keeps it from counting twice."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the telling of one meter stands."""

    metered: Metered
    counts: dict[SendState, int]
    told_up_to: datetime | None
    """The last hour of which something was sent."""
    oldest_waiting: datetime | None
