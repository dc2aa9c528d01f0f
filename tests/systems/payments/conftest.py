"""What do the tests of payments have in common: a shop with both providers connected?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from solvent.app.house import House
from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    Interval,
    PlanSpec,
    Price,
    PriceModel,
    Product,
    ProviderPrice,
    Terms,
)
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Tenant
from solvent.kit.ctx import OPERATOR
from solvent.kit.ids import TenantId, random_token
from solvent.systems.payments.model import Arrival, EventState, Provider
from solvent.systems.payments.paddle_emulator import PaddleEmulator
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.service import accounts, apply, events, inbox
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator
from solvent.systems.payments.testing import Delivery, deliver

FIXTURES = Path(__file__).parent / "fixtures"
SECRETS = {
    Provider.STRIPE: "whsec_shop_0123456789abcdef",
    Provider.PADDLE: "pdl_ntfset_shop_0123456789abcdef",
}


def _read(name):
    """Return what a provider's API would show, in its full shape and written by hand."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


@pytest.fixture
def stripe_fixtures():
    """Stripe's resources by object name."""
    return _read("stripe")


@pytest.fixture
def paddle_fixture():
    """Return a reader of Paddle's webhook entities by event type."""
    return _read("paddle").__getitem__


def plan(key, *, product="app", prices=("price_pro", "pri_pro")):
    """A monthly plan of 29 dollars, sold under these prices of Stripe and Paddle."""
    terms = Terms(
        product_key=product,
        name=key.title(),
        currency="USD",
        interval=Interval.MONTH,
        interval_count=1,
        prices=(Price("base", PriceModel.FLAT, amount_minor=2900),),
        features=(Feature("export", FeatureKind.SWITCH),),
    )
    names = [
        ProviderPrice("stripe" if one.startswith("price") else "paddle", one) for one in prices
    ]
    return PlanSpec(key, terms, tuple(names))


def arrival(body, provider=Provider.STRIPE, *, at=EPOCH):
    """Return a genuine event as the reception hands it over."""
    envelope = reading.envelope(provider, read_body(body))
    return Arrival(provider, envelope, body, "whs_test", at, EventState.RECEIVED)


class Watched:
    """A provider's gateway; at each call of it one looks which transactions are open meanwhile."""

    OPEN = (
        "select query from pg_stat_activity where pid <> pg_backend_pid()"
        " and usename = current_user and datname = current_database() and xact_start is not null"
    )

    def __init__(self, gateway, edge):
        self.gateway, self.edge, self.loop = gateway, edge, asyncio.get_running_loop()
        self.seen = {}

    def __getattr__(self, name):
        def call(*given, **named):
            looking = asyncio.run_coroutine_threadsafe(self.look(), self.loop)
            self.seen.setdefault(name, []).extend(looking.result(10))
            return getattr(self.gateway, name)(*given, **named)

        return call

    async def look(self):
        async with self.edge.db.transaction() as tx:
            return [row["query"] for row in await tx.fetch(self.OPEN)]


@pytest.fixture
def watched():
    """Make a gateway that is watched."""
    return Watched


