"""How does a customer come by a subscription that Solvent itself renews?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanArchived
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.catalogue.ports import PriceChooser
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store
from solvent.kernel.subscriptions.errors import (
    AlreadySubscribed,
    PlanUnfit,
    StartTimeInvalid,
    TrialLengthInvalid,
)
from solvent.kernel.subscriptions.model import Status, Subscription, SubscriptionId
from solvent.kernel.subscriptions.rules.calendar import whole_second, zone_of
from solvent.kernel.subscriptions.rules.changing import must_sell
from solvent.kernel.subscriptions.rules.states import Move, moved
from solvent.kernel.subscriptions.rules.timeline import counted_from
from solvent.kernel.subscriptions.rules.turning import Cycle, Turn, turned
from solvent.kernel.subscriptions.service.save import (
    SCOPE_WRITE,
    carry_out,
    cycle_of,
    cycles,
    own_for_change,
)
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx

TRIAL_DAYS_MAX = 730
BACKDATED_MAX = timedelta(days=5 * 366)


async def create(
    ctx: Ctx,
    customer: str,
    plan_key: str,
    *,
    version: int | PriceChooser | None = None,
    start_at: datetime | None = None,
    time_zone: str | None = None,
    trial_days: int | None = None,
    auto_renew: bool = True,
    pending: bool = False,
    quantity: int | None = None,
) -> Subscription:
    """Subscribe a customer (id or own reference) to a plan that Solvent itself renews.

    `start_at` is now (None) or before. The trial's length and the time zone default to the plan's
    and the customer's; the version to the latest, or what a chooser says. A `pending` one waits
    for `activate`. `quantity` is of seats, by default the least that the plan sells. Needs
    `subscriptions:write`. Emits `subscription_changed`.

    Raises:
        CustomerUnknown, PlanNotFound: there is no such customer or plan.
        PlanArchived, PlanUnfit: the plan is no longer sold, or is an add-on.
        AlreadySubscribed: the customer has a current subscription of the plan's product.
        StartTimeInvalid, TrialLengthInvalid, TimeZoneUnknown, QuantityRefused: names the field.
    """
    ctx.require(SCOPE_WRITE)
    buyer = await tenants.get_customer(ctx, customer)
    plan = await _plan(ctx, plan_key, version, buyer=buyer)
    if plan.terms.addon:
        raise PlanUnfit("an add-on is sold beside a plan", field="plan", given=plan_key)
    start = _start(ctx, start_at)
    days = _trial_days(plan, trial_days)
    zone = time_zone or buyer.time_zone
    zone_of(zone)
    seats = plan.seats.minimum if quantity is None else quantity
    must_sell(cycle_of(plan), seats)
    await _refuse_second(ctx, buyer.id, plan.product_key, pending=pending)
    new = Subscription(
        id=SubscriptionId(ctx.ids.new("sub")),
        customer_id=buyer.id,
        product_key=plan.product_key,
        plan_key=plan.plan_key,
        plan_version=plan.version,
        status=Status.PENDING,
        current=False,
        period=Period(start, start),
        anchor_at=start,
        time_zone=zone,
        plan_expires_at=start,
        auto_renew=auto_renew,
        created_at=whole_second(ctx.now()),
        quantity=seats,
    )
    turn = _begun(new, start, timedelta(days=days), cycle_of(plan), why="created")
    if pending:
        waiting = replace(turn.subscription, status=Status.PENDING, charged_from=None)
        turn = replace(turn, subscription=replace(waiting, plan_expires_at=start))
    return await carry_out(ctx, None, [turn])


async def _plan(
    ctx: Ctx, plan_key: str, version: int | PriceChooser | None, *, buyer: Customer
) -> PlanVersion:
    if not isinstance(version, int):
        return await catalogue.offer(
            ctx, plan_key, customer_ref=buyer.external_ref, chooser=version
        )
    plan = await catalogue.plan_version(ctx, plan_key, version)
    if plan.archived:
        raise PlanArchived(field="plan", given=plan_key)
    return plan


def _start(ctx: Ctx, start_at: datetime | None) -> datetime:
    now = whole_second(ctx.now())
    start = whole_second(as_utc(start_at, field="start_at")) if start_at else now
    if not now - BACKDATED_MAX <= start <= now:
        raise StartTimeInvalid(field="start_at")
    return start


def _trial_days(plan: PlanVersion, told: int | None) -> int:
    days = plan.trial_days if told is None else told
    if not 0 <= days <= TRIAL_DAYS_MAX:
        raise TrialLengthInvalid(field="trial_days", given=days)
    return days


async def _refuse_second(ctx: Ctx, customer_id: str, product_key: str, *, pending: bool) -> None:
    """Hold the customer's place for the product; only one that waits may give way to a new one."""
    pair = (customer_id, product_key)
    await store.lock(ctx.tx, ctx.tenant_id, [pair])
    held = await store.list_open(ctx.tx, ctx.tenant_id, [pair])
    if any(one.current and (pending or one.status is not Status.PENDING) for one in held):
        raise AlreadySubscribed(product=product_key)


def _begun(
    waiting: Subscription, start: datetime, trial: timedelta, cycle: Cycle, *, why: str
) -> Turn:
    """Return a pending subscription begun at a moment: on trial, or in its first period.

    The anchor is the end of the trial, so a trial that ends on a billing day is followed by one
    whole period and never by an empty one; or it is the calendar, where the plan says so.
    """
    trial_end = start + trial
    move = Move.TRY if trial else Move.ACTIVATE
    anchored = replace(waiting, anchor_at=trial_end)
    recurrence, period = counted_from(anchored, at=trial_end, cycle=cycle)
    if trial:
        period = Period(start, trial_end)
    after = replace(
        waiting,
        status=moved(waiting.status, move),
        period=period,
        anchor_at=recurrence.anchor_at,
        trial_end_at=trial_end if trial else waiting.trial_end_at,
        paid_through=period.end,
    )
    return turned(waiting, after, at=start, why=why, cycle=cycle)


async def activate(ctx: Ctx, subscription_id: str) -> Subscription:
    """Let a pending subscription begin now, with the trial it was made with.

    Raises:
        SubscriptionNotFound: there is none.
        ProviderManaged: a payment provider runs it.
        TransitionRefused: it is not pending.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    return await begin(ctx, held)


async def begin(ctx: Ctx, held: Subscription) -> Subscription:
    """Let a pending subscription that is held for a change begin now; one that was tried is paid.

    Raises:
        TransitionRefused: it is not pending.
    """
    moved(held.status, Move.ACTIVATE)
    cycle = (await cycles(ctx, held.plan))(held.plan)
    untried = held.trial_end_at is not None and not held.awaits_card
    trial = held.period.duration if untried else timedelta(0)
    turn = _begun(held, whole_second(ctx.now()), trial, cycle, why=Move.ACTIVATE.value)
    return await carry_out(ctx, held, [turn])
