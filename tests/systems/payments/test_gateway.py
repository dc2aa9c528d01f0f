"""Do the providers' own clients make what we ask for, once, and are their errors told as ours?"""

import subprocess
import sys

import pytest

from solvent.app.testing import EPOCH
from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.gateways.paddle_gateway import PaddleGateway
from solvent.systems.payments.gateways.stripe_gateway import StripeGateway
from solvent.systems.payments.model import Provider
from solvent.systems.payments.paddle_emulator import PADDLE_KEY, PaddleEmulator
from solvent.systems.payments.ports import CheckoutRequest, PortalRequest
from solvent.systems.payments.service.checkout import Cashier
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY
from solvent.systems.payments.testing import StripePurchase

BACK = "https://app.example.com/done"
KEYS = {StripeGateway: STRIPE_KEY, PaddleGateway: PADDLE_KEY}
STRIPE_500 = (500, {"error": {"type": "api_error", "message": "Something broke."}})


def request(**change):
    wanted = {
        "price_id": "price_pro",
        "customer_ref": "u42",
        "plan_key": "pro",
        "success_url": BACK,
        "cancel_url": None,
        "quantity": 2,
        "email": "ada@example.com",
        "provider_customer_id": None,
    }
    return CheckoutRequest(**(wanted | change))


def test_stripe_checkout_carries_the_customer(emulator):
    gateway = StripeGateway(STRIPE_KEY, emulator.stripe.url)
    made = gateway.create_checkout_session(request(), idempotency_key="k1")
    assert made.url == f"{emulator.stripe.url}/c/pay/{made.id}"
    [call] = emulator.calls
    assert call.body["client_reference_id"] == "u42"
    assert call.body["subscription_data[metadata][customer]"] == "u42"
    assert call.body["line_items[0][quantity]"] == "2"
    assert call.body["customer_email"] == "ada@example.com"
    assert call.headers["idempotency-key"] == "k1"


def test_a_known_customer_is_named_instead_of_their_address(emulator):
    gateway = StripeGateway(STRIPE_KEY, emulator.stripe.url)
    gateway.create_checkout_session(request(provider_customer_id="cus_1"), idempotency_key="k")
    assert emulator.calls[0].body["customer"] == "cus_1"
    assert "customer_email" not in emulator.calls[0].body


def test_the_same_key_makes_one_session(emulator):
    gateway = StripeGateway(STRIPE_KEY, emulator.stripe.url)
    first = gateway.create_checkout_session(request(), idempotency_key="k1")
    assert gateway.create_checkout_session(request(), idempotency_key="k1") == first
    other = gateway.create_checkout_session(request(), idempotency_key="k2")
    assert other.id != first.id


def test_a_saved_failure_is_not_replayed_for_ever(emulator):
    """Stripe saves its own 500 under the key for a day; the next try takes the next key."""
    gateway = StripeGateway(STRIPE_KEY, emulator.stripe.url)
    emulator.failures.append(STRIPE_500)
    made = gateway.create_checkout_session(request(), idempotency_key="k1")
    assert made.url
    assert [call.headers["idempotency-key"] for call in emulator.calls][-1] == "k1:1"


def test_a_saved_card_failure_is_left_behind(emulator):
    """What failed once under a key is refused; asked again it runs anew, not from the saved 402."""
    declined = (402, {"error": {"type": "card_error", "message": "Declined.", "code": "declined"}})
    gateway = StripeGateway(STRIPE_KEY, emulator.stripe.url)
    emulator.failures.append(declined)
    with pytest.raises(GatewayRefused):
        gateway.create_checkout_session(request(), idempotency_key="k1")
    assert gateway.create_checkout_session(request(), idempotency_key="k1").url


def test_paddle_checkout_carries_the_customer(emulator):
    gateway = PaddleGateway(PADDLE_KEY, emulator.paddle.url)
    wanted = request(price_id="pri_pro", provider_customer_id="ctm_1")
    made = gateway.create_checkout_session(wanted, idempotency_key="k1")
    assert made.provider is Provider.PADDLE
    [call] = emulator.calls
    assert call.body["custom_data"] == {
        "customer": "u42",
        "plan": "pro",
        "solvent_errand": "k1",
    }
    assert call.body["items"] == [{"price_id": "pri_pro", "quantity": 2}]
    assert (call.body["customer_id"], call.headers["x-transaction-id"]) == ("ctm_1", "k1")


@pytest.fixture(params=["stripe", "paddle"])
def asked(request, emulator):
    """A gateway's class and the address of its emulated provider."""
    kind = {"stripe": StripeGateway, "paddle": PaddleGateway}[request.param]
    return kind, getattr(emulator, request.param).url


