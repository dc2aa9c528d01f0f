"""Is what failed followed up by its class, and stopped by payment, cancellation and void?"""

from datetime import timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.kit.money import Money
from solvent.systems.payments.collection.model import (
    AttemptState,
    CollectionState,
    Decline,
    NextStep,
)
from solvent.systems.payments.collection.service import begin, heard

DAY = timedelta(days=1)


async def fail(till, code="insufficient_funds"):
    """Bill globex, whose card is declined; return the subscription's invoice and story."""
    till.bank.let_card_fail(till.card, code)
    invoice = await till.bill()
    return invoice, await till.work(invoice.id)


async def subscription(till, invoice):
    return await till.do(lambda ctx: subscriptions.get(ctx, invoice.draft.subscription_id))


async def test_a_soft_decline_is_tried_again_on_its_days(till):
    invoice, story = await fail(till)
    first = story.collection.first_failed_at
    assert (story.collection.decline, story.collection.next_step) == (Decline.SOFT, NextStep.RETRY)
    days = []
    while story.collection.next_step is NextStep.RETRY:
        days.append((story.collection.next_at - first) / DAY)
        assert len((await till.step(invoice.id)).attempts) == len(days)  # not before its time
        await till.move_clock(seconds=(story.collection.next_at - first).total_seconds())
        await till.fetch(
            "update kit_test_clock set now_at = $2 where tenant_id = $1",
            till.tenant_id,
            story.collection.next_at,
        )
        story = await till.step(invoice.id)
    assert days == [1, 3, 7, 14]
    assert len(story.attempts) == 5
    assert story.collection.next_step is NextStep.GIVE_UP
    assert (story.collection.next_at - first) / DAY == 21
    assert till.charged_minor() == 0


