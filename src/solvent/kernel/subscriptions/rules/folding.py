"""What becomes of a subscription when a provider's facts about it are known?

The facts are a whole, folded from every event of the provider, so the state is made equal to them.
What has been closed here stays closed: a period that is over is never opened again, so however
late and in whatever order the facts arrive, each period ends once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import FactsInvalid
from solvent.kernel.subscriptions.model import (
    TERMINAL,
    PlanRef,
    Status,
    Subscription,
    SubscriptionFacts,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.calendar import (
    ANCHOR_DRIFT_MAX,
    anchor_of,
    is_sensible,
    whole_second,
)
from solvent.kernel.subscriptions.rules.states import CHARGED, expires_at, observed
from solvent.kernel.subscriptions.rules.timeline import STEPS_MAX, next_period
from solvent.kernel.subscriptions.rules.turning import Cycle, CycleOf, Turn, end_of, turned

_PROVIDER_ZONE = "UTC"
_WHY = "told_by_provider"


def cleaned(facts: SubscriptionFacts) -> SubscriptionFacts:
    """Return the facts with all times in UTC and whole seconds.

    Raises:
        FactsInvalid: a time has no zone, or the period is empty or reversed.
    """
    times = {name: _clean(name, getattr(facts, name)) for name in _TIMES}
    clean = replace(facts, **times)
    if clean.period_end <= clean.period_start:
        message = "a period ends after it starts"
        raise FactsInvalid(message, field="period_end")
    return clean


_TIMES = (
    "period_start",
    "period_end",
    "anchor_at",
    "trial_end_at",
    "paid_through",
    "cancel_at",
    "ended_at",
    "created_at",
)


def _clean(name: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.utcoffset() is None:
        message = "a time needs its offset from UTC"
        raise FactsInvalid(message, field=name)
    if not is_sensible(moment):
        message = "a time lies between the years 1990 and 2200"
        raise FactsInvalid(message, field=name)
    return whole_second(moment)


def is_stale(held: Subscription, facts: SubscriptionFacts) -> bool:
    """Return whether newer facts have been folded before, or these speak of an end as undone."""
    reopens = held.terminal and facts.status not in TERMINAL
    return reopens or facts.order < held.provider_order


def first_seen(
    facts: SubscriptionFacts,
    plan: PlanRef,
    *,
    id_: SubscriptionId,
    product_key: str,
    cycle: Cycle,
    now: datetime,
) -> Subscription:
    """Return the subscription as it was when the period in the facts began.

    One that is told to be over by the time it is first heard of is taken to have been what it must
    have been before, so that late news of a beginning and an end end the same as timely news.
    """
    period = Period(facts.period_start, facts.period_end)
    status = facts.status if facts.status not in TERMINAL else _before_the_end(facts)
    begun = Subscription(
        id=id_,
        customer_id=facts.customer_id,
        product_key=product_key,
        plan_key=plan.plan_key,
        plan_version=plan.version,
        status=status,
        current=False,
        period=period,
        anchor_at=_anchor(facts, period, cycle),
        time_zone=_PROVIDER_ZONE,
        plan_expires_at=period.start,
        auto_renew=True,
        created_at=facts.created_at or now,
        trial_end_at=facts.trial_end_at,
        paid_through=_paid_through(facts),
        paused_at=period.start if status is Status.PAUSED else None,
        provider=facts.provider,
        provider_subscription_id=facts.provider_subscription_id,
        charged_from=_charged_since(facts) if status in CHARGED else None,
        quantity=facts.quantity,
    )
    return replace(begun, plan_expires_at=expires_at(begun, grace=cycle.grace))


def _before_the_end(facts: SubscriptionFacts) -> Status:
    if facts.status is Status.EXPIRED:
        return Status.PENDING
    trial_end, ended = facts.trial_end_at, facts.ended_at
    return Status.TRIALING if trial_end and ended and ended <= trial_end else Status.ACTIVE


def _must_have_been(held: Subscription, facts: SubscriptionFacts) -> Subscription:
    """Return a pending subscription as it was before an end that came to be known too early."""
    status = _before_the_end(facts)
    since = _charged_since(facts) if status in CHARGED else None
    return replace(held, status=status, charged_from=since)


def _anchor(facts: SubscriptionFacts, period: Period, cycle: Cycle) -> datetime:
    if facts.anchor_at is not None:
        return facts.anchor_at
    return anchor_of(period, months=cycle.months, time_zone=_PROVIDER_ZONE)


def _charged_since(facts: SubscriptionFacts) -> datetime:
    trial_end = facts.trial_end_at
    inside = trial_end is not None and facts.period_start < trial_end <= facts.period_end
    return trial_end if trial_end and inside else facts.period_start


def _paid_through(facts: SubscriptionFacts) -> datetime | None:
    """Return what the facts say, else what their status tells."""
    if facts.paid_through is not None:
        return facts.paid_through
    if facts.status in {Status.ACTIVE, Status.TRIALING, Status.PAUSED}:
        return facts.period_end
    return facts.period_start if facts.status is Status.PAST_DUE else None


def folded(
    held: Subscription,
    facts: SubscriptionFacts,
    plan: PlanRef,
    cycle_of: CycleOf,
    *,
    now: datetime,
) -> Iterator[Turn]:
    """Yield the changes that make the subscription equal to the facts, in the order of time.

    What has ended is as the facts alone tell it, whatever was known when its end was heard of: only
    the moment of its end, and what came to an end with it, stay as they are.
    """
    cycle = cycle_of(plan)
    if held.terminal:
        told = replace(facts, status=held.status, ended_at=held.ended_at)
        yield Turn(_over(held, told, plan, cycle_of), _WHY)
        return
    if held.status is Status.PENDING and facts.status is Status.CANCELED:
        held = _must_have_been(held, facts)
    ends_at = _ends_at(facts, now)
    begins_at = max(facts.period_start, held.period.start)
    for turn in _periods_over(held, min(begins_at, ends_at or begins_at), cycle_of):
        yield turn
        held = turn.subscription
    named = _named(held, facts, plan, cycle)
    if ends_at is None:
        yield _told(held, named, facts, cycle, now=now)
        return
    if _began_unnoticed(held, facts, ends_at):
        turn = _told(held, replace(named, status=held.status), facts, cycle, now=now)
        yield turn
        held = turn.subscription
    for turn in _periods_over(held, ends_at, cycle_of):
        yield turn
        held = turn.subscription
    turn = _told_over(held, _named(held, facts, plan, cycle), ends_at, cycle)
    yield replace(turn, subscription=_over(turn.subscription, facts, plan, cycle_of))


def _named(
    held: Subscription, facts: SubscriptionFacts, plan: PlanRef, cycle: Cycle
) -> Subscription:
    """Return the subscription with all that does not depend on what it was before."""
    return replace(
        held,
        plan_key=plan.plan_key,
        plan_version=plan.version,
        status=observed(held.status, facts.status),
        anchor_at=_anchor(facts, Period(facts.period_start, facts.period_end), cycle),
        created_at=facts.created_at or held.created_at,
        trial_end_at=facts.trial_end_at,
        paid_through=_paid_through(facts),
        provider_order=facts.order,
        quantity=facts.quantity,
    )


def _ends_at(facts: SubscriptionFacts, now: datetime) -> datetime | None:
    """Return the moment of the end that the facts tell of; None where it is open."""
    if facts.status not in TERMINAL:
        return None
    return facts.ended_at or min(now, facts.period_end)


def _began_unnoticed(held: Subscription, facts: SubscriptionFacts, ends_at: datetime) -> bool:
    """Return whether another period began before the end, and is heard of only now."""
    running = held.status is not Status.PENDING
    return running and held.period.start < _period_told(held, facts).start < ends_at


def _over(
    ended: Subscription, facts: SubscriptionFacts, plan: PlanRef, cycle_of: CycleOf
) -> Subscription:
    """Return an ended subscription with all but its end as these facts alone would have it."""
    cycle, at = cycle_of(plan), ended.ended_at or facts.period_start
    begun = first_seen(
        facts, plan, id_=ended.id, product_key=ended.product_key, cycle=cycle, now=ended.created_at
    )
    for turn in _periods_over(begun, at, cycle_of):
        begun = turn.subscription
    return replace(_named(ended, facts, plan, cycle), period=end_of(begun, at) or begun.period)


def _periods_over(held: Subscription, until: datetime, cycle_of: CycleOf) -> Iterator[Turn]:
    """Yield the end of each whole period that passed unnoticed before the moment."""
    for _ in range(STEPS_MAX):
        if held.period.end >= until or held.status is Status.PENDING:
            return
        turn = next_period(held, cycle_of)
        yield turn
        held = turn.subscription


def _told_over(held: Subscription, named: Subscription, at: datetime, cycle: Cycle) -> Turn:
    ended = end_of(held, at)
    after = replace(
        named,
        ended_at=at,
        cancel_at=None,
        paused_at=None,
        resume_at=None,
        next_plan=None,
        period=ended or held.period,
    )
    return turned(held, after, at=at, why=_WHY, cycle=cycle, ended=ended)


def _told(
    held: Subscription,
    named: Subscription,
    facts: SubscriptionFacts,
    cycle: Cycle,
    *,
    now: datetime,
) -> Turn:
    period = _period_told(held, facts)
    moves_on = period.start > held.period.start
    paused = facts.status is Status.PAUSED
    after = replace(
        named,
        period=period,
        cancel_at=facts.cancel_at,
        paused_at=(held.paused_at or now) if paused else None,
    )
    ended = end_of(held, period.start) if moves_on else None
    at = period.start if moves_on else _change_at(held, facts, now)
    return turned(held, after, at=at, why=_WHY, cycle=cycle, ended=ended)


def _period_told(held: Subscription, facts: SubscriptionFacts) -> Period:
    """Return the facts' period, but never one that goes back behind what is over here already.

    A boundary that the provider counts a little differently is the same boundary: it makes no
    period of a few seconds.
    """
    ours, start, end = held.period, facts.period_start, facts.period_end
    if start < ours.start:
        behind = end - ours.start <= ANCHOR_DRIFT_MAX
        return ours if behind else Period(ours.start, end)
    same = start < ours.end and start - ours.start <= ANCHOR_DRIFT_MAX
    return Period(ours.start if same else start, end)


def _change_at(held: Subscription, facts: SubscriptionFacts, now: datetime) -> datetime:
    """Return since when a state told of within a period holds.

    A first payment and the end of a trial count from where they belong, however late they are told.
    """
    if held.status in {Status.PENDING, Status.TRIALING}:
        return max(_charged_since(facts), held.period.start)
    return max(now, held.period.start)
