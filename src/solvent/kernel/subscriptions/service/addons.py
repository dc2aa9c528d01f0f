"""How does a subscription come by something beside its plan, and lose it again?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanArchived
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store_addons as store
from solvent.kernel.subscriptions.errors import (
    AddonNotFound,
    ChangeTimeInvalid,
    SubscriptionNotFound,
)
from solvent.kernel.subscriptions.model import Addon, PlanRef, Subscription, When
from solvent.kernel.subscriptions.rules import adding
from solvent.kernel.subscriptions.rules.calendar import is_sensible, whole_second
from solvent.kernel.subscriptions.rules.changing import must_sell
from solvent.kernel.subscriptions.rules.states import Move, moved
from solvent.kernel.subscriptions.service.plan import takes_effect_at
from solvent.kernel.subscriptions.service.read import get, get_many
from solvent.kernel.subscriptions.service.save import (
    SCOPE_WRITE,
    cycle_of,
    own_for_change,
    tell,
)
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.jobs import enqueue_at_end

JOB_ADDON_TURNED = "subscriptions.addon_turned"
SECOND = timedelta(seconds=1)


async def add_addon(
    ctx: Ctx,
    subscription_id: str,
    plan_key: str,
    *,
    version: int | None = None,
    quantity: int | None = None,
    start: datetime | When = When.NOW,
    ends_at: datetime | None = None,
) -> Addon:
    """Give a subscription an add-on, from now or later on, until it ends or until a moment.

    It is charged with the subscription's periods, for the seconds (or as its plan says) in which
    the subscription is charged too. Emits `subscription_changed`.

    Raises:
        SubscriptionNotFound, ProviderManaged, TransitionRefused: as `change_plan`.
        PlanNotFound, PlanArchived: there is no such plan, or it is no longer sold.
        AddonUnfit: the plan is no add-on, or of another product, currency or interval.
        AddonHeld, TooManyAddons: the subscription has it at that time; or has too many.
        QuantityRefused: the plan does not sell so many.
        ChangeTimeInvalid: it would begin before now, or end before it begins.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    moved(held.status, Move.CHANGE)
    plan = await catalogue.plan_version(ctx, plan_key, version)
    if plan.archived:
        raise PlanArchived(field="plan", given=plan_key)
    await _must_fit_ahead(ctx, held, plan)
    seats = plan.seats.minimum if quantity is None else quantity
    must_sell(cycle_of(plan), seats)
    now = whole_second(ctx.now())
    starts_at = takes_effect_at(ctx, held, start) or now
    addon = Addon(
        id=ctx.ids.new("add"),
        subscription_id=held.id,
        plan=PlanRef(plan.plan_key, plan.version),
        quantity=seats,
        starts_at=starts_at,
        ends_at=_end(ends_at, after=starts_at),
        created_at=now,
    )
    await _insert(ctx, held, addon)
    return addon


async def _must_fit_ahead(ctx: Ctx, held: Subscription, addon: PlanVersion) -> None:
    """Let pass what fits the present plan and all that are planned."""
    ahead = [held.plan, held.next_plan, *(one.plan for one in held.planned)]
    for ref in {one for one in ahead if one is not None}:
        plan = await catalogue.plan_version(ctx, ref.plan_key, ref.version)
        adding.must_fit(plan, addon)


def _end(ends_at: datetime | None, *, after: datetime) -> datetime | None:
    if ends_at is None:
        return None
    end = whole_second(as_utc(ends_at, field="ends_at"))
    if end <= after or not is_sensible(end):
        raise ChangeTimeInvalid("an add-on ends after it begins", field="ends_at")
    return end


async def _insert(ctx: Ctx, held: Subscription, addon: Addon) -> None:
    known = await store.list_of(ctx.tx, ctx.tenant_id, held.id)
    adding.must_be_free(known, addon, now=whole_second(ctx.now()))
    await store.insert(ctx.tx, ctx.tenant_id, addon)
    await _turned(ctx, held, addon, why="added")


async def end_addon(
    ctx: Ctx, subscription_id: str, addon_id: str, *, at: datetime | When = When.NOW
) -> Addon | None:
    """End an add-on now, at the period's end, or at a moment; None if it never began.

    Raises:
        SubscriptionNotFound, ProviderManaged: as `change_plan`.
        AddonNotFound: the subscription has none of this id, or no more.
        ChangeTimeInvalid: the moment is not ahead.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    addon = await _live(ctx, held, addon_id)
    now = whole_second(ctx.now())
    return await _end_at(ctx, held, addon, takes_effect_at(ctx, held, at) or now)


async def _end_at(ctx: Ctx, held: Subscription, addon: Addon, at: datetime) -> Addon | None:
    if at <= addon.starts_at:
        await store.remove(ctx.tx, ctx.tenant_id, addon.id)
        await _turned(ctx, held, addon, why="removed")
        return None
    ended = replace(addon, ends_at=at)
    await store.set_end(ctx.tx, ctx.tenant_id, addon.id, at)
    await _turned(ctx, held, ended, why="ended")
    return ended


async def keep_addon(ctx: Ctx, subscription_id: str, addon_id: str) -> Addon:
    """Take back an end that has not yet come: the add-on ends with its subscription.

    Raises:
        SubscriptionNotFound, ProviderManaged, AddonNotFound: as `end_addon`.
        AddonHeld: another one of its plan is to follow it.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    kept = replace(await _live(ctx, held, addon_id), ends_at=None)
    known = await store.list_of(ctx.tx, ctx.tenant_id, held.id)
    adding.must_be_free(known, kept, now=whole_second(ctx.now()))
    await store.set_end(ctx.tx, ctx.tenant_id, kept.id, None)
    await _turned(ctx, held, kept, why="kept")
    return kept


