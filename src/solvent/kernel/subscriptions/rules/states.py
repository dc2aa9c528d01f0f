"""Which states can follow which, and when does access end in each?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from solvent.kernel.catalogue.model import Interval, PlanVersion
from solvent.kernel.catalogue.rules import fees_minor
from solvent.kernel.subscriptions.errors import TransitionRefused
from solvent.kernel.subscriptions.model import TERMINAL, Status, Subscription
from solvent.kernel.subscriptions.rules.calendar import MONTHS_A_YEAR

CHARGED = frozenset({Status.ACTIVE, Status.PAST_DUE})
"""The states in which a plan is charged for."""

RENEWAL_SLACK = timedelta(hours=3)
"""Access outlives a period that is about to be renewed by this at least, so that nobody is locked
out while a job runs or a provider's message is on its way: Stripe keeps a renewal's invoice open
for an hour before it charges."""


class Move(StrEnum):
    """What can be done to a subscription's state."""

    ACTIVATE = "activate"
    TRY = "try"
    WAIT = "wait"
    CONVERT = "convert"
    OWE = "owe"
    PAY = "pay"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"
    CHANGE = "change"


_OPEN = [status for status in Status if status not in TERMINAL]

MOVES: Mapping[Move, Mapping[Status, Status]] = {
    Move.ACTIVATE: {Status.PENDING: Status.ACTIVE},
    Move.TRY: {Status.PENDING: Status.TRIALING},
    Move.WAIT: {Status.TRIALING: Status.PENDING},
    Move.CONVERT: {Status.TRIALING: Status.ACTIVE},
    Move.OWE: {Status.ACTIVE: Status.PAST_DUE, Status.PAST_DUE: Status.PAST_DUE},
    Move.PAY: {Status.PAST_DUE: Status.ACTIVE, Status.ACTIVE: Status.ACTIVE},
    Move.PAUSE: {Status.ACTIVE: Status.PAUSED},
    Move.RESUME: {Status.PAUSED: Status.ACTIVE},
    Move.CANCEL: dict.fromkeys(_OPEN, Status.CANCELED),
    Move.EXPIRE: dict.fromkeys(_OPEN, Status.EXPIRED),
    Move.CHANGE: {status: status for status in _OPEN},
}
"""From which state each move leads where; what is not here is refused."""


def moved(status: Status, move: Move) -> Status:
    """Return the state after a move.

    Raises:
        TransitionRefused: the move does not exist from here; names both.
    """
    after = MOVES[move].get(status)
    if after is None:
        message = f"a {status.value} subscription cannot {move.value}"
        raise TransitionRefused(message, status=status.value, move=move.value)
    return after


def observed(held: Status, told: Status) -> Status:
    """Return the state after a provider told of one: any, but what has ended stays ended."""
    return held if held in TERMINAL else told


def expires_at(subscription: Subscription, *, grace: timedelta) -> datetime:
    """Return when access ends, to the second, grace included."""
    end = _end_of_access(subscription, grace)
    planned = subscription.cancel_at
    return min(end, planned) if planned and not subscription.terminal else end


def _end_of_access(subscription: Subscription, grace: timedelta) -> datetime:
    now_on, slack = subscription.period, max(grace, RENEWAL_SLACK)
    match subscription.status:
        case Status.CANCELED | Status.EXPIRED:
            return subscription.ended_at or now_on.start
        case Status.PENDING:
            return now_on.start
        case Status.PAUSED:
            return subscription.paused_at or now_on.start
        case Status.PAST_DUE:
            return (subscription.paid_through or now_on.start) + grace
        case Status.TRIALING:
            return now_on.end + (slack if renews(subscription) else timedelta(0))
        case Status.ACTIVE if renews(subscription):
            return (subscription.paid_through or now_on.end) + slack
        case Status.ACTIVE:
            return now_on.end


def renews(subscription: Subscription) -> bool:
    """Return whether another period is to follow the present one."""
    return subscription.provider_managed or subscription.auto_renew


_RANK = {
    Status.ACTIVE: 5,
    Status.TRIALING: 4,
    Status.PAST_DUE: 3,
    Status.PAUSED: 2,
    Status.PENDING: 1,
}


def choose_current(subscriptions: Iterable[Subscription]) -> Subscription | None:
    """Return which of a customer's subscriptions of one product counts: one that has not ended.

    The better state first, then the longer access, then the later made: whatever the order in
    which they came to be known, the same one is chosen.
    """
    still_open = [one for one in subscriptions if not one.terminal]
    return max(still_open, key=_preference, default=None)


def _preference(subscription: Subscription) -> tuple[int, datetime, datetime, str]:
    rank = _RANK[subscription.status]
    return rank, subscription.plan_expires_at, subscription.created_at, subscription.id


def is_downgrade(old: PlanVersion, new: PlanVersion, *, seats: tuple[int, int] = (1, 1)) -> bool:
    """Return whether the new plan's fees are the lower ones, a month for a month.

    `seats` are those of the old and the new plan. A fee of its own interval counts as if it were
    due in each period.
    """
    before, after = seats
    return fees_minor(new, after) * months_of(old) < fees_minor(old, before) * months_of(new)


def months_of(version: PlanVersion) -> int:
    """Return the length of a plan's period in months."""
    unit = MONTHS_A_YEAR if version.interval is Interval.YEAR else 1
    return version.interval_count * unit
