"""Do grants merge, end and settle as documented, whatever the subscriptions say?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import (
    Feature,
    FeatureKind,
    Interval,
    OnOutage,
    PlanVersion,
    Terms,
)
from solvent.kernel.entitlements import rules
from solvent.kernel.entitlements.errors import (
    CommitTooLarge,
    ReservationClosed,
    ReservationExpired,
)
from solvent.kernel.entitlements.model import (
    Access,
    Code,
    Grant,
    Record,
    Reservation,
    ReservationState,
    Wish,
)
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Status, Subscription, SubscriptionId

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MONTH = Period(NOW - DAY, NOW + 30 * DAY)


def held(product: str, *features: Feature, status=Status.ACTIVE, until=NOW + DAY):
    terms = Terms(
        product_key=product,
        name=product,
        currency="USD",
        interval=Interval.MONTH,
        interval_count=1,
        prices=(),
        features=features,
    )
    plan = PlanVersion(plan_key=product, version=1, terms=terms, digest="", created_at=NOW)
    subscription = Subscription(
        id=SubscriptionId(f"sub_{product}"),
        customer_id="cus_1",
        product_key=product,
        plan_key=product,
        plan_version=1,
        status=status,
        current=True,
        period=MONTH,
        anchor_at=NOW,
        time_zone="UTC",
        plan_expires_at=until,
        auto_renew=True,
        created_at=NOW,
    )
    return subscription, plan


def quota(limit: int | None, *, overage: bool = False, key: str = "seats") -> Feature:
    amount = None if limit is None else Decimal(limit)
    return Feature(key, FeatureKind.QUOTA, limit=amount, overage=overage)


def record_of(*subscriptions, used: Decimal = Decimal(0)) -> Record:
    made = Record(
        customer_id="cus_1",
        customer_ref="alice",
        revision=1,
        access=rules.access_of(subscriptions),
        features=rules.grants_of(subscriptions, now=NOW),
    )
    return rules.with_used(made, {grant.feature_key: used for grant in made.features})


@pytest.mark.parametrize(
    "status, allowed",
    [
        (Status.PENDING, False),
        (Status.TRIALING, True),
        (Status.ACTIVE, True),
        (Status.PAST_DUE, True),
        (Status.PAUSED, False),
        (Status.CANCELED, False),
        (Status.EXPIRED, False),
    ],
)
def test_only_some_states_let_in(status: Status, allowed: bool) -> None:
    record = record_of(held("logs", Feature("export", FeatureKind.SWITCH), status=status))
    for wish in (Wish(), Wish(product="logs"), Wish(feature="export")):
        assert rules.decide(record, wish, now=NOW).allowed is allowed


@pytest.mark.parametrize(
    "before, allowed", [(SECOND, True), (timedelta(microseconds=1), True), (timedelta(0), False)]
)
def test_access_is_half_open(before: timedelta, allowed: bool) -> None:
    record = record_of(held("logs", quota(1)))
    for wish in (Wish(), Wish(feature="seats")):
        decision = rules.decide(record, wish, now=NOW + DAY - before)
        assert decision.allowed is allowed
        assert decision.code is (Code.OK if allowed else Code.EXPIRED)


@pytest.mark.parametrize(
    "one, other",
    [
        (quota(None), quota(10**9, overage=True)),
        (quota(5, overage=True), quota(10**9)),
        (quota(11), quota(10)),
    ],
)
def test_the_better_grant_counts_in_either_order(one: Feature, other: Feature) -> None:
    for pair in ((held("a", one), held("b", other)), (held("b", other), held("a", one))):
        grant = record_of(*pair).feature("seats")
        assert (grant.limit, grant.overage) == (one.limit, one.overage)


def test_a_lapsed_grant_gives_way_to_a_valid_one() -> None:
    lapsed = held("a", quota(None), until=NOW)
    assert record_of(lapsed, held("b", quota(1))).feature("seats").limit == 1
    assert rules.decide(record_of(lapsed), Wish(feature="seats"), now=NOW).code is Code.EXPIRED


def test_products_are_asked_for_by_name() -> None:
    record = record_of(held("a", quota(1)), held("b", until=NOW))
    ask = {name: rules.decide(record, Wish(product=name), now=NOW).code for name in "abc"}
    assert ask == {"a": Code.OK, "b": Code.EXPIRED, "c": Code.NO_SUBSCRIPTION}
    other = rules.decide(record, Wish(feature="seats", product="b"), now=NOW)
    assert not other.allowed


@given(
    limit=st.integers(0, 50),
    uses=st.lists(st.integers(1, 20).map(lambda n: Decimal(n) / 4), max_size=60),
)
def test_no_sequence_of_allowed_uses_passes_the_limit(limit: int, uses: list[Decimal]) -> None:
    used = Decimal(0)
    for quantity in uses:
        record = record_of(held("logs", quota(limit)), used=used)
        decision = rules.decide(record, Wish(feature="seats", quantity=quantity), now=NOW)
        assert decision.allowed is (used + quantity <= limit)
        if decision.allowed:
            used += quantity
    assert used <= limit


def test_the_next_change_is_the_earliest_to_come() -> None:
    record = record_of(held("a", quota(1), until=NOW + DAY), held("b", until=NOW - DAY))
    hold = reservation(expires_at=NOW + SECOND)
    assert rules.next_change(record, [hold], now=NOW) == NOW + SECOND
    assert rules.next_change(record, [], now=NOW) == NOW + DAY
    assert rules.next_change(record, [hold], now=NOW + DAY) is None


def test_past_its_period_a_quota_goes_on_counting() -> None:
    grant = record_of(held("a", quota(1))).feature("seats")
    assert rules.measured_period(grant, now=NOW) == MONTH
    late = MONTH.end + SECOND
    assert late in rules.measured_period(grant, now=late)
    with pytest.raises(ValueError, match="not measured"):
        rules.measured_period(replace(grant, period=None), now=NOW)


def reservation(**more) -> Reservation:
    made = Reservation(
        id="rsv_1",
        key=None,
        customer_id="cus_1",
        feature_key="seats",
        quantity=Decimal(5),
        committed=Decimal(0),
        state=ReservationState.HELD,
        expires_at=NOW + SECOND,
    )
    return replace(made, **more)


@pytest.mark.parametrize(
    "more, quantity, now, error",
    [
        ({}, 6, NOW, CommitTooLarge),
        ({}, 5, NOW + SECOND, ReservationExpired),
        ({"state": ReservationState.EXPIRED}, 0, NOW, ReservationExpired),
        ({"state": ReservationState.RELEASED}, 5, NOW, ReservationClosed),
        ({"state": ReservationState.COMMITTED, "committed": Decimal(5)}, 4, NOW, ReservationClosed),
        ({"state": ReservationState.COMMITTED, "committed": Decimal(5)}, 0, NOW, ReservationClosed),
    ],
)
def test_a_settlement_is_refused(more, quantity: int, now: datetime, error) -> None:
    with pytest.raises(error):
        rules.settle(reservation(**more), quantity=Decimal(quantity), now=now)


@given(st.sampled_from([Decimal(0), Decimal(2), Decimal(5)]))
def test_settling_again_changes_nothing(quantity: Decimal) -> None:
    once = rules.settle(reservation(), quantity=quantity, now=NOW)
    assert rules.settle(once, quantity=quantity, now=NOW + DAY) == once


def test_a_record_says_the_same_until_something_is_another() -> None:
    old = record_of(held("a", quota(1)))
    assert rules.next_revision(old, replace(old, stale_at=NOW)).revision == 1
    used = rules.with_used(old, {"seats": Decimal(1)})
    assert rules.next_revision(old, used).revision == 2
    assert rules.grants_the_same(old, used)
    assert not rules.grants_the_same(old, replace(old, features=()))


def test_numbers_are_told_in_plain_digits() -> None:
    grant = Grant(
        feature_key="gb",
        kind=FeatureKind.QUOTA,
        on_outage=OnOutage.OPEN,
        product_key="a",
        until=None,
        limit=Decimal("1E+3"),
        period=MONTH,
        used=Decimal("0.2500"),
    )
    access = Access(product_key="a", plan_key="a", status="active", until=None)
    record = Record(
        customer_id="cus_1", customer_ref="alice", revision=3, access=(access,), features=(grant,)
    )
    told = rules.describe(record)
    assert (told.features["gb"].limit, told.features["gb"].used) == ("1000", "0.25")
    assert rules.decide(record, Wish(feature="gb"), now=NOW + 9999 * DAY).allowed
