"""Do codes, days, caps and quotes lead where they should? No engine is needed for that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms
from solvent.kernel.metering.model import Period
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import (
    PolicyMalformed,
    TopUpMalformed,
    UpgradeRefused,
)
from solvent.systems.payments.collection.model import (
    Decline,
    FinalStep,
    NextStep,
    Policy,
    RuleState,
    TopUpRule,
)
from solvent.systems.payments.collection.rules import schedule
from solvent.systems.payments.collection.rules.declines import CLASSES, classify
from solvent.systems.payments.collection.rules.top_up import check, is_due, month_of
from solvent.systems.payments.collection.rules.upgrade import quote
from solvent.systems.payments.model import DisputeOutcome, DisputeSeen, Provider
from solvent.systems.payments.rules import stripe
from solvent.systems.payments.rules.disputes import outcome_of
from solvent.systems.payments.rules.reading import Doc
from solvent.systems.payments.stripe_emulator.cards import DECLINES

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "code,expected",
    [
        ("insufficient_funds", Decline.SOFT),
        ("try_again_later", Decline.SOFT),
        ("processing_error", Decline.SOFT),
        ("stolen_card", Decline.HARD),
        ("lost_card", Decline.HARD),
        ("expired_card", Decline.HARD),
        ("invalid_account", Decline.HARD),
        ("authentication_required", Decline.ACTION),
        ("no_method", Decline.NO_METHOD),
        ("amount_too_small", Decline.REFUSED),
        ("a_code_of_next_year", Decline.SOFT),
        (None, Decline.SOFT),
    ],
)
def test_each_code_calls_for_something(code, expected):
    assert classify(code) is expected


def test_every_decline_of_the_emulator_is_known():
    told = {one.decline_code or one.code for one in DECLINES.values()}
    assert told <= CLASSES.keys()


@given(
    days=st.lists(st.integers(1, 60), unique=True, max_size=8).map(sorted),
    more=st.integers(0, 30),
    looks=st.lists(st.integers(0, 200), max_size=12).map(sorted),
)
def test_any_series_of_failures_ends_and_makes_up_for_nothing(days, more, looks):
    """However late each failure is seen: steps go forward, and there are no more than planned."""
    last = (days[-1] if days else 0) + more
    policy = Policy(retries={Decline.SOFT: tuple(days)}, give_up_days=last)
    steps = 0
    for look in looks:
        now = NOW + look * DAY
        step = schedule.after_failure(policy, Decline.SOFT, first_failed_at=NOW, now=now)
        assert step.at >= now
        if step.kind is NextStep.GIVE_UP:
            assert step.at == max(now, NOW + last * DAY)
            break
        assert step.at > now
        steps += 1
    assert steps <= max(len(looks), 0)


def test_after_three_months_of_silence_one_failure_is_the_last():
    step = schedule.after_failure(
        Policy(), Decline.SOFT, first_failed_at=NOW, now=NOW + timedelta(days=90)
    )
    assert step == schedule.Step(NextStep.GIVE_UP, NOW + timedelta(days=90))


def test_what_nobody_can_help_waits_for_somebody():
    assert schedule.after_failure(Policy(), Decline.REFUSED, first_failed_at=NOW, now=NOW) is None


@pytest.mark.parametrize(
    "document,field",
    [
        ({"give_up_days": -1}, "give_up_days"),
        ({"give_up_days": True}, "give_up_days"),
        ({"give_up_days": "21"}, "give_up_days"),
        ({"automatic": "yes"}, "automatic"),
        ({"final": "shout"}, "final"),
        ({"retries": []}, None),
        ({"retries": {"odd": [1]}}, "retries"),
        ({"retries": {"soft": 3}}, "retries.soft"),
        ({"retries": {"soft": [3, 1]}}, "retries.soft"),
        ({"retries": {"soft": [0]}}, "retries.soft"),
        ({"retries": {"soft": [1, 30]}}, "retries.soft"),
        ({"retries": {"soft": list(range(1, 22))}, "give_up_days": 40}, "retries.soft"),
        ({"retries": {"hard": [1]}}, "retries.hard"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused(document, field):
    if field is None:
        assert schedule.read(document) == Policy()
        return
    with pytest.raises(PolicyMalformed) as refused:
        schedule.read(document)
    assert refused.value.field == field


def test_a_policy_is_written_as_it_is_read():
    policy = schedule.read(
        {"automatic": True, "retries": {"soft": [2, 5]}, "give_up_days": 9, "final": "pause"}
    )
    assert schedule.read(schedule.written(policy)) == policy
    assert (policy.final, policy.retries[Decline.SOFT]) == (FinalStep.PAUSE, (2, 5))


def rule(**change):
    wanted = {
        "customer_id": "cus_1",
        "currency": "USD",
        "threshold_minor": 1000,
        "amount_minor": 5000,
        "bonus_minor": 0,
        "monthly_cap_minor": 10_000,
        "state": RuleState.ACTIVE,
        "reason": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return TopUpRule(**(wanted | change))


@pytest.mark.parametrize(
    "left,charged,expected",
    [(999, 0, True), (1000, 0, False), (-5, 5000, True), (0, 5001, False), (0, 10_000, False)],
)
def test_a_top_up_is_due_below_the_threshold_and_within_the_cap(left, charged, expected):
    assert is_due(rule(), left_minor=left, charged_minor=charged) is expected
    assert not is_due(rule(state=RuleState.PAUSED), left_minor=left, charged_minor=charged)


@pytest.mark.parametrize(
    "change,field",
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"threshold_minor": -1}, "threshold_minor"),
        ({"bonus_minor": -1}, "bonus_minor"),
        ({"monthly_cap_minor": 4999}, "monthly_cap_minor"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(change, field):
    with pytest.raises(TopUpMalformed) as refused:
        check(rule(**change))
    assert refused.value.field == field


def test_a_month_begins_at_its_first_moment():
    assert month_of(NOW) == datetime(2026, 1, 1, tzinfo=UTC)


def plan(amount_minor, **change):
    terms = {
        "product_key": "app",
        "name": "Plan",
        "currency": "USD",
        "interval": Interval.MONTH,
        "interval_count": 1,
        "prices": (Price("base", PriceModel.FLAT, amount_minor=amount_minor),),
        "features": (),
    }
    return PlanVersion("plan", 1, Terms(**(terms | change)), digest="", created_at=NOW)


MONTH = Period(NOW, NOW + 31 * DAY)


def test_an_upgrade_costs_the_difference_for_the_seconds_that_are_left():
    assert quote(plan(2900), plan(9900), period=MONTH, now=NOW) == 7000
    half = NOW + timedelta(days=15, hours=12)
    assert quote(plan(2900), plan(9900), period=MONTH, now=half) == 3500
    assert quote(plan(2900), plan(9900), period=MONTH, now=MONTH.end) == 0


@pytest.mark.parametrize(
    "new",
    [
        plan(2900),
        plan(100),
        plan(9900, interval=Interval.YEAR),
        plan(9900, currency="EUR"),
        plan(9900, product_key="other"),
    ],
)
def test_what_is_no_upgrade_is_refused(new):
    with pytest.raises(UpgradeRefused):
        quote(plan(2900), new, period=MONTH, now=NOW)


@pytest.mark.parametrize(
    "provider,status,reason,expected",
    [
        (Provider.STRIPE, "needs_response", "fraudulent", DisputeOutcome.OPEN),
        (Provider.STRIPE, "under_review", "fraudulent", DisputeOutcome.OPEN),
        (Provider.STRIPE, "warning_closed", "fraudulent", DisputeOutcome.WON),
        (Provider.STRIPE, "won", "fraudulent", DisputeOutcome.WON),
        (Provider.STRIPE, "lost", "fraudulent", DisputeOutcome.LOST),
        (Provider.PADDLE, "approved", "chargeback", DisputeOutcome.LOST),
        (Provider.PADDLE, "approved", "chargeback_warning", DisputeOutcome.OPEN),
        (Provider.PADDLE, "approved", "chargeback_reverse", DisputeOutcome.WON),
        (Provider.PADDLE, "rejected", "chargeback_reverse", DisputeOutcome.OPEN),
    ],
)
def test_a_dispute_is_open_won_or_lost(provider, status, reason, expected):
    seen = DisputeSeen("dp_1", "pi_1", Money(100, "USD"), status, reason)
    assert outcome_of(provider, seen) is expected


@pytest.mark.parametrize(
    "amount,currency,expected",
    [
        (2900, "USD", 2900),
        (500, "JPY", 500),
        (500, "ISK", 50_000),
        (1230, "KWD", 1230),
        (500, "MGA", 5),
        (501, "MGA", None),
    ],
)
def test_amounts_are_told_as_stripe_counts_them_and_read_back(amount, currency, expected):
    money = Money(amount, currency)
    assert stripe.counted(money) == expected
    if expected is not None:
        told = Doc({"amount": expected, "currency": currency.lower()})
        assert stripe.money(told, "amount") == money
