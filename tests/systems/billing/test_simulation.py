"""Does a simulation say what would have been paid, and under the plan held what was?"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH, Terminal
from solvent.kernel.catalogue.errors import CatalogueInvalid, PlanNotFound
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Discount
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import UsageEvent
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import When
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import CustomerUnknown
from solvent.systems.billing.errors import SimulationMalformed
from solvent.systems.billing.simulation import rules, service
from solvent.systems.billing.simulation.service import Wish, months_before
from solvent.systems.billing.testing import Shop, at

CATALOGUE = b"""
[meters.gb]
aggregation = "sum"
late = "correct"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
minimum = "12.00"
prices.base = { model = "flat", amount = "10.00" }
prices.gb = { model = "per_unit", meter = "gb", unit_price = "0.10" }
[plans.big]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "30.00", in_advance = true }
prices.gb = { model = "per_unit", meter = "gb", unit_price = "0.02" }
[plans.yearly]
product = "logs"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = "365.00" }
[plans.euro]
product = "logs"
currency = "EUR"
interval = "month"
prices.base = { model = "flat", amount = "1.00" }
"""
NEW = CATALOGUE.replace(b'"10.00"', b'"11.00"').replace(b'"0.10"', b'"0.09"')
MONTH = timedelta(days=31)


@pytest.fixture
async def shop(edge, tenant_id) -> Shop:
    """Three months of two customers: usage that came late, a coupon, a change of plan."""
    made = Shop(edge, tenant_id)
    await made.stock(CATALOGUE)
    held = {}
    for ref in ("ann", "ben"):
        await made.customer(ref)
        held[ref] = await made.subscribe(ref)
    half = Discount("HALF", "Half off", percent=Decimal(50))
    await made.do(lambda ctx: ledger.make_coupon(ctx, half, periods=1))
    await made.do(lambda ctx: ledger.redeem_coupon(ctx, "HALF", held["ben"].id))
    for month in range(3):
        await made.move_clock(EPOCH + (month + 1) * MONTH)
        await use(made, "ann", 100 * (month + 1), EPOCH + month * MONTH + timedelta(days=2))
        for one in held.values():
            await made.bill(one.id, (await made.renew(one.id))[month])
        await use(made, "ben", 50, EPOCH + month * MONTH + timedelta(days=3))  # late
        if month == 0:
            await made.move_clock(EPOCH + MONTH + timedelta(days=9))
            await made.do(
                lambda ctx: subscriptions.change_plan(ctx, held["ann"].id, "big", when=When.NOW)
            )
    return made


async def use(shop: Shop, ref: str, value: int, when) -> None:
    event = UsageEvent(
        id=f"{ref}{when}", customer_ref=ref, meter_key="gb", at=when, value=Decimal(value)
    )
    await shop.do(lambda ctx: metering.record(ctx, [event]))


async def simulate(shop: Shop, **wish):
    return await shop.do(lambda ctx: service.simulate(ctx, Wish(**wish)))


async def test_under_the_plan_held_it_comes_to_the_invoices(shop: Shop) -> None:
    invoices = await shop.do(ledger.list_invoices)
    told = await simulate(shop, instead_of="pro", catalogue_text=CATALOGUE)
    assert {one.customer_ref: len(one.periods) for one in told.customers} == {"ann": 1, "ben": 3}
    assert [one.delta_minor for one in told.customers] == [0, 0]
    assert told.was_minor == told.would_be_minor
    big = await simulate(shop, instead_of="big", plan="big")
    assert [one.delta_minor for customer in big.customers for one in customer.periods] == [0, 0]
    await shop.move_clock(EPOCH + 4 * MONTH)  # so that the last correction is on an invoice
    for one in {one.draft.subscription_id for one in invoices}:
        await shop.bill(one, (await shop.renew(one))[3])
    charged = sum(one.draft.total_minor for one in await shop.do(ledger.list_invoices))
    pro = await simulate(shop, instead_of="pro", catalogue_text=CATALOGUE)
    big = await simulate(shop, instead_of="big", plan="big")
    assert pro.was_minor + big.was_minor == charged
    assert (pro.would_be_minor, big.would_be_minor) == (pro.was_minor, big.was_minor)


async def test_my_last_months_under_another_plan(shop: Shop) -> None:
    told = await simulate(shop, customer="ann", plan="pro")
    assert [one.would_be_minor for one in told.customers[0].periods] == [2000, 3000, 4000]
    told = await simulate(shop, customer="ann", plan="big")
    assert [one.would_be_minor for one in told.customers[0].periods] == [3200, 3400, 3600]
    (shorter,) = (await simulate(shop, customer="ann", plan="pro", months=1)).customers
    assert len(shorter.periods) == 1


async def test_new_prices_over_all_customers_of_a_plan(shop: Shop) -> None:
    told = await simulate(shop, instead_of="pro", catalogue_text=NEW)
    deltas = {one.customer_ref: one.delta_minor for one in told.customers}
    # ann: 11 + 100 at 0.09 is 10 + 100 at 0.10; ben: half of 0.50, 0.50, and his minimum stays
    assert deltas == {"ann": 0, "ben": 25 + 50 + 0}
    assert told.plan_version == 0
    assert (await shop.do(ledger.verify)).sound


async def test_a_longer_interval_is_counted_by_its_part(shop: Shop) -> None:
    (ann,) = (await simulate(shop, customer="ann", plan="yearly")).customers
    assert [one.would_be_minor for one in ann.periods] == [3100, 2800, 3100]


async def test_other_currencies_are_left_out_and_told(shop: Shop) -> None:
    told = await simulate(shop, customer="ann", plan="euro")
    assert (told.customers, told.skipped) == ((), 3)


@pytest.mark.parametrize(
    "wish, refusal",
    [
        ({"customer": "ann", "plan": "pro", "months": 0}, SimulationMalformed),
        ({"customer": "ann", "plan": "pro", "months": 37}, SimulationMalformed),
        ({"plan": "pro"}, SimulationMalformed),
        ({"customer": "ann"}, SimulationMalformed),
        ({"customer": "nobody", "plan": "pro"}, CustomerUnknown),
        ({"customer": "ann", "plan": "none"}, PlanNotFound),
        ({"instead_of": "none", "catalogue_text": NEW}, PlanNotFound),
        ({"instead_of": "pro", "catalogue_text": b"x = 1"}, CatalogueInvalid),
    ],
)
async def test_odd_wishes_are_refused(edge, tenant_id, wish, refusal) -> None:
    made = Shop(edge, tenant_id)
    await made.stock(CATALOGUE)
    await made.customer("ann")
    with pytest.raises(refusal):
        await simulate(made, **wish)


async def test_it_is_told_over_http_and_at_the_terminal(
    shop: Shop, alice, bob, charlie, mallory, solvent: Terminal, tmp_path
) -> None:
    body = {"plan": "pro", "customer": "ann"}
    answer = await alice.post("/v1/billing/simulations", json=body)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["was_minor"], told["customers"][0]["periods"][0]["would_be_minor"]) == (
        told["customers"][0]["was_minor"],
        2000,
    )
    sheet = await alice.post("/v1/billing/simulations.csv", json=body)
    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [row["would_be_minor"] for row in rows] == ["2000", "3000", "4000"]
    preview = (await alice.post("/v1/billing/preview", json={"customer": "ann"})).json()
    assert preview["invoices"][0]["lines"][0]["sentences"]
    assert (await bob.post("/v1/billing/simulations", json=body)).status_code == 403
    assert (await charlie.post("/v1/billing/simulations", json=body)).status_code == 401
    assert (await mallory.post("/v1/billing/simulations", json=body)).status_code == 404
    slug = (await shop.do(tenants.current)).slug

    async def told_by(*words: str) -> str:
        return await asyncio.to_thread(solvent.ok, *words)

    words = ("billing", "simulate", "--plan", "pro", "--customer", "ann", "-t", slug)
    assert json.loads(await told_by(*words, "--json"))["was_minor"] == told["was_minor"]
    assert "ann" in await told_by(*words)
    file = tmp_path / "new.toml"
    file.write_bytes(NEW)
    out = tmp_path / "sheet.csv"
    printed = await told_by(
        *("billing", "simulate", "--of", "pro", "--prices", str(file)),
        *("--csv", str(out), "-t", slug),
    )
    assert "█" in printed
    assert len(out.read_text(encoding="utf-8").splitlines()) == 5
    assert "Plan big" in await told_by("billing", "preview", "ann", "-t", slug)


@pytest.mark.parametrize(
    "deltas, told",
    [
        ([], []),
        ([7], [7] * 7),
        ([1, 2, 3, 4], [1, 1, 1, 2, 3, 4, 4]),
        (list(range(100)), [0, 9, 24, 49, 74, 89, 99]),
    ],
)
def test_quantiles_are_by_the_nearest_rank(deltas, told) -> None:
    assert [one.delta_minor for one in rules.spread(deltas)] == told


@pytest.mark.parametrize("deltas", [[], [0], [-5, 5], [1, 10_000], [-99_999, -1], [3] * 50])
def test_bins_hold_every_customer(deltas) -> None:
    found = rules.bins(deltas)
    assert sum(one.customers for one in found) == len(deltas)
    assert len(found) <= rules.BINS_MAX
    assert not found or any(one.first_minor == 0 for one in found)


def test_months_are_counted_by_the_calendar() -> None:
    assert months_before(at("2026-03-31T10:00:00"), 1) == at("2026-02-28T10:00:00")
    assert months_before(at("2026-01-15T10:00:00"), 12) == at("2025-01-15T10:00:00")
