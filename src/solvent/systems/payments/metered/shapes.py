"""How are meters that Stripe bills, and what it was told of them, written as JSON?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from solvent.kit.money import plain_number
from solvent.systems.payments.metered.limits import EVENT_NAME_CHARS_MAX
from solvent.systems.payments.metered.model import MeterEvent, SendState, Standing


class ReportedMeterBody(BaseModel):
    """By which event name Stripe is told of a meter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_name: str = Field(max_length=EVENT_NAME_CHARS_MAX)


class ReportedMeterShown(BaseModel):
    """A meter that Stripe is told of; `events` counts by state."""

    meter: str
    event_name: str
    since: datetime
    events: dict[SendState, int]
    told_up_to: datetime | None
    oldest_waiting: datetime | None


class ReportedUsageResolution(BaseModel):
    """Whether Stripe has an event of which that was unclear."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arrived: bool


class ReportedUsageShown(BaseModel):
    """What Stripe was or is to be told of an hour; `id` is its identifier there."""

    id: str
    meter: str
    customer: str
    hour: datetime
    value: str
    state: SendState
    reason: str | None
    tries: int


def show_standing(one: Standing) -> ReportedMeterShown:
    """Return how the telling of a meter stands."""
    return ReportedMeterShown(
        meter=one.metered.meter_key,
        event_name=one.metered.event_name,
        since=one.metered.since,
        events=one.counts,
        told_up_to=one.told_up_to,
        oldest_waiting=one.oldest_waiting,
    )


def show_event(one: MeterEvent) -> ReportedUsageShown:
    """Return a meter event."""
    return ReportedUsageShown(
        id=one.id,
        meter=one.meter_key,
        customer=one.customer_ref,
        hour=one.hour,
        value=plain_number(one.value),
        state=one.state,
        reason=one.reason,
        tries=one.tries,
    )
