"""Do a provider's facts lead to one state, in whatever order and however often they are told?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import FactsInvalid
from solvent.kernel.subscriptions.model import (
    PlanRef,
    Status,
    Subscription,
    SubscriptionFacts,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.folding import cleaned, first_seen, folded, is_stale
from solvent.kernel.subscriptions.rules.timeline import steps_due
from solvent.kernel.subscriptions.rules.turning import Cycle, Turn

MONTHLY = Cycle(1, timedelta(days=3))
PRO, TEAM = PlanRef("pro", 1), PlanRef("team", 1)
CYCLES = {PRO: MONTHLY, TEAM: MONTHLY}
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = at("2026-01-20")
FACTS = SubscriptionFacts(
    provider="stripe",
    provider_subscription_id="sub_9",
    customer_id="cus_1",
    status=Status.ACTIVE,
    period_start=at("2026-01-15"),
    period_end=at("2026-02-15"),
    order=1,
    provider_price_id="price_pro",
    created_at=at("2026-01-15"),
)


def facts(**more) -> SubscriptionFacts:
    return replace(FACTS, **more)


def begin(told: SubscriptionFacts, plan: PlanRef = PRO, now: datetime = NOW) -> list[Turn]:
    one = first_seen(
        told, plan, id_=SubscriptionId("sub_1"), product_key="logs", cycle=MONTHLY, now=now
    )
    return list(folded(one, told, plan, CYCLES.__getitem__, now=now))


def follow(
    one: Subscription, told: SubscriptionFacts, plan: PlanRef = PRO, now: datetime = NOW
) -> list[Turn]:
    return list(folded(one, told, plan, CYCLES.__getitem__, now=now))


def last(turns: list[Turn]) -> Subscription:
    return turns[-1].subscription


def ended(turns: list[Turn]) -> list[Period]:
    return [turn.ended for turn in turns if turn.ended]


def test_the_same_facts_change_nothing() -> None:
    one = last(begin(FACTS))
    again = follow(one, FACTS, now=NOW + 5 * DAY)
    assert [turn.subscription for turn in again] == [one]
    assert [(turn.ended, turn.charged) for turn in again] == [(None, None)]


def test_older_facts_are_stale_and_an_end_is_final() -> None:
    one = last(begin(facts(order=5)))
    assert is_stale(one, facts(order=4))
    assert not is_stale(one, facts(order=5))
    over = last(follow(one, facts(order=6, status=Status.CANCELED, ended_at=NOW)))
    assert is_stale(over, facts(order=7))


# ---------------------------------------------------------------------------------------- orders

DELETED = {"status": Status.CANCELED, "ended_at": at("2026-02-20")}
SECOND_MONTH = {"period_start": at("2026-02-15"), "period_end": at("2026-03-15")}
STORIES = {
    "paid and deleted": [
        facts(status=Status.PENDING),
        facts(),
        facts(paid_through=at("2026-02-15")),
        facts(),
        facts(status=Status.CANCELED, ended_at=at("2026-01-18")),
    ],
    "moved to another plan, then deleted": [
        facts(status=Status.PENDING),
        facts(),
        facts(provider_price_id="price_team"),
        facts(provider_price_id="price_team", cancel_at=at("2026-02-15")),
        facts(provider_price_id="price_team", status=Status.CANCELED, ended_at=at("2026-02-15")),
    ],
    "tried and given up": [
        facts(status=Status.TRIALING, trial_end_at=at("2026-02-15")),
        facts(status=Status.TRIALING, trial_end_at=at("2026-02-15"), cancel_at=at("2026-02-15")),
        facts(status=Status.CANCELED, trial_end_at=at("2026-02-15"), ended_at=at("2026-02-15")),
    ],
    "renewed and deleted": [
        facts(status=Status.PENDING),
        facts(),
        facts(**SECOND_MONTH, status=Status.PAST_DUE),
        facts(**SECOND_MONTH, paid_through=at("2026-03-15")),
        facts(**SECOND_MONTH, paid_through=at("2026-03-15"), **DELETED),
    ],
    "moved to another day, then deleted": [
        facts(status=Status.PENDING),
        facts(),
        facts(period_start=at("2026-01-25"), period_end=at("2026-02-25")),
        facts(period_start=at("2026-01-25"), period_end=at("2026-02-25"), **DELETED),
    ],
    "never paid": [
        facts(status=Status.PENDING),
        facts(status=Status.EXPIRED, ended_at=at("2026-01-16")),
    ],
    "paid twice and owing": [
        facts(status=Status.PENDING),
        facts(),
        facts(**SECOND_MONTH, status=Status.PAST_DUE),
        facts(**SECOND_MONTH),
    ],
}


def told_in(story: list[SubscriptionFacts], order: tuple[int, ...]) -> tuple[Subscription, list]:
    """Fold as payments does: all that is known so far, the newest of it telling the state."""
    known: list[int] = []
    one: Subscription | None = None
    charged: list[tuple[datetime, datetime]] = []
    for count, index in enumerate(order, start=1):
        known.append(index)
        told = replace(story[max(known)], order=count)
        plan = TEAM if told.provider_price_id == "price_team" else PRO
        if one is not None and is_stale(one, told):
            continue
        now = at("2026-03-01") + count * DAY
        turns = begin(told, plan, now) if one is None else follow(one, told, plan, now)
        charged += [(t.charged.period.start, t.charged.period.end) for t in turns if t.charged]
        one = last(turns)
    assert one is not None
    return one, charged


@pytest.mark.parametrize("name", STORIES)
def test_all_orders_converge_to_one_state(name: str) -> None:
    story = STORIES[name]
    states = [told_in(story, order) for order in permutations(range(len(story)))]
    assert {state for state, _ in states} == {states[0][0]}


@pytest.mark.parametrize("order", [*permutations(range(5))])
def test_the_seconds_charged_are_the_same_in_every_order(order: tuple[int, ...]) -> None:
    _, charged = told_in(STORIES["paid and deleted"], order)
    assert charged == [(at("2026-01-15"), at("2026-01-18"))]


def partial_folds(draw: st.DrawFn) -> list[SubscriptionFacts]:
    """What is known of one ended subscription at some points, each fold knowing what it may."""
    ended_at = at("2026-01-16") + DAY * draw(st.integers(0, 80))
    starts = [at("2026-01-15"), at("2026-01-25"), at("2026-02-15"), at("2026-03-15")]
    whole = []
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.sampled_from(starts))
        whole.append(
            facts(
                period_start=start,
                period_end=start + DAY * draw(st.sampled_from([30, 31])),
                status=Status.CANCELED,
                ended_at=ended_at,
                paid_through=draw(st.none() | st.sampled_from(starts)),
                trial_end_at=draw(st.none() | st.just(at("2026-01-20"))),
                provider_price_id=draw(st.sampled_from(["price_pro", "price_team"])),
                created_at=draw(st.sampled_from(starts[:2])),
            )
        )
    return whole


@given(st.composite(partial_folds)(), st.booleans())
def test_what_was_known_before_leaves_no_trace_in_what_has_ended(
    folds: list[SubscriptionFacts], timely: bool
) -> None:
    """Whatever was heard before the last facts, and in whatever state, the row is theirs alone."""
    final = folds[-1]
    alone, _ = told_in([final], (0,))
    began = facts(period_start=final.period_start, period_end=final.period_end) if timely else None
    story = [*([began] if began else []), *folds[:-1], final]
    one, _ = told_in(story, tuple(range(len(story))))
    assert replace(one, provider_order=1) == alone


def test_a_late_beginning_does_not_resurrect_an_end() -> None:
    over = last(begin(facts(order=2, status=Status.CANCELED, ended_at=NOW)))
    assert over.status is Status.CANCELED
    assert over.plan_expires_at == NOW
    assert is_stale(over, facts(order=3))


# ---------------------------------------------------------------------------------------- periods


def test_a_renewal_ends_the_period_before_once() -> None:
    turns = follow(last(begin(FACTS)), facts(order=2, **SECOND_MONTH))
    assert ended(turns) == [Period(at("2026-01-15"), at("2026-02-15"))]
    assert last(turns).period == Period(at("2026-02-15"), at("2026-03-15"))
    assert last(turns).plan_expires_at == at("2026-03-18")


def test_time_and_the_provider_end_a_period_only_once() -> None:
    one = last(begin(FACTS))
    by_time = last(list(steps_due(one, CYCLES.__getitem__, now=at("2026-02-15"))))
    assert by_time.plan_expires_at == at("2026-02-18")
    confirmed = follow(by_time, facts(order=2, **SECOND_MONTH))
    assert ended(confirmed) == []
    assert last(confirmed).plan_expires_at == at("2026-03-18")


def test_facts_behind_our_calendar_do_not_take_it_back() -> None:
    one = last(begin(FACTS))
    by_time = last(list(steps_due(one, CYCLES.__getitem__, now=at("2026-02-15"))))
    turns = follow(by_time, facts(order=2, cancel_at=at("2026-03-15")))
    assert ended(turns) == []
    assert last(turns).period == by_time.period


def test_months_without_news_end_one_by_one() -> None:
    months = {"period_start": at("2026-04-15"), "period_end": at("2026-05-15")}
    turns = follow(last(begin(FACTS)), facts(order=2, **months))
    days = [(one.start.strftime("%m-%d"), one.end.strftime("%m-%d")) for one in ended(turns)]
    assert days == [("01-15", "02-15"), ("02-15", "03-15"), ("03-15", "04-15")]


def test_an_anchor_on_the_31st_is_seen_from_a_short_month() -> None:
    told = facts(period_start=at("2026-02-28"), period_end=at("2026-03-31"))
    turns = list(steps_due(last(begin(told)), CYCLES.__getitem__, now=at("2026-03-31")))
    assert last(turns).period == Period(at("2026-03-31"), at("2026-04-30"))


def test_a_boundary_counted_a_little_differently_makes_no_tiny_period() -> None:
    one = last(begin(FACTS))
    shifted = facts(
        order=2,
        period_start=at("2026-01-15T00:05"),
        period_end=at("2026-02-15T00:05"),
    )
    turns = follow(one, shifted)
    assert ended(turns) == []
    assert last(turns).period == Period(at("2026-01-15"), at("2026-02-15T00:05"))


def test_a_moved_billing_day_ends_the_period_early() -> None:
    moved = facts(order=2, period_start=at("2026-01-25"), period_end=at("2026-02-25"))
    turns = follow(last(begin(FACTS)), moved)
    assert ended(turns) == [Period(at("2026-01-15"), at("2026-01-25"))]


def test_an_end_told_late_ends_the_months_between_in_order() -> None:
    told = facts(order=2, status=Status.CANCELED, ended_at=at("2026-04-01"))
    turns = follow(last(begin(FACTS)), told)
    periods = ended(turns)
    assert len(periods) == 3
    assert periods[-1].end == at("2026-04-01")
    assert all(before.end == after.start for before, after in pairwise(periods))


# ---------------------------------------------------------------------------------------- plans


def test_another_plan_within_a_period_is_charged_from_now() -> None:
    one = last(begin(FACTS))
    (turn,) = follow(one, facts(order=2), TEAM)
    assert turn.charged is not None
    assert (turn.charged.plan, turn.charged.period) == (PRO, Period(at("2026-01-15"), NOW))
    assert turn.subscription.charged_from == NOW


def test_past_due_has_its_grace_from_what_is_paid() -> None:
    owing = last(follow(last(begin(FACTS)), facts(order=2, status=Status.PAST_DUE, **SECOND_MONTH)))
    assert owing.plan_expires_at == at("2026-02-15") + MONTHLY.grace
    paid = last(follow(owing, facts(order=3, **SECOND_MONTH)))
    assert (paid.status, paid.plan_expires_at) == (Status.ACTIVE, at("2026-03-18"))


def test_a_provider_s_pause_stops_access_and_charges() -> None:
    resting = last(follow(last(begin(FACTS)), facts(order=2, status=Status.PAUSED)))
    assert (resting.paused_at, resting.plan_expires_at) == (NOW, NOW)
    assert resting.charged_from is None
    awake = last(follow(resting, facts(order=3), now=NOW + DAY))
    assert awake.charged_from == NOW + DAY
    assert awake.paused_at is None


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"period_end": at("2026-01-15")}, "period_end"),
        ({"period_end": at("2026-01-01")}, "period_end"),
        ({"period_end": at("2026-01-15T00:00:00.9")}, "period_end"),
        ({"cancel_at": at("9999-12-31")}, "cancel_at"),
        ({"trial_end_at": at("0001-01-01")}, "trial_end_at"),
        ({"cancel_at": datetime(2026, 1, 1)}, "cancel_at"),  # noqa: DTZ001 - the point of it
    ],
)
def test_facts_that_are_none_are_refused(wrong: dict[str, datetime], field: str) -> None:
    with pytest.raises(FactsInvalid) as refused:
        cleaned(facts(**wrong))
    assert refused.value.field == field
