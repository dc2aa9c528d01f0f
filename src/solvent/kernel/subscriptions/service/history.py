"""What was charged when, over all of a customer's subscriptions, and which trials led to it?"""

from __future__ import annotations

from collections.abc import Collection

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store_history as store
from solvent.kernel.subscriptions.model import Charged, TrialEnd
from solvent.kernel.subscriptions.service.save import SCOPE_READ
from solvent.kit.ctx import Ctx

SUBSCRIBERS_MAX = 1_000
"""Customers of one look."""


async def charged(ctx: Ctx, customer_ids: Collection[str]) -> list[Charged]:
    """Return which plan version was charged when, of all subscriptions of these customers.

    Add-ons have stretches of their own, which may begin or end later than now. Trials, pauses, and
    the time before and after are in no stretch; what goes on has no end.
    """
    return await store.list_charged(ctx.tx, ctx.tenant_id, customer_ids)


async def charged_twice(ctx: Ctx) -> list[tuple[str, str]]:
    """Return the subscriptions of which a second was charged twice, with when that begins.

    There is none: this is looked at so that one would be seen.
    """
    ctx.require(SCOPE_READ)
    return await store.list_charged_twice(ctx.tx, ctx.tenant_id)


async def list_subscribers(ctx: Ctx, *, after: str = "", limit: int = SUBSCRIBERS_MAX) -> list[str]:
    """Return the ids of customers who have or had a subscription, in order, after `after`."""
    return await store.list_subscribers(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def list_trial_ends(ctx: Ctx, within: Period) -> list[TrialEnd]:
    """Return the trials that ended within a period, by their time or by a cancellation, in order.

    A trial is taken to have converted once a second after it was charged, paid for or not; one that
    waits for a card has not.
    """
    return await store.list_trial_ends(ctx.tx, ctx.tenant_id, within)
