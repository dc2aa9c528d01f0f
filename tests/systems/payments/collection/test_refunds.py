"""Does money go back once, whole or in part, and does a dispute never take more than there was?"""

import asyncio

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import AccountKind
from solvent.systems.payments.collection.errors import (
    NotRefundable,
    RefundChanged,
    RefundMalformed,
    RefundTooLarge,
)
from solvent.systems.payments.collection.model import RefundState
from solvent.systems.payments.collection.service import refunds
from solvent.systems.payments.collection.service.refunds import Wish
from solvent.systems.payments.errors import GatewayUnavailable
from solvent.systems.payments.service import disputes


async def paid(till):
    """Return the payment of an invoice that was charged."""
    invoice = await till.bill()
    await till.work(invoice.id)
    [one] = await till.do(lambda ctx: ledger.settlements(ctx, invoice.id))
    return invoice, one.payment


def wish(payment, amount_minor=None, source="r1", **more):
    return Wish(source, "by request", payment.id, amount_minor=amount_minor, **more)


async def give(till, wanted):
    refund = await till.do(lambda ctx: refunds.write(ctx, wanted))
    await till.collector.give_back(till.tenant_id, refund.id)
    return await till.do(lambda ctx: refunds.get_refund(ctx, refund.id))


async def refunded(till, payment):
    return (await till.do(lambda ctx: ledger.get_payment(ctx, payment.id))).refunded_minor


async def test_parts_and_the_rest_come_to_what_was_paid_and_never_more(till):
    _, payment = await paid(till)
    first = await give(till, wish(payment, 900))
    assert (first.state, first.amount_minor) == (RefundState.MADE, 900)
    with pytest.raises(RefundTooLarge):
        await till.do(lambda ctx: refunds.write(ctx, wish(payment, 2001, "r2")))
    rest = await give(till, wish(payment, source="r3"))
    assert rest.amount_minor == 2000
    with pytest.raises(RefundTooLarge):
        await till.do(lambda ctx: refunds.write(ctx, wish(payment, source="r4")))
    assert await refunded(till, payment) == 2900
    assert (till.charged_minor(), await till.booked_minor()) == (0, 0)
    assert await till.sound()


async def test_a_refund_is_made_once_a_source(till):
    _, payment = await paid(till)
    both = await asyncio.gather(
        give(till, wish(payment, 900)), give(till, wish(payment, 900)), return_exceptions=True
    )
    assert {one.id for one in both} == {both[0].id}
    assert await refunded(till, payment) == 900
    with pytest.raises(RefundChanged):
        await till.do(lambda ctx: refunds.write(ctx, wish(payment, 901)))


async def test_a_refund_whose_answer_was_lost_is_asked_for_again_and_made_once(till):
    _, payment = await paid(till)
    refund = await till.do(lambda ctx: refunds.write(ctx, wish(payment, 900)))
    wanted = await till.do(lambda ctx: refunds.next_question(ctx, refund.id))
    await till.collector.put_back(wanted)
    await till.do(lambda ctx: refunds.failed(ctx, wanted, GatewayUnavailable("cut")))
    await till.collector.give_back(till.tenant_id, refund.id)
    done = await till.do(lambda ctx: refunds.get_refund(ctx, refund.id))
    assert done.state is RefundState.MADE
    assert len(till.api.v1.refunds.list({}).data) == 1
    assert await refunded(till, payment) == 900


async def test_answer_and_webhooks_in_any_order_book_each_refund_once(till):
    _, payment = await paid(till)
    await give(till, wish(payment, 900, "r1"))
    await give(till, wish(payment, 500, "r2"))
    told = till.bank.events("charge.refunded")
    assert len(told) == 2
    await till.hear(*reversed(told))
    await till.hear(*told)
    assert await refunded(till, payment) == 1400
    assert till.charged_minor() == await till.booked_minor() == 1500


async def test_a_refund_made_at_the_provider_is_booked_by_its_webhook(till):
    _, payment = await paid(till)
    till.api.v1.refunds.create({"payment_intent": payment.provider_payment_id, "amount": 700})
    await till.hear(*till.bank.events("charge.refunded"))
    assert await refunded(till, payment) == 700
    await give(till, wish(payment, 200))
    assert await refunded(till, payment) == 900


