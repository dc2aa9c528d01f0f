"""Do subscriptions, checkout and the portal live as Stripe's do, on test clocks too?"""

from datetime import UTC, datetime

import httpx
import pytest
import stripe

from solvent.systems.payments.stripe_emulator.months import after

START = datetime(2026, 1, 31, 10, tzinfo=UTC)


def s(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp())


@pytest.fixture
def price(client):
    product = client.products.create({"name": "Pro"})
    month = {"interval": "month"}
    wanted = {"product": product.id, "currency": "usd", "unit_amount": 2900, "recurring": month}
    return client.prices.create(wanted)


@pytest.fixture
def stand(client):
    """A test clock at 31 January."""
    return client.test_helpers.test_clocks.create({"frozen_time": int(START.timestamp())})


@pytest.fixture
def bob(client, stand):
    """A customer who lives by the test clock and pays by card."""
    made = client.customers.create({"email": "bob@example.com", "test_clock": stand.id})
    card = client.payment_methods.attach("pm_card_visa", {"customer": made.id})
    default = {"invoice_settings": {"default_payment_method": card.id}}
    return client.customers.update(made.id, default)


def move(client, stand, *moment):
    moved = client.test_helpers.test_clocks.advance(stand.id, {"frozen_time": s(*moment)})
    assert moved.status == "advancing"
    assert client.test_helpers.test_clocks.retrieve(stand.id).status == "ready"


def kinds(emulator, since=0):
    return [one["type"] for one in emulator.events()[since:]]


def test_a_month_that_is_too_short_does_not_move_the_anchor():
    told = [datetime.fromtimestamp(after(int(START.timestamp()), "month", n), UTC) for n in (1, 2)]
    assert [(one.month, one.day) for one in told] == [(2, 28), (3, 31)]
    leap = after(s(2028, 2, 29), "year", 1), after(s(2028, 2, 29), "year", 4)
    assert leap == (s(2029, 2, 28), s(2032, 2, 29))


def test_a_subscription_is_paid_renewed_and_ended(emulator, client, price, stand, bob):
    made = client.subscriptions.create({"customer": bob.id, "items": [{"price": price.id}]})
    assert made.status == "active"
    assert made["items"].data[0].current_period_end == s(2026, 2, 28, 10)
    seen = len(emulator.events())
    move(client, stand, 2026, 2, 28, 10)
    assert client.invoices.retrieve(made.latest_invoice).status == "paid"
    drafts = client.invoices.list({"subscription": made.id, "status": "draft"}).data
    assert [one.billing_reason for one in drafts] == ["subscription_cycle"]
    move(client, stand, 2026, 3, 1)
    ended_with = ["invoice.payment_succeeded", "test_helpers.test_clock.ready"]
    assert kinds(emulator, seen)[-2:] == ended_with
    client.subscriptions.update(made.id, {"cancel_at_period_end": True})
    move(client, stand, 2026, 4, 1)
    ended = client.subscriptions.retrieve(made.id)
    assert (ended.status, ended.ended_at) == ("canceled", s(2026, 3, 31, 10))
    assert emulator.events("customer.subscription.deleted")[0]["created"] == s(2026, 3, 31, 10)
    paid = client.invoices.list({"customer": bob.id, "status": "paid"}).data
    assert [one.total for one in paid] == [2900, 2900]


def test_a_card_that_fails_is_tried_four_times_and_ends_it(emulator, client, price, stand, bob):
    made = client.subscriptions.create({"customer": bob.id, "items": [{"price": price.id}]})
    emulator.let_card_fail(bob.invoice_settings.default_payment_method, "insufficient_funds")
    move(client, stand, 2026, 3, 1)
    assert client.subscriptions.retrieve(made.id).status == "past_due"
    move(client, stand, 2026, 3, 30)
    assert client.subscriptions.retrieve(made.id).status == "canceled"
    failed = emulator.events("invoice.payment_failed")
    days = [datetime.fromtimestamp(one["created"], UTC).day for one in failed]
    assert days == [28, 3, 8, 15]
    assert [one["data"]["object"]["attempt_count"] for one in failed] == [1, 2, 3, 4]


def test_a_card_that_works_again_wakes_it(emulator, client, price, stand, bob):
    made = client.subscriptions.create({"customer": bob.id, "items": [{"price": price.id}]})
    card = bob.invoice_settings.default_payment_method
    emulator.let_card_fail(card, "expired_card")
    move(client, stand, 2026, 3, 1)
    emulator.let_card_fail(card, None)
    move(client, stand, 2026, 3, 4)
    assert client.subscriptions.retrieve(made.id).status == "active"


