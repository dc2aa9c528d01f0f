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

    The period's invoice charges each plan for its own seconds, so that it comes to the same; usage
    and tax are its to add.

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
    more_minor = _fee(new) - _fee(old)
    if more_minor <= 0:
        message = "the plan costs no more: change it without a payment"
        raise UpgradeRefused(message, field="plan")
    left, whole = (period.end - now) // SECOND, period.duration // SECOND
    return round_minor(Decimal(more_minor) * left / whole)


def _fee(version: PlanVersion) -> int:
    return sum(one.amount_minor for one in version.prices if one.model is PriceModel.FLAT)
