"""Does applying a catalogue make versions that never change, for one tenant, all or nothing?"""

from __future__ import annotations

import asyncio

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service
from solvent.kernel.catalogue.cli import describe
from solvent.kernel.catalogue.errors import (
    PlanArchived,
    PlanNotFound,
    ProductNotFound,
    ProviderPriceTaken,
    ProviderPriceUnknown,
)
from solvent.kernel.catalogue.model import ChangeKind, Diff, PlanVersion
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import MeterInUse
from solvent.kernel.metering.model import UsageEvent
from solvent.kit.ctx import OPERATOR, Actor, Ctx, Edge, ScopeMissing
from solvent.kit.db import RaisedInDatabase
from solvent.kit.ids import TenantId

SHOP = """
[meters.log_gb]
aggregation = "sum"
unit = "GB"

[products.logs]
name = "Logbook"

[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
provider_prices = { stripe = "price_1", paddle = ["pri_1", "pri_2"] }
prices.base = { model = "flat", amount = 29 }
prices.use = { model = "per_unit", meter = "log_gb", unit_price = "0.000001" }
features.export = { kind = "switch" }
"""
DEARER = SHOP.replace("amount = 29", "amount = 39")


@pytest.fixture
def shop(edge: Edge, tenant_id: TenantId):
    async def apply(text: str = SHOP, **options) -> Diff:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            return await service.apply(ctx, parse(text.encode(), file="shop.toml"), **options)

    return apply


def kinds(diff: Diff) -> dict[str, str]:
    return {f"{one.subject} {one.key}": one.kind.value for one in diff.changes}


async def test_applying_creates_then_leaves_alone(shop, ctx: Ctx) -> None:
    created = await shop()
    assert kinds(created) == {
        "meter log_gb": "created",
        "product logs": "created",
        "plan pro": "created",
    }
    assert (await shop()).empty
    plan = await service.plan_version(ctx, "pro")
    assert (plan.version, plan.currency, plan.created_at) == (1, "USD", EPOCH)
    assert plan.terms == parse(SHOP.encode(), file="x").plans[0].terms
    assert (await metering.get_meter(ctx, "log_gb")).unit == "GB"


async def test_a_plan_version_never_changes(shop, ctx: Ctx) -> None:
    await shop()
    first = await service.plan_version(ctx, "pro")
    diff = await shop(DEARER)
    change = next(one for one in diff.changes if one.key == "pro")
    assert (change.kind, change.version, change.new_version) == (ChangeKind.CHANGED, 2, True)
    assert change.detail == ("prices.base.amount_minor: 2900 -> 3900",)
    assert (await service.plan_version(ctx, "pro")).prices[0].amount_minor == 3900
    kept = await service.plan_version(ctx, "pro", 1)
    assert (kept.terms, kept.digest, kept.created_at) == (
        first.terms,
        first.digest,
        first.created_at,
    )


async def test_the_database_refuses_to_change_a_version(shop, edge: Edge, tenant_id) -> None:
    await shop()
    with pytest.raises(Exception, match="permission denied") as refused:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute("update catalogue_plan_version set digest = digest")
    assert not isinstance(refused.value, RaisedInDatabase)


async def test_a_dry_run_keeps_nothing(shop, ctx: Ctx) -> None:
    diff = await shop(dry_run=True)
    assert diff.dry_run
    assert kinds(diff)["plan pro"] == "created"
    assert await service.list_plans(ctx) == []
    assert await service.list_products(ctx) == []
    assert await metering.list_meters(ctx) == []


async def test_what_the_file_leaves_out_is_archived_and_kept(shop, ctx: Ctx) -> None:
    await shop()
    other = SHOP.replace("plans.pro", "plans.max").replace("price_1", "price_9")
    other = other.replace('"pri_1", "pri_2"', '"pri_9"')
    diff = await shop(other)
    assert kinds(diff)["plan pro"] == "archived"
    gone = await service.plan_version(ctx, "pro")
    assert gone.archived
    with pytest.raises(PlanArchived):
        await service.offer(ctx, "pro", customer_ref="alice")
    found = await service.find_by_provider_price(ctx, "stripe", "price_1")
    assert found.plan_key == "pro"

    again = await shop(SHOP)
    change = next(one for one in again.changes if one.key == "pro")
    assert change.detail == ("sold again",)
    assert not change.new_version
    assert not (await service.plan_version(ctx, "pro")).archived


async def test_a_product_left_out_is_archived(shop, ctx: Ctx) -> None:
    await shop()
    text = SHOP.replace("products.logs", "products.more").replace('"logs"', '"more"')
    diff = await shop(text)
    assert kinds(diff)["product logs"] == "archived"
    assert (await service.get_product(ctx, "logs")).archived
    with pytest.raises(ProductNotFound):
        await service.get_product(ctx, "none")


async def test_subscribers_keep_the_terms_they_bought(shop, ctx: Ctx) -> None:
    await shop()
    await shop(DEARER)
    new = await service.find_by_provider_price(ctx, "stripe", "price_1")
    old = await service.find_by_provider_price(ctx, "stripe", "price_1", held=("pro", 1))
    moved = await service.find_by_provider_price(ctx, "stripe", "price_1", held=("other", 1))
    assert (new.version, old.version, moved.version) == (2, 1, 2)


