"""Is each invoice charged once, whatever breaks between us and the provider?"""

import asyncio

import pytest

from solvent.app.testing import NOBODY
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditPart, InvoiceStatus
from solvent.kit.ctx import OPERATOR
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import CollectionUnderWay, NothingDue
from solvent.systems.payments.collection.model import (
    AttemptState,
    CollectionState,
    Decline,
)
from solvent.systems.payments.collection.service import ask, begin, heard, links, refunds
from solvent.systems.payments.collection.service.ask import Ask
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.collection.service.refunds import Wish
from solvent.systems.payments.errors import GatewayFailed, GatewayUnavailable
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service.reconcile import Poller
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY

FAILURE = (500, {"error": {"type": "api_error", "message": "Something broke."}})
OLD = "update payments_attempt set asked_at = asked_at - interval '25 hours' where tenant_id = $1"


ASKED = (
    *("find_method", "charge", "withdraw_charge", "create_payment_link", "read_charge", "refund"),
    *("list_events", "list_payments", "list_subscriptions"),
)


def keys(till):
    return [one.headers["idempotency-key"] for one in till.charges()]


def intents(till):
    return till.api.v1.payment_intents.list({"limit": 100}).data


async def test_a_final_invoice_is_charged_and_booked(till):
    invoice = await till.bill()
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert [one.state for one in story.attempts] == [AttemptState.SUCCEEDED]
    assert (await till.get(invoice)).status is InvoiceStatus.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900
    assert keys(till) == [f"{invoice.id}:1"]
    assert await till.sound()


async def test_an_attempt_is_written_before_the_provider_is_asked(till):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    [attempt] = (await till.story(invoice.id)).attempts
    assert (attempt.state, attempt.tries) == (AttemptState.ASKED, 1)
    assert (attempt.amount_minor, attempt.method_id) == (2900, till.card)
    assert (question.key, till.charges()) == (f"{invoice.id}:1", [])


async def test_no_transaction_is_open_while_a_provider_is_asked_for_money(till, watched):
    """Charges, pages, refunds and the poller; in those of checkouts see `test_checkout`."""
    gateway = watched(till.collector.gateways(Provider.STRIPE, STRIPE_KEY), till.edge)
    till.collector.gateways = lambda provider, api_key: gateway
    async with till.edge.open(till.tenant_id, OPERATOR):
        assert await gateway.look() != [], "what is open is seen"
    till.bank.let_card_fail(till.card, "authentication_required")
    invoice = await till.bill()
    await till.work(invoice.id)
    page = await till.do(
        lambda ctx: links.prepare_link(ctx, invoice.id, return_url="https://app.example.com/")
    )
    await till.collector.carry_out(till.tenant_id, page.id)
    till.bank.pay((await till.story(invoice.id)).under_way.payment_ref)
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    wish = Wish("r1", "by request", invoice=invoice.id, amount_minor=100)
    refund = await till.do(lambda ctx: refunds.write(ctx, wish))
    await till.collector.give_back(till.tenant_id, refund.id)
    await Poller(till.edge, till.collector.gateways).look(till.tenant_id, Provider.STRIPE)
    assert gateway.seen == {name: [] for name in ASKED}


async def test_a_crash_after_the_charge_is_asked_for_again_by_the_same_key(till):
    """The process dies between the provider's answer and the commit."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    assert (await till.get(invoice)).status is InvoiceStatus.FINAL
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert keys(till) == [f"{invoice.id}:1"] * 2
    assert (len(intents(till)), till.charged_minor()) == (1, 2900)
    assert await till.booked_minor() == 2900


async def test_a_lost_answer_leaves_the_outcome_unknown_and_the_key_the_same(till):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    await till.do(lambda ctx: ask.failed(ctx, question, GatewayUnavailable("cut")))
    story = await till.story(invoice.id)
    assert story.collection.state is CollectionState.COLLECTING
    assert story.under_way.state is AttemptState.ASKED
    with pytest.raises(CollectionUnderWay):
        await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    await till.work(invoice.id)
    assert (len(intents(till)), len(set(keys(till)))) == (1, 1)


async def test_a_provider_that_is_away_is_asked_later_by_the_same_key(till):
    invoice = await till.bill()
    away = Collector(till.edge, Gateways(PaymentsSection(stripe_api=NOBODY)))
    await till.collector.carry_out(till.tenant_id, "att_nobody")
    attempt = (await till.story(invoice.id)).under_way
    await away.carry_out(till.tenant_id, attempt.id)
    [held] = await till.fetch(
        "select state, look_at > clock_timestamp() as later, message from payments_attempt"
    )
    assert (held["state"], held["later"]) == ("asked", True)
    assert held["message"]
    assert (await till.work(invoice.id)).collection.state is CollectionState.PAID


async def test_a_saved_500_is_looked_up_and_left_behind_with_its_key(till):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    till.bank.failures.append(FAILURE)
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert keys(till)[-1] == f"{invoice.id}:1:1"
    assert question.key == f"{invoice.id}:1"
    looked = [one for one in till.bank.calls if one.path == "/v1/payment_intents"]
    assert [one.method for one in looked][-2:] == ["GET", "POST"]
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_a_key_older_than_a_day_is_never_trusted(till):
    """It was charged, and nobody knows; after 25 hours the key might charge anew."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    await till.fetch(OLD, till.tenant_id)
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert (len(till.charges()), till.charged_minor()) == (1, 2900)


