"""Is each provider's event read in all its documented shapes, and refused in any other?"""

import contextlib
import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.money import Money
from solvent.systems.payments.errors import EventMalformed
from solvent.systems.payments.model import (
    CheckoutCompleted,
    DisputeSeen,
    PaymentSeen,
    RefundSeen,
    Span,
    Status,
    SubscriptionSeen,
)
from solvent.systems.payments.rules import paddle, stripe
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
STRIPE = StripePurchase("u42", "price_pro", AT)
PADDLE = PaddlePurchase("u42", "pri_pro", AT)
PERIOD = Span(AT, AT + timedelta(days=30))


def stripe_event(kind, subject, **more):
    event = {"id": "evt_1", "type": kind, "created": 1_793_520_000, "data": {"object": subject}}
    return json.dumps(event | more).encode()


def paddle_event(kind, subject):
    event = {"event_id": "evt_1", "event_type": kind, "occurred_at": "2026-11-01T10:00:00.5Z"}
    return json.dumps(event | {"data": subject}).encode()


def fact_of(body):
    doc = read_body(body)
    return (paddle if "event_id" in doc.fields else stripe).fact(doc)


def envelope_of(body):
    doc = read_body(body)
    return (paddle if "event_id" in doc.fields else stripe).envelope(doc)


def refused_field(body):
    with pytest.raises(EventMalformed) as caught:
        fact_of(body)
    return caught.value.field


def old_subscription():
    """The shape before 2025-03-31: the period on the subscription itself, `plan` beside `price`."""
    return {
        "id": "sub_1",
        "status": "active",
        "customer": {"id": "cus_1", "object": "customer"},
        "current_period_start": int(PERIOD.start.timestamp()),
        "current_period_end": int(PERIOD.end.timestamp()),
        "items": {"data": [{"plan": {"id": "price_old"}}]},
    }


def test_stripe_periods_are_read_where_each_api_version_has_them():
    new = fact_of(STRIPE.updated())
    old = fact_of(stripe_event("customer.subscription.updated", old_subscription()))
    assert new.period == old.period == PERIOD
    assert (new.price_ids, old.price_ids) == (("price_pro",), ("price_old",))
    assert old.buyer.provider_customer_id == "cus_1"


def test_stripe_invoices_name_their_subscription_in_three_shapes():
    new = json.loads(STRIPE.paid())
    invoice = new["data"]["object"]
    old = copy.deepcopy(invoice) | {"subscription": "sub_old"}
    del old["parent"]
    old["lines"]["data"] = [{"price": {"id": "price_old"}, "period": {"start": 1, "end": 2}}]
    lines = copy.deepcopy(invoice)
    del lines["parent"]
    for subject, expected in [(invoice, STRIPE.subscription_id), (old, "sub_old")]:
        body = stripe_event("invoice.paid", subject)
        assert fact_of(body).subscription_id == envelope_of(body).subscription_ref == expected
    assert fact_of(stripe_event("invoice.paid", lines)).subscription_id == STRIPE.subscription_id
    assert fact_of(stripe_event("invoice.paid", old)).price_ids == ("price_old",)


def test_stripe_invoices_carry_the_customer_of_the_subscription():
    invoice = json.loads(STRIPE.paid())["data"]["object"]
    invoice["parent"]["subscription_details"]["metadata"] = {"customer": "u7"}
    assert fact_of(stripe_event("invoice.paid", invoice)).buyer.customer_ref == "u7"


def test_stripe_checkout_tells_who_bought():
    seen = fact_of(STRIPE.checkout())
    assert isinstance(seen, CheckoutCompleted)
    assert (seen.buyer.customer_ref, seen.buyer.email) == ("u42", "ada@example.com")
    assert seen.paid is None, "a subscription's money is told by its invoices"


def test_a_one_time_checkout_tells_what_was_paid():
    session = json.loads(STRIPE.checkout())["data"]["object"]
    session |= {"mode": "payment", "subscription": None, "payment_intent": "pi_1"}
    seen = fact_of(stripe_event("checkout.session.completed", session))
    assert (seen.paid, seen.payment_id, seen.subscription_id) == (Money(2900, "USD"), "pi_1", None)
    later = fact_of(
        stripe_event("checkout.session.completed", session | {"payment_status": "unpaid"})
    )
    assert later.paid is None


