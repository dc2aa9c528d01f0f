"""How does a subscription become what a payment provider says it is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

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
from solvent.kernel.subscriptions.rules.turning import Turn
from solvent.kernel.subscriptions.service.save import (
    Change,
    carry_out_all,
    cycle_of,
    cycles,
)
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import CustomerUnknown
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
    return (await sync_all(ctx, [facts]))[0]


async def sync_all(ctx: Ctx, told: Sequence[SubscriptionFacts]) -> list[Subscription]:
    """As `sync` for many subscriptions of a provider, each told of once.

    Raises:
        As `sync`, for the first that is refused: the caller undoes the rest of the work.
    """
    facts = [cleaned(one) for one in told]
    named = [_name(one) for one in facts]
    await store.lock(ctx.tx, ctx.tenant_id, named)
    held = await store.find_by_provider(ctx.tx, ctx.tenant_id, named)
    news = [one for one in facts if not _is_stale(held, one)]
    plans = await _plans(ctx, news, held)
    await _lock_customers(ctx, news, held, plans)
    if held:
        held = await store.find_by_provider(ctx.tx, ctx.tenant_id, named)
        news = [one for one in news if not _is_stale(held, one)]
    for wave in _waves(await _changes(ctx, news, held, plans)):
        held |= {_told_name(one): one for one in await carry_out_all(ctx, wave)}
    return [held[name] for name in named]


Name: TypeAlias = tuple[str, str]
"""The provider and its id of a subscription."""

Held: TypeAlias = dict[Name, Subscription]


def _name(facts: SubscriptionFacts) -> Name:
    return facts.provider, facts.provider_subscription_id


def _told_name(one: Subscription) -> Name:
    return one.provider or "", one.provider_subscription_id or ""


def _is_stale(held: Held, facts: SubscriptionFacts) -> bool:
    found = held.get(_name(facts))
    return found is not None and is_stale(found, facts)


async def _plans(
    ctx: Ctx, news: Sequence[SubscriptionFacts], held: Held
) -> dict[Name, PlanVersion]:
    """Return the plan version that each of the facts means, looked up once for those alike."""
    found: dict[tuple[str | PlanRef | None, ...], PlanVersion] = {}
    plans: dict[Name, PlanVersion] = {}
    for facts in news:
        name, one = _name(facts), held.get(_name(facts))
        ref = one.plan if one else None
        alike = (facts.provider, facts.provider_price_id, facts.plan_key, ref)
        if alike not in found:
            found[alike] = await _plan(ctx, facts, ref)
        plans[name] = found[alike]
        if one and one.product_key != plans[name].product_key:
            message = f"the plan is of product {plans[name].product_key}, not {one.product_key}"
            raise FactsInvalid(message, field="plan")
    return plans


async def _plan(ctx: Ctx, facts: SubscriptionFacts, ref: PlanRef | None) -> PlanVersion:
    """Return the plan version that the facts mean: the one held, while that fits."""
    if facts.provider_price_id is not None:
        held = (ref.plan_key, ref.version) if ref else None
        return await catalogue.find_by_provider_price(
            ctx, facts.provider, facts.provider_price_id, held=held
        )
    if facts.plan_key is None:
        message = "the facts name neither a price of the provider nor a plan"
        raise FactsInvalid(message, field="provider_price_id")
    version = ref.version if ref and ref.plan_key == facts.plan_key else None
    return await catalogue.plan_version(ctx, facts.plan_key, version)


async def _lock_customers(
    ctx: Ctx, news: Sequence[SubscriptionFacts], held: Held, plans: Mapping[Name, PlanVersion]
) -> None:
    """Hold the place of each customer for the product; who is new to us must be a customer."""
    begun = [facts for facts in news if _name(facts) not in held]
    ids = {facts.customer_id for facts in begun}
    if len(ids) != len(await tenants.customers_by_ids(ctx, sorted(ids)) if ids else ()):
        raise CustomerUnknown(field="customer_id")
    pairs = {(facts.customer_id, plans[_name(facts)].product_key) for facts in begun}
    pairs |= {(one.customer_id, one.product_key) for one in held.values()}
    await store.lock(ctx.tx, ctx.tenant_id, pairs)


async def _changes(
    ctx: Ctx, news: Sequence[SubscriptionFacts], held: Held, plans: Mapping[Name, PlanVersion]
) -> list[Change]:
    changes: list[Change] = []
    for facts in news:
        before, plan = held.get(_name(facts)), plans[_name(facts)]
        turns = await _turns(ctx, before or _begun(ctx, facts, plan), facts, plan)
        changes.append(Change(before, turns))
    return changes


def _begun(ctx: Ctx, facts: SubscriptionFacts, plan: PlanVersion) -> Subscription:
    return first_seen(
        facts,
        PlanRef(plan.plan_key, plan.version),
        id_=SubscriptionId(ctx.ids.new("sub")),
        product_key=plan.product_key,
        cycle=cycle_of(plan),
        now=whole_second(ctx.now()),
    )


async def _turns(
    ctx: Ctx, held: Subscription, facts: SubscriptionFacts, plan: PlanVersion
) -> list[Turn]:
    ref = PlanRef(plan.plan_key, plan.version)
    cycle = await cycles(ctx, held.plan, held.next_plan, known=plan)
    return list(folded(held, facts, ref, cycle, now=whole_second(ctx.now())))


def _waves(changes: Sequence[Change]) -> list[list[Change]]:
    """Return what can be saved together, in turn: no two changes of one customer and product."""
    waves: list[dict[tuple[str, str], Change]] = []
    for change in changes:
        place = _place(change)
        wave = next((wave for wave in waves if place not in wave), None)
        if wave is None:
            waves.append(wave := {})
        wave[place] = change
    return [list(wave.values()) for wave in waves]


def _place(change: Change) -> tuple[str, str]:
    last = change.turns[-1].subscription
    return last.customer_id, last.product_key
