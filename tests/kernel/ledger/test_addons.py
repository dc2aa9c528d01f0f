"""Is an add-on charged with its subscription's periods, for what was held of it, and no more?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.entitlements import service as entitlements
from solvent.kernel.ledger import rules
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import DraftInput, InvoiceKind, LineKind, Part, Stretch
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.errors import (
    AddonHeld,
    AddonNotFound,
    AddonUnfit,
    ChangeTimeInvalid,
    PlanUnfit,
    QuantityRefused,
    TransitionRefused,
)
from solvent.kernel.subscriptions.model import When
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError
from solvent.kit.jobs.testing import InlineJobs
from solvent.systems.billing.testing import Shop

DAY = timedelta(days=1)
CATALOGUE = b"""
[meters.gb]
aggregation = "sum"
[products.logs]
[products.mail]

[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 31 }
prices.early = { model = "flat", amount = "6.20", in_advance = true }
features.gb = { kind = "quota", meter = "gb", limit = 100 }

[plans.yearly]
product = "logs"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = 290 }

[plans.support]
name = "Support"
product = "logs"
currency = "USD"
interval = "month"
addon = true
prices.fee = { model = "flat", amount = "15.50", description = "Priority support" }
features.support = { kind = "switch" }

[plans.space]
product = "logs"
currency = "USD"
interval = "month"
addon = true
seats = { maximum = 9 }
prices.packs = { model = "flat", amount = "3.10", per_seat = true, in_advance = true }
features.gb = { kind = "quota", meter = "gb", limit = 50, per_seat = true }

