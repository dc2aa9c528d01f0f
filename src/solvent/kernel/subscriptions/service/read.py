"""What can be seen of subscriptions?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store
from solvent.kernel.subscriptions.errors import SubscriptionNotFound
from solvent.kernel.subscriptions.model import (
    FeePeriod,
    PlanRef,
    Segment,
    Status,
    Subscription,
)
from solvent.kernel.subscriptions.rules.calendar import Recurrence
from solvent.kernel.subscriptions.rules.calendar import fee_period as fee_period_of
from solvent.kernel.subscriptions.rules.states import months_of
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id


async def get(ctx: Ctx, subscription_id: str) -> Subscription:
    """Return a subscription.

    Raises:
        SubscriptionNotFound: the tenant has none of this id.
    """
    if not is_id(subscription_id, prefix="sub"):
        raise SubscriptionNotFound(field="subscription", given=subscription_id[:64])
    return await store.get(ctx.tx, ctx.tenant_id, subscription_id)


async def get_many(ctx: Ctx, subscription_ids: Collection[str]) -> list[Subscription]:
    """Return those of these subscriptions that the tenant has, each once, by id."""
    return await store.get_many(ctx.tx, ctx.tenant_id, subscription_ids)


async def current(ctx: Ctx, customer_id: str, product_key: str) -> Subscription | None:
    """Return the customer's current subscription of a product, if there is one."""
    held = await store.list_current_of(ctx.tx, ctx.tenant_id, [customer_id])
    return next((one for one in held if one.product_key == product_key), None)


async def list_current(ctx: Ctx, customer_id: str) -> list[Subscription]:
    """Return the customer's current subscriptions, at most one a product, by product key."""
    return await store.list_current_of(ctx.tx, ctx.tenant_id, [customer_id])


async def list_current_of(ctx: Ctx, customer_ids: Sequence[str]) -> dict[str, list[Subscription]]:
    """Return the current subscriptions of each of these customers, as `list_current` would."""
    found: dict[str, list[Subscription]] = {id_: [] for id_ in customer_ids}
    for one in await store.list_current_of(ctx.tx, ctx.tenant_id, customer_ids):
        found[one.customer_id].append(one)
    return found


async def list_all(
    ctx: Ctx,
    *,
    customer_id: str | None = None,
    status: Status | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Subscription]:
    """Return subscriptions, newest first, beginning after the id `after`."""
    return await store.list_page(
        ctx.tx, ctx.tenant_id, customer_id=customer_id, status=status, after=after, limit=limit
    )


async def list_on_plan(
    ctx: Ctx, plan: PlanRef, *, status: Status | None = None, after: str = "", limit: int = 50
) -> list[Subscription]:
    """Return the subscriptions to a version of a plan that have not ended, by id."""
    return await store.list_on_plan(
        ctx.tx, ctx.tenant_id, plan, status=status, after=after, limit=limit
    )


async def count_on_plan(ctx: Ctx, plan: PlanRef, *, status: Status | None = None) -> int:
    """Return how many subscriptions to a version of a plan have not ended."""
    return await store.count_on_plan(ctx.tx, ctx.tenant_id, plan, status=status)


async def find_by_provider(
    ctx: Ctx, provider: str, provider_subscription_id: str
) -> Subscription | None:
    """Return the subscription that a provider knows by this id, if it was ever told."""
    named = (provider, provider_subscription_id)
    return (await store.find_by_provider(ctx.tx, ctx.tenant_id, [named])).get(named)


async def list_periods(ctx: Ctx, subscription_id: str) -> list[Period]:
    """Return the periods of a subscription that are over, in order."""
    return await store.list_periods(ctx.tx, ctx.tenant_id, subscription_id)


async def whole_period(ctx: Ctx, subscription_id: str, period: Period) -> Period:
    """Return the period as the calendar had it before anything cut it short.

    For the present period that is the period itself; a fee for a month is measured against it.
    """
    planned = await store.planned_end(ctx.tx, ctx.tenant_id, subscription_id, period.start)
    return period if planned is None else Period(period.start, planned)


async def fee_period(
    ctx: Ctx, subscription_id: str, period: Period, *, version: PlanVersion
) -> FeePeriod:
    """Return which whole period a fee of this plan version is for, as things stand now.

    A provider collects whole fees, so of its subscriptions each period is whole.
    """
    held = await store.get(ctx.tx, ctx.tenant_id, subscription_id)
    planned = await whole_period(ctx, subscription_id, period)
    recurrence = Recurrence(held.anchor_at, months_of(version), held.time_zone)
    found = fee_period_of(recurrence, planned, calendar=version.terms.calendar)
    return replace(found, whole=period) if held.provider_managed else found


async def segments(ctx: Ctx, subscription_id: str, period: Period) -> list[Segment]:
    """Return which plan version was charged when within a period, in order.

    Seconds of a trial, a pause, or before the start and after the end are in no segment. What goes
    on now is taken to go on to the period's end.
    """
    over = await store.list_segments(ctx.tx, ctx.tenant_id, subscription_id, within=period)
    held = await store.get(ctx.tx, ctx.tenant_id, subscription_id)
    since = held.charged_from
    if since is not None and since < period.end:
        going_on = Period(max(since, period.start), period.end)
        over.append(Segment(held.plan, going_on, held.quantity))
    return over
