"""What becomes of licenses when somebody subscribes, buys, pays late, cancels or is refunded?"""

from __future__ import annotations

from dataclasses import replace

from solvent.contracts.payments import DisputeSeen, PurchaseCompleted
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import RefundRecorded
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kernel.subscriptions.model import GRANTING
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.model import State
from solvent.systems.licensing.rules import life
from solvent.systems.licensing.service.licenses import add, change, decide, unkeyed
from solvent.systems.licensing.store import licenses as store
from solvent.systems.licensing.store import policies as policy_store

LOST = "lost"
"""The status of a dispute that the bank has decided for the buyer."""


async def on_subscription(ctx: Ctx, event: SubscriptionChanged) -> None:
    """Give a subscription's license, or bring it up to date with what the subscription is now."""
    paid = await subscriptions.get(ctx, event.subscription_id)
    policy = await policy_store.of_plan(ctx.tx, ctx.tenant_id, paid.plan_key)
    held = await store.by_subscription(ctx.tx, ctx.tenant_id, paid.id)
    if held is not None:
        await change(ctx, held, life.follow(held, paid, policy, ctx.now()))
    elif policy is not None and paid.status in GRANTING:
        new = unkeyed(ctx, policy, customer_id=paid.customer_id)
        new = replace(new, subscription_id=paid.id)
        await add(ctx, life.follow(new, paid, policy, ctx.now()))


async def on_purchase(ctx: Ctx, event: PurchaseCompleted) -> None:
    """Give a license for something bought once: each checkout one, however often it is told."""
    if event.plan_key is None:
        return
    policy = await policy_store.of_plan(ctx.tx, ctx.tenant_id, event.plan_key)
    if policy is None:
        return
    new = unkeyed(ctx, policy, customer_id=event.customer_id)
    purchase = f"{event.provider}:{event.checkout_id}"
    payment = f"{event.provider}:{event.payment_id}"
    await add(ctx, replace(new, purchase=purchase, payment=payment))


async def on_refund(ctx: Ctx, event: RefundRecorded) -> None:
    """Take back what was refunded in full: a purchase for good, a subscription until it is paid."""
    payment = await ledger.get_payment(ctx, event.payment_id)
    paid = None
    if payment.subscription_id:
        paid = await subscriptions.get(ctx, payment.subscription_id)
        held = await store.by_subscription(ctx.tx, ctx.tenant_id, paid.id)
    else:
        named = f"{payment.provider}:{payment.provider_payment_id}"
        held = await store.by_payment(ctx.tx, ctx.tenant_id, named)
    if held is not None:
        await change(ctx, held, life.refund(held, payment, paid, ctx.now()))


async def on_dispute(ctx: Ctx, event: DisputeSeen) -> None:
    """Take back for good what was bought once and whose money the buyer's bank has taken back."""
    if event.status != LOST or event.payment_id is None:
        return
    named = f"{event.provider}:{event.payment_id}"
    held = await store.by_payment(ctx.tx, ctx.tenant_id, named)
    if held is not None:
        await decide(ctx, held, State.REVOKED, "disputed")
