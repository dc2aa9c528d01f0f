"""What may be told about subscriptions over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from solvent.kernel.subscriptions.errors import ChangeTimeInvalid
from solvent.kernel.subscriptions.model import When
from solvent.kit.clock import parse_time

VERSION_MAX = 2**31 - 1
SEATS_MAX = 1_000_000
TIME_LENGTH_MAX = 64

TimeText = Annotated[StrictStr, Field(max_length=TIME_LENGTH_MAX, description="RFC 3339.")]
Reference = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Seats = Annotated[int, Field(strict=True, ge=1, le=SEATS_MAX, description="A number of seats.")]
Version = Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)]
Key = Annotated[StrictStr, Field(min_length=1, max_length=64)]


class StrictBody(BaseModel):
    """A body that holds nothing that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CreateBody(StrictBody):
    """A new subscription; `customer` is an id or the tenant's own reference."""

    customer: Reference
    plan: Key
    version: Version | None = None
    start_at: TimeText | None = None
    time_zone: Annotated[StrictStr, Field(max_length=64)] | None = None
    trial_days: Annotated[int, Field(strict=True, ge=0, le=730)] | None = None
    auto_renew: StrictBool = True
    pending: StrictBool = False
    quantity: Seats | None = None


class TimedBody(StrictBody):
    """A change, with when it takes effect: `when` (now, period_end, auto) or the moment `at`."""

    when: When | None = None
    at: TimeText | None = None


class CancelBody(TimedBody):
    """When it ends: `when` (now or period_end), or the moment `at`."""


class PauseBody(TimedBody):
    """When it begins to rest (null: now), and until when; null: until it is resumed."""

    resume_at: TimeText | None = None


class ResumeBody(TimedBody):
    """When it goes on; null: now."""


class ChangePlanBody(TimedBody):
    """The plan to move to; `when` null or auto: an upgrade now, a downgrade at the period's end."""

    plan: Key
    version: Version | None = None
    quantity: Seats | None = None


class ChangeQuantityBody(TimedBody):
    """How many seats; `when` null or auto: more of them now, fewer at the period's end."""

    quantity: Seats


class ChangeTimeZoneBody(StrictBody):
    """In whose wall clock boundaries keep their hour from the next one on."""

    time_zone: Annotated[StrictStr, Field(min_length=1, max_length=64)]


def moment_of(told: TimedBody, *, otherwise: When) -> datetime | When:
    """Return when a change takes effect. Raises `ChangeTimeInvalid` if both ways are told."""
    if told.at is not None and told.when is not None:
        message = "say either when or at, not both"
        raise ChangeTimeInvalid(message, field="at")
    return time_of(told.at, field="at") or told.when or otherwise


def time_of(text: str | None, *, field: str) -> datetime | None:
    """Return the moment that a text names; None for none."""
    return None if text is None else parse_time(text, field=field)


class AddAddonBody(TimedBody):
    """An add-on to be had from now or later on; `ends_at` null: until the subscription ends."""

    plan: Key
    version: Version | None = None
    quantity: Seats | None = None
    ends_at: TimeText | None = None


class CardBody(StrictBody):
    """Whether the subscription's customer has a card, or other means to pay, on file."""

    on_file: StrictBool


class EndAddonBody(TimedBody):
    """When an add-on ends; null: now."""
