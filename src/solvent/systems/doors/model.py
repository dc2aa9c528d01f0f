"""What do foreign clients send, by which names, and what is kept of it that cannot be counted?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from solvent.kernel.metering.model import EventFate
from solvent.kit.errors import SolventError

Data = Mapping[str, object]
"""Decoded JSON; its numbers are ints or decimals."""


class Door(StrEnum):
    """Whose clients come in."""

    LAGO = "lago"
    OPENMETER = "openmeter"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A usage event in the words of the vendor whose client sent it.

    `source` is the namespace of the id, where the vendor has one. `own` says that `customer` is
    the tenant's own name already. Without `at` it happened when it came. `data` are the properties;
    `value` stands apart where the vendor's form has a place for it.
    """

    id: str | None
    source: str | None = None
    customer: str
    own: bool = False
    event: str
    at: datetime | None
    data: Data
    value: Decimal | str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One event of a request: its own bytes, and what they say or why they say nothing."""

    raw: bytes
    use: Use | None = None
    refused: SolventError | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one event, under which id; what was refused is in the dead letters."""

    sent: Sent
    fate: EventFate
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerName:
    """What a foreign client calls a customer."""

    door: Door
    name: str
    customer_ref: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterName:
    """Which meter a foreign client's event is for, and where its value is read.

    `value_path` None takes the value as it is sent, "" none at all, `$.tokens` that of its data.
    `dimensions` None keeps all of the data as properties, else those that it names by their path.
    """

    door: Door
    event: str
    meter_key: str
    value_path: str | None = None
    dimensions: Mapping[str, str] | None = None
    created_at: datetime


class LetterState(StrEnum):
    """Where a dead letter stands."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that was accepted and could not be counted, with the reason and its bytes.

    `times` is how often the very same bytes came. `cut` says that not all of them are kept.
    `received_at` is the tenant's time, `arrived_at` the real one.
    """

    id: str
    door: Door
    state: LetterState
    reason: str
    field: str | None
    told: str
    raw: bytes
    cut: bool
    event_id: str | None
    event: str | None
    customer: str | None
    times: int
    received_at: datetime
    arrived_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersAsked:
    """Which dead letters are meant: by id, or all that wait and match what is named."""

    ids: tuple[str, ...] = ()
    door: Door | None = None
    reason: str | None = None
    event: str | None = None
    customer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to: `uncounted` of the recorded are older than their meter."""

    recorded: int
    uncounted: int
    duplicates: int
    still_dead: int
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    """Why those that are still dead are, with how many of each."""

    def __add__(self, other: Replayed) -> Replayed:
        """Return what both came to."""
        reasons = {
            reason: self.reasons.get(reason, 0) + other.reasons.get(reason, 0)
            for reason in sorted(self.reasons.keys() | other.reasons.keys())
        }
        return Replayed(
            recorded=self.recorded + other.recorded,
            uncounted=self.uncounted + other.uncounted,
            duplicates=self.duplicates + other.duplicates,
            still_dead=self.still_dead + other.still_dead,
            reasons=reasons,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time and what was used in it."""

    start: datetime
    end: datetime
    quantity: Decimal
    group: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
