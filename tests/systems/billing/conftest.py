"""What do the tests of billing share: a shop with a subscriber, and clients of its API?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

import httpx
import pytest

from solvent.kernel.ledger.model import Invoice
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Edge
from solvent.kit.ids import TenantId
from solvent.systems.billing.testing import Shop


@pytest.fixture
async def shop(edge: Edge, tenant_id: TenantId) -> Shop:
    """A shop with the customer globex."""
    made = Shop(edge, tenant_id)
    await made.stock()
    await made.customer("globex", name="Globex Ltd")
    return made


@pytest.fixture
async def held(shop: Shop) -> Subscription:
    """The subscription of globex, begun at EPOCH."""
    return await shop.subscribe()


@pytest.fixture
async def first(shop: Shop, held: Subscription) -> Period:
    """Its first period, over for a second, with 120 GB used in it."""
    await shop.move_clock(held.period.end + timedelta(seconds=1))
    await shop.use("100", held.period.start, id="use-1")
    await shop.use("20", held.period.end - timedelta(milliseconds=1), id="use-2")
    (period,) = await shop.renew(held.id)
    return period


@pytest.fixture
async def invoice(shop: Shop, held: Subscription, first: Period) -> Invoice:
    """The invoice of the first period: 29.00 prepaid, 110.00 due for the usage."""
    await shop.pay(held, 2900, covers_from=first.start)
    return await shop.bill(held.id, first)


async def client_of(app, shop: Shop, **key) -> httpx.AsyncClient:
    issued = await shop.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of the shop."""
    async with await client_of(app, shop) as made:
        yield made


@pytest.fixture
async def bob(app, shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the shop who may see usage and nothing of its money."""
    async with await client_of(app, shop, asked_scopes=["metering:read"]) as made:
        yield made


@pytest.fixture
async def charlie(app, shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test") as made:
        yield made


@pytest.fixture
async def mallory(app, edge: Edge, mallory_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of another shop."""
    async with await client_of(app, Shop(edge, mallory_id)) as made:
        yield made
