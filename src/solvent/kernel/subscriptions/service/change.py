"""How does a running subscription change its plan, its zone, or whether it is paid for?"""

from __future__ import annotations

from dataclasses import replace

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanArchived
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import PlanUnfit
from solvent.kernel.subscriptions.model import PlanRef, Status, Subscription, When
from solvent.kernel.subscriptions.rules.calendar import (
    Recurrence,
    boundary,
    moved_anchor,
    whole_second,
    zone_of,
)
from solvent.kernel.subscriptions.rules.states import Move, is_downgrade, moved
from solvent.kernel.subscriptions.rules.timeline import Turn, end_of, turned
from solvent.kernel.subscriptions.service.save import (
    SCOPE_WRITE,
    carry_out,
    cycle_of,
    cycles,
    own_for_change,
)
from solvent.kit.ctx import Ctx


async def change_plan(
    ctx: Ctx,
    subscription_id: str,
    plan_key: str,
    *,
    version: int | None = None,
    when: When | None = None,
) -> Subscription:
    """Move a subscription to another plan of its product.

    `when` None means now for an upgrade and at the period's end for a downgrade. A plan of another
    length taken now begins a period of its own now.

    Raises:
        SubscriptionNotFound: there is none.
        TransitionRefused: it has ended.
        ProviderManaged: a payment provider runs it.
        PlanUnfit: the plan is of another product or currency.
        PlanNotFound, PlanArchived: there is no such plan, or it is no longer sold.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CHANGE)
    new = await catalogue.plan_version(ctx, plan_key, version)
    old = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    _must_fit(held, old, new)
    if when is None:
        when = When.PERIOD_END if is_downgrade(old, new) else When.NOW
    turn = _changed(ctx, held, old=old, new=new, when=when)
    return held if turn.subscription == held else await carry_out(ctx, held, [turn])


def _must_fit(held: Subscription, old: PlanVersion, new: PlanVersion) -> None:
    if (new.product_key, new.currency) != (held.product_key, old.currency):
        raise PlanUnfit(field="plan", given=new.plan_key)
    if new.archived and new.plan_key != held.plan_key:
        raise PlanArchived(field="plan", given=new.plan_key)


def _changed(
    ctx: Ctx, held: Subscription, *, old: PlanVersion, new: PlanVersion, when: When
) -> Turn:
    now = whole_second(ctx.now())
    ref = PlanRef(new.plan_key, new.version)
    if when is When.PERIOD_END:
        planned = replace(held, next_plan=None if ref == held.plan else ref)
        return turned(held, planned, at=now, why="plan_change_planned", cycle=cycle_of(old))
    cycle = cycle_of(new)
    after = replace(held, plan_key=ref.plan_key, plan_version=ref.version, next_plan=None)
    ended = None
    renewing = held.status in {Status.ACTIVE, Status.PAST_DUE}
    if renewing and cycle.months != cycle_of(old).months and now > held.period.start:
        ended = end_of(held, now)
        end = boundary(Recurrence(now, cycle.months, held.time_zone), 1)
        after = replace(after, anchor_at=now, period=Period(now, end), paid_through=end)
    return turned(held, after, at=now, why="plan_changed", cycle=cycle, ended=ended)


async def change_time_zone(ctx: Ctx, subscription_id: str, time_zone: str) -> Subscription:
    """Count the boundaries after the present period in another zone's wall clock.

    The present period stays as it is, so there is neither a hole nor an overlap.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `change_plan`.
        TransitionRefused: it has ended.
        TimeZoneUnknown: there is no such zone.
    """
    ctx.require(SCOPE_WRITE)
    zone_of(time_zone)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CHANGE)
    anchor_at = moved_anchor(held.anchor_at, old=held.time_zone, new=time_zone)
    after = replace(held, time_zone=time_zone, anchor_at=anchor_at)
    return await _turn(ctx, held, after, why="time_zone_changed")


async def mark_past_due(ctx: Ctx, subscription_id: str) -> Subscription:
    """Say that the present period is not paid for: access lasts for the grace from its start.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `change_plan`.
        TransitionRefused: it is neither active nor past due.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    status = moved(held.status, Move.OWE)
    after = replace(held, status=status, paid_through=held.period.start)
    return await _turn(ctx, held, after, why=Move.OWE.value)


async def mark_paid(ctx: Ctx, subscription_id: str) -> Subscription:
    """Say that the present period is paid for: a past-due subscription is active again.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `change_plan`.
        TransitionRefused: it is neither active nor past due.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    status = moved(held.status, Move.PAY)
    after = replace(held, status=status, paid_through=held.period.end)
    return await _turn(ctx, held, after, why=Move.PAY.value)


async def _turn(ctx: Ctx, held: Subscription, after: Subscription, *, why: str) -> Subscription:
    if after == held:
        return held
    cycle = (await cycles(ctx, held.plan))(held.plan)
    turn = turned(held, after, at=whole_second(ctx.now()), why=why, cycle=cycle)
    return await carry_out(ctx, held, [turn])
