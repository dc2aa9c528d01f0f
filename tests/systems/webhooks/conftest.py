"""What do the tests of webhooks share: a business that sends, receivers, clients of the API?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.app.house import House
from solvent.kernel.tenants import service as tenants
from solvent.kit.ids import TenantId
from solvent.systems.webhooks.sender import Sender, open_sender
from solvent.systems.webhooks.testing import LOOPBACK, Business, Receiver, open_receiver


@pytest.fixture
async def sender() -> AsyncGenerator[Sender]:
    """A sender that may reach this machine."""
    async with open_sender(LOOPBACK) as made:
        yield made


@pytest.fixture
async def business(house: House, tenant_id: TenantId, sender: Sender) -> AsyncGenerator[Business]:
    """A business without endpoints."""
    made = Business(house.edge, house.system, tenant_id, sender)
    yield made
    await made.close()


@pytest.fixture
async def other_business(
    house: House, mallory_id: TenantId, sender: Sender
) -> AsyncGenerator[Business]:
    """Mallory's business."""
    made = Business(house.edge, house.system, mallory_id, sender)
    yield made
    await made.close()


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    """A receiver that accepts everything."""
    async with open_receiver() as made:
        yield made


async def client_of(app, business: Business, **key) -> httpx.AsyncClient:
    issued = await business.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of the business."""
    async with await client_of(app, business) as made:
        yield made


@pytest.fixture
async def bob(app, business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the business who may look and change nothing."""
    async with await client_of(app, business, asked_scopes=["webhooks:read"]) as made:
        yield made


@pytest.fixture
async def charlie(app) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test") as made:
        yield made


@pytest.fixture
async def mallory(app, other_business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of another business."""
    async with await client_of(app, other_business) as made:
        yield made
