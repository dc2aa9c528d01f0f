"""What do the tests of the ledger share: a shop with a subscriber whose period is over?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
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
    await shop.use("7", held.period.end, id="use-of-the-next-period")
    (period,) = await shop.renew(held.id)
    return period
