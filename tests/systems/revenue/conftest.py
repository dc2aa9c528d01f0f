"""What do the tests of revenue share: a founder's business, and clients of its API?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.app.testing import Terminal
from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Edge
from solvent.kit.ids import TenantId
from solvent.systems.revenue import service
from solvent.systems.revenue.testing import Founder


@pytest.fixture
async def founder(edge: Edge, tenant_id: TenantId) -> Founder:
    """A business with plans and no customers."""
    made = Founder(edge, tenant_id)
    await made.stock()
    return made


@pytest.fixture
async def lived(founder: Founder, solvent: Terminal, monkeypatch) -> Founder:
    """Ann pays by the month, Ben by the year in advance; Ann left. Tenant of the terminal."""
    ann, ben = await founder.subscribe("ann", "small"), await founder.subscribe("ben", "yearly")
    async with founder.open() as ctx:
        drawn = await ledger.draw_advance(ctx, ben.id)
        assert drawn is not None
        made = await ledger.finalize_invoice(ctx, drawn.id)
        await service.note_invoices(ctx, [made.id])
    await founder.move("2026-02-03T00:00:00")
    await founder.do(lambda ctx: subscriptions.cancel(ctx, ann.id))
    await founder.follow()
    monkeypatch.setenv("SOLVENT_TENANT", founder.tenant_id)
    return founder


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
