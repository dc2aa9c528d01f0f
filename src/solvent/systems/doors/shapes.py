"""How do names and dead letters look outside?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from solvent.systems.doors.limits import LETTERS_MAX, NAME_CHARS_MAX, PATH_CHARS_MAX
from solvent.systems.doors.model import (
    CustomerName,
    DeadLetter,
    Door,
    LettersAsked,
    LetterState,
    MeterName,
    Replayed,
)

Name = Annotated[StrictStr, Field(min_length=1, max_length=NAME_CHARS_MAX)]
Id = Annotated[StrictStr, Field(min_length=1, max_length=64)]


class DoorTold(BaseModel):
    """What a caller says; a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeadLetterShown(BaseModel):
    """An event that could not be counted; `raw` is what was sent, `cut` if there was more."""

    id: str
    door: Door
    state: LetterState
    reason: str
    field: str | None
    detail: str
    event_id: str | None
    event: str | None
    customer: str | None
    times: int
    received_at: datetime
    settled_at: datetime | None
    raw: str
    cut: bool


class LettersBody(DoorTold):
    """Which letters are meant: those of `ids`, or all that wait and match what is named."""

    ids: list[Id] = Field(default_factory=list, max_length=500)
    door: Door | None = None
    reason: Id | None = None
    event: Name | None = None
    customer: Name | None = None


class ReplayLettersBody(LettersBody):
    """What to replay; a dry run tells what would come of it. `cursor` goes on where one ended."""

    dry_run: StrictBool = False
    cursor: Id | None = None


class LettersReplayedShown(BaseModel):
    """What a replay came to; `reasons` tells why some are still dead."""

    recorded: int
    uncounted: int
    duplicates: int
    still_dead: int
    reasons: dict[str, int]
    dry_run: bool
    next_cursor: str | None


class LettersDiscardedShown(BaseModel):
    """How many were discarded."""

    discarded: Annotated[int, Field(le=LETTERS_MAX)]


class LetterCount(BaseModel):
    """How many letters wait at a door for a reason."""

    door: Door
    reason: str
    waiting: int


class CustomerNameBody(DoorTold):
    """Whom a foreign client means by a name."""

    name: Name
    customer: Name


class CustomerNameShown(BaseModel):
    """Whom a foreign client means by a name."""

    door: Door
    name: str
    customer: str
    created_at: datetime


class MeterNameBody(DoorTold):
    """Which meter a foreign client's event is for.

    `value_path` null takes the value as sent, "" none, `$.tokens` that of the data. `dimensions`
    null keeps all data as properties, else those that it names by their path.
    """

    event: Name
    meter: Id
    value_path: Annotated[StrictStr, Field(max_length=PATH_CHARS_MAX)] | None = None
    dimensions: dict[Name, Annotated[StrictStr, Field(max_length=PATH_CHARS_MAX)]] | None = None


class MeterNameShown(BaseModel):
    """Which meter a foreign client's event is for."""

    door: Door
    event: str
    meter: str
    value_path: str | None
    dimensions: dict[str, str] | None


def asked_of(body: LettersBody) -> LettersAsked:
    """Return which letters a body means."""
    return LettersAsked(
        ids=tuple(body.ids),
        door=body.door,
        reason=body.reason,
        event=body.event,
        customer=body.customer,
    )


def show_letter(letter: DeadLetter) -> DeadLetterShown:
    """Return a letter as callers see it."""
    return DeadLetterShown(
        id=letter.id,
        door=letter.door,
        state=letter.state,
        reason=letter.reason,
        field=letter.field,
        detail=letter.told,
        event_id=letter.event_id,
        event=letter.event,
        customer=letter.customer,
        times=letter.times,
        received_at=letter.received_at,
        settled_at=letter.settled_at,
        raw=letter.raw.decode(errors="replace"),
        cut=letter.cut,
    )


def show_replayed(told: Replayed, *, cursor: str | None, dry_run: bool) -> LettersReplayedShown:
    """Return what a replay came to."""
    return LettersReplayedShown(
        recorded=told.recorded,
        uncounted=told.uncounted,
        duplicates=told.duplicates,
        still_dead=told.still_dead,
        reasons=dict(told.reasons),
        dry_run=dry_run,
        next_cursor=cursor,
    )


def show_customer(name: CustomerName) -> CustomerNameShown:
    """Return a customer's foreign name."""
    return CustomerNameShown(
        door=name.door, name=name.name, customer=name.customer_ref, created_at=name.created_at
    )


def show_meter_name(name: MeterName) -> MeterNameShown:
    """Return a meter's foreign event."""
    return MeterNameShown(
        door=name.door,
        event=name.event,
        meter=name.meter_key,
        value_path=name.value_path,
        dimensions=None if name.dimensions is None else dict(name.dimensions),
    )
