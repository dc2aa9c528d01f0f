"""Is a customer's credit kept above a threshold, by payments that are made once?"""

import asyncio

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.systems.payments.collection.errors import (
    CollectionUnderWay,
    PayerUnknown,
    TopUpRuleNotFound,
    UpgradeRefused,
)
from solvent.systems.payments.collection.model import CollectionState, Purpose, RuleState
from solvent.systems.payments.collection.service import heard, top_ups, upgrades
from solvent.systems.payments.collection.service.top_ups import Wish


def wish(**change):
    wanted = {
        "customer": "globex",
        "currency": "USD",
        "threshold_minor": 1000,
        "amount_minor": 5000,
        "monthly_cap_minor": 10_000,
    }
    return Wish(**(wanted | change))


async def set_rule(till, **change):
    return await till.do(lambda ctx: top_ups.set_rule(ctx, wish(**change)))


async def begun(till):
    rows = await till.fetch(
        "select subject_id from payments_collection where purpose = 'top_up' order by id"
    )
    return [row["subject_id"] for row in rows]


async def pay(till):
    """Carry the newest top-up out."""
    return await till.work((await begun(till))[-1], Purpose.TOP_UP)


async def look(till):
    return await till.do(lambda ctx: top_ups.consider(ctx, till.customer.id, "USD"))


async def wallet(till):
    return await till.do(lambda ctx: top_ups.wallet_minor(ctx, till.customer.id, "USD"))


async def rule_of(till):
    [rule] = await till.do(top_ups.list_rules)
    return rule


async def test_credit_is_granted_when_the_payment_succeeds_and_not_before(till):
    await set_rule(till, bonus_minor=500)
    assert (await wallet(till), len(await begun(till))) == (0, 1)
    story = await pay(till)
    assert story.collection.state is CollectionState.PAID
    assert await wallet(till) == 5500
    assert till.charged_minor() == 5000
    assert await look(till) is None
    assert await till.sound()


async def test_a_top_up_is_made_once_at_a_time(till):
    await set_rule(till)
    await asyncio.gather(*(look(till) for _ in range(5)))
    assert len(await begun(till)) == 1
    await pay(till)
    assert till.charged_minor() == 5000


async def test_the_month_has_a_cap(till):
    await set_rule(till, threshold_minor=1_000_000)
    await pay(till)
    await look(till)
    await pay(till)
    assert await look(till) is None
    assert till.charged_minor() == 10_000
    await till.move_clock(days=31)
    assert await look(till) is not None


async def test_a_rule_pauses_after_a_failure_and_goes_on_with_a_new_card(till):
    till.bank.let_card_fail(till.card, "lost_card")
    await set_rule(till)
    story = await pay(till)
    assert story.collection.state is CollectionState.GIVEN_UP
    assert ((await rule_of(till)).state, await wallet(till)) == (RuleState.PAUSED, 0)
    assert await look(till) is None
    till.give_card("pm_card_mastercard")
    await till.do(lambda ctx: heard.on_method(ctx, till.customer.id))
    assert (await rule_of(till)).state is RuleState.ACTIVE
    await pay(till)
    assert await wallet(till) == 5000


async def test_what_is_paused_by_hand_stays_paused(till):
    await set_rule(till, threshold_minor=0)
    await till.do(lambda ctx: top_ups.set_state(ctx, "globex", "USD", RuleState.PAUSED))
    await till.do(lambda ctx: heard.on_method(ctx, till.customer.id))
    assert (await rule_of(till)).state is RuleState.PAUSED
    await till.do(lambda ctx: top_ups.remove_rule(ctx, "globex", "usd"))
    with pytest.raises(TopUpRuleNotFound):
        await till.do(lambda ctx: top_ups.remove_rule(ctx, "globex", "USD"))


async def test_what_the_running_period_has_used_counts(till):
    await set_rule(till, threshold_minor=0)
    assert await begun(till) == []
    await till.subscribe()
    await till.move_clock(days=10)
    assert await wallet(till) < 0
    await asyncio.gather(top_ups.consider_all(till.edge), top_ups.consider_all(till.edge))
    assert len(await begun(till)) == 1


async def test_topped_up_credit_pays_invoices(till):
    await till.policy(automatic=False)
    await set_rule(till)
    await pay(till)
    invoice = await till.invoice(await till.subscribe())
    assert invoice.status is InvoiceStatus.PAID
    assert await wallet(till) == 5000 - 2900 - 2900  # the running period's fee is spoken for


async def test_whom_no_provider_knows_has_no_rule(till):
    await till.do(lambda ctx: tenants.ensure_customer(ctx, "initech"))
    with pytest.raises(PayerUnknown):
        await set_rule(till, customer="initech")


async def change(till, held, **more):
    return await till.do(lambda ctx: upgrades.upgrade(ctx, held.id, "max", **more))


async def test_an_upgrade_begins_when_it_is_paid_at_the_price_that_was_quoted(till):
    await till.policy(automatic=False)
    held = await till.subscribe()
    await till.move_clock(days=10)
    quoted = await till.do(lambda ctx: upgrades.quote_upgrade(ctx, held.id, "max"))
    one, _ = await change(till, held, quoted_minor=quoted.amount_minor)
    assert (await till.held(held)).plan_key == "pro"
    await till.work(one.id, Purpose.UPGRADE)
    assert (await till.held(held)).plan_key == "max"
    assert till.charged_minor() == quoted.amount_minor
    invoice = await till.invoice(held)
    assert invoice.due_minor == 2900  # the difference is paid: what is left is the old plan's fee
    assert invoice.draft.total_minor == quoted.amount_minor + 2900


async def test_an_upgrade_whose_payment_fails_leaves_the_plan_unchanged(till):
    held = await till.subscribe()
    till.bank.let_card_fail(till.card, "insufficient_funds")
    one, _ = await change(till, held)
    with pytest.raises(CollectionUnderWay):
        await change(till, held)
    await till.work(one.id, Purpose.UPGRADE)
    assert (await till.held(held)).plan_key == "pro"
    [told] = await till.audited("payments.upgrade_settled")
    assert told.data["state"] == "failed"
    till.bank.let_card_fail(till.card, None)
    again, _ = await change(till, held)
    await till.work(again.id, Purpose.UPGRADE)
    assert (await till.held(held)).plan_key == "max"


async def test_an_upgrade_that_cannot_be_made_any_more_leaves_its_money_as_credit(till):
    held = await till.subscribe()
    one, _ = await change(till, held)
    await till.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    await till.work(one.id, Purpose.UPGRADE)
    assert (await till.held(held)).plan_key == "pro"
    assert await till.booked_minor() == till.charged_minor() == 7000


async def test_an_upgrade_is_refused_at_another_price_than_was_quoted(till):
    held = await till.subscribe()
    with pytest.raises(UpgradeRefused):
        await change(till, held, quoted_minor=1)
    await till.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    with pytest.raises(UpgradeRefused):
        await change(till, held)
    assert till.charges() == []
    assert (await till.do(ledger.verify)).sound