def test_refunds_and_disputes_are_facts():
    charge = {"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 500, "currency": "eur"}
    seen = fact_of(stripe_event("charge.refunded", charge))
    assert isinstance(seen, RefundSeen)
    assert (seen.id, seen.returned) == ("ch_1:500", Money(500, "EUR"))
    more = {"previous_attributes": {"amount_refunded": 500}}
    event = json.loads(stripe_event("charge.refunded", charge | {"amount_refunded": 800}))
    event["data"] |= more
    seen = fact_of(json.dumps(event).encode())
    assert (seen.id, seen.returned) == ("ch_1:800", Money(300, "EUR"))
    dispute = {"id": "dp_1", "charge": "ch_1", "amount": 900, "currency": "usd", "status": "lost"}
    assert isinstance(fact_of(stripe_event("charge.dispute.closed", dispute)), DisputeSeen)


@pytest.mark.parametrize(
    "amount,currency,expected",
    [
        (2900, "usd", Money(2900, "USD")),
        (500, "jpy", Money(500, "JPY")),
        (5000, "kwd", Money(5000, "KWD")),
        (50_000, "isk", Money(500, "ISK")),
        (50_000, "ugx", Money(500, "UGX")),
        (500, "mga", Money(50_000, "MGA")),
    ],
)
def test_amounts_are_iso_minor_units(amount, currency, expected):
    """Stripe counts ISK and UGX in hundredths that they do not have, and MGA without its own."""
    invoice = {"id": "in_1", "amount_paid": amount, "currency": currency}
    assert fact_of(stripe_event("invoice.paid", invoice)).money == expected


def test_half_a_krona_is_refused():
    invoice = {"id": "in_1", "amount_paid": 50_050, "currency": "isk"}
    assert refused_field(stripe_event("invoice.paid", invoice)) == "data.object.amount_paid"


def test_paddle_money_is_text_of_minor_units():
    seen = fact_of(PADDLE.completed())
    assert isinstance(seen, PaymentSeen)
    assert (seen.money, seen.period) == (Money(2900, "USD"), PERIOD)
    assert seen.buyer.customer_ref == "u42"


def test_paddle_adjustments_count_once_they_are_approved():
    adjustment = {
        "id": "adj_1",
        "action": "refund",
        "status": "pending_approval",
        "transaction_id": "txn_1",
        "totals": {"total": "100", "currency_code": "USD"},
    }
    assert fact_of(paddle_event("adjustment.created", adjustment)) is None
    approved = fact_of(paddle_event("adjustment.updated", adjustment | {"status": "approved"}))
    assert approved == RefundSeen("adj_1", "txn_1", Money(100, "USD"))
    taken = fact_of(paddle_event("adjustment.created", adjustment | {"action": "chargeback"}))
    assert isinstance(taken, DisputeSeen)


def test_unknown_types_and_fields_are_passed_over():
    body = stripe_event("radar.early_fraud_warning.created", {"id": "x", "odd": [[[]]]}, extra=1)
    assert fact_of(body) is None
    assert envelope_of(body).subscription_ref is None
    assert fact_of(paddle_event("customer.created", {"id": "ctm_1"})) is None


def test_digest_is_of_what_the_event_says():
    """Deliveries differ in spacing, order and counters; the event does not."""
    event = json.loads(STRIPE.paid())
    again = dict(reversed(event.items())) | {"pending_webhooks": 0}
    other = copy.deepcopy(event)
    other["data"]["object"]["amount_paid"] = 1
    first, second, changed = (
        envelope_of(json.dumps(one).encode()).digest for one in (event, again, other)
    )
    assert first == second != changed
    notified = json.loads(PADDLE.completed())
    by_hand = json.dumps(notified | {"notification_id": "ntf_other"}).encode()
    assert envelope_of(by_hand).digest == envelope_of(PADDLE.completed()).digest


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe{}",
        b'{"id":NaN}',
        b'{"a":1e999999999999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"id":"evt_1","type":"x","created":1,"data":{"object":{"a":'
        + b"[" * 50_000
        + b"]" * 50_000
        + b"}}}",
        '{"id":"\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
def test_bodies_that_are_no_event_are_refused(body):
    with pytest.raises(EventMalformed):
        envelope_of(body)


@pytest.mark.parametrize(
    "change,field",
    [
        ({"id": None}, "id"),
        ({"id": "evt 1"}, "id"),
        ({"id": "e" * 256}, "id"),
        ({"id": 7}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"type": ""}, "type"),
        ({"type": "x\u0000y"}, "type"),
        ({"created": "soon"}, "created"),
        ({"created": -1}, "created"),
        ({"created": 1e9}, "created"),
        ({"created": True}, "created"),
        ({"data": None}, "data"),
        ({"data": {"object": []}}, "data.object"),
    ],
)
def test_envelopes_name_the_wrong_field(change, field):
    body = json.dumps(json.loads(STRIPE.paid()) | change).encode()
    with pytest.raises(EventMalformed) as caught:
        envelope_of(body)
    assert caught.value.field == field
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "change,field",
    [
        ({"status": "resting"}, "data.object.status"),
        ({"id": None}, "data.object.id"),
        ({"items": {"data": [1]}}, "data.object.items.0"),
        ({"items": {"data": [{}] * 101}}, "data.object.items"),
        ({"metadata": {"customer": 7}}, "data.object.metadata.customer"),
        ({"current_period_start": 9, "current_period_end": 1, "items": None}, None),
        ({"cancel_at": 10**15}, "data.object.cancel_at"),
    ],
)
def test_facts_name_the_wrong_field(change, field):
    subject = json.loads(STRIPE.updated())["data"]["object"] | change
    found = refused_field(stripe_event("customer.subscription.updated", subject))
    assert found == (field or "data.object.current_period_end")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data())
