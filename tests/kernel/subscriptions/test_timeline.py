"""Does time do each thing once and in order, however late and however often it is asked?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import SeatTerms
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import (
    PlannedChange,
    PlannedKind,
    PlanRef,
    Segment,
    Status,
    Subscription,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.calendar import seconds
from solvent.kernel.subscriptions.rules.states import RENEWAL_SLACK, expires_at
from solvent.kernel.subscriptions.rules.timeline import STEPS_MAX, due_at, steps_due
from solvent.kernel.subscriptions.rules.turning import Cycle, Turn

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
GRACE = timedelta(days=3)
MONTHLY = Cycle(1, GRACE)
PRO, TEAM, YEARLY = PlanRef("pro", 1), PlanRef("team", 1), PlanRef("yearly", 1)
SEATS = SeatTerms(1, 6)
CYCLES = {
    PRO: replace(MONTHLY, seats=SEATS),
    TEAM: replace(MONTHLY, seats=SEATS),
    YEARLY: Cycle(12, GRACE),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def held(status: Status = Status.ACTIVE, **more) -> Subscription:
    start = at("2026-01-31T10:00")
    made = Subscription(
        id=SubscriptionId("sub_1"),
        customer_id="cus_1",
        product_key="logs",
        plan_key="pro",
        plan_version=1,
        status=status,
        current=True,
        period=Period(start, at("2026-02-28T10:00")),
        anchor_at=start,
        time_zone="UTC",
        plan_expires_at=start,
        auto_renew=True,
        created_at=start,
        paid_through=at("2026-02-28T10:00"),
        charged_from=start if status in {Status.ACTIVE, Status.PAST_DUE} else None,
    )
    made = replace(made, **more)
    return replace(made, plan_expires_at=expires_at(made, grace=GRACE))


STRIPE = {"provider": "stripe", "provider_subscription_id": "sub_9"}
ON_TRIAL = {
    "status": Status.TRIALING,
    "period": Period(at("2026-01-31T10:00"), at("2026-02-14T10:00")),
    "anchor_at": at("2026-02-14T10:00"),
    "trial_end_at": at("2026-02-14T10:00"),
    "paid_through": at("2026-02-14T10:00"),
}


def run(one: Subscription, until: str) -> list[Turn]:
    return list(steps_due(one, CYCLES.__getitem__, now=at(until)))


def ended(turns: list[Turn]) -> list[tuple[str, str]]:
    return [(_day(turn.ended.start), _day(turn.ended.end)) for turn in turns if turn.ended]


def _day(moment: datetime) -> str:
    return moment.strftime("%m-%d")


# ------------------------------------------------------------------------------------- boundaries


def test_nothing_happens_before_its_time() -> None:
    assert run(held(), "2026-02-28T09:59:59") == []
    assert due_at(held()) == at("2026-02-28T10:00")


def test_a_scheduler_down_for_three_months_ends_each_period_once_in_order() -> None:
    turns = run(held(), "2026-05-31T10:00")
    assert ended(turns) == [
        ("01-31", "02-28"),
        ("02-28", "03-31"),
        ("03-31", "04-30"),
        ("04-30", "05-31"),
    ]
    last = turns[-1].subscription
    assert last.period == Period(at("2026-05-31T10:00"), at("2026-06-30T10:00"))
    assert last.plan_expires_at == at("2026-07-03T10:00")
    assert run(last, "2026-05-31T10:00") == []


def test_a_clock_that_goes_back_doubles_nothing() -> None:
    last = run(held(), "2026-03-01T00:00")[-1].subscription
    assert run(last, "2026-02-28T10:00") == []
    assert run(last, "2026-01-01T00:00") == []


def test_no_more_steps_than_the_limit_in_one_go() -> None:
    turns = run(held(), "2126-01-01")
    assert len(turns) == STEPS_MAX
    rest = run(turns[-1].subscription, "2126-01-01")
    assert ended(rest)[0][0] == ended(turns)[-1][1]


def test_what_does_not_renew_expires_at_the_second() -> None:
    (turn,) = run(held(auto_renew=False), "2026-04-01")
    assert turn.subscription.status is Status.EXPIRED
    assert turn.subscription.ended_at == at("2026-02-28T10:00")
    assert turn.subscription.plan_expires_at == at("2026-02-28T10:00")
    assert due_at(turn.subscription) is None


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
def test_nothing_is_ever_due_after_the_end(status: Status) -> None:
    over = held(status, ended_at=at("2026-02-01"))
    assert due_at(over) is None
    assert run(over, "2030-01-01") == []


# ---------------------------------------------------------------------------------------- trials


def test_a_trial_turns_into_a_whole_period() -> None:
    (turn,) = run(held(**ON_TRIAL), "2026-02-14T10:00")
    assert turn.why == "trial_ended"
    assert ended([turn]) == [("01-31", "02-14")]
    assert turn.charged is None
    assert turn.subscription.status is Status.ACTIVE
    assert turn.subscription.charged_from == at("2026-02-14T10:00")
    assert ended(run(turn.subscription, "2026-04-14T10:00")) == [
        ("02-14", "03-14"),
        ("03-14", "04-14"),
    ]


def test_a_trial_ending_on_a_billing_day_is_followed_by_one_whole_period() -> None:
    trial_end = at("2026-02-28T10:00")
    one = held(
        Status.TRIALING,
        period=Period(at("2026-01-31T10:00"), trial_end),
        anchor_at=trial_end,
        trial_end_at=trial_end,
    )
    turns = run(one, "2026-03-28T10:00")
    assert ended(turns) == [("01-31", "02-28"), ("02-28", "03-28")]
    assert [turn.charged is None for turn in turns] == [True, False]


def test_a_trial_that_does_not_renew_expires() -> None:
    (turn,) = run(held(auto_renew=False, **ON_TRIAL), "2026-06-01")
    assert turn.subscription.status is Status.EXPIRED
    assert turn.charged is None


# ---------------------------------------------------------------------------------------- endings


def test_a_planned_cancellation_comes_before_the_renewal_of_the_same_second() -> None:
    (turn,) = run(held(cancel_at=at("2026-02-28T10:00")), "2026-06-01")
    assert turn.subscription.status is Status.CANCELED
    assert ended([turn]) == [("01-31", "02-28")]


def test_a_cancellation_within_a_later_period_ends_that_one_early() -> None:
    turns = run(held(cancel_at=at("2026-03-10T00:00")), "2026-06-01")
    assert ended(turns) == [("01-31", "02-28"), ("02-28", "03-10")]
    assert turns[-1].subscription.plan_expires_at == at("2026-03-10T00:00")


def test_what_was_never_paid_expires_and_bills_nothing() -> None:
    (turn,) = run(held(Status.PENDING), "2026-06-01")
    assert turn.subscription.status is Status.EXPIRED
    assert (turn.ended, turn.charged) == (None, None)


# ---------------------------------------------------------------------------------------- pauses


def test_a_pause_is_not_charged_and_moves_no_boundary() -> None:
    resting = held(Status.PAUSED, paused_at=at("2026-02-10"), resume_at=at("2026-03-10"))
    turns = run(resting, "2026-03-31T10:00")
    assert ended(turns) == [("01-31", "02-28"), ("02-28", "03-31")]
    charged = [turn.charged.period for turn in turns if turn.charged]
    assert charged == [Period(at("2026-03-10"), at("2026-03-31T10:00"))]
    assert turns[-1].subscription.status is Status.ACTIVE
    assert turns[-1].subscription.paused_at is None


# ---------------------------------------------------------------------------------------- plans


def test_a_planned_change_of_plan_begins_with_the_next_period() -> None:
    turns = run(held(next_plan=TEAM), "2026-03-31T10:00")
    assert [turn.charged.plan for turn in turns if turn.charged] == [PRO, TEAM]
    assert turns[-1].subscription.plan == TEAM
    assert turns[-1].subscription.next_plan is None


def test_a_yearly_plan_follows_a_monthly_one_at_its_end() -> None:
    one = held(
        next_plan=YEARLY,
        anchor_at=at("2026-01-28T10:00"),
        period=Period(at("2026-01-28T10:00"), at("2026-02-28T10:00")),
    )
    (turn,) = run(one, "2026-03-01")
    assert turn.subscription.period == Period(at("2026-02-28T10:00"), at("2027-02-28T10:00"))


# ---------------------------------------------------------------------------------------- providers


def test_an_unconfirmed_renewal_has_its_grace_and_then_owes() -> None:
    turns = run(held(**STRIPE), "2026-03-20")
    assert [turn.why for turn in turns] == ["renewed", "unconfirmed"]
    advanced, owing = (turn.subscription for turn in turns)
    assert advanced.status is Status.ACTIVE
    assert advanced.plan_expires_at == at("2026-02-28T10:00") + GRACE
    assert owing.status is Status.PAST_DUE
    assert owing.plan_expires_at == advanced.plan_expires_at
    assert not owing.grants_access(owing.plan_expires_at)


def test_a_provider_has_some_hours_to_take_a_cancellation_back() -> None:
    leaving = held(cancel_at=at("2026-02-28T10:00"), **STRIPE)
    assert leaving.plan_expires_at == at("2026-02-28T10:00")
    assert run(leaving, "2026-02-28T12:59:59") == []
    (turn,) = run(leaving, "2026-06-01")
    assert turn.subscription.status is Status.CANCELED
    assert turn.subscription.ended_at == at("2026-02-28T10:00")
    assert due_at(leaving) == at("2026-02-28T10:00") + RENEWAL_SLACK


# ------------------------------------------------------------------------------------- properties


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    moment = st.integers(0, 200).map(lambda days: at("2026-01-31T10:00") + days * DAY)
    base = draw(st.sampled_from([{}, ON_TRIAL, {"status": Status.PAUSED}]))
    return held(
        **base,
        auto_renew=draw(st.booleans()),
        next_plan=draw(st.sampled_from([None, TEAM, YEARLY])),
        cancel_at=draw(st.none() | moment),
        resume_at=draw(st.none() | moment),
        time_zone=draw(st.sampled_from(["UTC", "Europe/Paris", "America/New_York"])),
        **draw(st.sampled_from([{"planned": draw(plans_ahead())}, STRIPE])),
    )


@st.composite
def plans_ahead(draw: st.DrawFn) -> tuple[PlannedChange, ...]:
    one = st.tuples(
        st.sampled_from([PlannedKind.CHANGE_PLAN, PlannedKind.CHANGE_QUANTITY, PlannedKind.PAUSE]),
        st.integers(1, 200),
        st.sampled_from([PRO, TEAM, YEARLY]),
        st.integers(1, 9),
    )
    drawn = sorted(draw(st.lists(one, max_size=4)), key=lambda told: told[1])
    start = at("2026-01-31T10:00")
    return tuple(
        PlannedChange(
            f"chg_{place}",
            kind,
            start + day * DAY,
            plan=plan if kind is PlannedKind.CHANGE_PLAN else None,
            quantity=None if kind is PlannedKind.PAUSE else seats,
            resume_at=start + (day + seats) * DAY if kind is PlannedKind.PAUSE else None,
        )
        for place, (kind, day, plan, seats) in enumerate(drawn)
    )


def facts_of(turns: list[Turn], told: Callable[[Turn], object | None]) -> list[object]:
    return [found for turn in turns if (found := told(turn)) is not None]


@given(subscriptions(), st.lists(st.integers(0, 400), max_size=6))
def test_asking_more_often_changes_nothing(one: Subscription, days: list[int]) -> None:
    start = one.period.start
    at_once = list(steps_due(one, CYCLES.__getitem__, now=start + 400 * DAY))
    bit_by_bit: list[Turn] = []
    for day in [*days, 400]:  # in any order: the clock may also go back
        turns = steps_due(one, CYCLES.__getitem__, now=start + day * DAY)
        bit_by_bit += turns
        one = bit_by_bit[-1].subscription if bit_by_bit else one
    assert bit_by_bit == at_once


@given(subscriptions())
def test_periods_and_charges_never_overlap(one: Subscription) -> None:
    turns = list(steps_due(one, CYCLES.__getitem__, now=one.period.start + 400 * DAY))
    periods = [turn.ended for turn in turns if turn.ended]
    for before, after in pairwise(periods):
        assert before.end == after.start
    segments: list[Segment] = [turn.charged for turn in turns if turn.charged]
    for earlier, later in pairwise(segments):
        assert earlier.period.end <= later.period.start
    for segment in segments:
        assert segment.seconds > 0
        assert any(
            period.start <= segment.period.start and segment.period.end <= period.end
            for period in periods
        )
    if periods:
        charged = sum(segment.seconds for segment in segments)
        assert charged <= sum(seconds(period) for period in periods)
