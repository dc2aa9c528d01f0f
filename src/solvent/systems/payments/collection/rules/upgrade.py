"""What does a better plan cost for the rest of a period?"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from solvent.kernel.catalogue.model import PlanVersion, PriceModel, Proration
from solvent.kernel.metering.model import Period
from solvent.kit.money import round_minor
from solvent.systems.payments.collection.errors import UpgradeRefused

SECOND = timedelta(seconds=1)


def quote(old: PlanVersion, new: PlanVersion, *, period: Period, now: datetime) -> int:
    """Return, in minor units, how much more the fixed fees are for the seconds that are left.

    The period's invoice charges each plan for its own seconds and comes to exactly so much more;
    usage and tax are its to add.

    Raises:
        UpgradeRefused: the plans differ in length or currency, or the new one costs no more.
    """
    if (old.interval, old.interval_count) != (new.interval, new.interval_count):
        message = "an upgrade for a payment at once keeps the length of the period"
        raise UpgradeRefused(message, field="plan")
    if old.currency != new.currency or old.product_key != new.product_key:
        raise UpgradeRefused("the plans differ in product or currency", field="plan")
    if any(one.terms.seats or one.terms.proration is not Proration.SECOND for one in (old, new)):
        message = "only plans without seats that are prorated by the second are quoted"
        raise UpgradeRefused(message, field="plan")
    left, whole = (period.end - now) // SECOND, period.duration // SECOND
    old_minor = _share(old, whole, whole)
    if _share(new, whole, whole) <= old_minor:
        message = "the plan costs no more: change it without a payment"
        raise UpgradeRefused(message, field="plan")
    return _share(old, whole - left, whole) + _share(new, left, whole) - old_minor


def _share(version: PlanVersion, seconds: int, whole: int) -> int:
    """Return what the fixed fees come to for some seconds, each rounded as its line will be."""
    return sum(
        round_minor(Decimal(price.amount_minor) * seconds / whole)
        for price in version.prices
        if price.model is PriceModel.FLAT
    )
