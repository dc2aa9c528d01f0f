"""What is a change of a subscription, and what comes to its end by it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from solvent.kernel.catalogue.model import SeatTerms, TrialWithoutCard
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import PlanRef, Segment, Status, Subscription
from solvent.kernel.subscriptions.rules.states import CHARGED, Move, expires_at, moved

ONE_SEAT = SeatTerms(1, 1)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What the calendar needs to know of a plan."""

    months: int
    grace: timedelta
    calendar: bool = False
    seats: SeatTerms = ONE_SEAT
    trial_end: TrialWithoutCard = TrialWithoutCard.CONVERT
    """What becomes of a trial of the plan; where a card is on file, a paid period."""


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
    if since is not None and charges and _charged_alike(before, after):
        charged, charged_from = None, since
    else:
        over = Period(since, at) if since and since < at else None
        charged = Segment(before.plan, over, before.quantity) if over else None
        charged_from = max(at, since or at) if charges else None
    settled = replace(after, charged_from=charged_from)
    settled = replace(settled, plan_expires_at=expires_at(settled, grace=cycle.grace))
    planned_end = None if ended is None else max(ended.end, before.period.end)
    return Turn(settled, why, ended, planned_end, charged)


def _charged_alike(one: Subscription, other: Subscription) -> bool:
    same_seats = one.plan == other.plan and one.quantity == other.quantity
    return same_seats and one.period.start == other.period.start


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
        planned=(),
        period=ended or subscription.period,
    )
    return turned(subscription, after, at=at, why=move.value, cycle=cycle, ended=ended)


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
