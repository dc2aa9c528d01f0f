"""How does a simulation read as JSON and as rows of a sheet?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from solvent.kit.clock import format_time
from solvent.systems.billing.simulation import rules
from solvent.systems.billing.simulation.model import Simulation

COLUMNS: Final = (
    "customer",
    "subscription_id",
    "period_start",
    "period_end",
    "invoice",
    "currency",
    "was_minor",
    "would_be_minor",
    "delta_minor",
)


class SimulatedPeriodShown(BaseModel):
    """A period that was charged, and what it would have come to, before tax."""

    start: datetime
    end: datetime
    invoice: str
    subscription_id: str
    was_minor: int
    would_be_minor: int
    delta_minor: int


class SimulatedCustomerShown(BaseModel):
    """A customer's periods, in order."""

    customer_id: str
    customer: str
    was_minor: int
    would_be_minor: int
    delta_minor: int
    periods: list[SimulatedPeriodShown]


class SpreadShown(BaseModel):
    """The difference that so many percent of the customers do not exceed."""

    percent: int
    delta_minor: int


class SimulationShown(BaseModel):
    """What periods would have come to under a plan; version 0 is one that is not applied."""

    plan: str
    version: int
    currency: str
    since: datetime
    was_minor: int
    would_be_minor: int
    delta_minor: int
    skipped: int
    spread: list[SpreadShown]
    customers: list[SimulatedCustomerShown]


def show_simulation(told: Simulation) -> SimulationShown:
    """Return a simulation's JSON form."""
    deltas = [one.delta_minor for one in told.customers]
    return SimulationShown(
        plan=told.plan_key,
        version=told.plan_version,
        currency=told.currency,
        since=told.since,
        was_minor=told.was_minor,
        would_be_minor=told.would_be_minor,
        delta_minor=told.would_be_minor - told.was_minor,
        skipped=told.skipped,
        spread=[
            SpreadShown(percent=one.percent, delta_minor=one.delta_minor)
            for one in rules.spread(deltas)
        ],
        customers=[
            SimulatedCustomerShown(
                customer_id=one.customer_id,
                customer=one.customer_ref,
                was_minor=one.was_minor,
                would_be_minor=one.would_be_minor,
                delta_minor=one.delta_minor,
                periods=[
                    SimulatedPeriodShown(
                        start=each.start,
                        end=each.end,
                        invoice=each.reference,
                        subscription_id=each.subscription_id,
                        was_minor=each.was_minor,
                        would_be_minor=each.would_be_minor,
                        delta_minor=each.delta_minor,
                    )
                    for each in one.periods
                ],
            )
            for one in told.customers
        ],
    )


def rows_of(told: Simulation) -> Iterator[tuple[object, ...]]:
    """Yield a row for each period, as `COLUMNS` names them."""
    for one in told.customers:
        for each in one.periods:
            yield (
                one.customer_ref,
                each.subscription_id,
                format_time(each.start),
                format_time(each.end),
                each.reference,
                told.currency,
                each.was_minor,
                each.would_be_minor,
                each.delta_minor,
            )
