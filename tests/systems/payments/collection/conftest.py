"""What do the tests of collecting money share: a shop that charges cards at an emulated Stripe?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
import stripe

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import InvoiceFinalized
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import Collection, Purpose
from solvent.systems.payments.collection.service import ask, heard, policy, read
from solvent.systems.payments.collection.service.ask import Ask, Question
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.collection.service.read import Story
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.model import Arrival, EventState, Provider
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.service import accounts, apply, inbox
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.store import standing
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY, StripeEmulator

T = TypeVar("T")

CATALOGUE = b"""
[products.app]
name = "App"

[plans.pro]
name = "Pro"
product = "app"
currency = "USD"
interval = "month"
grace_days = 3
prices.base = { model = "flat", amount = "29.00" }

[plans.max]
name = "Max"
product = "app"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "99.00" }
"""


@dataclass
class Till:
    """A shop with one customer, globex, whose card is on file at the emulator."""

    edge: Edge
    tenant_id: TenantId
    bank: StripeEmulator
    collector: Collector
    customer: Customer = field(init=False)
    card: str = ""
    provider_customer_id: str = ""

    @property
    def api(self) -> stripe.StripeClient:
        """Stripe's own client, as the customer's or the founder's hand at the provider."""
        return stripe.StripeClient(STRIPE_KEY, base_addresses={"api": self.bank.url})

    async def do(self, act: Callable[[Ctx], Awaitable[T]]) -> T:
        async with self.edge.open(self.tenant_id, OPERATOR) as ctx:
            return await act(ctx)

    async def open(self, *, automatic: bool = True, card: str = "pm_card_visa") -> None:
        """Sell, connect, make the customer here and there, and charge by itself."""
        await self.do(lambda ctx: catalogue.apply(ctx, parse(CATALOGUE, file="catalogue.toml")))
        await self.do(lambda ctx: accounts.connect(ctx, Provider.STRIPE, api_key=STRIPE_KEY))
        await self.policy(automatic=automatic)
        self.customer = await self.do(lambda ctx: tenants.ensure_customer(ctx, "globex"))
        made = self.api.v1.customers.create({"name": "Globex"})
        self.provider_customer_id = made.id
        if card:
            self.give_card(card)
        known = {(Provider.STRIPE, made.id): self.customer.id}
        await self.do(lambda ctx: standing.save_customers(ctx.tx, ctx.tenant_id, known))

    def give_card(self, card: str = "pm_card_visa") -> str:
        """Put a card on file and make it the default."""
        client, customer = self.api, self.provider_customer_id
        self.card = client.v1.payment_methods.attach(card, {"customer": customer}).id
        default: Any = {"invoice_settings": {"default_payment_method": self.card}}
        client.v1.customers.update(customer, default)
        return self.card

    async def policy(self, **document: object) -> None:
        await self.do(lambda ctx: policy.set_policy(ctx, document))

    async def subscribe(self, plan: str = "pro") -> Subscription:
        return await self.do(lambda ctx: subscriptions.create(ctx, "globex", plan))

    async def move_clock(self, **forward: float) -> None:
        async def act(ctx: Ctx) -> None:
            await tenants.move_test_clock(ctx, ctx.now() + timedelta(**forward))

        await self.do(act)

    async def invoice(self, held: Subscription) -> Invoice:
        """Let the running period end, and make its invoice final; nothing of it is told yet."""
        held = await self.do(lambda ctx: subscriptions.get(ctx, held.id))
        period = held.period

        async def over(ctx: Ctx) -> None:
            if ctx.now() < period.end:
                await tenants.move_test_clock(ctx, period.end + timedelta(seconds=1))

        await self.do(over)
        await self.do(lambda ctx: subscriptions.renew(ctx, held.id))

        async def bill(ctx: Ctx) -> Invoice:
            drawn = await ledger.draw_invoice(ctx, held.id, period)
            return await ledger.finalize_invoice(ctx, drawn.id)

        return await self.do(bill)

    async def begin(self, invoice: Invoice) -> Collection | None:
        """Tell that the invoice is final, as the worker would."""
        said = invoice.draft
        event = InvoiceFinalized(
            invoice_id=invoice.id,
            number=invoice.number or 0,
            customer_id=said.customer_id,
            subscription_id=said.subscription_id,
            period_start=said.period_start,
            period_end=said.period_end,
            currency=said.currency,
            total_minor=said.total_minor,
            due_minor=invoice.due_minor,
            digest=invoice.digest,
        )
        return await self.do(lambda ctx: heard.on_invoice_final(ctx, event))

    async def bill(self) -> Invoice:
        """Subscribe, invoice the first period and begin to collect it."""
        invoice = await self.invoice(await self.subscribe())
        await self.begin(invoice)
        return invoice

    async def story(self, subject_id: str, purpose: Purpose = Purpose.INVOICE) -> Story:
        async def act(ctx: Ctx) -> Story:
            held = await store.find_of(ctx.tx, ctx.tenant_id, purpose, subject_id)
            assert held is not None
            return await read.get_story(ctx, held.id)

        return await self.do(act)

    async def work(self, subject_id: str, purpose: Purpose = Purpose.INVOICE) -> Story:
        """Carry out what is under way, as the collector does; return how it stands then."""
        before = await self.story(subject_id, purpose)
        if before.under_way:
            await self.collector.carry_out(self.tenant_id, before.under_way.id)
        return await self.story(subject_id, purpose)

    async def up_to_charge(self, invoice: Invoice) -> Question:
        """Go on until the charge is written down and would be asked for next."""
        attempt = (await self.story(invoice.id)).under_way
        assert attempt is not None
        question = await self.do(lambda ctx: ask.first_question(ctx, attempt.id))
        while question is not None and question.ask is not Ask.CHARGE:
            answer, asked = await self.collector.put(question), question
            question = await self.do(lambda ctx, a=answer, q=asked: ask.answered(ctx, q, a))
        assert question is not None
        return question

    async def step(self, subject_id: str) -> Story:
        """Take the step whose time has come, as its job does, and carry it out."""
        story = await self.story(subject_id)
        await self.do(lambda ctx: heard.take_step(ctx, story.collection.id))
        return await self.work(subject_id)

    async def hear(self, *events: dict[str, Any]) -> None:
        """Take webhooks in and apply them, each in a transaction of its own."""
        for event in events:
            body = json.dumps(event).encode()
            envelope = reading.envelope(Provider.STRIPE, read_body(body))
            now = self.edge.clock.now()
            one = Arrival(Provider.STRIPE, envelope, body, "whs_t", now, EventState.RECEIVED)
            await self.do(lambda ctx, it=one: inbox.admit(ctx, [it]))
            await self.do(lambda ctx, it=one: apply.apply(ctx, [it.key]))

    async def get(self, invoice: Invoice) -> Invoice:
        return await self.do(lambda ctx: ledger.get_invoice(ctx, invoice.id))

    async def held(self, held: Subscription) -> Subscription:
        return await self.do(lambda ctx: subscriptions.get(ctx, held.id))

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        return await self.do(lambda ctx: ctx.tx.fetch(sql, *args))

    async def booked_minor(self) -> int:
        rows = await self.fetch("select sum(amount_minor - refunded_minor) from ledger_payment")
        return int(rows[0][0] or 0)

    def charged_minor(self) -> int:
        """What the provider has taken and not given back."""
        found = self.api.v1.payment_intents.list({"limit": 100, "expand": ["data.latest_charge"]})
        return sum(
            one.amount_received - (one.latest_charge.amount_refunded or 0)  # type: ignore[union-attr]
            for one in found.data
            if one.status == "succeeded"
        )

    def charges(self) -> list[Any]:
        """The requests by which money was asked for."""
        return [
            one
            for one in self.bank.calls
            if one.path == "/v1/payment_intents" and one.method == "POST"
        ]

    async def audited(self, action: str) -> list[Any]:
        found = await self.do(lambda ctx: audit.list_records(ctx, action=action, limit=100))
        return [one.entry for one in found]

    async def sound(self) -> bool:
        return (await self.do(ledger.verify)).sound


@pytest.fixture
def bank() -> Iterator[StripeEmulator]:
    """Stripe on this machine."""
    with StripeEmulator() as running:
        yield running


@pytest.fixture
async def till(edge: Edge, tenant_id: TenantId, bank: StripeEmulator) -> AsyncGenerator[Till]:
    """A shop that charges by itself; nobody asks for what it leaves behind."""
    gateways = Gateways(PaymentsSection(stripe_api=bank.url))
    made = Till(edge, tenant_id, bank, Collector(edge, gateways))
    await made.open()
    yield made
    for table in ("payments_attempt", "payments_refund"):
        await made.fetch(f"update {table} set look_at = null where tenant_id = $1", tenant_id)
    await made.fetch("delete from payments_account where tenant_id = $1", tenant_id)


@pytest.fixture
def client_for() -> Callable[..., Awaitable[httpx.AsyncClient]]:
    """Make a client with a key of its own."""
    return client_of


async def client_of(app: Any, till: Till, **key: Any) -> httpx.AsyncClient:
    issued = await till.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )
