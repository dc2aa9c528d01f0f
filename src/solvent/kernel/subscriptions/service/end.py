"""How does a subscription stop, for good or for a while, and how is that taken back?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.kernel.subscriptions.errors import CancelTimeInvalid, ResumeTimeInvalid
from solvent.kernel.subscriptions.model import Subscription, When
from solvent.kernel.subscriptions.rules.calendar import is_sensible, whole_second
from solvent.kernel.subscriptions.rules.states import Move, moved
from solvent.kernel.subscriptions.rules.timeline import Turn, closed, resumed, turned
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
        CancelTimeInvalid: the moment is past.
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
    if at is When.NOW:
        return now
    end = held.period.end if isinstance(at, When) else whole_second(as_utc(at, field="at"))
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
    return await _turn(ctx, held, replace(held, cancel_at=None), why="cancel_withdrawn")


async def pause(
    ctx: Ctx, subscription_id: str, *, resume_at: datetime | None = None
) -> Subscription:
    """Stop access and charges now, until `resume` or the given moment.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `cancel`.
        TransitionRefused: it is not active.
        ResumeTimeInvalid: the moment is not ahead.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    now = whole_second(ctx.now())
    until = whole_second(as_utc(resume_at, field="resume_at")) if resume_at else None
    if until is not None and (until <= now or not is_sensible(until)):
        raise ResumeTimeInvalid(field="resume_at")
    status = moved(held.status, Move.PAUSE)
    after = replace(held, status=status, paused_at=now, resume_at=until)
    return await _turn(ctx, held, after, why=Move.PAUSE.value)


async def resume(ctx: Ctx, subscription_id: str) -> Subscription:
    """Let a paused subscription go on now; its period boundaries have not moved.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `cancel`.
        TransitionRefused: it is not paused.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    cycle = (await cycles(ctx, held.plan))(held.plan)
    turn = resumed(held, at=whole_second(ctx.now()), cycle=cycle)
    return await carry_out(ctx, held, [turn])


async def _turn(ctx: Ctx, held: Subscription, after: Subscription, *, why: str) -> Subscription:
    if after == held:
        return held
    cycle = (await cycles(ctx, held.plan))(held.plan)
    turn: Turn = turned(held, after, at=whole_second(ctx.now()), why=why, cycle=cycle)
    return await carry_out(ctx, held, [turn])