def test_a_trial_is_free_warns_and_ends(emulator, client, price, stand, bob):
    wanted = {"customer": bob.id, "items": [{"price": price.id}], "trial_period_days": 14}
    made = client.subscriptions.create(wanted)
    assert (made.status, made.trial_end) == ("trialing", s(2026, 2, 14, 10))
    assert client.invoices.retrieve(made.latest_invoice).total == 0
    move(client, stand, 2026, 2, 15)
    assert client.subscriptions.retrieve(made.id).status == "active"
    [warned] = emulator.events("customer.subscription.trial_will_end")
    assert warned["created"] == s(2026, 2, 11, 10)
    assert client.invoices.list({"customer": bob.id}).data[0].total == 2900


def test_a_trial_is_ended_at_once(client, price, stand, bob):
    wanted = {"customer": bob.id, "items": [{"price": price.id}], "trial_period_days": 14}
    made = client.subscriptions.create(wanted)
    move(client, stand, 2026, 2, 3)
    ended = client.subscriptions.update(made.id, {"trial_end": "now"})
    assert (ended.status, ended.trial_end) == ("active", s(2026, 2, 3))
    assert ended["items"].data[0].current_period_end == s(2026, 3, 3)
    assert client.invoices.retrieve(ended.latest_invoice).amount_paid == 2900


def test_a_trial_without_a_card_pauses_and_is_resumed(client, price, stand, bob):
    none = {"invoice_settings": {"default_payment_method": ""}}
    client.customers.update(bob.id, none)
    end = {"end_behavior": {"missing_payment_method": "pause"}}
    wanted = {"customer": bob.id, "items": [{"price": price.id}], "trial_period_days": 7}
    made = client.subscriptions.create(wanted | {"trial_settings": end})
    move(client, stand, 2026, 2, 8)
    assert client.subscriptions.retrieve(made.id).status == "paused"
    assert client.subscriptions.resume(made.id).status in {"active", "past_due"}


def test_without_a_card_it_is_incomplete_until_it_is_paid(emulator, client, price, ada):
    wanted = {"customer": ada.id, "items": [{"price": price.id}]}
    made = client.subscriptions.create(wanted | {"payment_behavior": "default_incomplete"})
    assert made.status == "incomplete"
    [payment] = client.invoice_payments.list({"invoice": made.latest_invoice}).data
    intent = payment.payment.payment_intent
    client.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    assert client.subscriptions.retrieve(made.id).status == "active"
    assert client.invoices.retrieve(made.latest_invoice).status == "paid"
    assert "invoice_payment.paid" in kinds(emulator)


def test_an_upgrade_is_prorated_by_seconds(client, price, stand, bob):
    made = client.subscriptions.create({"customer": bob.id, "items": [{"price": price.id}]})
    move(client, stand, 2026, 2, 14, 10)  # half of 28 days is left
    item = {"id": made["items"].data[0].id, "quantity": 3}
    change = {"items": [item], "proration_behavior": "always_invoice"}
    changed = client.subscriptions.update(made.id, change)
    invoice = client.invoices.retrieve(changed.latest_invoice)
    assert [one.amount for one in invoice.lines.data] == [-1450, 4350]
    assert (invoice.total, invoice.status) == (2900, "paid")


def test_metered_use_is_billed_after_its_period(client, price, stand, bob):
    meter = client.billing.meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
        }
    )
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    tiers = [{"up_to": 100, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50}]
    metered = client.prices.create(
        {
            "product": price.product,
            "currency": "usd",
            "recurring": recurring,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": tiers,
        }
    )
    items = [{"price": price.id}, {"price": metered.id}]
    client.subscriptions.create({"customer": bob.id, "items": items})
    for number, value in enumerate(("60", "41")):
        client.billing.meter_events.create(
            {
                "event_name": "calls",
                "payload": {"stripe_customer_id": bob.id, "value": value},
                "identifier": f"use-{number}",
            }
        )
    move(client, stand, 2026, 3, 1)
    newest = client.invoices.list({"customer": bob.id}).data[0]
    assert sorted(one.amount for one in newest.lines.data) == [2900, 10050]
    found = client.billing.meters.event_summaries.list(
        meter.id, {"customer": bob.id, "start_time": s(2026, 1, 31), "end_time": s(2026, 2, 1)}
    )
    assert [one.aggregated_value for one in found.data] == [101]


