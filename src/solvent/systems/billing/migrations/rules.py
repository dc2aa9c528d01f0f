"""Which subscriptions does a migration mean, and what do its parts come to?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from solvent.kernel.subscriptions.model import PlanRef, Status, Subscription
from solvent.kernel.tenants.model import Customer
from solvent.kit.clock import parse_time
from solvent.systems.billing.errors import MigrationMalformed
from solvent.systems.billing.migrations.model import ItemState, MigrationItem, Tally, Where

_PLAN = re.compile(r"([a-z][a-z0-9_.-]{0,63})@([1-9][0-9]{0,8})\Z")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
CONDITIONS = ("customer", "country", "status", "created_before")
CUSTOMER_LENGTH_MAX = 200


def parse_plan(text: str, *, field: str) -> PlanRef:
    """Return the version of a plan that a text names, as `pro@2`.

    Raises:
        MigrationMalformed: it names none.
    """
    found = _PLAN.match(text)
    if found is None:
        raise MigrationMalformed("expected a plan and its version, as pro@2", field=field)
    return PlanRef(found[1], int(found[2]))


def parse_where(conditions: Iterable[str]) -> Where:
    """Return which subscriptions are meant by texts such as `country=DE`.

    Raises:
        MigrationMalformed: one is not `name=value`, or its name or value is not known.
    """
    told: dict[str, str] = {}
    for one in conditions:
        name, sign, value = one.partition("=")
        if not sign or name not in CONDITIONS or not value or name in told:
            names = ", ".join(CONDITIONS)
            raise MigrationMalformed(f"expected NAME=VALUE, once each of {names}", field="where")
        told[name] = value
    moment = told.get("created_before")
    return where(
        customer=told.get("customer"),
        country=told.get("country"),
        status=told.get("status"),
        created_before=parse_time(moment, field="where") if moment else None,
    )


def where(
    *,
    customer: str | None,
    country: str | None,
    status: str | None,
    created_before: datetime | None,
) -> Where:
    """Return which subscriptions are meant.

    Raises:
        MigrationMalformed: no country, or no status of one that can move, is of this name.
    """
    if country is not None and not _COUNTRY.match(country):
        raise MigrationMalformed("expected a country of two letters, as DE", field="where")
    if customer is not None and not 0 < len(customer) <= CUSTOMER_LENGTH_MAX:
        raise MigrationMalformed("expected a customer", field="where")
    known = {one.value: one for one in Status}
    if status is not None and status not in known:
        names = ", ".join(known)
        raise MigrationMalformed(f"expected a status of {names}", field="where")
    return Where(customer, country, known[status] if status else None, created_before)


def is_meant(one: Subscription, customer: Customer, said: Where) -> bool:
    """Return whether a subscription meets the conditions."""
    return (
        (said.customer is None or said.customer in {customer.id, customer.external_ref})
        and (said.country is None or said.country == customer.country)
        and (said.status is None or said.status is one.status)
        and (said.created_before is None or one.created_at < said.created_before)
    )


def tallied(items: Iterable[MigrationItem]) -> Mapping[ItemState, Tally]:
    """Return how many came to each state, and what they come to."""
    sums: dict[ItemState, Tally] = {}
    for one in items:
        so_far = sums.get(one.state, Tally(0))
        sums[one.state] = Tally(
            so_far.count + 1,
            so_far.now_minor + one.now_minor,
            so_far.fee_before_minor + one.fee_before_minor,
            so_far.fee_after_minor + one.fee_after_minor,
        )
    return sums
