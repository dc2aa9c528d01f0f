"""Is a subscription worth a month what the policy says?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms
from solvent.kernel.ledger.model import Discount
from solvent.kernel.ledger.model.history import LastingDiscount
from solvent.kernel.subscriptions.model import Charged, PlanRef
from solvent.systems.revenue.rules.monthly import Worth, known_by, monthly_minor, stretches_of

START = datetime(2026, 1, 31, tzinfo=UTC)
FLAT = PriceModel.FLAT


def version(*prices: Price, months: int = 1, **terms) -> PlanVersion:
    interval = (Interval.YEAR, 1) if months == 12 else (Interval.MONTH, months)
    made = Terms("desk", "Plan", "USD", *interval, prices, (), **terms)
    return PlanVersion("plan", 1, made, "0" * 64, START)


def fee(amount_minor: int, **more) -> Price:
    return Price("base", FLAT, amount_minor=amount_minor, **more)


@pytest.mark.parametrize(
    "amount, months, monthly",
    [(1500, 1, 1500), (12_000, 12, 1000), (10_000, 12, 833), (10_000, 3, 3333), (10_001, 2, 5001)],
)
def test_a_year_counts_a_twelfth_and_a_quarter_a_third(amount, months, monthly) -> None:
    assert monthly_minor(version(fee(amount), months=months)) == monthly


def test_seats_count_and_usage_does_not() -> None:
    seat = Price("seat", FLAT, amount_minor=900, per_seat=True)
    usage = Price("gb", PriceModel.PER_UNIT, meter_key="gb", unit_rate=Decimal(5))
    assert monthly_minor(version(fee(100), seat, usage), seats=7) == 6400


def test_what_is_owed_at_least_counts() -> None:
    usage = Price("gb", PriceModel.PER_UNIT, meter_key="gb", minimum_minor=300)
    assert monthly_minor(version(usage)) == 300
    assert monthly_minor(version(usage, minimum_minor=1000)) == 1000
    assert monthly_minor(version(fee(5000), maximum_minor=2000)) == 2000


def test_a_fee_each_twelfth_period_counts_a_twelfth() -> None:
    assert monthly_minor(version(fee(1200, every=12))) == 100


def test_coupons_for_ever_are_taken_off_shares_first() -> None:
    half, two = (
        Discount("HALF", "Half", percent=Decimal(50)),
        Discount("TWO", "2", amount_minor=200),
    )
    assert monthly_minor(version(fee(1500)), discounts=[two, half]) == 550
    assert monthly_minor(version(fee(1500)), discounts=[Discount("X", "", amount_minor=9999)]) == 0


def charged(since: datetime, until: datetime | None) -> Charged:
    return Charged("cus_1", "sub_1", PlanRef("plan", 1), 1, since, until)


def lasting(since: datetime, until: datetime | None, **more) -> LastingDiscount:
    given = {"currency": None, "plan_keys": ()} | more
    return LastingDiscount(
        "sub_1", Discount("C", "C", amount_minor=1400), since=since, until=until, **given
    )


def test_a_stretch_is_cut_where_a_coupon_begins_and_ends() -> None:
    day = timedelta(days=1)
    found = stretches_of(
        charged(START, None), Worth(version(fee(1500))), [lasting(START + day, START + 3 * day)]
    )
    assert [(one.since, one.until, one.monthly_minor) for one in found] == [
        (START, START + day, 1500),
        (START + day, START + 3 * day, 100),
        (START + 3 * day, None, 1500),
    ]


def test_a_coupon_for_another_plan_or_currency_counts_not() -> None:
    coupons = [lasting(START, None, plan_keys=("other",)), lasting(START, None, currency="EUR")]
    (one,) = stretches_of(charged(START, None), Worth(version(fee(1500))), coupons)
    assert one.monthly_minor == 1500


def test_what_is_planned_has_not_happened() -> None:
    later = START + timedelta(hours=1)
    known = list(known_by([charged(START, later), charged(later, None)], START))
    assert known == [charged(START, None)]
    assert len(list(known_by([charged(START, later), charged(later, None)], later))) == 2
