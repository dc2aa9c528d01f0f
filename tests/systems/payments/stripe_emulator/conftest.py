"""What do the tests of the emulator of Stripe have in common: one running, and Stripe's client."""

from __future__ import annotations

import pytest
import stripe

from solvent.app.testing import EPOCH
from solvent.kit.clock import FrozenClock
from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator


@pytest.fixture
def clock():
    return FrozenClock(EPOCH)


@pytest.fixture
def emulator(clock):
    with StripeEmulator(clock=clock) as running:
        yield running


@pytest.fixture
def client(emulator):
    """Stripe's own client, unmodified, that tries once."""
    return stripe.StripeClient(
        emulator.api_key, base_addresses={"api": emulator.url}, max_network_retries=0
    ).v1


@pytest.fixture
def ada(client):
    return client.customers.create({"email": "ada@example.com"})


@pytest.fixture
def card(client, ada):
    return client.payment_methods.attach("pm_card_visa", {"customer": ada.id})


@pytest.fixture
def pay(client, ada):
    """Charges a card of ada's off session."""

    def charge(card="pm_card_visa", *, key=None, **more):
        wanted = {
            "amount": 2900,
            "currency": "usd",
            "customer": ada.id,
            "payment_method": card,
            "off_session": True,
            "confirm": True,
        }
        options = {"idempotency_key": key} if key else {}
        return client.payment_intents.create(wanted | more, options)

    return charge
