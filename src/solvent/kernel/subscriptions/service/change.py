"""How does a running subscription change plan, seats or zone, or whether it is paid for?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanArchived
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.catalogue.rules import fees_minor
from solvent.kernel.subscriptions.errors import PlanUnfit, ProviderManaged
from solvent.kernel.subscriptions.model import (
    Foreseen,
    PlannedChange,
    PlannedKind,
    PlanRef,
    Subscription,
    When,
)
from solvent.kernel.subscriptions.rules.calendar import moved_anchor, whole_second, zone_of
from solvent.kernel.subscriptions.rules.changing import (
    carried_quantity,
    must_sell,
    plan_changed,
    quantity_changed,
)
from solvent.kernel.subscriptions.rules.states import Move, is_downgrade, moved
from solvent.kernel.subscriptions.rules.turning import Turn
from solvent.kernel.subscriptions.service.addons import must_keep_addons
from solvent.kernel.subscriptions.service.plan import (
    plan_for,
    save_planned,
    takes_effect_at,
    unplan,
)
from solvent.kernel.subscriptions.service.read import list_current
from solvent.kernel.subscriptions.service.save import (
    SCOPE_READ,
    SCOPE_WRITE,
    carry_out,
    cycle_of,
    cycles,
    own_for_change,
)
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx


async def change_plan(
    ctx: Ctx,
    subscription_id: str,
    plan_key: str,
    *,
    version: int | None = None,
    when: datetime | When = When.AUTO,
    quantity: int | None = None,
) -> Subscription:
    """Move a subscription to another plan of its product, now, at the period's end, or later.

    `AUTO` means now for an upgrade and at the period's end for a downgrade, by what the two cost. A
    plan of another length taken now begins a period of its own now. `quantity` None keeps the
    seats.

    Raises:
        SubscriptionNotFound: there is none.
        TransitionRefused: it has ended.
        ProviderManaged: a payment provider runs it.
        PlanUnfit: the plan is of another product or currency.
        PlanNotFound, PlanArchived: there is no such plan, or it is no longer sold.
        QuantityRefused: the plan does not sell so many seats.
        AddonUnfit: an add-on of the subscription does not go with the plan.
        ChangeTimeInvalid, TooManyPlanned: the moment is not ahead; too much is planned.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    wish = await _wish(ctx, held, PlanRef(plan_key, version or LATEST), quantity)
    if when is When.AUTO:
        when = wish.in_time
    if when is When.PERIOD_END and quantity is None:
        return await _follow_with(ctx, held, wish.ref)
    at = takes_effect_at(ctx, held, when)
    if at is not None:
        kind = PlannedKind.CHANGE_PLAN
        planned = PlannedChange(ctx.ids.new("chg"), kind, at, plan=wish.ref, quantity=quantity)
        return await plan_for(ctx, held, planned)
    turn = wish.made(whole_second(ctx.now()))
    return held if turn.subscription == held else await carry_out(ctx, held, [turn])


async def foresee_plan(
    ctx: Ctx,
    held: Subscription,
    plan_key: str,
    *,
    version: int | None = None,
    when: When = When.AUTO,
    quantity: int | None = None,
) -> Foreseen:
    """Return what `change_plan` would make of a subscription; changes nothing.

    Raises:
        As `change_plan`.
    """
    ctx.require(SCOPE_READ)
    if held.provider_managed:
        raise ProviderManaged(provider=held.provider)
    wish = await _wish(ctx, held, PlanRef(plan_key, version or LATEST), quantity)
    in_time = wish.in_time if when is When.AUTO else when
    now = whole_second(ctx.now())
    turn = wish.made(now) if in_time is When.NOW else None
    return Foreseen(
        held=held,
        after=turn.subscription if turn else replace(held, next_plan=wish.ref),
        plan=wish.ref,
        quantity=wish.seats,
        when=in_time,
        ended=turn.ended if turn else None,
        fee_before_minor=fees_minor(wish.old, held.quantity),
        fee_after_minor=fees_minor(wish.new, wish.seats),
        takes_effect_at=now if turn else held.period.end,
    )


