"""How does a subscription become what a payment provider says it is?"""

from __future__ import annotations

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.subscriptions import store
from solvent.kernel.subscriptions.errors import FactsInvalid
from solvent.kernel.subscriptions.model import (
    PlanRef,
    Subscription,
    SubscriptionFacts,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.calendar import whole_second
from solvent.kernel.subscriptions.rules.folding import cleaned, first_seen, folded, is_stale
from solvent.kernel.subscriptions.rules.timeline import Turn
from solvent.kernel.subscriptions.service.save import carry_out, cycle_of, cycles
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx


async def sync(ctx: Ctx, facts: SubscriptionFacts) -> Subscription:
    """Make a provider's subscription equal to what is known of it; the same facts change nothing.

    Facts of a lower order than those held are ignored, and what has ended stays ended: what is
    heard later of its last period is noted, and neither opens nor charges anything. A period that
    the facts show as over is ended here, in order and once. Asks for no scope: the caller has
    verified the provider. Emits `subscription_changed` if anything is another now, and
    `period_ended` for each period that is over.

    Raises:
        FactsInvalid: the period is empty, a time has no zone, no plan is named, or the plan is of
            another product than before.
        CustomerUnknown: there is no such customer.
        ProviderPriceUnknown, PlanNotFound: the facts name no plan of the catalogue.
    """
    facts = cleaned(facts)
    held = await _held(ctx, facts)
    if held is not None and is_stale(held, facts):
        return held
    plan = await _plan(ctx, facts, held)
    if held is None:
        return await _begin(ctx, facts, plan)
    if plan.product_key != held.product_key:
        message = f"the plan is of product {plan.product_key}, not {held.product_key}"
        raise FactsInvalid(message, field="plan")
    await store.lock(
        ctx.tx, ctx.tenant_id, customer_id=held.customer_id, product_key=held.product_key
    )
    held = await store.get(ctx.tx, ctx.tenant_id, held.id)
    if is_stale(held, facts):
        return held
    return await carry_out(ctx, held, await _turns(ctx, held, facts, plan))


async def _held(ctx: Ctx, facts: SubscriptionFacts) -> Subscription | None:
    named = {
        "provider": facts.provider,
        "provider_subscription_id": facts.provider_subscription_id,
    }
    await store.lock_provider(ctx.tx, ctx.tenant_id, **named)
    return await store.find_by_provider(ctx.tx, ctx.tenant_id, **named)


async def _plan(ctx: Ctx, facts: SubscriptionFacts, held: Subscription | None) -> PlanVersion:
    """Return the plan version that the facts mean: the one held, while that fits."""
    ref = (held.plan_key, held.plan_version) if held else None
    if facts.provider_price_id is not None:
        return await catalogue.find_by_provider_price(
            ctx, facts.provider, facts.provider_price_id, held=ref
        )
    if facts.plan_key is None:
        message = "the facts name neither a price of the provider nor a plan"
        raise FactsInvalid(message, field="provider_price_id")
    version = held.plan_version if held and held.plan_key == facts.plan_key else None
    return await catalogue.plan_version(ctx, facts.plan_key, version)


async def _begin(ctx: Ctx, facts: SubscriptionFacts, plan: PlanVersion) -> Subscription:
    customer = await tenants.get_customer(ctx, facts.customer_id)
    await store.lock(ctx.tx, ctx.tenant_id, customer_id=customer.id, product_key=plan.product_key)
    begun = first_seen(
        facts,
        PlanRef(plan.plan_key, plan.version),
        id_=SubscriptionId(ctx.ids.new("sub")),
        product_key=plan.product_key,
        cycle=cycle_of(plan),
        now=whole_second(ctx.now()),
    )
    turns = await _turns(ctx, begun, facts, plan)
    return await carry_out(ctx, None, turns)


async def _turns(
    ctx: Ctx, held: Subscription, facts: SubscriptionFacts, plan: PlanVersion
) -> list[Turn]:
    ref = PlanRef(plan.plan_key, plan.version)
    cycle = await cycles(ctx, held.plan, held.next_plan, known=plan)
    return list(folded(held, facts, ref, cycle, now=whole_second(ctx.now())))
