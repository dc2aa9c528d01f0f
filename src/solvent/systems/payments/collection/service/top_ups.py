"""How is a customer's credit kept above a threshold, by payments that are made once?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from solvent.contracts.payments import TopUpPaused
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import AccountKind
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import SYSTEM, Ctx, Edge
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import PayerUnknown, TopUpRuleNotFound
from solvent.systems.payments.collection.limits import TOP_UP_RULES_MAX
from solvent.systems.payments.collection.model import (
    Collection,
    Decline,
    Purpose,
    RuleState,
    TopUpRule,
)
from solvent.systems.payments.collection.rules.top_up import check, is_due, month_of
from solvent.systems.payments.collection.service import begin
from solvent.systems.payments.collection.store import collections as collection_store
from solvent.systems.payments.collection.store import top_ups as store
from solvent.systems.payments.service.accounts import SCOPE_READ, SCOPE_WRITE

WALLET = frozenset({AccountKind.CREDIT, AccountKind.GRANT})
BONUS_PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule is to be; amounts in minor units."""

    customer: str
    currency: str
    threshold_minor: int
    amount_minor: int
    bonus_minor: int = 0
    monthly_cap_minor: int | None = None


async def set_rule(ctx: Ctx, wish: Wish) -> TopUpRule:
    """Keep a customer's credit above a threshold from now on; needs `payments:write`.

    Raises:
        CustomerUnknown: there is no such customer.
        TopUpMalformed: names the field.
        PayerUnknown: no connected provider with an API key knows the customer.
    """
    ctx.require(SCOPE_WRITE)
    customer = await tenants.get_customer(ctx, wish.customer)
    rule = check(
        TopUpRule(
            customer_id=customer.id,
            currency=wish.currency.upper(),
            threshold_minor=wish.threshold_minor,
            amount_minor=wish.amount_minor,
            bonus_minor=wish.bonus_minor,
            monthly_cap_minor=wish.monthly_cap_minor,
            state=RuleState.ACTIVE,
            reason=None,
            created_at=ctx.now(),
            updated_at=ctx.now(),
        )
    )
    await begin.must_be_payable(ctx, customer.id)
    await store.save(ctx.tx, ctx.tenant_id, rule)
    data = {
        "currency": rule.currency,
        "threshold_minor": rule.threshold_minor,
        "amount_minor": rule.amount_minor,
        "monthly_cap_minor": rule.monthly_cap_minor,
    }
    audit.record(ctx, action="payments.top_up_set", subject=customer.id, data=data)
    await consider(ctx, customer.id, rule.currency)
    return rule


async def list_rules(
    ctx: Ctx, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
) -> list[TopUpRule]:
    """Return the rules, by customer and currency, those after a pair; needs `payments:read`."""
    ctx.require(SCOPE_READ)
    return await store.list_page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def remove_rule(ctx: Ctx, customer: str, currency: str) -> None:
    """Charge nothing more by a rule; a payment under way is still waited for.

    Needs `payments:write`. Raises CustomerUnknown, TopUpRuleNotFound.
    """
    ctx.require(SCOPE_WRITE)
    known = await tenants.get_customer(ctx, customer)
    if not await store.remove(ctx.tx, ctx.tenant_id, known.id, currency.upper()):
        raise TopUpRuleNotFound(field="currency")
    data = {"currency": currency.upper()}
    audit.record(ctx, action="payments.top_up_removed", subject=known.id, data=data)


async def set_state(
    ctx: Ctx, customer: str, currency: str, state: RuleState, *, reason: str | None = None
) -> TopUpRule:
    """Pause a rule, or let it act again; needs `payments:write`.

    Raises CustomerUnknown, TopUpRuleNotFound.
    """
    ctx.require(SCOPE_WRITE)
    known = await tenants.get_customer(ctx, customer)
    rule = await store.lock(ctx.tx, ctx.tenant_id, known.id, currency.upper())
    if rule is None:
        raise TopUpRuleNotFound(field="currency")
    after = replace(rule, state=state, reason=reason, updated_at=ctx.now())
    await store.save(ctx.tx, ctx.tenant_id, after)
    data = {"currency": rule.currency, "state": state.value, "reason": reason}
    audit.record(ctx, action="payments.top_up_changed", subject=known.id, data=data)
    await consider(ctx, known.id, rule.currency)
    return after


