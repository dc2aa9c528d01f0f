"""What do the tests of subscriptions share: a catalogue, a customer, a clock that moves?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pydantic import TypeAdapter

from solvent.app.house import House
from solvent.app.testing import EPOCH
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.model import Status, Subscription, SubscriptionFacts
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer, CustomerDetails
from solvent.kit.bus.envelope import decode
from solvent.kit.ctx import OPERATOR, Actor, Ctx
from solvent.kit.ids import TenantId
from solvent.kit.jobs.testing import InlineJobs
from solvent.kit.wiring import Event

T = TypeVar("T")
E = TypeVar("E", bound=Event)

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


@dataclass(slots=True)
class Shop:
    """One tenant with the catalogue above; each call is a transaction of its own."""

    house: House
    tenant_id: TenantId
    catalogue: bytes = CATALOGUE

    def open(self, actor: Actor = OPERATOR) -> AbstractAsyncContextManager[Ctx]:
        return self.house.edge.open(self.tenant_id, actor)

    async def do(self, act: Callable[[Ctx], Awaitable[T]]) -> T:
        async with self.open() as ctx:
            return await act(ctx)

    async def load(self, text: bytes = CATALOGUE) -> None:
        spec = parse(text, file="catalogue.toml")
        await self.do(lambda ctx: catalogue.apply(ctx, spec))

    async def set_clock(self, now: datetime) -> None:
        """Move the tenant's test clock, back too, which its own API would refuse."""
        async with self.open() as ctx:
            await ctx.tx.execute(
                "update kit_test_clock set now_at = $2 where tenant_id = $1", self.tenant_id, now
            )

    async def run_jobs(self) -> None:
        """Run what is due, as the worker would."""
        runtime = InlineJobs(self.house.system, self.house.edge, self.house.wiring.jobs)
        while await runtime.run_due():
            pass

    async def customer(self, ref: str = "alice", **details: str) -> Customer:
        told = CustomerDetails(**details)
        return await self.do(lambda ctx: tenants.upsert_customer(ctx, ref, told))

    async def create(self, plan: str = "pro", customer: str = "alice", **more) -> Subscription:
        await self.customer(customer)
        return await self.do(lambda ctx: service.create(ctx, customer, plan, **more))

    async def get(self, one: Subscription) -> Subscription:
        return await self.do(lambda ctx: service.get(ctx, one.id))

    async def renew(self, one: Subscription) -> Subscription:
        return await self.do(lambda ctx: service.renew(ctx, one.id))

    async def facts(self, **facts) -> SubscriptionFacts:
        known = {
            "provider": "stripe",
            "provider_subscription_id": "sub_stripe_1",
            "customer_id": (await self.customer()).id,
            "status": Status.ACTIVE,
            "period_start": EPOCH,
            "period_end": at("2026-02-15T10:00"),
            "order": 1,
            "provider_price_id": "price_pro",
        }
        return SubscriptionFacts(**(known | facts))

    async def sync(self, **facts) -> Subscription:
        told = await self.facts(**facts)
        return await self.do(lambda ctx: service.sync(ctx, told))

    async def events(self, kind: type[E]) -> list[E]:
        """Return the events of a kind that are on their way, in the order they were emitted."""
        async with self.house.system.transaction() as tx:
            rows = await tx.fetch(
                "select envelope from kit_outbox where tenant_id = $1 order by position",
                self.tenant_id,
            )
        found = [decode(row["envelope"]) for row in rows]
        read = TypeAdapter(kind).validate_python
        return [read(one.payload) for one in found if one.name == kind.NAME]

    async def periods(self, one: Subscription) -> list[tuple[str, str]]:
        """Return the days on which the periods that are over began and ended."""
        ended = await self.do(lambda ctx: service.list_periods(ctx, one.id))
        return [(f"{period.start:%m-%d}", f"{period.end:%m-%d}") for period in ended]

    async def charged(self, one: Subscription, period: Period) -> list[tuple[str, int]]:
        """Return the plans charged within a period, and for how many seconds."""
        found = await self.do(lambda ctx: service.segments(ctx, one.id, period))
        return [(segment.plan.plan_key, segment.seconds) for segment in found]


@pytest.fixture
async def shop(house: House, tenant_id: TenantId) -> Shop:
    made = Shop(house, tenant_id)
    await made.load()
    return made


@pytest.fixture
async def mallorys(house: House, mallory_id: TenantId) -> Shop:
    made = Shop(house, mallory_id)
    await made.load()
    return made