def checkout(client, price, **change):
    wanted = {
        "mode": "subscription",
        "line_items": [{"price": price.id, "quantity": 2}],
        "success_url": "https://app.example.com/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://app.example.com/",
        "client_reference_id": "u42",
        "metadata": {"plan": "pro"},
        "subscription_data": {"metadata": {"customer": "u42"}},
    }
    return client.checkout.sessions.create(wanted | change)


def test_a_checkout_is_paid_on_its_page(emulator, client, price):
    session = checkout(client, price)
    shown = httpx.get(session.url)
    assert "58.00 USD" in shown.text
    bad = httpx.post(
        session.url, data={"action": "pay", "payment_method": "pm_card_visa_chargeDeclined"}
    )
    assert "Your card was declined." in bad.text
    assert client.checkout.sessions.retrieve(session.id).status == "open"
    form = {"action": "pay", "payment_method": "pm_card_visa", "email": "cy@example.com"}
    paid = httpx.post(session.url, data=form)
    assert paid.headers["location"] == f"https://app.example.com/done?session={session.id}"
    done = client.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "line_items"]})
    assert (done.status, done.payment_status, done.client_reference_id) == (
        "complete",
        "paid",
        "u42",
    )
    assert done.customer_details.email == "cy@example.com"
    assert (done.subscription.status, done.subscription.metadata["customer"]) == ("active", "u42")
    assert done.line_items.data[0].quantity == 2
    assert kinds(emulator)[-1] == "checkout.session.completed"
    again = httpx.post(session.url, data=form)
    assert "only an open one" in again.text


def test_a_checkout_of_one_payment_and_one_that_is_given_up(emulator, client, price):
    once = client.prices.create({"product": price.product, "currency": "jpy", "unit_amount": 500})
    lines = [{"price": once.id, "quantity": 1}]
    wanted = {"mode": "payment", "subscription_data": None, "line_items": lines}
    session = checkout(client, price, **{k: v for k, v in wanted.items() if v})
    with pytest.raises(stripe.InvalidRequestError):
        checkout(client, price, mode="payment")
    assert "500 JPY" in httpx.get(session.url).text
    emulator.pay(session.id)
    intent = client.checkout.sessions.retrieve(session.id).payment_intent
    assert client.payment_intents.retrieve(intent).amount_received == 500
    left = checkout(client, price)
    assert httpx.post(left.url, data={"action": "cancel"}).headers["location"].endswith("com/")
    assert client.checkout.sessions.expire(left.id).status == "expired"
    assert len(emulator.events("checkout.session.expired")) == 1


def test_a_checkout_of_a_trial_takes_nothing_today(emulator, client, price):
    session = checkout(client, price, subscription_data={"trial_period_days": 14})
    assert session.amount_total == 0
    emulator.pay(session.id)
    done = client.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert (done.payment_status, done.subscription.status) == ("no_payment_required", "trialing")


def test_an_open_invoice_is_paid_on_its_page(emulator, client, price, ada):
    wanted = {"customer": ada.id, "items": [{"price": price.id}]}
    made = client.subscriptions.create(wanted | {"payment_behavior": "default_incomplete"})
    page = client.invoices.retrieve(made.latest_invoice).hosted_invoice_url
    assert "29.00 USD" in httpx.get(page).text
    bad = httpx.post(page, data={"payment_method": "pm_card_visa_chargeDeclined"})
    assert "Your card was declined." in bad.text
    assert httpx.post(page, data={"payment_method": "pm_card_visa"}).status_code == 303
    assert client.subscriptions.retrieve(made.id).status == "active"


def test_the_portal_cancels_and_replaces_the_card(emulator, client, price, bob):
    made = client.subscriptions.create({"customer": bob.id, "items": [{"price": price.id}]})
    back = "https://app.example.com/account"
    session = client.billing_portal.sessions.create({"customer": bob.id, "return_url": back})
    assert back in httpx.get(session.url).text
    form = {"action": "cancel", "subscription": made.id}
    assert httpx.post(session.url, data=form).status_code == 303
    assert client.subscriptions.retrieve(made.id).cancel_at_period_end
    httpx.post(session.url, data=form | {"action": "renew"})
    assert not client.subscriptions.retrieve(made.id).cancel_at_period_end
    httpx.post(session.url, data={"action": "replace_card", "payment_method": "pm_card_amex"})
    default = client.customers.retrieve(bob.id).invoice_settings.default_payment_method
    assert client.payment_methods.retrieve(default).card.brand == "amex"
    assert httpx.get(f"{emulator.url}/p/session/bps_nobody").status_code == 404