async def consider(ctx: Ctx, customer_id: str, currency: str) -> Collection | None:
    """Begin a payment if the rule calls for one and none is under way; return it.

    The rule's row is locked, so that of many who ask at once one begins it.
    """
    rule = await store.lock(ctx.tx, ctx.tenant_id, customer_id, currency)
    if rule is None or rule.state is not RuleState.ACTIVE:
        return None
    known = await collection_store.list_of_customer(
        ctx.tx, ctx.tenant_id, customer_id, purpose=Purpose.TOP_UP
    )
    if any(not one.state.over and one.currency == currency for one in known):
        return None
    charged_minor = await collection_store.sum_charged(
        ctx.tx, ctx.tenant_id, customer_id, currency=currency, since=month_of(ctx.now())
    )
    left_minor = await wallet_minor(ctx, customer_id, currency)
    if not is_due(rule, left_minor=left_minor, charged_minor=charged_minor):
        return None
    try:
        return await begin.begin_amount(
            ctx,
            Purpose.TOP_UP,
            ctx.ids.new("tup"),
            customer_id=customer_id,
            subscription_id=None,
            amount=Money(rule.amount_minor, currency),
        )
    except PayerUnknown:
        await _pause(ctx, rule, reason=PayerUnknown.code)
        return None


async def wallet_minor(ctx: Ctx, customer_id: str, currency: str) -> int:
    """Return a customer's credit, paid and given, less what the running periods have used of it.

    Tax is not known before a period is over and is left out.
    """
    balances = await ledger.balances(ctx, customer_id=customer_id)
    held_minor = -sum(
        one.amount_minor
        for one in balances
        if one.account.kind in WALLET and one.currency == currency
    )
    owed_minor = sum(
        one.amount_minor
        for one in balances
        if one.account.kind is AccountKind.RECEIVABLE and one.currency == currency
    )
    return held_minor - owed_minor - await _running_minor(ctx, customer_id, currency)


async def _running_minor(ctx: Ctx, customer_id: str, currency: str) -> int:
    total_minor = 0
    for held in await subscriptions.list_current(ctx, customer_id):
        if not held.provider_managed:
            draft = await ledger.preview_invoice(ctx, held.id)
            total_minor += draft.total_minor if draft.currency == currency else 0
    return total_minor


async def on_paid(ctx: Ctx, held: Collection) -> None:
    """Grant what a rule promises on top of a payment, once a payment."""
    rule = await store.lock(ctx.tx, ctx.tenant_id, held.customer_id, held.currency)
    if rule is None or rule.bonus_minor == 0:
        return
    await ledger.grant_credit(
        ctx,
        customer_id=held.customer_id,
        amount=Money(rule.bonus_minor, held.currency),
        name="Top-up bonus",
        source=f"top_up:{held.subject_id}",
        priority=BONUS_PRIORITY,
    )


async def on_failed(ctx: Ctx, held: Collection, decline: Decline) -> None:
    """Pause the rule whose payment failed, whatever the reason: it must not fail every minute."""
    rule = await store.lock(ctx.tx, ctx.tenant_id, held.customer_id, held.currency)
    if rule is not None and rule.state is RuleState.ACTIVE:
        await _pause(ctx, rule, reason=held.reason or decline.value)


async def resume_failed(ctx: Ctx, customer_id: str) -> None:
    """Let rules act again that paused because a payment failed: there is another card now."""
    for rule in await store.list_of(ctx.tx, ctx.tenant_id, customer_id):
        if rule.state is RuleState.PAUSED and rule.reason is not None:
            after = replace(rule, state=RuleState.ACTIVE, reason=None, updated_at=ctx.now())
            await store.save(ctx.tx, ctx.tenant_id, after)
            data = {"currency": rule.currency, "state": after.state.value}
            audit.record(ctx, action="payments.top_up_changed", subject=customer_id, data=data)
            await consider(ctx, customer_id, rule.currency)


async def _pause(ctx: Ctx, rule: TopUpRule, *, reason: str) -> None:
    after = replace(rule, state=RuleState.PAUSED, reason=reason, updated_at=ctx.now())
    await store.save(ctx.tx, ctx.tenant_id, after)
    data = {"currency": rule.currency, "reason": reason}
    audit.record(ctx, action="payments.top_up_changed", subject=rule.customer_id, data=data)
    await ctx.bus.emit(ctx, TopUpPaused(rule.customer_id, rule.currency, reason))


async def consider_all(edge: Edge) -> int:
    """Look at every rule of every tenant; return how many payments were begun.

    Each customer's rule is looked at in a transaction of its own.
    """
    async with edge.db.transaction() as tx:
        found = await store.list_tenants(tx)
    begun = 0
    for tenant_id in found:
        async with edge.open(tenant_id, SYSTEM) as ctx:
            rules = await list_rules(ctx, limit=TOP_UP_RULES_MAX)
        for rule in _active(rules):
            async with edge.open(tenant_id, SYSTEM) as ctx:
                begun += await consider(ctx, rule.customer_id, rule.currency) is not None
    return begun


def _active(rules: Iterable[TopUpRule]) -> list[TopUpRule]:
    return [rule for rule in rules if rule.state is RuleState.ACTIVE]