def test_any_change_of_an_event_is_read_or_refused(data):
    """No event, however mangled, raises anything but the domain's own error."""
    made = data.draw(
        st.sampled_from([STRIPE.paid(), STRIPE.updated(), STRIPE.checkout(), PADDLE.created()])
    )
    event = json.loads(made)
    subject = event["data"].get("object", event["data"])
    for _ in range(data.draw(st.integers(1, 3))):
        subject[data.draw(st.sampled_from(sorted(subject)))] = data.draw(json_values)
    body = json.dumps(event).encode()
    with contextlib.suppress(EventMalformed):
        envelope_of(body)
        fact_of(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(EventMalformed):
        envelope_of(body)


def test_stripes_whole_resources_are_read(stripe_fixtures):
    """With every field that Stripe sends, most of them null and of no use here."""
    seen = fact_of(stripe_event("customer.subscription.updated", stripe_fixtures["subscription"]))
    assert isinstance(seen, SubscriptionSeen)
    assert seen.price_ids == ("price_hand_base", "price_hand_seat")
    assert (seen.status, seen.buyer.customer_ref) == (Status.ACTIVE, "ada")
    paid = fact_of(stripe_event("invoice.paid", stripe_fixtures["invoice"]))
    assert isinstance(paid, PaymentSeen)
    assert (paid.money, paid.period) == (Money(4900, "USD"), seen.period)
    checkout = fact_of(
        stripe_event("checkout.session.completed", stripe_fixtures["checkout.session"])
    )
    assert (checkout.buyer.email, checkout.buyer.customer_ref) == ("ada@example.com", "ada")
    assert fact_of(stripe_event("charge.refunded", stripe_fixtures["charge"])).id
    assert fact_of(stripe_event("charge.dispute.created", stripe_fixtures["dispute"])).id
    for name, subject in stripe_fixtures.items():
        assert fact_of(stripe_event(f"{name}.updated_somehow", subject)) is None


@pytest.mark.parametrize(
    "kind,status",
    [
        ("subscription.created", Status.ACTIVE),
        ("subscription.activated", Status.ACTIVE),
        ("subscription.updated", Status.ACTIVE),
        ("subscription.trialing", Status.TRIALING),
        ("subscription.past_due", Status.PAST_DUE),
        ("subscription.paused", Status.PAUSED),
        ("subscription.resumed", Status.ACTIVE),
        ("subscription.canceled", Status.CANCELED),
    ],
)
def test_paddles_whole_subscriptions_are_read(paddle_fixture, kind, status):
    seen = fact_of(paddle_event(kind, paddle_fixture(kind)))
    assert (seen.status, seen.id) == (status, "sub_01handwritten00000000000001")
    assert seen.price_ids


def test_paddles_whole_transactions_and_adjustments_are_read(paddle_fixture):
    paid = fact_of(paddle_event("transaction.completed", paddle_fixture("transaction.completed")))
    assert (paid.succeeded, paid.money) == (True, Money(5831, "USD"))
    assert len(paid.price_ids) == 2
    kind = "transaction.payment_failed"
    failed = fact_of(paddle_event(kind, paddle_fixture(kind)))
    assert (failed.succeeded, failed.reason) == (False, "declined")
    assert fact_of(paddle_event("adjustment.created", paddle_fixture("adjustment.created"))) is None