async def change_addon(
    ctx: Ctx,
    subscription_id: str,
    addon_id: str,
    quantity: int,
    *,
    when: datetime | When = When.AUTO,
) -> Addon:
    """Give an add-on another quantity: more now, fewer at the period's end, or as is told.

    The add-on ends at that moment, and one like it, with an id of its own, begins.

    Raises:
        As `end_addon`; QuantityRefused: its plan does not sell so many.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    addon = await _live(ctx, held, addon_id)
    plan = await catalogue.plan_version(ctx, addon.plan.plan_key, addon.plan.version)
    must_sell(cycle_of(plan), quantity)
    if when is When.AUTO:
        when = When.PERIOD_END if quantity < addon.quantity else When.NOW
    now = whole_second(ctx.now())
    at = max(takes_effect_at(ctx, held, when) or now, addon.starts_at)
    if addon.ends_at is not None and at >= addon.ends_at:
        raise AddonNotFound("the add-on has ended by then", field="addon", given=addon_id)
    await _end_at(ctx, held, addon, at)
    new_id = ctx.ids.new("add")
    changed = replace(addon, id=new_id, quantity=quantity, starts_at=at, created_at=now)
    await _insert(ctx, held, changed)
    return changed


async def _live(ctx: Ctx, held: Subscription, addon_id: str) -> Addon:
    if not is_id(addon_id, prefix="add"):
        raise AddonNotFound(field="addon", given=addon_id[:64])
    found = await store.get(ctx.tx, ctx.tenant_id, held.id, addon_id)
    if held.terminal or not adding.is_live(found, whole_second(ctx.now())):
        raise AddonNotFound("the add-on has ended", field="addon", given=addon_id)
    return found


async def _turned(ctx: Ctx, held: Subscription, addon: Addon, *, why: str) -> None:
    """Keep a change in the audit log, tell of it, and come back when the add-on turns by itself."""
    audit.record(
        ctx,
        action="subscriptions.addon_changed",
        subject=held.id,
        data={
            "why": why,
            "addon": addon.id,
            "plan": f"{addon.plan.plan_key}@{addon.plan.version}",
            "quantity": addon.quantity,
            "starts_at": addon.starts_at,
            "ends_at": addon.ends_at,
        },
    )
    await tell(ctx, held)
    for moment in (addon.starts_at, addon.ends_at):
        if moment is not None and moment > ctx.now():
            payload = {"subscription_id": held.id}
            key = f"{held.id}/{moment.isoformat()}"
            enqueue_at_end(ctx, JOB_ADDON_TURNED, payload, run_at=moment, unique_key=key)


async def tell_of_addons(ctx: Ctx, subscription_ids: Sequence[str]) -> None:
    """Tell that time has begun or ended add-ons of these: what is granted may be another.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    ids = dict.fromkeys(subscription_ids)
    held = {str(one.id): one for one in await get_many(ctx, list(ids))}
    for id_ in ids:
        if id_ not in held:
            raise SubscriptionNotFound(field="subscription", given=id_[:64])
    await tell(ctx, *[held[id_] for id_ in ids])


async def list_addons(ctx: Ctx, subscription_id: str) -> list[Addon]:
    """Return all add-ons that a subscription has, had or is to have, in order of their start.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    held = await get(ctx, subscription_id)
    return await store.list_of(ctx.tx, ctx.tenant_id, held.id)


async def addons_within(ctx: Ctx, asked: Sequence[tuple[str, Period]]) -> list[list[Addon]]:
    """Return the add-ons that each subscription has at any second of its period.

    Of a period that is over the answer never changes.
    """
    return await store.list_within(ctx.tx, ctx.tenant_id, asked)


async def must_keep_addons(ctx: Ctx, held: Subscription, plan: PlanVersion) -> None:
    """Let pass a plan that all add-ons of a subscription go with.

    Raises:
        AddonUnfit: one does not; end it first.
    """
    for one in await store.list_of(ctx.tx, ctx.tenant_id, held.id):
        if adding.is_live(one, whole_second(ctx.now())):
            addon = await catalogue.plan_version(ctx, one.plan.plan_key, one.plan.version)
            adding.must_fit(plan, addon)