def test_portal_links(emulator, asked):
    kind, url = asked
    name = "cus_1" if kind is StripeGateway else "ctm_1"
    link = kind(KEYS[kind], url).create_portal_link(PortalRequest(name, None), idempotency_key="k")
    assert link.url.startswith(("https://", emulator.stripe.url))


def test_the_providers_refusals_are_told(asked):
    kind, url = asked
    with pytest.raises(GatewayRefused, match=r"No such price|No price"):
        kind(KEYS[kind], url).create_checkout_session(request(price_id="odd"), idempotency_key="k")


def test_a_wrong_key_is_a_refusal_and_is_not_told(asked):
    kind, url = asked
    with pytest.raises(GatewayRefused) as caught:
        kind("sk_test_wrong_0123456789", url).create_checkout_session(
            request(price_id="pri_pro"), idempotency_key="k"
        )
    assert "wrong_0123456789" not in str(caught.value)


@pytest.mark.parametrize("kind", [StripeGateway, PaddleGateway])
def test_a_provider_that_is_away_is_unavailable(kind):
    with PaddleEmulator() as gone:
        url = gone.url
    with pytest.raises(GatewayUnavailable):
        kind(KEYS[kind], url).create_checkout_session(request(), idempotency_key="k")


def test_paddles_failures_are_unavailable(emulator):
    error = {"type": "api_error", "code": "internal_error", "detail": "x", "documentation_url": ""}
    emulator.failures.append((500, {"error": error}))
    with pytest.raises(GatewayUnavailable):
        PaddleGateway(PADDLE_KEY, emulator.paddle.url).create_checkout_session(
            request(price_id="pri_pro"), idempotency_key="k"
        )


async def test_checkout_over_the_api(till, emulator):
    keys = {"api_key": STRIPE_KEY}
    assert (await till.call("PUT", "/v1/payments/accounts/stripe", body=keys)).status_code == 200
    body = {"plan": "pro", "customer": "u42", "success_url": BACK, "email": "ada@example.com"}
    key = {"idempotency-key": "order-1"}
    first = await till.call("POST", "/v1/checkout-sessions", body=body, **key)
    again = await till.call("POST", "/v1/checkout-sessions", body=body, **key)
    assert (first.status_code, first.json()["provider"]) == (201, "stripe")
    assert again.json() == first.json()
    assert len(emulator.calls) == 1
    assert len(await till.audited("payments.checkout_created")) == 1


async def test_portal_over_the_api(till, emulator):
    await till.call("PUT", "/v1/payments/accounts/stripe", body={"api_key": STRIPE_KEY})
    body = {"customer": "u42"}
    nobody = await till.call("POST", "/v1/portal-links", body=body)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "tenants.customer_unknown")
    buy = StripePurchase("u42", "price_pro", EPOCH)
    for event in (buy.checkout(), buy.updated()):
        await till.post(event)
    await till.work()
    link = await till.call("POST", "/v1/portal-links", body=body)
    assert link.status_code == 201, link.text
    assert emulator.calls[-1].body["customer"] == buy.provider_customer_id


@pytest.mark.parametrize(
    "change,code",
    [
        ({"plan": "none"}, "catalogue.plan_not_found"),
        ({"provider": "paddle"}, "payments.gateway_key_missing"),
        ({"success_url": "javascript:alert(1)"}, "payments.address_invalid"),
        ({"success_url": "http://example.com/"}, "payments.address_invalid"),
        ({"success_url": "https://exa mple.com/"}, "payments.address_invalid"),
        ({"quantity": 0}, None),
        ({"customer": ""}, None),
        ({"price": "price_cheap"}, None),
    ],
)
async def test_checkouts_that_are_refused(till, emulator, change, code):
    body = {"plan": "pro", "customer": "u42", "success_url": BACK} | change
    answer = await till.call("POST", "/v1/checkout-sessions", body=body)
    assert 400 <= answer.status_code < 500
    assert code is None or answer.json()["code"] == code
    assert emulator.calls == []


async def test_a_publishable_key_sells_nothing(till):
    answer = await till.call("POST", "/v1/checkout-sessions", key="pk_test_x", body={})
    assert answer.status_code == 401


def test_the_clients_are_loaded_only_when_needed():
    """The API process stays small: mounting the system imports neither provider's client."""
    code = (
        "import sys, solvent.systems.payments.wire; "
        "print([m for m in ('stripe', 'paddle_billing', 'requests') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_cashier_is_made_without_a_provider():
    assert Cashier(lambda provider, api_key: None)
