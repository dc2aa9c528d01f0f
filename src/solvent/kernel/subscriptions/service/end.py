"""How does a subscription stop, for good or for a while, and how is that taken back?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.kernel.subscriptions.errors import CancelTimeInvalid, ResumeTimeInvalid
from solvent.kernel.subscriptions.model import (
    PlannedChange,
    PlannedKind,
    Subscription,
    When,
)
from solvent.kernel.subscriptions.rules import changing
from solvent.kernel.subscriptions.rules.calendar import is_sensible, whole_second
from solvent.kernel.subscriptions.rules.states import Move, moved
from solvent.kernel.subscriptions.rules.turning import closed, resumed, turned
from solvent.kernel.subscriptions.service.plan import plan_for, save_planned, takes_effect_at
from solvent.kernel.subscriptions.service.save import (
    SCOPE_WRITE,
    carry_out,
    cycles,
    own_for_change,
)
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx


async def cancel(ctx: Ctx, subscription_id: str, *, at: datetime | When = When.NOW) -> Subscription:
    """End a subscription now, at its period's end, or at a later moment; needs the write scope.

    Raises:
        SubscriptionNotFound: there is none.
        TransitionRefused: it has ended already.
        ProviderManaged: a payment provider runs it.
        CancelTimeInvalid: the moment is past, or not told.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CANCEL)
    now = whole_second(ctx.now())
    end = _moment(held, at, now)
    cycle = (await cycles(ctx, held.plan))(held.plan)
    if end == now:
        turn = closed(held, at=now, move=Move.CANCEL, cycle=cycle)
    else:
        planned = replace(held, cancel_at=end)
        turn = turned(held, planned, at=now, why="cancel_planned", cycle=cycle)
    return await carry_out(ctx, held, [turn])


def _moment(held: Subscription, at: datetime | When, now: datetime) -> datetime:
    match at:
        case When.NOW:
            return now
        case When.PERIOD_END:
            end = held.period.end
        case When.AUTO:
            message = "expected now, period_end or a moment"
            raise CancelTimeInvalid(message, field="when")
        case datetime():
            end = whole_second(as_utc(at, field="at"))
    if end < now or not is_sensible(end):
        raise CancelTimeInvalid(field="at")
    return end


async def keep(ctx: Ctx, subscription_id: str) -> Subscription:
    """Take back a cancellation that has not yet come true; without one nothing changes.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `cancel`.
        TransitionRefused: it has ended already.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CHANGE)
    after = replace(held, cancel_at=None)
    return await save_planned(ctx, held, after, why="cancel_withdrawn")


async def pause(
    ctx: Ctx,
    subscription_id: str,
    *,
    at: datetime | When = When.NOW,
    resume_at: datetime | None = None,
) -> Subscription:
    """Stop access and charges now, at the period's end or later, until `resume` or a moment.

    What was held of the period before the pause is charged, nothing is while it lasts, and the
    boundaries do not move.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `cancel`.
        TransitionRefused: it is not active.
        ResumeTimeInvalid: the moment is not after the pause begins.
        ChangeTimeInvalid, TooManyPlanned: the moment is not ahead; too much is planned.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    now = whole_second(ctx.now())
    begins_at = takes_effect_at(ctx, held, at)
    until = _resume_time(resume_at, after=begins_at or now)
    if begins_at is None:
        cycle = (await cycles(ctx, held.plan))(held.plan)
        turn = changing.paused(held, at=now, resume_at=until, cycle=cycle)
        return await carry_out(ctx, held, [turn])
    moved(held.status, Move.CHANGE)
    change_id = ctx.ids.new("chg")
    planned = PlannedChange(change_id, PlannedKind.PAUSE, begins_at, resume_at=until)
    return await plan_for(ctx, held, planned)


def _resume_time(resume_at: datetime | None, *, after: datetime) -> datetime | None:
    if resume_at is None:
        return None
    until = whole_second(as_utc(resume_at, field="resume_at"))
    if until <= after or not is_sensible(until):
        raise ResumeTimeInvalid(field="resume_at")
    return until


async def resume(ctx: Ctx, subscription_id: str, *, at: datetime | When = When.NOW) -> Subscription:
    """Let a paused subscription go on, now or later; its period boundaries have not moved.

    A moment may also be told for a pause that is only planned.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `cancel`.
        TransitionRefused: it is not paused, nor to be paused by then.
        ChangeTimeInvalid: the moment is not ahead.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    until = takes_effect_at(ctx, held, at)
    if until is None:
        cycle = (await cycles(ctx, held.plan))(held.plan)
        turn = resumed(held, at=whole_second(ctx.now()), cycle=cycle)
        return await carry_out(ctx, held, [turn])
    after = changing.resume_planned(held, until)
    return await save_planned(ctx, held, after, why="resume_planned")
