"""Do events come signed as Stripe's, and twice, late and mixed up where that is asked for?"""

import threading

import pytest
import stripe

from solvent.app.testing import EPOCH
from solvent.kit.clock import FrozenClock, SystemClock
from solvent.systems.payments.loopback import Answer, LoopbackServer
from solvent.systems.payments.stripe_emulator.emulator import WEBHOOK_SECRET, Chaos, StripeEmulator


class Handler:
    """A founder's webhook handler, which checks by Stripe's own library."""

    def __init__(self):
        self.heard, self.refuse, self.gate = [], 0, threading.Event()
        self.gate.set()
        self.server = LoopbackServer(self.answer)

    def answer(self, call):
        self.gate.wait(10)
        if self.refuse:
            self.refuse -= 1
            return Answer(500, {})
        signature = call.headers["stripe-signature"]
        event = stripe.Webhook.construct_event(call.text, signature, WEBHOOK_SECRET)
        self.heard.append(event)
        return Answer(200, {})


@pytest.fixture
def handler():
    made = Handler()
    yield made
    made.server.close()


def shop(emulator):
    return stripe.StripeClient(
        emulator.api_key, base_addresses={"api": emulator.url}, max_network_retries=0
    ).v1


def sell(emulator, times):
    client = shop(emulator)
    return [client.customers.create({"name": str(number)}).id for number in range(times)]


def ids(events):
    return [one.data.object["id"] for one in events]


def test_events_verify_by_the_official_library(handler):
    with StripeEmulator() as emulator:
        emulator.listen(handler.server.url)
        made = sell(emulator, 3)
        assert emulator.courier.settle()
    assert ids(handler.heard) == made
    assert handler.heard[0].type == "customer.created"
    assert handler.heard[0].api_version == stripe.api_version


def test_a_forged_or_stale_delivery_does_not_verify():
    emulator = StripeEmulator(clock=FrozenClock(EPOCH))
    with emulator:
        shop(emulator).customers.create({})
        [event] = emulator.events()
        old = emulator.signed(event)
        emulator.clock = SystemClock()
        fresh = emulator.signed(event)
    with pytest.raises(stripe.SignatureVerificationError):
        verify(old)
    assert verify(fresh)["id"] == event["id"]
    with pytest.raises(stripe.SignatureVerificationError):
        verify(fresh, b"x")


def verify(delivery, more=b""):
    signature = delivery.headers["stripe-signature"]
    return stripe.Webhook.construct_event(
        (delivery.body + more).decode(), signature, WEBHOOK_SECRET, tolerance=300
    )


def test_an_endpoint_of_the_api_hears_what_it_wants(handler):
    with StripeEmulator() as emulator:
        client = shop(emulator)
        wanted = {"url": handler.server.url, "enabled_events": ["customer.deleted"]}
        made = client.webhook_endpoints.create(wanted)
        assert made.secret.startswith("whsec_")
        assert "secret" not in client.webhook_endpoints.retrieve(made.id)
        client.webhook_endpoints.delete(made.id)
        emulator.listen(handler.server.url, events=["customer.deleted"])
        ada = client.customers.create({})
        client.customers.delete(ada.id)
        assert emulator.courier.settle()
    assert [one.type for one in handler.heard] == ["customer.deleted"]


def test_what_was_refused_is_tried_again(handler):
    handler.refuse = 3
    with StripeEmulator() as emulator:
        emulator.courier.retries_s = (0.01, 0.01, 0.01)
        emulator.listen(handler.server.url)
        made = sell(emulator, 1)
        assert emulator.courier.settle()
    assert ids(handler.heard) == made


def test_every_event_twice(handler):
    with StripeEmulator(chaos=Chaos(duplicate=1.0)) as emulator:
        emulator.listen(handler.server.url)
        made = sell(emulator, 3)
        assert emulator.courier.settle()
    assert sorted(ids(handler.heard)) == sorted(made * 2)


def test_events_overtake_each_other_the_same_way_for_the_same_seed(handler):
    orders = []
    for _ in range(2):
        handler.heard.clear()
        handler.gate.clear()  # nothing arrives until all has been sent
        with StripeEmulator(chaos=Chaos(reorder=0.5, seed=3)) as emulator:
            emulator.courier.held_back_s = 60.0
            emulator.listen(handler.server.url)
            made = sell(emulator, 8)
            handler.gate.set()
            emulator.courier.hurry()
            assert emulator.courier.settle()
        orders.append([made.index(one) for one in ids(handler.heard)])
    assert orders[0] != sorted(orders[0])
    assert sorted(orders[0]) == list(range(8))
    assert orders[0] == orders[1]


def test_deliveries_come_late(handler):
    with StripeEmulator(chaos=Chaos(delay_s=3_600.0, seed=1)) as emulator:
        emulator.listen(handler.server.url)
        sell(emulator, 1)
        assert not emulator.courier.settle(0.1)
        assert handler.heard == []
        emulator.courier.hurry()
        assert emulator.courier.settle()
    assert len(handler.heard) == 1


def test_an_event_is_sent_again(handler):
    with StripeEmulator() as emulator:
        emulator.listen(handler.server.url)
        sell(emulator, 1)
        assert emulator.courier.settle()
        [event] = emulator.events()
        assert emulator.courier.send_again(event["id"]) == 1
        assert emulator.courier.settle()
    assert [one.id for one in handler.heard] == [event["id"]] * 2
