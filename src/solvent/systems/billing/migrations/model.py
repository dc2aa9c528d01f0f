"""What is a migration, and what becomes of each subscription in it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from solvent.kernel.subscriptions.model import PlanRef, Status, When


@dataclass(frozen=True, slots=True)
class Where:
    """Which of the subscriptions are meant; what is None does not matter."""

    customer: str | None = None
    """Of this customer: id or own reference."""
    country: str | None = None
    """Of customers in this country, ISO 3166-1 alpha-2."""
    status: Status | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Aim:
    """From which version of which plan to which, when, and whom."""

    source: PlanRef
    target: PlanRef
    when: When = When.PERIOD_END
    where: Where = Where()


class MigrationState(StrEnum):
    """Where a migration stands."""

    RUNNING = "running"
    DONE = "done"
    UNDOING = "undoing"
    """What was only planned is taken back."""
    UNDONE = "undone"


class ItemState(StrEnum):
    """What became of a subscription."""

    MOVED = "moved"
    PLANNED = "planned"
    """It is to move at its period's end."""
    REFUSED = "refused"
    """It stays where it is; the detail says why."""
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class MigrationItem:
    """A subscription of a migration, and what the move comes to before tax.

    `now_minor` is what the running period's invoice changes by, below zero for less. The fees are
    those of a whole period.
    """

    subscription_id: str
    customer_id: str
    state: ItemState
    detail: str = ""
    now_minor: int = 0
    fee_before_minor: int = 0
    fee_after_minor: int = 0
    takes_effect_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many subscriptions came to a state, and what all of them come to."""

    count: int
    now_minor: int = 0
    fee_before_minor: int = 0
    fee_after_minor: int = 0


@dataclass(frozen=True, slots=True)
class Migration:
    """A move of many subscriptions, which a job works off page by page."""

    id: str
    aim: Aim
    currency: str
    state: MigrationState
    position: str
    """The last subscription that was looked at."""
    looked_at: int
    matching: int
    """How many there were to look at when it began."""
    created_at: datetime
    ended_at: datetime | None = None
    tallies: Mapping[ItemState, Tally] = field(default_factory=dict[ItemState, Tally])


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a migration would make of some subscriptions, and where to look on."""

    items: tuple[MigrationItem, ...]
    currency: str
    matching: int
    after: str | None
    """The last subscription looked at, where there are more; None: these were the last."""
