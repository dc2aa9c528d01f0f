"""What do the entitlements' tests sell, and how do their customers come by it?"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest_asyncio

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    Interval,
    OnOutage,
    PlanSpec,
    Price,
    PriceModel,
    Product,
    Terms,
)
from solvent.kernel.entitlements import service
from solvent.kernel.entitlements.model import Wish
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, MeterSpec, UsageEvent
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId

METERS = (
    MeterSpec(key="ingest", name="Logs", aggregation=Aggregation.SUM, unit="GB"),
    MeterSpec(key="calls", name="Calls", aggregation=Aggregation.COUNT, unit="call"),
    MeterSpec(key="people", name="People", aggregation=Aggregation.UNIQUE, unit="person"),
)
EXPORT = Feature("export", FeatureKind.SWITCH)


def quota(
    key: str, limit: int | None, *, meter: str | None = None, overage: bool = False
) -> Feature:
    return Feature(
        key,
        FeatureKind.QUOTA,
        on_outage=OnOutage.OPEN,
        meter_key=meter,
        limit=None if limit is None else Decimal(limit),
        overage=overage,
    )


def plan(key: str, product: str, amount_minor: int, *features: Feature) -> PlanSpec:
    terms = Terms(
        product_key=product,
        name=key.title(),
        currency="USD",
        interval=Interval.MONTH,
        interval_count=1,
        prices=(Price("base", PriceModel.FLAT, amount_minor=amount_minor),),
        features=features,
        grace_days=3,
    )
    return PlanSpec(key, terms)


CATALOGUE = CatalogueSpec(
    meters=METERS,
    products=(Product("logs", "Logs"), Product("extra", "Extra")),
    plans=(
        plan(
            "pro",
            "logs",
            2900,
            EXPORT,
            quota("ingest", 10, meter="ingest"),
            quota("seats", 10),
            quota("calls", 2, meter="calls"),
            quota("people", 2, meter="people"),
            quota("soft", 1, overage=True),
        ),
        plan("basic", "logs", 900, quota("ingest", 5, meter="ingest"), quota("seats", 3)),
        plan("boost", "extra", 500, quota("ingest", 25, meter="ingest"), quota("seats", 1)),
        plan("endless", "extra", 9900, quota("seats", None)),
    ),
)


class Shop:
    """A tenant that sells CATALOGUE, seen through the services."""

    def __init__(self, edge: Edge, tenant_id: TenantId) -> None:
        self.edge = edge
        self.tenant_id = tenant_id

    def open(self):
        return self.edge.open(self.tenant_id, OPERATOR)

    async def stock(self) -> Shop:
        async with self.open() as ctx:
            await catalogue.apply(ctx, CATALOGUE)
        return self

    async def subscribe(self, customer: str, plan_key: str):
        async with self.open() as ctx:
            return await self.subscribe_in(ctx, customer, plan_key)

    async def subscribe_in(self, ctx: Ctx, customer: str, plan_key: str):
        found = await tenants.ensure_customer(ctx, customer)
        return await subscriptions.create(ctx, found.id, plan_key)

    async def check(self, customer: str, feature: str | None = None, quantity=1, *, product=None):
        async with self.open() as ctx:
            return await service.check(ctx, customer, wish(feature, quantity, product=product))

    async def consume(self, customer: str, feature: str, quantity=1, **how):
        async with self.open() as ctx:
            return await service.consume(ctx, customer, wish(feature, quantity), **how)

    async def record(self, customer: str):
        async with self.open() as ctx:
            return await service.get_record(ctx, customer)

    async def used(self, customer: str, feature: str) -> Decimal:
        return (await self.record(customer)).feature(feature).used

    async def use(self, id: str, customer: str, meter: str, value, at: datetime | None = None):
        async with self.open() as ctx:
            event = UsageEvent(
                id=id, customer_ref=customer, meter_key=meter, at=at or ctx.now(), value=value
            )
            return await metering.record(ctx, [event])

    async def move_to(self, moment: datetime) -> None:
        async with self.open() as ctx:
            await tenants.move_test_clock(ctx, moment)

    async def reserve(self, customer: str, feature: str, quantity=1, *, seconds=60, key=None):
        async with self.open() as ctx:
            life = timedelta(seconds=seconds)
            return await service.reserve(ctx, customer, wish(feature, quantity), life=life, key=key)

    async def commit(self, reservation_id: str, quantity=None):
        async with self.open() as ctx:
            amount = None if quantity is None else Decimal(quantity)
            return await service.commit_reservation(ctx, reservation_id, quantity=amount)

    async def release(self, reservation_id: str):
        async with self.open() as ctx:
            return await service.release_reservation(ctx, reservation_id)


def wish(feature: str | None, quantity=1, *, product: str | None = None) -> Wish:
    return Wish(feature=feature, quantity=Decimal(quantity), product=product)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(edge: Edge, tenant_id: TenantId) -> Shop:
    return await Shop(edge, tenant_id).stock()


@pytest_asyncio.fixture(loop_scope="session")
async def other_shop(edge: Edge, mallory_id: TenantId) -> Shop:
    return await Shop(edge, mallory_id).stock()
