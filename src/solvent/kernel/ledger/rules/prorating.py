"""Which part of a period's fee does each part of the period pay?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

from solvent.kernel.catalogue.model import PlanVersion, Price, Proration
from solvent.kernel.catalogue.rules import fees_minor, rate_fee
from solvent.kernel.ledger.model import DraftInput, Part, Stretch
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import FeePeriod
from solvent.kit.money import allocate, round_minor

WIDE = Context(prec=60, rounding=ROUND_HALF_UP)
"""For quotients, which need not end: far more digits than the amount they are rounded to."""


def seconds(period: Period) -> int:
    """Return a period's length in elapsed seconds: a day of 23 or 25 hours has what it has."""
    return period.duration // timedelta(seconds=1)


def days(period: Period, time_zone: str) -> int:
    """Return how many midnights of a zone lie after a period's start, up to and with its end."""
    zone = ZoneInfo(time_zone)
    start, end = (at.astimezone(zone).date() for at in (period.start, period.end))
    return end.toordinal() - start.toordinal()


def fee_of(given: DraftInput) -> FeePeriod:
    """Return which whole period, the how manieth, a fee of the invoice is for."""
    return given.fee or FeePeriod(given.period, 0)


def same_version(one: PlanVersion, other: PlanVersion) -> bool:
    """Return whether two are one version of one plan."""
    return (one.plan_key, one.version) == (other.plan_key, other.version)


def parts_of(stretch: Stretch, price: Price) -> tuple[Part, ...]:
    """Return the parts of a stretch that a fee tells apart: one, unless it is per seat."""
    return stretch.parts_held if price.per_seat else (Part(stretch.period),)


def beside(given: DraftInput, stretch: Stretch) -> tuple[Stretch, ...]:
    """Return the stretches that share a fee with one: of the plan, or of the same add-on's plan."""
    if stretch.addon_id is None:
        return given.stretches
    key = stretch.version.plan_key
    return tuple(one for one in given.addons if one.version.plan_key == key)


def fee_shares(given: DraftInput, of: Stretch, price: Price) -> list[tuple[Part, int]]:
    """Return what each part of the invoice's time under a plan version pays of a fee, in order.

    By the second or the day, all parts together come to the sum of what each would cost, rounded
    once: a fee that did not change, for a whole period, to exactly itself. A fee for several
    periods is charged whole in the first of them, however short: of plans that follow one another
    in it, the dearest.
    """
    version, others = of.version, beside(given, of)
    parts = [
        part
        for stretch in others
        if same_version(stretch.version, version)
        for part in parts_of(stretch, price)
    ]
    fees = [rate_fee(price, part.quantity).amount_minor for part in parts]
    if is_charged_whole(version, price):
        charged = same_version(version, _dearest(others, price))
        return list(zip(parts, _greatest_once(fees, charged=charged), strict=True))
    weights, whole = _weigh(given, version, [part.period for part in parts])
    return list(zip(parts, split(fees, weights, whole), strict=True))


def bound_share(given: DraftInput, index: int, bound_minor: int) -> int:
    """Return a stretch's part of what a period of its plan comes to at least or at most."""
    version = given.stretches[index].version
    same = [one for one in given.stretches if same_version(one.version, version)]
    weights, whole = _weigh(given, version, [stretch.period for stretch in same])
    if version.terms.proration is Proration.NONE:
        whole = sum(weights)
    shares = split([bound_minor] * len(same), weights, whole)
    return shares[same.index(given.stretches[index])]


def split(fees: Sequence[int], weights: Sequence[int], whole: int) -> list[int]:
    """Return each fee's part, weight by whole; what they sum to is rounded once."""
    if len(set(fees)) == 1:
        rest = max(whole - sum(weights), 0)
        return allocate(fees[0], [*weights, rest])[:-1]
    exact = [fee * weight for fee, weight in zip(fees, weights, strict=True)]
    due_minor = round_minor(WIDE.divide(Decimal(sum(exact)), Decimal(whole)))
    return allocate(due_minor, exact) if any(exact) else [0] * len(exact)


def days_of(given: DraftInput, version: PlanVersion, period: Period) -> tuple[int, int] | None:
    """Return how many days of how many a part of a period has, where they are what counts."""
    whole = days(fee_of(given).whole, given.time_zone)
    by_day = version.terms.proration is Proration.DAY and whole > 0
    return (days(period, given.time_zone), whole) if by_day else None


def _weigh(
    given: DraftInput, version: PlanVersion, periods: Sequence[Period]
) -> tuple[list[int], int]:
    """Return how much each period counts, and the whole: days where the plan says so."""
    whole = fee_of(given).whole
    if days_of(given, version, whole) is None:
        return [seconds(one) for one in periods], seconds(whole)
    return [days(one, given.time_zone) for one in periods], days(whole, given.time_zone)


def is_charged_whole(version: PlanVersion, price: Price) -> bool:
    """Return whether a part of a period pays all of a fee."""
    return price.every > 1 or version.terms.proration is Proration.NONE


def _greatest_once(fees: Sequence[int], *, charged: bool) -> list[int]:
    """Return all of the greatest fee for its first part, and nothing for the others."""
    first = fees.index(max(fees))
    return [fee if charged and place == first else 0 for place, fee in enumerate(fees)]


def _dearest(others: Sequence[Stretch], price: Price) -> PlanVersion:
    """Return the version whose fee is charged: of those that are charged whole, the dearest.

    Fees for several periods are compared with such fees only, and the others with all of a plan.
    """
    if price.every > 1:
        return max(reversed(others), key=_most_for_long).version
    whole = [one for one in others if one.version.terms.proration is Proration.NONE]
    return max(reversed(whole), key=_most).version


def _most(stretch: Stretch) -> int:
    return max(fees_minor(stretch.version, part.quantity) for part in stretch.parts_held)


def _most_for_long(stretch: Stretch) -> int:
    long = [price for price in stretch.version.fees if price.every > 1]
    return max(
        sum(rate_fee(price, part.quantity).amount_minor for price in long)
        for part in stretch.parts_held
    )