async def test_access_lasts_for_the_grace_and_comes_back_with_the_payment(till):
    invoice, _ = await fail(till)
    held = await subscription(till, invoice)
    assert held.status is Status.PAST_DUE
    assert held.plan_expires_at == held.period.start + 3 * DAY
    till.bank.let_card_fail(till.card, None)
    await till.move_clock(days=1, seconds=1)
    story = await till.step(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert (await subscription(till, invoice)).status is Status.ACTIVE
    assert len(await till.audited("payments.collection_ended")) == 1


@pytest.mark.parametrize(
    "code,decline",
    [("lost_card", Decline.HARD), ("authentication_required", Decline.ACTION)],
)
async def test_what_time_does_not_mend_is_not_tried_again(till, code, decline):
    invoice, story = await fail(till, code)
    assert (story.collection.decline, story.collection.next_step) == (decline, NextStep.GIVE_UP)
    await till.move_clock(days=20)
    assert len((await till.step(invoice.id)).attempts) == 1


async def test_a_customer_without_a_card_is_told_so(till):
    nothing = {"invoice_settings": {"default_payment_method": ""}}
    till.api.v1.customers.update(till.provider_customer_id, nothing)
    till.api.v1.payment_methods.detach(till.card)
    invoice = await till.bill()
    story = await till.work(invoice.id)
    assert (story.collection.decline, till.charges()) == (Decline.NO_METHOD, [])
    assert story.attempts[0].code == "no_method"


async def test_what_the_provider_refuses_waits_for_a_human_and_ends_nobodys_access(till):
    invoice = await till.bill()
    await till.up_to_charge(invoice)
    small = {"type": "invalid_request_error", "code": "amount_too_small", "message": "Too small."}
    till.bank.failures.append((400, {"error": small}))
    story = await till.work(invoice.id)
    assert (story.collection.decline, story.collection.next_at) == (Decline.REFUSED, None)
    assert story.attempts[0].code == "amount_too_small"
    assert (await subscription(till, invoice)).status is Status.ACTIVE


async def test_a_new_card_is_tried_at_once(till):
    invoice, _ = await fail(till, "lost_card")
    till.give_card("pm_card_mastercard")
    attached = till.bank.events("payment_method.attached")[-1]
    await till.hear(attached)
    assert await till.do(lambda ctx: heard.on_method(ctx, till.customer.id)) == 1
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert till.charged_minor() == 2900


async def test_cancel_during_dunning_stops_retries(till):
    invoice, story = await fail(till)
    sub = invoice.draft.subscription_id
    await till.do(lambda ctx: subscriptions.cancel(ctx, sub))
    await till.do(lambda ctx: heard.on_subscription(ctx, sub, "canceled"))
    story = await till.story(invoice.id)
    assert story.collection.state is CollectionState.STOPPED
    assert story.collection.reason == "subscription_ended"
    till.bank.let_card_fail(till.card, None)
    await till.move_clock(days=30)
    assert len((await till.step(invoice.id)).attempts) == 1
    assert till.charged_minor() == 0


async def test_a_retry_that_was_written_and_not_asked_is_withdrawn_by_the_cancellation(till):
    invoice, _ = await fail(till)
    await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    sub = invoice.draft.subscription_id
    await till.do(lambda ctx: subscriptions.cancel(ctx, sub))
    await till.do(lambda ctx: heard.on_subscription(ctx, sub, "canceled"))
    till.bank.let_card_fail(till.card, None)
    story = await till.work(invoice.id)
    assert [one.state for one in story.attempts] == [
        AttemptState.DECLINED,
        AttemptState.WITHDRAWN,
    ]
    assert till.charged_minor() == 0


async def test_the_last_invoice_of_what_was_canceled_is_tried_once(till):
    held = await till.subscribe()
    await till.move_clock(days=10)
    await till.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    (period,) = await till.do(lambda ctx: subscriptions.list_periods(ctx, held.id))

    async def draw(ctx):
        drawn = await ledger.draw_invoice(ctx, held.id, period)
        return await ledger.finalize_invoice(ctx, drawn.id)

    invoice = await till.do(draw)
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await till.begin(invoice)
    story = await till.work(invoice.id)
    assert (story.collection.state, len(story.attempts)) == (CollectionState.STOPPED, 1)


async def test_payment_by_other_means_stops_retries(till):
    invoice, _ = await fail(till)
    await till.do(
        lambda ctx: ledger.record_payment(
            ctx,
            provider="bank",
            provider_payment_id="wire-1",
            customer_id=till.customer.id,
            amount=Money(2900, "USD"),
            received_at=EPOCH,
        )
    )
    await till.do(lambda ctx: heard.on_invoice_settled(ctx, invoice.id))
    story = await till.story(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert (await subscription(till, invoice)).status is Status.ACTIVE
    await till.move_clock(days=30)
    assert len((await till.step(invoice.id)).attempts) == 1


async def test_a_voided_invoice_is_not_collected(till):
    invoice, _ = await fail(till)
    await till.do(lambda ctx: ledger.void_invoice(ctx, invoice.id, reason="a mistake"))
    await till.do(lambda ctx: heard.on_invoice_settled(ctx, invoice.id))
    story = await till.story(invoice.id)
    assert (story.collection.state, story.collection.reason) == (
        CollectionState.STOPPED,
        "invoice_voided",
    )
    assert (await subscription(till, invoice)).status is Status.ACTIVE


async def test_a_scheduler_that_slept_for_three_months_charges_once(till):
    invoice, _ = await fail(till)
    await till.move_clock(days=92)
    story = await till.step(invoice.id)
    assert len(story.attempts) == 2
    assert story.collection.next_step is NextStep.GIVE_UP
    for _ in range(3):
        story = await till.step(invoice.id)
    assert (len(story.attempts), story.collection.state) == (2, CollectionState.GIVEN_UP)


@pytest.mark.parametrize(
    "final,status",
    [("cancel", Status.CANCELED), ("pause", Status.PAUSED), ("leave", Status.PAST_DUE)],
)
async def test_the_final_step_is_what_the_policy_says(till, final, status):
    await till.policy(automatic=True, retries={"soft": []}, give_up_days=7, final=final)
    invoice, _ = await fail(till)
    await till.move_clock(days=7)
    story = await till.step(invoice.id)
    assert story.collection.state is CollectionState.GIVEN_UP
    assert story.collection.final_step == final
    assert (await subscription(till, invoice)).status is status
    if final == "pause":  # paid after all: it goes on
        till.bank.let_card_fail(till.card, None)
        await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
        await till.work(invoice.id)
        assert (await subscription(till, invoice)).status is Status.ACTIVE
        assert (await till.get(invoice)).status is InvoiceStatus.PAID


async def test_a_subscription_stays_past_due_while_another_invoice_is_owed(till):
    first, _ = await fail(till)
    held = await subscription(till, first)
    second = await till.invoice(held)
    await till.begin(second)
    await till.work(second.id)
    till.bank.let_card_fail(till.card, None)
    await till.do(lambda ctx: begin.collect_now(ctx, second.id))
    await till.work(second.id)
    assert (await subscription(till, first)).status is Status.PAST_DUE
    await till.do(lambda ctx: begin.collect_now(ctx, first.id))
    await till.work(first.id)
    assert (await subscription(till, first)).status is Status.ACTIVE
    assert till.charged_minor() == await till.booked_minor() == 5800
