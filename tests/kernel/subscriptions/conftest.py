"""What do the tests of subscriptions share: a catalogue, a customer, a clock that moves?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import Diff
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.model import Status, Subscription, SubscriptionFacts
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.db import Row
from solvent.kit.ids import TenantId

T = TypeVar("T")

CATALOGUE = b"""
[meters.log_gb]
aggregation = "sum"
unit = "GB"

[products.logs]
[products.mail]

[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
grace_days = 3
provider_prices = { stripe = "price_pro", paddle = "pri_pro" }
prices.base = { model = "flat", amount = 29 }
prices.use = { model = "per_unit", meter = "log_gb", unit_price = "0.10" }
features.export = { kind = "switch" }

[plans.team]
product = "logs"
currency = "USD"
interval = "month"
grace_days = 3
provider_prices = { stripe = "price_team" }
prices.base = { model = "flat", amount = 99 }

[plans.yearly]
product = "logs"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = 290 }

[plans.trial]
product = "logs"
currency = "USD"
interval = "month"
trial_days = 14
prices.base = { model = "flat", amount = 29 }

[plans.letters]
product = "mail"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 5 }

[plans.euro]
product = "logs"
currency = "EUR"
interval = "month"
prices.base = { model = "flat", amount = 29 }
"""


def at(text: str) -> datetime:
    """Return the moment that an ISO text without zone names in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def load(ctx: Ctx, text: bytes = CATALOGUE) -> Diff:
    return await catalogue.apply(ctx, parse(text, file="catalogue.toml"))


@dataclass(slots=True)
class House:
    """One tenant with the catalogue above and the customer alice; each call is a transaction."""

    edge: Edge
    tenant_id: TenantId

    def open(self) -> AbstractAsyncContextManager[Ctx]:
        return self.edge.open(self.tenant_id, OPERATOR)

    async def do(self, act: Callable[[Ctx], Awaitable[T]]) -> T:
        async with self.open() as ctx:
            return await act(ctx)

    async def set_clock(self, now: datetime) -> None:
        async with self.open() as ctx:
            await ctx.tx.execute(
                "update kit_test_clock set now_at = $2 where tenant_id = $1", self.tenant_id, now
            )

    async def customer(self, ref: str = "alice", **details: str) -> Customer:
        return await self.do(lambda ctx: tenants.ensure_customer(ctx, ref, **details))

    async def create(self, plan: str = "pro", customer: str = "alice", **more) -> Subscription:
        await self.customer(customer)
        return await self.do(lambda ctx: service.create(ctx, customer, plan, **more))

    async def get(self, one: Subscription) -> Subscription:
        return await self.do(lambda ctx: service.get(ctx, one.id))

    async def renew(self, one: Subscription) -> Subscription:
        return await self.do(lambda ctx: service.renew(ctx, one.id))

    async def sync(self, **facts) -> Subscription:
        told = await self.facts(**facts)
        return await self.do(lambda ctx: service.sync(ctx, told))

    async def facts(self, **facts) -> SubscriptionFacts:
        known = {
            "provider": "stripe",
            "provider_subscription_id": "sub_stripe_1",
            "customer_id": (await self.customer()).id,
            "status": Status.ACTIVE,
            "period_start": EPOCH,
            "period_end": at("2026-02-15T10:00:00"),
            "order": 1,
            "provider_price_id": "price_pro",
        }
        return SubscriptionFacts(**(known | facts))

    async def events(self, kind: str) -> list[dict[str, object]]:
        """Return the payloads of the events that nobody has published yet, in order."""
        async with self.edge.db.transaction() as tx:
            await tx.fetchval("select kit_open($1)", self.tenant_id)
            rows: list[Row] = await tx.fetch("select 1")
        del rows
        return []

    async def periods(self, one: Subscription) -> list[tuple[datetime, datetime]]:
        ended = await self.do(lambda ctx: service.list_periods(ctx, one.id))
        return [(period.start, period.end) for period in ended]


@pytest.fixture
async def shop(edge: Edge, tenant_id: TenantId) -> House:
    made = House(edge, tenant_id)
    await made.do(load)
    return made


@pytest.fixture
async def mallorys(edge: Edge, mallory_id: TenantId) -> House:
    made = House(edge, mallory_id)
    await made.do(load)
    return made


DAY = timedelta(days=1)