LATEST = 0
"""Stands for the version of a plan that is sold now."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A change of plan that may be made."""

    held: Subscription
    old: PlanVersion
    new: PlanVersion
    seats: int

    @property
    def ref(self) -> PlanRef:
        return PlanRef(self.new.plan_key, self.new.version)

    @property
    def in_time(self) -> When:
        """Return when it is made of itself: what is cheaper at the period's end."""
        seats = (self.held.quantity, self.seats)
        return When.PERIOD_END if is_downgrade(self.old, self.new, seats=seats) else When.NOW

    def made(self, at: datetime) -> Turn:
        both = (cycle_of(self.old), cycle_of(self.new))
        return plan_changed(self.held, self.ref, quantity=self.seats, at=at, cycles=both)


async def _wish(ctx: Ctx, held: Subscription, plan: PlanRef, quantity: int | None) -> _Wish:
    moved(held.status, Move.CHANGE)
    new = await catalogue.plan_version(ctx, plan.plan_key, plan.version or None)
    old = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    _must_fit(held, old, new)
    await must_keep_addons(ctx, held, new)
    both = (cycle_of(old), cycle_of(new))
    seats = carried_quantity(held, both) if quantity is None else quantity
    must_sell(both[1], seats)
    return _Wish(held, old, new, seats)


def _must_fit(held: Subscription, old: PlanVersion, new: PlanVersion) -> None:
    if (new.product_key, new.currency) != (held.product_key, old.currency):
        raise PlanUnfit(field="plan", given=new.plan_key)
    if new.terms.addon:
        raise PlanUnfit("an add-on is sold beside a plan", field="plan", given=new.plan_key)
    if new.archived and new.plan_key != held.plan_key:
        raise PlanArchived(field="plan", given=new.plan_key)


async def _follow_with(ctx: Ctx, held: Subscription, ref: PlanRef) -> Subscription:
    """Let the next period begin with a plan; with the present one nothing is to follow."""
    planned = replace(held, next_plan=None if ref == held.plan else ref)
    return await save_planned(ctx, held, planned, why="plan_change_planned")


async def change_quantity(
    ctx: Ctx, subscription_id: str, quantity: int, *, when: datetime | When = When.AUTO
) -> Subscription:
    """Give a subscription another number of seats, now, at the period's end, or later.

    `AUTO` means more now, and fewer at the period's end. What a part of the period costs is told by
    the plan's proration. To plan the seats that are held takes back what was planned for then.

    Raises:
        SubscriptionNotFound, TransitionRefused, ProviderManaged: as `change_plan`.
        QuantityRefused: the plan does not sell so many.
        ChangeTimeInvalid, TooManyPlanned: as `change_plan`.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CHANGE)
    cycle = (await cycles(ctx, held.plan))(held.plan)
    must_sell(cycle, quantity)
    if when is When.AUTO:
        when = When.PERIOD_END if quantity < held.quantity else When.NOW
    at = takes_effect_at(ctx, held, when)
    if at is None:
        turn = quantity_changed(held, quantity, at=whole_second(ctx.now()), cycle=cycle)
        return held if turn.subscription == held else await carry_out(ctx, held, [turn])
    kind = PlannedKind.CHANGE_QUANTITY
    planned = PlannedChange(ctx.ids.new("chg"), kind, at, quantity=quantity)
    if quantity == held.quantity:
        return await unplan(ctx, held, planned)
    return await plan_for(ctx, held, planned)


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
    return await save_planned(ctx, held, after, why="time_zone_changed")


async def follow_customer(ctx: Ctx, customer_id: str) -> list[Subscription]:
    """Count the periods to come of a customer's own subscriptions in the customer's zone.

    Those that a provider runs stay as the provider counts them.
    """
    customer = await tenants.get_customer(ctx, customer_id)
    held = await list_current(ctx, customer_id)
    return [
        await change_time_zone(ctx, one.id, customer.time_zone)
        for one in held
        if not one.provider_managed and one.time_zone != customer.time_zone
    ]


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
    return await save_planned(ctx, held, after, why=Move.OWE.value)


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
    return await save_planned(ctx, held, after, why=Move.PAY.value)