async def test_a_whole_refund_can_take_the_invoice_back_by_a_credit_note(till):
    invoice, payment = await paid(till)
    done = await give(till, Wish("r1", "by request", invoice=invoice.id, credit=True))
    assert done.credit_note_id is not None
    balances = await till.do(ledger.balances)
    assert {one.account.kind: one.amount_minor for one in balances if one.amount_minor} == {}
    assert AccountKind.REVENUE in {one.account.kind for one in balances}
    assert await refunded(till, payment) == 2900


@pytest.mark.parametrize(
    "change,field",
    [
        ({"payment_id": None}, "payment"),
        ({"invoice": "inv_1"}, "payment"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": -5}, "amount_minor"),
        ({"reason": ""}, "reason"),
        ({"reason": "a\nb"}, "reason"),
        ({"credit": True}, "credit"),
    ],
)
async def test_a_refund_that_says_too_little_is_refused(ctx, change, field):
    given = {"source": "s", "reason": "why", "payment_id": "pay_1"} | change
    with pytest.raises(RefundMalformed) as refused:
        await refunds.write(ctx, Wish(**given))
    assert refused.value.field == field


async def test_what_came_through_no_provider_is_not_refunded_there(till):
    from solvent.app.testing import EPOCH
    from solvent.kit.money import Money

    wire = await till.do(
        lambda ctx: ledger.record_payment(
            ctx,
            provider="bank",
            provider_payment_id="wire",
            customer_id=till.customer.id,
            amount=Money(100, "USD"),
            received_at=EPOCH,
        )
    )
    with pytest.raises(NotRefundable):
        await till.do(lambda ctx: refunds.write(ctx, wish(wire)))


async def balances(till):
    found = await till.do(ledger.balances)
    kinds = ("cash", "disputed")
    return {one.account.kind.value: one.amount_minor for one in found if one.account.kind in kinds}


async def test_disputes_are_opened_won_and_lost(till):
    _, payment = await paid(till)
    opened = till.bank.dispute(payment.provider_payment_id)
    told = till.bank.events("charge.dispute.created")
    await till.hear(*told, *told)
    assert await refunded(till, payment) == 0
    assert await balances(till) == {"cash": 0, "disputed": 2900}
    till.bank.end_dispute(opened["id"], "won")
    await till.hear(*till.bank.events("charge.dispute.closed"), *told)
    assert await refunded(till, payment) == 0
    [held] = await till.do(disputes.list_disputes)
    assert (held.outcome, held.booked_minor) == ("won", 0)
    assert await balances(till) == {"cash": 2900, "disputed": 0}
    assert await till.sound()


async def test_what_is_disputed_is_held_apart_and_given_back_when_it_is_lost(till):
    _, payment = await paid(till)
    await give(till, wish(payment, 900))
    opened = till.bank.dispute(payment.provider_payment_id)
    [told] = till.bank.events("charge.dispute.created")
    asked = told["data"]["object"] | {"id": "dp_asked", "status": "warning_needs_response"}
    await till.hear(told | {"id": "evt_asked", "data": {"object": asked}})
    assert await balances(till) == {"cash": 2000}, "an inquiry takes nothing"
    await till.hear(told)
    assert await balances(till) == {"cash": 0, "disputed": 2000}
    till.bank.end_dispute(opened["id"], "lost")
    await till.hear(*till.bank.events("charge.dispute.closed"))
    assert await balances(till) == {"cash": 0, "disputed": 0}
    assert await refunded(till, payment) == 2900
    assert await till.sound()


async def test_a_dispute_lost_after_a_refund_does_not_go_below_zero(till):
    _, payment = await paid(till)
    await give(till, wish(payment, 900))
    opened = till.bank.dispute(payment.provider_payment_id)
    till.bank.end_dispute(opened["id"], "lost")
    [lost] = till.bank.events("charge.dispute.closed")
    lost["data"]["object"]["amount"] = 2900  # as if the bank took all of it
    await till.hear(lost)
    await till.hear(lost)
    assert await refunded(till, payment) == 2900
    [held] = await till.do(disputes.list_disputes)
    assert (held.outcome, held.booked_minor) == ("lost", 2000)
    assert await till.sound()


async def test_a_dispute_told_before_its_payment_is_booked_when_that_comes(till):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    answer = await till.collector.put(question)
    opened = till.bank.dispute(answer.charged.payment_ref)
    till.bank.end_dispute(opened["id"], "lost")
    await till.hear(*till.bank.events("charge.dispute.closed"))
    await till.work(invoice.id)
    assert await till.do(disputes.settle_lost) == 1
    assert await till.do(disputes.settle_lost) == 0
    assert await till.booked_minor() == 0
    assert await till.sound()