@dataclass
class Shop:
    """A business in test mode with its API, as a provider and its owner see it."""

    house: House
    tenant: Tenant
    another: Callable[[], Awaitable[Shop]]
    client: httpx.AsyncClient
    api_key: str

    secrets = SECRETS
    arrival = staticmethod(arrival)
    plan = staticmethod(plan)

    @property
    def tenant_id(self) -> TenantId:
        return self.tenant.id

    def open(self):
        return self.house.edge.open(self.tenant.id, OPERATOR)

    async def sell(self, *plans: PlanSpec) -> None:
        """Make these plans the whole catalogue."""
        products = tuple(Product(key, key) for key in {one.terms.product_key for one in plans})
        async with self.open() as ctx:
            await catalogue.apply(ctx, CatalogueSpec((), products, tuple(plans)))

    async def send(self, delivery: Delivery, *, to="stripe", slug=None) -> httpx.Response:
        """Deliver a webhook to the path of a tenant."""
        path = f"/v1/t/{slug or self.tenant.slug}/webhooks/{to}"
        return await self.client.post(path, content=delivery.body, headers=delivery.headers)

    async def post(self, body: bytes, *, to="stripe", late_s=0, secret=None) -> httpx.Response:
        """Sign as the provider does, `late_s` ago, and deliver."""
        provider = Provider(to)
        at = self.now() - timedelta(seconds=late_s)
        signed = deliver(provider, body, secret=secret or SECRETS[provider], at=at)
        return await self.send(signed, to=to)

    def now(self) -> datetime:
        return self.house.edge.clock.now()

    async def take(self, *bodies: bytes, provider=Provider.STRIPE) -> None:
        """Store and apply events one after another, each in a transaction of its own."""
        for body in bodies:
            one = arrival(body, provider)
            async with self.open() as ctx:
                await inbox.admit(ctx, [one])
            async with self.open() as ctx:
                await apply.apply(ctx, [one.key])

    async def work(self, *, within: str | None = None) -> None:
        """Apply every open event of the inbox, as the worker would."""
        async with self.open() as ctx:
            found = await events.list_events(ctx, limit=500)
            keys = [(one.provider, one.provider_event_id) for one in reversed(found)]
            await apply.apply(ctx, keys)

    async def inbox(self, state=None):
        async with self.open() as ctx:
            return await events.list_events(ctx, state=state, limit=500)

    async def audited(self, action):
        async with self.open() as ctx:
            found = await audit.list_records(ctx, action=action, limit=100)
        return [record.entry for record in found]

    async def subscriptions(self):
        async with self.open() as ctx:
            return await subscriptions.list_all(ctx, limit=200)

    async def fetch(self, sql, *args):
        async with self.open() as ctx:
            return await ctx.tx.fetch(sql, *args)

    async def call(self, method, path, *, key=None, body=None, **headers) -> httpx.Response:
        """Call the API as the owner."""
        headers = {"authorization": f"Bearer {key or self.api_key}"} | headers
        return await self.client.request(method, path, json=body, headers=headers)


async def open_shop(house: House, client: httpx.AsyncClient) -> Shop:
    """Make a business whose clock stands at EPOCH, with both providers and one plan."""
    slug = "shop-" + random_token(8)
    made = await tenants.create_business(house.edge, name="Shop", slug=slug, test_clock_at=EPOCH)
    text = next(one.text for one in made.keys if one.key.tenant_id == made.test.id)
    shop = Shop(house, made.test, partial(open_shop, house, client), client, text)
    async with shop.open() as ctx:
        for provider, secret in SECRETS.items():
            await accounts.connect(ctx, provider, webhook_secret=secret)
    await shop.sell(plan("pro"))
    return shop


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client on the API."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def shop(house: House, client: httpx.AsyncClient) -> Shop:
    """A fresh shop."""
    return await open_shop(house, client)


@pytest.fixture
def emulator():
    """Both providers' APIs on this machine, with one list of calls, and of failures to come."""
    with StripeEmulator() as stripe:
        shared = {name: getattr(stripe, name) for name in ("calls", "failures", "answering")}
        with PaddleEmulator(**shared) as paddle:
            for price in ("pro", "x", "dearer"):
                stripe.add_price(f"price_{price}")
                paddle.add_price(f"pri_{price}")
            for customer in ("cus_1", "cus_QTestCustomer"):
                stripe.add_customer(customer)
            yield SimpleNamespace(stripe=stripe, paddle=paddle, **shared)


@pytest.fixture
def till(shop, emulator):
    """The shop's API with the providers' APIs behind it."""
    section = shop.house.wiring.settings[PaymentsSection]
    held = {name: getattr(section, name) for name in ("stripe_api", "paddle_api")}
    for name in held:
        object.__setattr__(section, name, getattr(emulator, name.removesuffix("_api")).url)
    yield shop
    for name, value in held.items():
        object.__setattr__(section, name, value)
