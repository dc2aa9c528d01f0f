"""What becomes of licenses when somebody subscribes, buys, pays late, cancels or is refunded?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from solvent.contracts.payments import DisputeSeen, PurchaseCompleted
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import RefundRecorded
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kernel.subscriptions.model import GRANTING, Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.model import License, Policy, Purchase, State
from solvent.systems.licensing.rules import life
from solvent.systems.licensing.service.licenses import add, change, decide, unkeyed
from solvent.systems.licensing.store import licenses as store
from solvent.systems.licensing.store import policies as policy_store
from solvent.systems.licensing.store import purchases as purchase_store

LOST = "lost"
"""The status of a dispute that the bank has decided for the buyer."""


async def on_subscriptions(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Give subscriptions their licenses, or bring these up to date with what those are now."""
    sale = await policy_store.that_sell(ctx.tx, ctx.tenant_id)
    if sale is None:
        return
    ids = sorted({event.subscription_id for event in events})
    held = await store.by_subscriptions(ctx.tx, ctx.tenant_id, ids)
    for paid in await subscriptions.get_many(ctx, ids):
        policy, before = sale.of_plans.get(paid.plan_key), held.get(paid.id)
        if before is not None:
            await change(ctx, before, life.follow(before, paid, policy, ctx.now()))
        elif policy is not None and paid.status in GRANTING:
            await begin(ctx, policy, paid)


async def begin(ctx: Ctx, policy: Policy, paid: Subscription) -> License | None:
    """Give a subscription its license; None where it has one."""
    new = replace(unkeyed(ctx, policy, customer_id=paid.customer_id), subscription_id=paid.id)
    new = life.follow(new, paid, policy, ctx.now())
    return new if await add(ctx, new) else None


async def on_purchase(ctx: Ctx, event: PurchaseCompleted) -> None:
    """Give a license for something bought once: each checkout one, however often it is told.

    What no policy fulfils waits, until one does or the seller gives a license by hand.
    """
    bought = Purchase(
        key=f"{event.provider}:{event.checkout_id}",
        payment=f"{event.provider}:{event.payment_id}",
        customer_id=event.customer_id,
        plan_key=event.plan_key,
        bought_at=event.occurred_at,
    )
    sale = await policy_store.that_sell(ctx.tx, ctx.tenant_id)
    policy = sale.of_purchase(bought.plan_key) if sale else None
    if policy is None:
        await purchase_store.keep(ctx.tx, ctx.tenant_id, bought)
    else:
        await fulfil(ctx, policy, bought)


async def fulfil(ctx: Ctx, policy: Policy, bought: Purchase) -> License | None:
    """Give a purchase its license; None where it has one."""
    new = unkeyed(ctx, policy, customer_id=bought.customer_id)
    new = replace(new, purchase=bought.key, payment=bought.payment)
    return new if await add(ctx, new) else None


async def on_refund(ctx: Ctx, event: RefundRecorded) -> None:
    """Take back what was refunded in full: a purchase for good, a subscription until it is paid."""
    payment = await ledger.get_payment(ctx, event.payment_id)
    paid = None
    if payment.subscription_id:
        paid = await subscriptions.get(ctx, payment.subscription_id)
        held = (await store.by_subscriptions(ctx.tx, ctx.tenant_id, [paid.id])).get(paid.id)
    else:
        named = f"{payment.provider}:{payment.provider_payment_id}"
        held = await store.by_payment(ctx.tx, ctx.tenant_id, named)
        if payment.refunded_minor >= payment.amount_minor:
            await purchase_store.drop_paid_by(ctx.tx, ctx.tenant_id, named)
    if held is not None:
        await change(ctx, held, life.refund(held, payment, paid, ctx.now()))


async def on_dispute(ctx: Ctx, event: DisputeSeen) -> None:
    """Take back for good what was bought once and whose money the buyer's bank has taken back."""
    if event.status != LOST or event.payment_id is None:
        return
    named = f"{event.provider}:{event.payment_id}"
    await purchase_store.drop_paid_by(ctx.tx, ctx.tenant_id, named)
    held = await store.by_payment(ctx.tx, ctx.tenant_id, named)
    if held is not None:
        await decide(ctx, held, State.REVOKED, "disputed")
