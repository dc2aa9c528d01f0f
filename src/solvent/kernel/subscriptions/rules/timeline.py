"""What does the passing of time do to a subscription, one moment after another?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import PlanRef, Segment, Status, Subscription
from solvent.kernel.subscriptions.rules.calendar import (
    Recurrence,
    boundary,
    first_of_calendar,
    index_at,
    period_after,
    period_to_boundary,
)
from solvent.kernel.subscriptions.rules.states import (
    CHARGED,
    RENEWAL_SLACK,
    Move,
    expires_at,
    moved,
    renews,
)

STEPS_MAX = 400
"""How many moments are worked off in one go; a monthly plan passes 400 in 33 years."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """What the calendar needs to know of a plan."""

    months: int
    grace: timedelta
    calendar: bool = False


CycleOf = Callable[[PlanRef], Cycle]
"""Tells the cycle of each plan that a subscription holds or is to hold."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of a subscription: what it is now, and what came to its end by it."""

    subscription: Subscription
    why: str
    ended: Period | None = None
    """The period that is over."""
    planned_end: datetime | None = None
    """Where the calendar would have ended it."""
    charged: Segment | None = None
    """The stretch of charging that is over."""


def turned(
    before: Subscription,
    after: Subscription,
    *,
    at: datetime,
    why: str,
    cycle: Cycle,
    ended: Period | None = None,
) -> Turn:
    """Return the change at a moment, with the end of access and of the stretch of charging set."""
    charges = after.status in CHARGED
    since = before.charged_from
    goes_on = charges and before.plan == after.plan and before.period.start == after.period.start
    if since is not None and goes_on:
        charged, charged_from = None, since
    else:
        charged = Segment(before.plan, Period(since, at)) if since and since < at else None
        charged_from = at if charges else None
    settled = replace(after, charged_from=charged_from)
    settled = replace(settled, plan_expires_at=expires_at(settled, grace=cycle.grace))
    planned_end = None if ended is None else max(ended.end, before.period.end)
    return Turn(settled, why, ended, planned_end, charged)


def end_of(subscription: Subscription, at: datetime) -> Period | None:
    """Return the part of the present period that is over at a moment; None before it began."""
    period = subscription.period
    started = subscription.status is not Status.PENDING and at > period.start
    return Period(period.start, min(at, period.end)) if started else None


def closed(subscription: Subscription, *, at: datetime, move: Move, cycle: Cycle) -> Turn:
    """Return the subscription ended at a moment, by a decision or by time."""
    ended = end_of(subscription, at)
    after = replace(
        subscription,
        status=moved(subscription.status, move),
        ended_at=at,
        cancel_at=None,
        resume_at=None,
        next_plan=None,
        period=ended or subscription.period,
    )
    return turned(subscription, after, at=at, why=move.value, cycle=cycle, ended=ended)


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
    if not _is_leaving(subscription):
        yield subscription.period.end, 2, _pass_boundary
        if subscription.provider_managed and subscription.status is Status.ACTIVE:
            yield subscription.plan_expires_at, 3, _run_out


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


def resumed(subscription: Subscription, *, at: datetime, cycle: Cycle) -> Turn:
    """Return a paused subscription going on at a moment, its period boundaries unmoved."""
    after = replace(
        subscription,
        status=moved(subscription.status, Move.RESUME),
        paused_at=None,
        resume_at=None,
        paid_through=subscription.period.end,
    )
    return turned(subscription, after, at=at, why=Move.RESUME.value, cycle=cycle)


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
    return next_period(subscription, cycle_of)


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
        anchor_at=recurrence.anchor_at,
        period=period,
        paid_through=subscription.paid_through if prepaid else period.end,
    )
    why = "trial_ended" if trial_over else "renewed"
    return turned(subscription, after, at=at, why=why, cycle=cycle, ended=subscription.period)


def counted_from(
    subscription: Subscription, *, at: datetime, cycle: Cycle
) -> tuple[Recurrence, Period]:
    """Return what boundaries are counted from on, and the period that begins at the moment."""
    zone = subscription.time_zone
    if cycle.calendar and not subscription.provider_managed:
        anchor_at = first_of_calendar(at, months=cycle.months, time_zone=zone)
        recurrence = Recurrence(anchor_at, cycle.months, zone)
        return recurrence, period_to_boundary(recurrence, at)
    anchor_at = fitting_anchor(subscription, at=at, months=cycle.months)
    recurrence = Recurrence(anchor_at, cycle.months, zone)
    return recurrence, period_after(recurrence, at)


def fitting_anchor(subscription: Subscription, *, at: datetime, months: int) -> datetime:
    """Return the anchor to count on from: the old one while the moment is near its boundaries."""
    recurrence = Recurrence(subscription.anchor_at, months, subscription.time_zone)
    index = index_at(recurrence, at)
    near = min(abs(at - boundary(recurrence, index)), abs(boundary(recurrence, index + 1) - at))
    return subscription.anchor_at if near <= ANCHOR_DRIFT_MAX else at


ANCHOR_DRIFT_MAX = timedelta(hours=26)
"""The most by which a boundary moves with a change of time zone (UTC-12 to UTC+14)."""
