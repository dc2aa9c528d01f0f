"""Does a payment end as Stripe's test cards say?"""

import pytest
import stripe

from solvent.systems.payments.stripe_emulator.cards import CARDS

DECLINED = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
]


@pytest.mark.parametrize("card,code,decline_code", DECLINED)
def test_declines(emulator, client, pay, card, code, decline_code):
    with pytest.raises(stripe.CardError) as caught:
        pay(card, metadata={"invoice": "inv_1"})
    error = caught.value.error
    assert (caught.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    intent = client.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error.code == code
    failed = client.charges.retrieve(intent.latest_charge)
    assert (failed.status, failed.paid, failed.failure_code) == ("failed", False, code)
    [event] = emulator.events("payment_intent.payment_failed")
    assert event["data"]["object"]["metadata"] == {"invoice": "inv_1"}


def test_a_payment_goes_well(emulator, client, pay, card):
    intent = pay(card.id, expand=["latest_charge.balance_transaction"])
    assert (intent.status, intent.amount_received) == ("succeeded", 2900)
    entry = intent.latest_charge.balance_transaction
    assert (entry.amount, entry.fee, entry.net) == (2900, 114, 2786)
    assert [one["type"] for one in emulator.events()] == [
        "customer.created",
        "payment_method.attached",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_a_card_that_is_declined_cannot_be_saved(client, ada):
    with pytest.raises(stripe.CardError):
        client.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": ada.id})
    assert client.customers.payment_methods.list(ada.id).data == []


def test_a_card_is_saved_and_fails_later(client, ada, pay):
    saved = client.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": ada.id})
    with pytest.raises(stripe.CardError):
        pay(saved.id)


@pytest.mark.parametrize("why", ["do_not_honor", "insufficient_funds", "expired_card"])
def test_a_saved_card_fails_from_now_on_and_works_again(emulator, pay, card, why):
    pay(card.id)
    emulator.let_card_fail(card.id, why)
    with pytest.raises(stripe.CardError) as caught:
        pay(card.id)
    assert why in {caught.value.code, caught.value.error.decline_code}
    emulator.let_card_fail(card.id, None)
    assert pay(card.id).status == "succeeded"


def test_the_customer_is_asked_where_they_are(emulator, client, pay):
    intent = pay("pm_card_authenticationRequired", off_session=False)
    assert intent.status == "requires_action"
    assert emulator.authenticate(intent.id)["status"] == "succeeded"
    other = pay("pm_card_authenticationRequired", off_session=False)
    assert emulator.authenticate(other.id, succeeds=False)["status"] == "requires_payment_method"


def test_a_card_that_was_set_up_pays_off_session(client, ada, pay):
    name = "pm_card_authenticationRequiredOnSetup"
    wanted = {"customer": ada.id, "payment_method": name, "confirm": True}
    made = client.setup_intents.create(wanted)
    assert made.status == "succeeded"
    assert pay(made.payment_method).status == "succeeded"
    with pytest.raises(stripe.CardError):
        pay(name)


def test_authorized_captured_and_canceled(client, pay):
    held = pay(capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 2900)
    taken = client.payment_intents.capture(held.id, {"amount_to_capture": 2000})
    assert (taken.status, taken.amount_received) == ("succeeded", 2000)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.payment_intents.cancel(held.id)
    assert caught.value.code == "payment_intent_unexpected_state"
    other = pay(capture_method="manual")
    assert client.payment_intents.cancel(other.id).status == "canceled"


def test_intents_are_found_by_metadata(client, pay):
    wanted = pay(metadata={"invoice": "inv_1", "attempt": "2"})
    pay(metadata={"invoice": "inv_2"})
    query = "metadata['invoice']:'inv_1' AND status:\"succeeded\" AND amount>=2900"
    assert [one.id for one in client.payment_intents.search({"query": query}).data] == [wanted.id]
    for nobody in ("metadata['invoice']:'inv_3'", "status:'canceled'", "-currency:'usd'"):
        assert client.payment_intents.search({"query": nobody}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="parse"):
        client.payment_intents.search({"query": "status succeeded"})


def test_refunds_never_exceed_what_was_paid(emulator, client, pay):
    intent = pay()
    part = client.refunds.create({"payment_intent": intent.id, "amount": 1000})
    assert part.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        client.refunds.create({"payment_intent": intent.id, "amount": 1901})
    rest = client.refunds.create({"charge": intent.latest_charge})
    assert rest.amount == 1900
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_already_refunded"
    charge = client.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 2900)
    assert len(emulator.events("charge.refunded")) == 2


def test_refunds_that_arrive_late_or_never(emulator, client, pay):
    late = client.refunds.create({"payment_intent": pay("pm_card_pendingRefund").id})
    assert late.status == "pending"
    assert emulator.arrive(late.id)["status"] == "succeeded"
    lost = client.refunds.create({"payment_intent": pay("pm_card_refundFail").id})
    assert (lost.status, lost.failure_reason) == ("failed", "lost_or_stolen_card")
    assert client.charges.retrieve(lost.charge).amount_refunded == 0
    assert len(emulator.events("refund.failed")) == 1


def test_disputes_are_opened_defended_and_lost(emulator, client, pay):
    opened = client.disputes.list({"payment_intent": pay("pm_card_createDispute").id}).data[0]
    assert (opened.status, opened.reason, opened.amount) == ("needs_response", "fraudulent", 2900)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.refunds.create({"charge": opened.charge})
    assert caught.value.code == "charge_disputed"
    evidence = {"evidence": {"uncategorized_text": "winning_evidence"}}
    assert client.disputes.update(opened.id, evidence).status == "won"
    other = emulator.dispute(pay().id, reason="duplicate")
    assert client.disputes.close(other["id"]).status == "lost"
    kinds = [one["type"] for one in emulator.events() if "dispute" in one["type"]]
    assert kinds[:2] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert "charge.dispute.funds_reinstated" in kinds
    assert kinds[-1] == "charge.dispute.closed"


def test_a_number_that_is_no_test_card_is_refused(client):
    wanted = {"type": "card", "card": {"number": "4111111111111111", "exp_month": 1}}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.payment_methods.create(wanted)
    assert caught.value.code == "incorrect_number"
    wanted["card"]["number"] = CARDS["pm_card_amex"].number
    assert client.payment_methods.create(wanted).card.brand == "amex"


def test_another_customers_card_pays_nothing(client, pay, card):
    mallory = client.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="does not belong"):
        pay(card.id, customer=mallory.id)
