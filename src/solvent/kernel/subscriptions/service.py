"""What may be done with a subscription: make it, change it, end it, renew it, look at it."""

from __future__ import annotations

from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import (
    Segment,
    Status,
    Subscription,
    SubscriptionFacts,
    When,
)
from solvent.kit.ctx import Ctx


async def create(
    ctx: Ctx,
    customer: str,
    plan_key: str,
    *,
    version: int | None = None,
    start_at: datetime | None = None,
    time_zone: str | None = None,
    trial_days: int | None = None,
    auto_renew: bool = True,
    pending: bool = False,
) -> Subscription:
    """Subscribe a customer (id or own reference) to a plan that Solvent itself renews.

    `start_at` is now or before; None is now. The trial's length and the time zone default to
    the plan's and the customer's. `pending` waits for `activate`. Emits `subscription_changed`.

    Raises:
        AlreadySubscribed: the customer has a current subscription of the plan's product.
        PlanArchived: the plan is no longer sold.
    """
    raise NotImplementedError


async def sync(ctx: Ctx, facts: SubscriptionFacts) -> Subscription:
    """Make a provider's subscription equal to what is known of it; the same facts change nothing.

    One that has ended stays ended. A period that the facts show as over is ended here, in order
    and once. Emits `subscription_changed` if anything is another now, and `period_ended`.

    Raises:
        ProviderPriceUnknown, PlanNotFound: the facts name no plan of the catalogue.
        FactsInvalid: the period is empty or reversed, or a time has no zone.
    """
    raise NotImplementedError


async def activate(ctx: Ctx, subscription_id: str) -> Subscription:
    """Let a pending subscription begin now. Raises `TransitionRefused` for any other."""
    raise NotImplementedError


async def cancel(
    ctx: Ctx, subscription_id: str, *, at: datetime | None = None, at_period_end: bool = False
) -> Subscription:
    """End a subscription now, at a later moment, or at its period's end.

    Raises:
        TransitionRefused: it has ended already.
        ProviderManaged: a provider runs it.
        CancelTimeInvalid: the moment is past.
    """
    raise NotImplementedError


async def keep(ctx: Ctx, subscription_id: str) -> Subscription:
    """Take back a cancellation that has not yet taken effect."""
    raise NotImplementedError


async def pause(
    ctx: Ctx, subscription_id: str, *, resume_at: datetime | None = None
) -> Subscription:
    """Stop access and charges now, until `resume` or the given moment."""
    raise NotImplementedError


async def resume(ctx: Ctx, subscription_id: str) -> Subscription:
    """Let a paused subscription go on now; its period boundaries have not moved."""
    raise NotImplementedError


async def change_plan(
    ctx: Ctx,
    subscription_id: str,
    plan_key: str,
    *,
    version: int | None = None,
    when: When | None = None,
) -> Subscription:
    """Move a subscription to another plan of the product.

    `when` None: an upgrade now, a downgrade at the period's end.

    Raises:
        PlanUnfit: another product or currency. PlanArchived: no longer sold.
    """
    raise NotImplementedError


async def mark_past_due(ctx: Ctx, subscription_id: str) -> Subscription:
    """Say that the present period is not paid for: access lasts for the grace from its start."""
    raise NotImplementedError


async def mark_paid(ctx: Ctx, subscription_id: str) -> Subscription:
    """Say that the present period is paid for: a past-due subscription is active again."""
    raise NotImplementedError


async def renew(ctx: Ctx, subscription_id: str) -> Subscription:
    """Do all that time has made due: ends of periods, trials, pauses, planned cancellations.

    Each once, in the order of time, however late; nothing if nothing is due. Emits `period_ended`
    for each period that is over.
    """
    raise NotImplementedError


async def get(ctx: Ctx, subscription_id: str) -> Subscription:
    """Return a subscription. Raises `SubscriptionNotFound`."""
    raise NotImplementedError


async def current(ctx: Ctx, customer_id: str, product_key: str) -> Subscription | None:
    """Return the customer's current subscription of a product, if there is one."""
    raise NotImplementedError


async def list_current(ctx: Ctx, customer_id: str) -> list[Subscription]:
    """Return the customer's current subscriptions, one a product at most, by product key."""
    raise NotImplementedError


async def list_all(
    ctx: Ctx,
    *,
    customer_id: str | None = None,
    status: Status | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Subscription]:
    """Return subscriptions, newest first, beginning after the id `after`."""
    raise NotImplementedError


async def find_by_provider(
    ctx: Ctx, provider: str, provider_subscription_id: str
) -> Subscription | None:
    """Return the subscription that a provider knows by this id, if it was ever told."""
    raise NotImplementedError


async def segments(ctx: Ctx, subscription_id: str, period: Period) -> list[Segment]:
    """Return which plan version was charged when within a period, in order.

    Seconds of a trial, a pause, or before the start and after the end are in no segment.
    """
    raise NotImplementedError
