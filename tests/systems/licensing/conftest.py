"""What do the tests of licensing share: a seller of mytool, and clients of the API?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.app.house import House
from solvent.kernel.tenants import service as tenants
from solvent.kit.ids import TenantId
from solvent.systems.licensing.testing import Seller


async def open_seller(house: House, tenant_id: TenantId) -> Seller:
    made = Seller(house.edge, house.system, tenant_id)
    made.slug = (await made.do(tenants.current)).slug
    return made


@pytest.fixture
async def seller(house: House, tenant_id: TenantId) -> Seller:
    """A seller of mytool."""
    return await open_seller(house, tenant_id)


@pytest.fixture
async def other_seller(house: House, mallory_id: TenantId) -> Seller:
    """Mallory, who sells a mytool too."""
    return await open_seller(house, mallory_id)


async def client_of(app, seller: Seller, **key) -> httpx.AsyncClient:
    issued = await seller.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, seller: Seller) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of the business."""
    async with await client_of(app, seller) as made:
        yield made


@pytest.fixture
async def bob(app, seller: Seller) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the business who may look at licenses and change nothing."""
    async with await client_of(app, seller, asked_scopes=["licensing:read"]) as made:
        yield made


@pytest.fixture
async def charlie(app) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test") as made:
        yield made


@pytest.fixture
async def mallory(app, other_seller: Seller) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of another business."""
    async with await client_of(app, other_seller) as made:
        yield made
