"""How is the emulator of Stripe started, and told what is to happen?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from solvent.kit.clock import Clock, SystemClock
from solvent.systems.payments.loopback import HELD_S, Answer, Call, LoopbackServer
from solvent.systems.payments.stripe_emulator import (
    checkout,
    controls,
    customers,
    disputes,
    endpoints,
    invoices,
    payment_intents,
    payment_methods,
    prices,
    refunds,
)
from solvent.systems.payments.stripe_emulator.courier import Chaos, Courier, signed
from solvent.systems.payments.stripe_emulator.desk import Desk, Made
from solvent.systems.payments.stripe_emulator.events import KIND as EVENT
from solvent.systems.payments.stripe_emulator.expand import render
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.store import Store
from solvent.systems.payments.stripe_emulator.web import Web
from solvent.systems.payments.stripe_emulator.world import Handler, World
from solvent.systems.payments.testing import Delivery

STRIPE_KEY = "sk_test_emulator_0123456789"
WEBHOOK_SECRET = "whsec_emulator_0123456789"  # noqa: S105 - everybody may know it


@dataclass(slots=True)
class StripeEmulator:
    """Stripe's API for one account in test mode, on a loopback port; use it in a `with`."""

    data: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    api_key: str = STRIPE_KEY
    chaos: Chaos = field(default_factory=Chaos)
    host: str = "127.0.0.1"
    port: int = 0
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is not set, requests are worked on at once and their answers held back."""
    desk: Desk = field(init=False)
    courier: Courier = field(init=False)
    _server: LoopbackServer | None = None

    def __post_init__(self) -> None:
        """Open what stands in the file, if there is one."""
        world = World(Store(self.data), self.clock, paid=invoices.on_paid)
        lock = threading.RLock()
        self.courier = Courier(world.store, lock, self.clock, self.chaos)
        self.desk = Desk(world, self.api_key, self.courier.send, lock=lock)
        self.answering.set()

    def __enter__(self) -> StripeEmulator:  # noqa: PYI034 - typing.Self is not worth a name
        """Listen, and deliver events."""
        self._server = LoopbackServer(self.answer, host=self.host, port=self.port)
        self.world.url = self._server.url
        self.courier.start()
        self.catch_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.answering.set()
        self.working.set()
        self.courier.stop()
        if self._server:
            self._server.close()
        with self.desk.lock:
            self.world.store.close()

    def answer(self, call: Call) -> Answer:
        """Return what is answered to a request, when answers are given."""
        with self.desk.lock:
            shown = Web(self.world, self.api_key, self.do).answer(call)
        told = shown or self.desk.answer(call)
        self.answering.wait(HELD_S)
        return told

    @property
    def url(self) -> str:
        """Return the base address: `stripe.StripeClient(key, base_addresses={"api": url})`."""
        return self.world.url

    @property
    def world(self) -> World:
        """Return the account as it stands."""
        return self.desk.world

    @property
    def calls(self) -> list[Call]:
        """Return the requests that came, oldest first."""
        return self.desk.calls

    @property
    def failures(self) -> list[Made]:
        """Return the outcomes to give, in order, before anything works; keys save them, too."""
        return self.desk.failures

    @property
    def working(self) -> threading.Event:
        """While it is not set, requests are under way: the same key gets a 409 meanwhile."""
        return self.desk.working

    def listen(
        self, url: str, *, events: Sequence[str] = ("*",), secret: str = WEBHOOK_SECRET
    ) -> str:
        """Deliver events to this address from now on; return the secret they are signed with."""
        given = {"url": url, "enabled_events": list(events)}
        made = self.do(endpoints.create, given)
        with self.desk.lock, self.world.store.together():
            self.world.store.save(self.world.get(endpoints.KIND, made["id"]) | {"_secret": secret})
        return secret

    def forward_to(self, url: str) -> str:
        """Deliver events to this address, once however often it is asked for; return the secret."""
        with self.desk.lock:
            known = self.world.every(endpoints.KIND, url=url)
        return known[0]["_secret"] if known else self.listen(url)

    def events(self, kind: str | None = None) -> list[Json]:
        """Return the events so far, oldest first, all or those of one type."""
        with self.desk.lock:
            found = self.world.every(EVENT, **({"type": kind} if kind else {}))
        return [render(one) for one in reversed(found)]

    def signed(self, event: Json, *, secret: str = WEBHOOK_SECRET) -> Delivery:
        """Return the request that delivers an event, to be posted by hand."""
        return signed(event, secret=secret, clock=self.clock)

    def pay(self, session: str, card: str = "pm_card_visa", *, email: str | None = None) -> Json:
        """Pay on the page of a checkout session, as a customer would; return the session."""
        given = {"payment_method": card, "email": email}
        return self.do(checkout.complete, given, session)

    def add_price(self, id: str, *, amount: int = 2900, currency: str = "usd") -> Json:
        """Make a monthly price that goes by a name of yours, which Stripe does not allow."""
        wanted: Json = {"unit_amount": amount, "currency": currency}
        wanted |= {"recurring": {"interval": "month"}, "product_data": {"name": id}}

        def run(world: World, params: Json) -> Json:
            made = prices.create_price(world, params)
            world.store.drop(made["id"])
            return world.store.save(made | {"id": id})

        return self.do(run, wanted)

    def add_customer(self, id: str) -> Json:
        """Make a customer who goes by a name of yours, which Stripe does not allow."""

        def run(world: World, params: Json) -> Json:
            made = customers.create(world, params)
            world.store.drop(made["id"])
            return world.store.save(made | {"id": id})

        return self.do(run, {})

    def catch_up(self) -> None:
        """Let all happen that has fallen due by now to customers of no test clock."""
        self.do(controls.catch_up, {})

    def let_card_fail(self, payment_method: str, decline_code: str | None) -> None:
        """Let a saved card fail with this decline code from now on; None: let it work again."""
        self.do(payment_methods.let_fail, {"decline_code": decline_code}, payment_method)

    def authenticate(self, payment_intent: str, *, succeeds: bool = True) -> Json:
        """Let the customer answer their bank, which asked for them."""

        def run(world: World, params: Json, id: str) -> Json:
            del params
            return payment_intents.authenticate(world, id, succeeds=succeeds)

        return self.do(run, {}, payment_intent)

    def dispute(self, charge: str, *, reason: str = "fraudulent") -> Json:
        """Let the bank of a charge, or of a payment intent's, take the money back."""

        def run(world: World, params: Json, id: str) -> Json:
            del params
            intent = payment_intents.must_exist(world, id)
            return disputes.open_dispute(world, intent["latest_charge"], reason=reason)

        return self.do(run, {}, charge)

    def end_dispute(self, dispute: str, status: str) -> Json:
        """Decide a dispute: `won` or `lost`."""

        def run(world: World, params: Json, id: str) -> Json:
            del params
            return disputes.end(world, id, status)

        return self.do(run, {}, dispute)

    def arrive(self, refund: str) -> Json:
        """Let a refund that is pending succeed."""

        def run(world: World, params: Json, id: str) -> Json:
            del params
            return refunds.arrive(world, id)

        return self.do(run, {}, refund)

    def do(self, run: Handler, params: Json, *ids: str) -> Json:
        """Do something to the account, all of it or none, and tell of it."""
        world = self.world
        with self.desk.lock:
            world.told = []
            with world.store.together():
                made = run(world, params, *ids)
            told, world.told = world.told, []
        self.courier.send(told)
        return render(made)