async def test_what_was_never_charged_is_charged_after_a_day(till):
    invoice = await till.bill()
    await till.up_to_charge(invoice)
    await till.fetch(OLD, till.tenant_id)
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert (keys(till), till.charged_minor()) == ([f"{invoice.id}:1"], 2900)


async def test_a_new_card_does_not_replay_the_saved_402(till):
    invoice = await till.bill()
    till.bank.let_card_fail(till.card, "lost_card")
    story = await till.work(invoice.id)
    assert story.collection.decline is Decline.HARD
    till.give_card("pm_card_mastercard")
    await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert keys(till) == [f"{invoice.id}:1", f"{invoice.id}:2"]
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_webhook_answer_and_poller_book_one_payment(till):
    """The event is in the inbox before the answer is, and is told again after it."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    answer = await till.collector.put(question)
    [event] = till.bank.events("payment_intent.succeeded")
    await asyncio.gather(
        till.hear(event),
        till.do(lambda ctx: ask.answered(ctx, question, answer)),
    )
    await till.hear(event)
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900
    assert len(await till.fetch("select * from ledger_payment")) == 1


async def test_a_webhook_alone_settles_an_attempt(till):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    await till.hear(*till.bank.events("payment_intent.succeeded"))
    story = await till.story(invoice.id)
    assert (story.collection.state, story.under_way) == (CollectionState.PAID, None)


async def test_a_late_failure_told_after_the_success_changes_nothing(till):
    invoice = await till.bill()
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await till.work(invoice.id)
    [failed] = till.bank.events("payment_intent.payment_failed")
    till.bank.let_card_fail(till.card, None)
    await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    await till.work(invoice.id)
    await till.hear(failed)
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID


async def test_concurrent_collectors_charge_once(till):
    invoice = await till.bill()
    attempt = (await till.story(invoice.id)).under_way
    await asyncio.gather(*(till.collector.carry_out(till.tenant_id, attempt.id) for _ in range(4)))
    await till.work(invoice.id)
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID
    assert (len(intents(till)), len(set(keys(till)))) == (1, 1)
    assert await till.booked_minor() == 2900


async def test_two_who_meet_a_saved_500_take_one_key(till):
    """Else each would charge by a key of its own."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    failed = GatewayFailed("saved")
    both = [await till.do(lambda ctx: ask.failed(ctx, question, failed)) for _ in range(2)]
    assert [one.ask for one in both] == [Ask.LOOK_UP] * 2
    nothing = ask.Answer()
    ends = [await till.do(lambda ctx, q=one: ask.answered(ctx, q, nothing)) for one in both]
    assert (ends[0].key, ends[1]) == (f"{invoice.id}:1:1", None)


async def test_two_who_found_other_cards_ask_for_one(till):
    invoice = await till.bill()
    attempt = (await till.story(invoice.id)).under_way
    first = await till.do(lambda ctx: ask.first_question(ctx, attempt.id))
    second = await till.do(lambda ctx: ask.first_question(ctx, attempt.id))
    assert [first.ask, second.ask] == [Ask.FIND_METHOD] * 2
    charge = await till.do(lambda ctx: ask.answered(ctx, first, ask.Answer(method_id="pm_a")))
    assert charge.request.method_id == "pm_a"
    other = ask.Answer(method_id="pm_b")
    assert await till.do(lambda ctx: ask.answered(ctx, second, other)) is None


async def test_duplicate_attempts_are_refused(till):
    """Five ask at once for what has failed to be tried again: one attempt is written."""
    invoice = await till.bill()
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await till.work(invoice.id)
    till.bank.let_card_fail(till.card, None)
    asked = [till.do(lambda ctx: begin.collect_now(ctx, invoice.id)) for _ in range(5)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, CollectionUnderWay) for one in ends) == 4
    story = await till.work(invoice.id)
    assert (len(story.attempts), till.charged_minor()) == (2, 2900)


