"""What does the passing of time do to a subscription, one moment after another?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from solvent.kernel.catalogue.model import TrialWithoutCard
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import PlanRef, Status, Subscription
from solvent.kernel.subscriptions.rules.calendar import (
    Recurrence,
    boundary,
    first_of_calendar,
    index_at,
    is_near_boundary,
    is_of_calendar,
    period_after,
    period_to_boundary,
)
from solvent.kernel.subscriptions.rules.changing import carried_out
from solvent.kernel.subscriptions.rules.states import RENEWAL_SLACK, Move, moved, renews
from solvent.kernel.subscriptions.rules.turning import (
    Cycle,
    CycleOf,
    Turn,
    closed,
    resumed,
    turned,
)

STEPS_MAX = 400
"""How many moments are worked off in one go; a monthly plan passes 400 in 33 years."""


def due_at(subscription: Subscription) -> datetime | None:
    """Return the next moment at which time alone changes the subscription; None once ended."""
    return min((at for at, _, _ in _moments(subscription)), default=None)


Step = Callable[[Subscription, CycleOf], Turn]


def _moments(subscription: Subscription) -> Iterator[tuple[datetime, int, Step]]:
    """Yield what lies ahead: when, which comes first at the same moment, and what it does."""
    if subscription.terminal:
        return
    if subscription.cancel_at is not None:
        yield subscription.cancel_at + _slack(subscription), 0, _cancel
    if subscription.status is Status.PAUSED and subscription.resume_at is not None:
        yield subscription.resume_at, 1, _resume
    for planned in subscription.planned:
        yield planned.at, 2, _carry_out
    if not _is_leaving(subscription):
        yield subscription.period.end, 3, _pass_boundary
        if subscription.provider_managed and subscription.status is Status.ACTIVE:
            yield subscription.plan_expires_at, 4, _run_out


def _is_leaving(subscription: Subscription) -> bool:
    """Return whether a provider will end the subscription before another period begins."""
    at = subscription.cancel_at
    return subscription.provider_managed and at is not None and at <= subscription.period.end


def _slack(subscription: Subscription) -> timedelta:
    """Return for how long a provider may still take back a cancellation that has come true.

    Access has ended by then; but what has ended never comes back, and the news may be on its way.
    """
    return RENEWAL_SLACK if subscription.provider_managed else timedelta(0)


def steps_due(subscription: Subscription, cycle_of: CycleOf, *, now: datetime) -> Iterator[Turn]:
    """Yield each change that is due by now, in the order of time, each from the one before.

    However late it is called, no moment is skipped and none is done twice: what is done is part of
    the subscription that the change leaves behind.
    """
    for _ in range(STEPS_MAX):
        ahead = min(_moments(subscription), key=lambda one: one[:2], default=None)
        if ahead is None or ahead[0] > now:
            return
        turn = ahead[2](subscription, cycle_of)
        yield turn
        subscription = turn.subscription


def _cancel(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    at = subscription.cancel_at or subscription.period.end
    cycle = cycle_of(subscription.plan)
    return closed(subscription, at=at, move=Move.CANCEL, cycle=cycle)


def _resume(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    at = subscription.resume_at or subscription.period.end
    return resumed(subscription, at=at, cycle=cycle_of(subscription.plan))


def _carry_out(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    """Do the change that was planned for the earliest moment; of one moment the first planned."""
    first = min(subscription.planned, key=lambda one: one.at)
    return carried_out(subscription, first, cycle_of)


def _run_out(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    """The provider has confirmed nothing within the grace: what it says next decides."""
    at = subscription.plan_expires_at
    after = replace(subscription, status=moved(subscription.status, Move.OWE))
    cycle = cycle_of(subscription.plan)
    turn = turned(subscription, after, at=at, why="unconfirmed", cycle=cycle)
    return replace(turn, subscription=replace(turn.subscription, plan_expires_at=at))


def _pass_boundary(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    at = subscription.period.end
    unpaid = subscription.status is Status.PENDING
    if unpaid or not renews(subscription):
        cycle = cycle_of(subscription.plan)
        return closed(subscription, at=at, move=Move.EXPIRE, cycle=cycle)
    if subscription.status is Status.TRIALING and not subscription.provider_managed:
        return _end_trial(subscription, cycle_of)
    return next_period(subscription, cycle_of)


def _end_trial(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    """Return what the plan makes of a trial that is over."""
    at, cycle = subscription.period.end, cycle_of(subscription.plan)
    if cycle.trial_end is TrialWithoutCard.EXPIRE:
        return closed(subscription, at=at, move=Move.EXPIRE, cycle=cycle)
    turn = next_period(subscription, cycle_of)
    if cycle.trial_end is TrialWithoutCard.CONVERT:
        return turn
    status = moved(subscription.status, Move.WAIT)
    waiting = replace(turn.subscription, status=status, charged_from=None)
    waiting = replace(waiting, plan_expires_at=at)
    return replace(turn, subscription=waiting, why="awaits_card")


def next_period(subscription: Subscription, cycle_of: CycleOf) -> Turn:
    """Return the subscription in its next period, on the plan that is to follow."""
    at = subscription.period.end
    plan = subscription.next_plan or subscription.plan
    cycle = cycle_of(plan)
    trial_over = subscription.status is Status.TRIALING
    status = moved(subscription.status, Move.CONVERT) if trial_over else subscription.status
    recurrence, period = counted_from(subscription, at=at, cycle=cycle)
    prepaid = subscription.provider_managed or status is Status.PAST_DUE
    after = replace(
        subscription,
        status=status,
        plan_key=plan.plan_key,
        plan_version=plan.version,
        next_plan=None,
        quantity=fitting_quantity(subscription, plan, cycle),
        anchor_at=recurrence.anchor_at,
        period=period,
        paid_through=subscription.paid_through if prepaid else period.end,
    )
    why = "trial_ended" if trial_over else "renewed"
    return turned(subscription, after, at=at, why=why, cycle=cycle, ended=subscription.period)


def fitting_quantity(subscription: Subscription, plan: PlanRef, cycle: Cycle) -> int:
    """Return how many seats go on into a plan: as many as before, or the nearest that it sells."""
    keeps = subscription.provider_managed or plan == subscription.plan
    quantity = subscription.quantity
    return quantity if keeps else cycle.seats.fitted(quantity)


def counted_from(
    subscription: Subscription, *, at: datetime, cycle: Cycle
) -> tuple[Recurrence, Period]:
    """Return what boundaries are counted from on, and the period that begins at the moment."""
    zone = subscription.time_zone
    if cycle.calendar and not subscription.provider_managed:
        held = Recurrence(subscription.anchor_at, cycle.months, zone)
        if is_of_calendar(held) and _goes_on(subscription, held, at):
            return held, period_after(held, at)
        anchor_at = first_of_calendar(at, months=cycle.months, time_zone=zone)
        recurrence = Recurrence(anchor_at, cycle.months, zone)
        return recurrence, period_to_boundary(recurrence, at)
    anchor_at = fitting_anchor(subscription, at=at, months=cycle.months)
    recurrence = Recurrence(anchor_at, cycle.months, zone)
    return recurrence, period_after(recurrence, at)


def _goes_on(subscription: Subscription, held: Recurrence, at: datetime) -> bool:
    """Return whether periods go on as counted so far: a trial may end at any moment."""
    if subscription.status is Status.TRIALING:
        return boundary(held, index_at(held, at)) == at
    return is_near_boundary(held, at)


def fitting_anchor(subscription: Subscription, *, at: datetime, months: int) -> datetime:
    """Return the anchor to count on from: the old one while the moment is near its boundaries."""
    recurrence = Recurrence(subscription.anchor_at, months, subscription.time_zone)
    return subscription.anchor_at if is_near_boundary(recurrence, at) else at
