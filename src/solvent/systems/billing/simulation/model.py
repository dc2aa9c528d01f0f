"""What does a simulation say of a period, of a customer, and of all of them?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SimulatedPeriod:
    """A period that was charged, and what it would have come to; amounts are before tax."""

    start: datetime
    end: datetime
    reference: str
    """The invoice that charged it."""
    subscription_id: str
    was_minor: int
    would_be_minor: int

    @property
    def delta_minor(self) -> int:
        """Return how much more it would have been."""
        return self.would_be_minor - self.was_minor


@dataclass(frozen=True, slots=True)
class SimulatedCustomer:
    """A customer's periods, and what they would have come to."""

    customer_id: str
    customer_ref: str
    periods: tuple[SimulatedPeriod, ...]

    @property
    def was_minor(self) -> int:
        """Return what was charged."""
        return sum(one.was_minor for one in self.periods)

    @property
    def would_be_minor(self) -> int:
        """Return what it would have been."""
        return sum(one.would_be_minor for one in self.periods)

    @property
    def delta_minor(self) -> int:
        """Return how much more it would have been."""
        return self.would_be_minor - self.was_minor


@dataclass(frozen=True, slots=True)
class Simulation:
    """What periods since a moment would have come to under a plan."""

    plan_key: str
    plan_version: int
    """0 where the prices are not applied: of a file."""
    currency: str
    since: datetime
    customers: tuple[SimulatedCustomer, ...]
    skipped: int
    """How many periods were left out, since they were charged in another currency."""

    @property
    def was_minor(self) -> int:
        """Return what was charged in all."""
        return sum(one.was_minor for one in self.customers)

    @property
    def would_be_minor(self) -> int:
        """Return what it would have been in all."""
        return sum(one.would_be_minor for one in self.customers)


@dataclass(frozen=True, slots=True)
class Spread:
    """How differences spread over customers: at which difference so many percent are at most."""

    percent: int
    delta_minor: int


@dataclass(frozen=True, slots=True)
class Bin:
    """How many customers' differences lie from `first_minor` to before `end_minor`."""

    first_minor: int
    end_minor: int
    customers: int