[plans.stamps]
product = "mail"
currency = "USD"
interval = "month"
addon = true
prices.fee = { model = "flat", amount = 1 }
"""


@pytest.fixture
async def held(shop: Shop):
    await shop.stock(CATALOGUE)
    return await shop.subscribe()


async def add(shop: Shop, held, plan: str = "support", **more):
    return await shop.do(lambda ctx: subscriptions.add_addon(ctx, held.id, plan, **more))


async def lines_of(shop: Shop, held, period: Period) -> list[tuple[str, int, int]]:
    """Return what the period's invoice charges for, in days and in minor units."""
    invoice = await shop.bill(held.id, period)
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, invoice.id))
    assert rebuilt.differences == ()
    return [
        (line.plan_key, line.period_seconds // 86_400, line.amount_minor)
        for line in invoice.draft.lines
        if line.price_key in {"base", "fee"}
    ]


async def test_an_addon_is_charged_from_when_it_is_had_with_the_plan_s_period(shop, held) -> None:
    await shop.move_clock(held.period.start + 10 * DAY)
    addon = await add(shop, held)
    assert addon.ends_at is None
    await shop.move_clock(held.period.end + 5 * DAY)
    (first,) = await shop.renew(held.id)
    assert await lines_of(shop, held, first) == [("pro", 31, 3100), ("support", 21, 1050)]
    await shop.do(lambda ctx: subscriptions.end_addon(ctx, held.id, addon.id, at=When.PERIOD_END))
    await shop.move_clock(held.period.end + 70 * DAY)
    _, second, third = await shop.renew(held.id)
    assert await lines_of(shop, held, second) == [("pro", 28, 3100), ("support", 28, 1550)]
    assert await lines_of(shop, held, third) == [("pro", 31, 3100)]


async def test_an_addon_rests_and_ends_with_its_subscription(shop, held) -> None:
    addon = await add(shop, held)
    await shop.move_clock(held.period.start + 5 * DAY)
    await shop.do(lambda ctx: subscriptions.pause(ctx, held.id))
    await shop.move_clock(held.period.start + 9 * DAY)
    await shop.do(lambda ctx: subscriptions.resume(ctx, held.id))
    await shop.move_clock(held.period.start + 20 * DAY)
    await shop.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    (cut,) = await shop.renew(held.id)
    assert await lines_of(shop, held, cut) == [
        ("pro", 5, 500),
        ("pro", 11, 1100),
        ("support", 5, 250),
        ("support", 11, 550),
    ]
    with pytest.raises(AddonNotFound):
        await shop.do(lambda ctx: subscriptions.end_addon(ctx, held.id, addon.id))
    with pytest.raises(TransitionRefused):
        await add(shop, held, "space")


async def test_an_addon_in_advance_is_charged_when_the_period_begins(shop, held) -> None:
    await shop.move_clock(held.period.start + 10 * DAY)
    addon = await add(shop, held, "space", quantity=2)
    await shop.move_clock(held.period.end + DAY)
    (first,) = await shop.renew(held.id)
    advance = await shop.do(lambda ctx: ledger.draw_advance(ctx, held.id))
    assert [(line.price_key, line.amount_minor) for line in advance.draft.lines] == [
        ("early", 620),
        ("packs", 620),
    ]
    invoice = await shop.bill(held.id, first)  # what was had of it before, in arrears
    assert invoice.draft.total_minor == 3100 + 620 + 420
    more = await shop.do(
        lambda ctx: subscriptions.change_addon(ctx, held.id, addon.id, 5, when=When.NOW)
    )
    await shop.do(lambda ctx: subscriptions.end_addon(ctx, held.id, more.id, at=When.PERIOD_END))
    await shop.move_clock(held.period.end + 30 * DAY)
    _, second = await shop.renew(held.id)
    invoice = await shop.bill(held.id, second)
    packs = round((1 * 2 * 310 + 27 * 5 * 310) / 28)
    assert invoice.draft.total_minor == 3100 + 620 + packs - advance.draft.total_minor
    assert [line.quantity for line in invoice.draft.lines if line.price_key == "packs"] == [2, 5]
    for one in (advance, invoice):
        rebuilt = await shop.do(lambda ctx, id_=one.id: ledger.rebuild_invoice(ctx, id_))
        assert rebuilt.differences == ()
        assert rebuilt.digest == rebuilt.rebuilt_digest


async def test_what_an_addon_grants_comes_and_goes_with_it(shop, held, house) -> None:
    async def granted() -> dict[str, int]:
        async with shop.open() as ctx:
            (record,) = await entitlements.refresh(ctx, [held.customer_id])
            return {grant.feature_key: int(grant.limit or 0) for grant in record.features}

    later = held.period.start + 3 * DAY
    await add(shop, held, "space", quantity=2, start=later, ends_at=later + DAY)
    assert await granted() == {"gb": 100}
    for at, expected in ((later, 200), (later + DAY, 100)):
        await shop.move_clock(at)
        runtime = InlineJobs(house.system, house.edge, house.wiring.jobs)
        while await runtime.run_due():
            pass
        assert await granted() == {"gb": expected}
    await add(shop, held)
    assert await granted() == {"gb": 100, "support": 0}


@pytest.mark.parametrize(
    "plan, more, error",
    [
        ("pro", {}, AddonUnfit),
        ("yearly", {}, AddonUnfit),
        ("stamps", {}, AddonUnfit),
        ("space", {"quantity": 10}, QuantityRefused),
        ("support", {"quantity": 2}, QuantityRefused),
        ("support", {"start": datetime(2020, 1, 1, tzinfo=UTC)}, ChangeTimeInvalid),
        ("support", {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, ChangeTimeInvalid),
    ],
)
async def test_what_cannot_be_added_says_why(shop, held, plan, more, error) -> None:
    with pytest.raises(error):
        await add(shop, held, plan, **more)
    assert await shop.do(lambda ctx: subscriptions.list_addons(ctx, held.id)) == []


async def test_an_addon_is_had_once_at_a_time(shop, held) -> None:
    start = held.period.start
    first = await add(shop, held, ends_at=start + 5 * DAY)
    with pytest.raises(AddonHeld):
        await add(shop, held, start=start + 4 * DAY)
    await add(shop, held, start=start + 5 * DAY)
    with pytest.raises(AddonHeld):
        await shop.do(lambda ctx: subscriptions.keep_addon(ctx, held.id, first.id))


async def test_an_addon_that_has_not_begun_leaves_no_trace_but_in_the_log(shop, held) -> None:
    planned = await add(shop, held, start=held.period.start + DAY)
    assert await shop.do(lambda ctx: subscriptions.end_addon(ctx, held.id, planned.id)) is None
    assert await shop.do(lambda ctx: subscriptions.list_addons(ctx, held.id)) == []
    async with shop.open() as ctx:
        told = await audit.list_records(ctx, action="subscriptions.addon_changed")
    assert sorted(one.entry.data["why"] for one in told) == ["added", "removed"]


async def test_a_plan_that_an_addon_does_not_go_with_is_refused(shop, held) -> None:
    addon = await add(shop, held)
    with pytest.raises(AddonUnfit, match="interval"):
        await shop.do(lambda ctx: subscriptions.change_plan(ctx, held.id, "yearly"))
    await shop.do(lambda ctx: subscriptions.end_addon(ctx, held.id, addon.id))
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, held.id, "yearly"))


