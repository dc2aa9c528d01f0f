"""What is a subscription worth a month?

The rule: what a whole period of its plan costs if nothing is used, before tax, divided by the
period's months. So a year counts a twelfth and a quarter a third; seats count; usage does not; what
a charge or a plan comes to at least counts, because it is owed whatever happens. A coupon for ever
lowers it; one for some periods does not, since the price it comes back to is the recurring one
(Stripe, "Billing Analytics": finite coupons leave MRR as it was, those for ever lower it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from solvent.kernel.catalogue.model import PlanVersion, Price
from solvent.kernel.catalogue.rules import rate_fee
from solvent.kernel.ledger.model import Discount
from solvent.kernel.ledger.model.history import LastingDiscount
from solvent.kernel.subscriptions.model import Charged
from solvent.kit.money import round_minor
from solvent.systems.revenue.model import Stretch
from solvent.systems.revenue.rules.documents import months_of

WIDE = Context(prec=60, rounding=ROUND_HALF_UP)
"""For quotients, which need not end: far more digits than the amount they are rounded to."""

HUNDRED = Decimal(100)
CLOCKS_DIFFER = timedelta(minutes=5)


def monthly_minor(
    version: PlanVersion, *, seats: int = 1, discounts: Sequence[Discount] = ()
) -> int:
    """Return what a plan version is worth a month, in its currency's minor units.

    Rounded once, half away from zero; never below zero. `discounts` are those that last for ever.
    """
    period = sum((_in_a_period(price, seats) for price in version.prices), Decimal(0))
    terms = version.terms
    if terms.minimum_minor is not None:
        period = max(period, Decimal(terms.minimum_minor))
    if terms.maximum_minor is not None:
        period = min(period, Decimal(terms.maximum_minor))
    for one in sorted(discounts, key=lambda one: (one.percent is None, one.code)):
        period -= _off(one, period)
    return round_minor(WIDE.divide(max(period, Decimal(0)), Decimal(months_of(version))))


def _in_a_period(price: Price, seats: int) -> Decimal:
    """Return what a price comes to in a period without usage; a fee each so-many-th its part."""
    if price.meter_key is not None:
        return Decimal(price.minimum_minor or 0)
    return WIDE.divide(Decimal(rate_fee(price, seats).amount_minor), Decimal(price.every))


def _off(discount: Discount, period: Decimal) -> Decimal:
    if discount.percent is None:
        return min(Decimal(discount.amount_minor or 0), period)
    return WIDE.divide(WIDE.multiply(period, discount.percent), HUNDRED)


@dataclass(slots=True)
class Worth:
    """A plan version, and what it is worth a month, computed once for the seats and coupons."""

    version: PlanVersion
    known: dict[tuple[int, tuple[Discount, ...]], int] = field(
        default_factory=dict[tuple[int, tuple[Discount, ...]], int]
    )

    def monthly_minor(self, seats: int, discounts: tuple[Discount, ...]) -> int:
        """Return what so many seats with these coupons are worth a month."""
        key = (seats, discounts)
        if key not in self.known:
            self.known[key] = monthly_minor(self.version, seats=seats, discounts=discounts)
        return self.known[key]


def known_by(charged: Iterable[Charged], now: datetime) -> Iterator[Charged]:
    """Yield what has happened: what is to begin later is left out, what is to end later goes on.

    A plan for a moment may be taken back until it comes. Clocks of two machines differ: what comes
    true within minutes has.
    """
    horizon = now + CLOCKS_DIFFER
    for one in charged:
        if one.since <= horizon:
            ahead = one.until is not None and one.until > horizon
            yield replace(one, until=None) if ahead else one


def stretches_of(
    charged: Charged, worth: Worth, lasting: Sequence[LastingDiscount]
) -> Iterator[Stretch]:
    """Yield a stretch with what it is worth a month, cut where a coupon for ever begins or ends.

    The coupons are those of its subscription; one for other plans or another currency counts not.
    An amount is taken off the plan and not off its add-ons.
    """
    version = worth.version
    plan_key = charged.beside or version.plan_key
    mine = [one for one in lasting if _fits(one, plan_key, version.currency)]
    if charged.beside is not None:
        mine = [one for one in mine if one.discount.percent is not None]
    for since, until in _cut(charged, mine):
        discounts = tuple(one.discount for one in mine if _holds(one, since))
        yield Stretch(
            customer_id=charged.customer_id,
            subscription_id=charged.subscription_id,
            plan_key=version.plan_key,
            plan_version=version.version,
            currency=version.currency,
            since=since,
            until=until,
            monthly_minor=worth.monthly_minor(charged.quantity, discounts),
        )


def _fits(one: LastingDiscount, plan_key: str, currency: str) -> bool:
    named = not one.plan_keys or plan_key in one.plan_keys
    return named and one.currency in {None, currency}


def _holds(one: LastingDiscount, at: datetime) -> bool:
    return one.since <= at and (one.until is None or at < one.until)


def _cut(
    charged: Charged, lasting: Sequence[LastingDiscount]
) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield the parts of a stretch between which no coupon begins or ends."""
    moments = {at for one in lasting for at in (one.since, one.until) if at is not None}
    inside = sorted(
        at for at in moments if charged.since < at and (charged.until is None or at < charged.until)
    )
    since = charged.since
    for at in inside:
        yield since, at
        since = at
    yield since, charged.until