async def test_price_ids_come_and_go_without_a_new_version(shop, ctx: Ctx) -> None:
    await shop()
    diff = await shop(SHOP.replace('"pri_1", "pri_2"', '"pri_3"'))
    change = next(one for one in diff.changes if one.key == "pro")
    assert (change.version, change.new_version) == (1, False)
    assert set(change.detail) == {
        "provider price added: paddle pri_3",
        "provider price dropped: paddle pri_1",
        "provider price dropped: paddle pri_2",
    }
    for price_id in ("pri_1", "pri_3"):
        assert (await service.find_by_provider_price(ctx, "paddle", price_id)).plan_key == "pro"
    with pytest.raises(ProviderPriceUnknown):
        await service.find_by_provider_price(ctx, "stripe", "pri_1")
    assert (await shop(SHOP.replace('"pri_1", "pri_2"', '"pri_3"'))).empty


async def test_a_price_id_never_moves_to_another_plan(shop, ctx: Ctx) -> None:
    await shop()
    thief = SHOP.replace("plans.pro", "plans.max")
    with pytest.raises(ProviderPriceTaken) as refused:
        await shop(thief)
    assert refused.value.field == "plans.max.provider_prices"
    assert [plan.plan_key for plan in await service.list_plans(ctx)] == ["pro"]


async def test_nothing_is_half_written(shop, edge: Edge, tenant_id, ctx: Ctx) -> None:
    await shop()
    async with edge.open(tenant_id, OPERATOR) as inside:
        event = UsageEvent(id="1", customer_ref="a", meter_key="log_gb", at=EPOCH, value="1")
        await metering.record(inside, [event])
    text = DEARER.replace('unit = "GB"', 'unit = "MB"').replace("Logbook", "Other")
    with pytest.raises(MeterInUse):
        await shop(text)
    assert (await service.get_product(ctx, "logs")).name == "Logbook"
    assert (await service.plan_version(ctx, "pro")).version == 1


async def test_two_at_once_make_one_version(shop, ctx: Ctx) -> None:
    await shop()
    diffs = await asyncio.gather(*(shop(DEARER) for _ in range(4)))
    assert sum(not diff.empty for diff in diffs) == 1
    assert (await service.plan_version(ctx, "pro")).version == 2
    with pytest.raises(PlanNotFound):
        await service.plan_version(ctx, "pro", 3)


async def test_first_applications_at_once_take_turns(shop) -> None:
    diffs = await asyncio.gather(*(shop() for _ in range(4)))
    assert sum(not diff.empty for diff in diffs) == 1


@pytest.mark.parametrize("key", ["none", "", "a\0b", "é", "x" * 100])
async def test_what_is_no_plan_is_not_found(ctx: Ctx, key: str) -> None:
    with pytest.raises(PlanNotFound):
        await service.plan_version(ctx, key)


async def test_mallory_sees_nothing_of_another_catalogue(
    shop, edge: Edge, mallory_id: TenantId
) -> None:
    await shop()
    async with edge.open(mallory_id, OPERATOR) as ctx:
        assert await service.list_plans(ctx) == []
        assert await service.list_products(ctx) == []
        with pytest.raises(PlanNotFound):
            await service.plan_version(ctx, "pro")
        with pytest.raises(ProviderPriceUnknown):
            await service.find_by_provider_price(ctx, "stripe", "price_1")


async def test_applying_needs_its_scope(edge: Edge, tenant_id: TenantId) -> None:
    nobody = Actor("api_key", "key_1", frozenset({"catalogue:read"}))
    with pytest.raises(ScopeMissing):
        async with edge.open(tenant_id, nobody) as ctx:
            await service.apply(ctx, parse(SHOP.encode(), file="x"))


async def test_a_change_is_audited_once(shop, ctx: Ctx) -> None:
    await shop()
    await shop()
    records = await audit.list_records(ctx, action="catalogue.catalogue_applied")
    assert len(records) == 1
    assert "created plan pro" in records[0].entry.data["changes"]


async def test_the_chooser_decides_what_is_offered(shop, ctx: Ctx) -> None:
    class Oldest:
        async def choose(
            self, ctx: Ctx, *, customer_ref: str, offered: tuple[PlanVersion, ...]
        ) -> PlanVersion:
            del ctx
            return offered[-1 if customer_ref == "alice" else 0]

    await shop()
    await shop(DEARER)
    offered = [
        (await service.offer(ctx, "pro", customer_ref=who, chooser=how)).version
        for who, how in (("alice", Oldest()), ("bob", Oldest()), ("alice", None))
    ]
    assert offered == [1, 2, 2]


async def test_a_diff_reads_well(shop) -> None:
    await shop()
    assert describe(await shop(DEARER, dry_run=True)) == [
        "= meter log_gb",
        "= product logs",
        "~ plan pro (version 2, new)",
        "    prices.base.amount_minor: 2900 -> 3900",
        "0 created, 1 changed, 2 unchanged, 0 archived (dry run: nothing was kept)",
    ]