async def test_nobody_subscribes_to_an_addon_alone(shop, held) -> None:
    with pytest.raises(PlanUnfit, match="beside a plan"):
        await shop.do(lambda ctx: subscriptions.change_plan(ctx, held.id, "support"))
    await shop.customer("hooli")
    with pytest.raises(PlanUnfit, match="beside a plan"):
        await shop.subscribe("hooli", "support")


async def test_mallory_adds_and_ends_nothing(shop, held, edge, mallory_id) -> None:
    addon = await add(shop, held)
    mallorys = Shop(edge, mallory_id)
    await mallorys.stock(CATALOGUE)

    async def tries(ctx: Ctx, act) -> None:
        with pytest.raises(SolventError) as refused:
            await act(ctx)
        assert refused.value.code == "subscriptions.not_found"

    for act in (
        lambda ctx: subscriptions.add_addon(ctx, held.id, "space"),
        lambda ctx: subscriptions.end_addon(ctx, held.id, addon.id),
        lambda ctx: subscriptions.list_addons(ctx, held.id),
    ):
        async with mallorys.open() as ctx:
            await tries(ctx, act)


@pytest.mark.parametrize(
    "line",
    [
        'prices.use = { model = "per_unit", meter = "gb", unit_price = 1 }',
        'prices.year = { model = "flat", amount = 1, interval = "year" }',
        "trial_days = 3",
        "minimum = 3",
    ],
)
def test_an_addon_charges_fees_alone(line: str) -> None:
    text = CATALOGUE.decode().replace(
        'addon = true\nprices.fee = { model = "flat", amount = 1 }', f"addon = true\n{line}"
    )
    with pytest.raises(CatalogueInvalid, match="add-on"):
        parse(text.encode())


# ------------------------------------------------------------------------------------- properties

JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
FEE = Price("fee", PriceModel.FLAT, amount_minor=1550, per_seat=True)


def version(key: str, *prices: Price) -> PlanVersion:
    terms = Terms("logs", key, "USD", Interval.MONTH, 1, prices, (), addon=key != "pro")
    return PlanVersion(key, 1, terms, "0" * 64, JUNE.start)


@given(
    st.lists(st.integers(1, 29 * 86_400), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(1, 9), min_size=7, max_size=7),
)
def test_any_series_of_an_addon_sums_exactly_to_its_price_by_the_second(moments, seats) -> None:
    cuts = [JUNE.start, *(JUNE.start + timedelta(seconds=one) for one in sorted(moments)), JUNE.end]
    spans = [Period(*pair) for pair in pairwise(cuts)]
    addons = tuple(
        Stretch(version("extra", FEE), span, (), (Part(span, many),), f"add_{place}")
        for place, (span, many) in enumerate(zip(spans, seats, strict=False))
    )
    pro = version("pro", Price("base", PriceModel.FLAT, amount_minor=3100))
    said = rules.draft(
        DraftInput(
            InvoiceKind.PERIOD,
            "cus_1",
            "sub_1",
            JUNE,
            pro,
            (Stretch(pro, JUNE, ()),),
            0,
            addons=addons,
        )
    )
    charged = [line for line in said.lines if line.addon_id]
    assert all(line.kind is LineKind.BASE for line in charged)
    exact = sum(1550 * many * rules.seconds(one) for many, one in zip(seats, spans, strict=False))
    due = sum(line.amount_minor for line in charged)
    assert abs(due * rules.seconds(JUNE) - exact) * 2 <= rules.seconds(JUNE)
    assert said.total_minor == 3100 + due


async def test_what_an_addon_was_is_read_from_its_version(shop, held) -> None:
    await add(shop, held)
    await shop.stock(CATALOGUE.replace(b"15.50", b"99.00"))
    assert (await shop.do(lambda ctx: catalogue.plan_version(ctx, "support"))).version == 2
    await shop.move_clock(held.period.end + DAY)
    (first,) = await shop.renew(held.id)
    assert await lines_of(shop, held, first) == [("pro", 31, 3100), ("support", 31, 1550)]
