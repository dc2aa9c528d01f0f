"""Do localstripe and the emulator answer the same calls of Stripe's client alike?

localstripe (GPL) runs as a process of its own, from an environment of its own: `make
peer-localstripe` makes it and names its Python in SOLVENT_TEST_LOCALSTRIPE. It knows no prices,
checkout, meters, test clocks or idempotency; what both know is compared.
"""

import os
import socket
import subprocess
from contextlib import contextmanager

import pytest
import stripe

from solvent.kit.clock import monotonic_ms
from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator

PEER = os.environ.get("SOLVENT_TEST_LOCALSTRIPE")
UP_MS = 120_000
ON_LOOPBACK = (
    "import sys; from aiohttp import web; from localstripe.server import app;"
    " web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]))"
)
"""Its own command listens on every address."""

pytestmark = pytest.mark.skipif(
    not PEER, reason="localstripe is not here: `make peer-localstripe` brings it"
)


def client_at(url, key):
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=0).v1


@contextmanager
def localstripe(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [PEER, "-c", ON_LOOPBACK, str(port)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, **silent) as running:
        try:
            wait_for(port)
            yield client_at(f"http://127.0.0.1:{port}", "sk_test_12345")
        finally:
            running.terminate()


def wait_for(port):
    deadline = monotonic_ms() + UP_MS
    while monotonic_ms() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail("localstripe did not begin to listen")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same client on each."""
    with localstripe(tmp_path_factory.mktemp("peer")) as peer, StripeEmulator() as emulator:
        yield peer, client_at(emulator.url, emulator.api_key)


def outcome(call):
    """What a call comes to: what it returns, or its error as Stripe's client tells it."""
    try:
        return call()
    except stripe.StripeError as fault:
        return type(fault).__name__, fault.http_status, fault.code


def same(both, story):
    peer, ours = (story(client) for client in both)
    assert ours == peer
    return ours


def card_of(client, number="4242424242424242"):
    card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    return client.payment_methods.create({"type": "card", "card": card})


def test_customers_and_their_cards(both):
    def story(client):
        ada = client.customers.create({"email": "ada@example.com", "metadata": {"a": "1"}})
        card = client.payment_methods.attach(card_of(client).id, {"customer": ada.id})
        changed = client.customers.update(ada.id, {"name": "Ada"})
        listed = client.payment_methods.list({"customer": ada.id, "type": "card"})
        detached = client.payment_methods.detach(card.id)
        return (
            ada.object,
            ada.email,
            ada.metadata.to_dict(),
            changed.name,
            (card.card.brand, card.card.last4, card.type, card.customer == ada.id),
            [one.id for one in listed.data] == [card.id],
            detached.customer,
            client.customers.delete(ada.id).deleted,
        )

    same(both, story)


@pytest.mark.parametrize(
    "number", ["4242424242424242", "4000000000000341", "4000000000009995", "4000000000000002"]
)
def test_payments(both, number):
    def story(client):
        ada = client.customers.create({})
        card = card_of(client, number)
        attached = outcome(
            lambda: bool(client.payment_methods.attach(card.id, {"customer": ada.id}))
        )
        if attached is not True:
            return attached
        wanted = {"amount": 2900, "currency": "usd", "customer": ada.id}
        paid = outcome(
            lambda: client.payment_intents.create(
                wanted | {"payment_method": card.id, "confirm": True}
            )
        )
        if isinstance(paid, tuple):
            return paid
        return paid.object, paid.status, paid.amount, paid.currency

    same(both, story)


def test_intents_in_steps_and_refunds(both):
    def story(client):
        ada = client.customers.create({})
        card = client.payment_methods.attach(card_of(client).id, {"customer": ada.id})
        made = client.payment_intents.create(
            {"amount": 1000, "currency": "eur", "customer": ada.id, "payment_method": card.id}
        )
        done = client.payment_intents.confirm(made.id)
        refund = client.refunds.create({"payment_intent": made.id, "amount": 400})
        left = client.payment_intents.create({"amount": 500, "currency": "eur"})
        canceled = client.payment_intents.cancel(left.id)
        return (
            made.status,
            left.status,
            done.status,
            (refund.object, refund.amount, refund.status, refund.payment_intent == made.id),
            canceled.status,
        )

    same(both, story)


def test_errors_and_lists(both):
    def story(client):
        made = [client.products.create({"name": str(number)}).id for number in range(3)]
        page = client.products.list({"limit": 2})
        return (
            outcome(lambda: client.customers.retrieve("cus_nobody"))[:2],
            outcome(lambda: client.payment_intents.create({"currency": "usd"}))[:2],
            page.has_more,
            len({one.id for one in page.data} & set(made)),  # of one second it knows no order
        )

    same(both, story)