async def test_the_event_told_twice_begins_one_collection(till):
    invoice = await till.invoice(await till.subscribe())
    await asyncio.gather(*(till.begin(invoice) for _ in range(4)))
    assert len((await till.story(invoice.id)).attempts) == 1


async def test_what_is_charged_is_what_is_due(till):
    """A credit note takes off a part between the attempt's writing and its asking."""
    invoice = await till.bill()
    await till.do(
        lambda ctx: ledger.issue_credit_note(
            ctx, invoice.id, reason="too much", source="c1", parts=[CreditPart(1, amount_minor=900)]
        )
    )
    story = await till.work(invoice.id)
    assert [one.amount_minor for one in story.attempts] == [2000]
    assert (till.charged_minor(), await till.booked_minor()) == (2000, 2000)
    assert story.collection.state is CollectionState.PAID


async def test_what_was_paid_otherwise_is_not_charged(till):
    invoice = await till.bill()
    await till.do(
        lambda ctx: ledger.grant_credit(
            ctx,
            customer_id=till.customer.id,
            amount=Money(2900, "USD"),
            name="sorry",
            source="g1",
        )
    )
    story = await till.work(invoice.id)
    assert (story.attempts[0].state, till.charges()) == (AttemptState.WITHDRAWN, [])
    assert story.collection.state is CollectionState.PAID
    with pytest.raises(NothingDue):
        await till.do(lambda ctx: begin.collect_now(ctx, invoice.id))


@pytest.mark.parametrize("made", [True, False])
async def test_what_was_stopped_while_unknown_is_looked_for_and_never_asked_again(till, made):
    """Whether the charge arrived is not known when it is stopped: it is not made after that."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    if made:
        await till.collector.put(question)
    await till.do(lambda ctx: begin.stop(ctx, invoice.id, reason="canceled"))
    story = await till.work(invoice.id)
    assert story.under_way is not None  # it may still be on its way
    await till.fetch(
        "update payments_attempt set tried_at = tried_at - interval '3 minutes'"
        " where tenant_id = $1",
        till.tenant_id,
    )
    story = await till.work(invoice.id)
    assert story.collection.state is (CollectionState.PAID if made else CollectionState.STOPPED)
    assert (len(till.charges()), story.under_way) == (int(made), None)
    assert till.charged_minor() == await till.booked_minor() == 2900 * made


async def test_nothing_is_charged_without_a_policy(till):
    await till.policy(automatic=False)
    invoice = await till.invoice(await till.subscribe())
    assert await till.begin(invoice) is None
    assert till.charges() == []
    await till.do(lambda ctx: begin.collect_now(ctx, str(invoice.number)))
    assert (await till.work(invoice.id)).collection.state is CollectionState.PAID


async def test_a_charge_nobody_knows_here_is_booked_by_its_invoice(till):
    """A backup from before the charge was restored: the attempt is gone, the money is not."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    [event] = till.bank.events("payment_intent.succeeded")
    event["data"]["object"]["metadata"]["solvent_attempt"] = "att_forgotten"
    await till.hear(event)
    assert (await till.get(invoice)).status is InvoiceStatus.PAID
    await till.work(invoice.id)
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_mallorys_attempt_is_not_settled_by_our_event(till, mallory_id):
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    async with till.edge.open(mallory_id, OPERATOR) as ctx:
        assert await ask.first_question(ctx, question.attempt.id) is None
    await till.collector.carry_out(mallory_id, question.attempt.id)
    assert till.charges() == []


async def test_the_doctor_sees_what_is_unknown_for_long_and_what_was_charged_twice(till):
    invoice = await till.bill()
    await till.up_to_charge(invoice)
    assert await till.do(heard.list_unknown) == []
    await till.fetch(
        "update payments_attempt set asked_at = asked_at - interval '61 minutes'"
        " where tenant_id = $1",
        till.tenant_id,
    )
    [(_, detail)] = await till.do(heard.list_unknown)
    assert detail.startswith("outcome unknown")
    assert await till.do(heard.list_charged_twice) == []
    await till.work(invoice.id)
    await till.fetch(
        "insert into payments_attempt (tenant_id, id, collection_id, number, kind, provider,"
        " amount_minor, currency, state, written_at) select tenant_id, 'att_two', collection_id,"
        " 2, kind, provider, amount_minor, currency, state, written_at from payments_attempt"
    )
    [(_, detail)] = await till.do(heard.list_charged_twice)
    assert detail == "charged 2 times"
