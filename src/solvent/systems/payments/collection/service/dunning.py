"""What becomes of a subscription whose invoice nobody pays, and of one that is paid after all?

Access ends by the plan's own grace, from the moment that the subscription is past due. What a
provider manages is its to decide: nothing is changed there.
"""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.payments.collection.model import (
    Collection,
    CollectionState,
    FinalStep,
    Purpose,
)
from solvent.systems.payments.collection.service import begin
from solvent.systems.payments.collection.service.policy import get_policy
from solvent.systems.payments.collection.store import collections as store


async def is_over(ctx: Ctx, held: Collection) -> bool:
    """Return whether the subscription has ended: what it owes is tried once and not again."""
    found = await _subscription(ctx, held)
    return found is not None and found.terminal


async def on_failed(ctx: Ctx, held: Collection) -> None:
    """Say that the subscription is not paid for, if it is ours and active."""
    found = await _subscription(ctx, held)
    if found and not found.provider_managed and found.status is Status.ACTIVE:
        await subscriptions.mark_past_due(ctx, found.id)


async def on_paid(ctx: Ctx, held: Collection) -> None:
    """Say that the subscription is paid for again, once nothing that failed is left of it."""
    if held.purpose is not Purpose.INVOICE or held.subscription_id is None:
        return
    left = await store.list_open_of_subscription(ctx.tx, ctx.tenant_id, held.subscription_id)
    if any(one.failures and one.id != held.id for one in left):
        return
    found = await _subscription(ctx, held)
    if found is None or found.provider_managed:
        return
    if found.status is Status.PAST_DUE:
        await subscriptions.mark_paid(ctx, found.id)
    elif found.status is Status.PAUSED and held.final_step == FinalStep.PAUSE:
        await subscriptions.resume(ctx, found.id)


async def give_up(ctx: Ctx, held: Collection) -> Collection:
    """Take the policy's final step with a locked collection that waits for it."""
    step = (await get_policy(ctx)).final
    taken = await _take(ctx, held, step)
    data = {"final_step": taken, "subscription_id": held.subscription_id}
    audit.record(ctx, action="payments.collection_given_up", subject=held.id, data=data)
    return await begin.close(
        ctx, held, CollectionState.GIVEN_UP, reason=held.reason, final_step=taken
    )


async def _take(ctx: Ctx, held: Collection, step: FinalStep) -> FinalStep:
    """Cancel or pause a subscription of ours; return what was done."""
    found = await _subscription(ctx, held)
    if found is None or found.provider_managed or found.terminal:
        return FinalStep.LEAVE
    if step is FinalStep.CANCEL:
        await subscriptions.cancel(ctx, found.id)
        return step
    if step is FinalStep.PAUSE and found.status in (Status.ACTIVE, Status.PAST_DUE):
        if found.status is Status.PAST_DUE:
            # Only what is active can be paused; both are told in one transaction.
            await subscriptions.mark_paid(ctx, found.id)
        await subscriptions.pause(ctx, found.id)
        return step
    return FinalStep.LEAVE


async def _subscription(ctx: Ctx, held: Collection) -> Subscription | None:
    if held.subscription_id is None:
        return None
    return await subscriptions.get(ctx, held.subscription_id)
