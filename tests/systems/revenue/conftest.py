"""What do the tests of revenue share: a founder's business, and clients of its API?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Edge
from solvent.kit.ids import TenantId
from solvent.systems.revenue.testing import Founder


@pytest.fixture
async def founder(edge: Edge, tenant_id: TenantId) -> Founder:
    """A business with plans and no customers."""
    made = Founder(edge, tenant_id)
    await made.stock()
    return made


async def client_of(app, founder: Founder, **key) -> httpx.AsyncClient:
    issued = await founder.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, founder: Founder) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of the business."""
    async with await client_of(app, founder) as made:
        yield made


@pytest.fixture
async def bob(app, founder: Founder) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the business who may look at numbers and change nothing."""
    async with await client_of(app, founder, asked_scopes=["revenue:read"]) as made:
        yield made


@pytest.fixture
async def charlie(app) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test") as made:
        yield made


@pytest.fixture
async def mallory(app, edge: Edge, mallory_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of another business."""
    async with await client_of(app, Founder(edge, mallory_id)) as made:
        yield made
