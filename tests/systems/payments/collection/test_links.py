"""Can a customer pay on a page of the provider, once, whatever happens beside it?"""

import asyncio

import pytest

from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.systems.payments.collection.errors import CollectionUnderWay, NothingDue
from solvent.systems.payments.collection.model import AttemptState, CollectionState
from solvent.systems.payments.collection.service import ask, begin, links

BACK = "https://app.example.com/paid"


async def make(till, invoice):
    """Make a page, as the API and the terminal do."""
    attempt = await till.do(lambda ctx: links.prepare_link(ctx, invoice.id, return_url=BACK))
    await till.collector.carry_out(till.tenant_id, attempt.id)
    return await till.do(lambda ctx: links.made_link(ctx, attempt.id))


async def owed(till, code="authentication_required"):
    till.bank.let_card_fail(till.card, code)
    invoice = await till.bill()
    await till.work(invoice.id)
    return invoice


async def test_a_customer_who_must_act_pays_by_a_link(till):
    invoice = await owed(till)
    page = await make(till, invoice)
    assert page.url.startswith("http")
    till.bank.pay(page.payment_ref)
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert (await till.get(invoice)).status is InvoiceStatus.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_success_page_and_webhook_race_for_one_booking(till):
    invoice = await owed(till)
    page = await make(till, invoice)
    till.bank.pay(page.payment_ref)
    told = till.bank.events("checkout.session.completed")
    told += till.bank.events("payment_intent.succeeded")
    await asyncio.gather(
        till.collector.carry_out(till.tenant_id, page.id), *(till.hear(one) for one in told)
    )
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID
    [payment] = await till.fetch("select * from ledger_payment")
    assert (payment["purpose"], payment["amount_minor"]) == ("account", 2900)
    assert await till.fetch("select * from payments_purchase") == []


async def test_an_open_page_is_given_again(till):
    invoice = await owed(till)
    first = await make(till, invoice)
    again = await till.do(lambda ctx: links.prepare_link(ctx, invoice.id, return_url=BACK))
    assert (again.id, again.url) == (first.id, first.url)


async def test_a_crash_before_the_page_was_noted_makes_no_second_one(till):
    invoice = await owed(till)
    attempt = await till.do(lambda ctx: links.prepare_link(ctx, invoice.id, return_url=BACK))
    question = await till.do(lambda ctx: ask.first_question(ctx, attempt.id))
    while question.ask is not ask.Ask.LINK:
        answer = await till.collector.put(question)
        question = await till.do(lambda ctx, a=answer, q=question: ask.answered(ctx, q, a))
    lost = await till.collector.put(question)
    await till.collector.carry_out(till.tenant_id, attempt.id)
    made = await till.do(lambda ctx: links.made_link(ctx, attempt.id))
    assert made.payment_ref == lost.link.id


async def test_a_retry_closes_the_page_before_it_charges(till):
    """Nobody pays by the page and by the card."""
    invoice = await owed(till, "insufficient_funds")
    page = await make(till, invoice)
    till.bank.let_card_fail(till.card, None)
    await till.move_clock(days=1, seconds=1)
    await till.step(invoice.id)
    story = await till.work(invoice.id)
    assert [one.state for one in story.attempts] == [
        AttemptState.DECLINED,
        AttemptState.WITHDRAWN,
        AttemptState.SUCCEEDED,
    ]
    assert till.api.v1.checkout.sessions.retrieve(page.payment_ref).status == "expired"
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_a_page_that_was_paid_when_the_retry_came_is_booked_instead(till):
    invoice = await owed(till, "insufficient_funds")
    page = await make(till, invoice)
    till.bank.let_card_fail(till.card, None)
    till.bank.pay(page.payment_ref)
    await till.move_clock(days=1, seconds=1)
    story = await till.step(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_nothing_is_payable_twice(till):
    invoice = await till.bill()
    with pytest.raises(CollectionUnderWay):
        await till.do(lambda ctx: links.prepare_link(ctx, invoice.id, return_url=BACK))
    await till.work(invoice.id)
    with pytest.raises(NothingDue):
        await till.do(lambda ctx: links.prepare_link(ctx, invoice.id, return_url=BACK))


async def test_a_page_is_closed_when_the_invoice_is_stopped(till):
    invoice = await owed(till, "lost_card")
    page = await make(till, invoice)
    await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    await till.work(invoice.id)
    assert till.api.v1.checkout.sessions.retrieve(page.payment_ref).status == "expired"


async def test_who_was_unknown_pays_by_a_link_and_is_charged_the_next_time(till):
    await till.fetch("delete from payments_customer where tenant_id = $1", till.tenant_id)
    invoice = await till.bill()
    page = await make(till, invoice)
    till.bank.pay(page.payment_ref)
    assert (await till.work(invoice.id)).collection.state is CollectionState.PAID
    held = await till.do(lambda ctx: subscriptions.get(ctx, invoice.draft.subscription_id))
    second = await till.invoice(held)
    await till.begin(second)
    assert (await till.work(second.id)).collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 5800
