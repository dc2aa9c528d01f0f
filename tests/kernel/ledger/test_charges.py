"""Do filters, groups, bounds and fees of their own interval come out right on an invoice?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import LineKind
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import UsageEvent
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx

CATALOGUE = """
[meters.gb]
aggregation = "sum"
[meters.sales]
aggregation = "sum"
[products.p]
[plans.a]
product = "p"
currency = "USD"
interval = "month"
anchor = "calendar"
minimum = "40.00"
[plans.a.prices.base]
model = "flat"
amount = "31.00"
[plans.a.prices.yearly]
model = "flat"
amount = "120.00"
interval = "year"
[plans.a.prices.eu]
model = "per_unit"
meter = "gb"
unit_price = "1"
where = { region = "eu" }
[plans.a.prices.rest]
model = "per_unit"
meter = "gb"
unit_price = "2"
otherwise = true
group_by = "region"
[plans.a.prices.sales]
model = "percentage"
meter = "sales"
percent = 2.5
per_event = "0.10"
"""


async def subscribed(ctx: Ctx, *, days_ago: int) -> str:
    await catalogue.apply(ctx, parse(CATALOGUE.encode()))
    await tenants.ensure_customer(ctx, "alice")
    start = ctx.now() - timedelta(days=days_ago)
    made = await subscriptions.create(ctx, "alice", "a", start_at=start)
    return made.id


async def use(ctx: Ctx, meter: str, value: str, **properties: str) -> None:
    event = UsageEvent(
        id=ctx.ids.new("use"),
        customer_ref="alice",
        meter_key=meter,
        at=ctx.now(),
        value=value,
        properties=properties,
    )
    await metering.record(ctx, [event])


async def test_each_event_is_charged_by_one_line_and_each_line_says_which(ctx: Ctx) -> None:
    subscription_id = await subscribed(ctx, days_ago=0)
    for value, region in (("5", {"region": "eu"}), ("3", {"region": "us"}), ("2", {})):
        await use(ctx, "gb", value, **region)
    await use(ctx, "sales", "100.00")
    await use(ctx, "sales", "20.00")
    said = await ledger.preview_invoice(ctx, subscription_id)
    told = {
        (line.price_key, line.group): (line.quantity, line.amount_minor)
        for line in said.lines
        if line.kind is LineKind.USAGE
    }
    assert told == {
        ("eu", ()): (5, 500),
        ("rest", (("region", "us"),)): (3, 600),
        ("rest", (("region", None),)): (2, 400),
        ("sales", ()): (120, 300 + 20),
    }
    assert sum(line.evidence.event_count for line in said.lines if line.evidence) == 5
    assert document.parse(document.canonical(said)) == said


async def test_a_yearly_fee_is_charged_once_in_twelve_periods(ctx: Ctx) -> None:
    await subscribed(ctx, days_ago=0)
    version = await catalogue.plan_version(ctx, "a", 1)
    charged = []
    for index in range(25):
        given = _period_of(version, datetime(2026, 1, 1, tzinfo=UTC), index=index)
        charged.append(
            sum(x.amount_minor for x in rules.draft(given).lines if x.price_key == "yearly")
        )
    assert [place for place, amount in enumerate(charged) if amount] == [0, 12, 24]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
async def test_a_calendar_plan_charges_its_yearly_fee_whole_and_once_a_year(
    ctx: Ctx, zone: str
) -> None:
    """It began within a month; in another zone its months begin some hours earlier or later."""
    id_ = await subscribed(ctx, days_ago=800)
    await subscriptions.change_time_zone(ctx, id_, zone)
    await subscriptions.renew(ctx, id_)
    drawn = [
        await ledger.draw_invoice(ctx, id_, period)
        for period in await subscriptions.list_periods(ctx, id_)
    ]
    yearly = [
        sum(line.amount_minor for line in one.draft.lines if line.price_key == "yearly")
        for one in drawn
    ]
    assert len(drawn) in {26, 27}
    assert [place for place, amount in enumerate(yearly) if amount] == [0, 12, 24]
    assert set(yearly) == {0, 12_000}
    assert drawn[0].draft.period_end - drawn[0].draft.period_start < timedelta(days=28)
    last = drawn[-1].draft.period_end.astimezone(ZoneInfo(zone))
    assert (last.day, last.hour) == (1, 0)


async def test_of_two_yearly_fees_in_one_month_the_dearer_is_charged(ctx: Ctx) -> None:
    await subscribed(ctx, days_ago=0)
    version = await catalogue.plan_version(ctx, "a", 1)
    given = _period_of(version, datetime(2026, 1, 1, tzinfo=UTC), index=0)
    dearer = replace(
        version.terms,
        prices=tuple(
            replace(one, amount_minor=50_000) if one.key == "yearly" else one
            for one in version.prices
        ),
    )
    middle = given.period.start + timedelta(days=15)
    (whole,) = given.stretches
    first = replace(whole, period=replace(whole.period, end=middle))
    other = replace(version, plan_key="b", terms=dearer)
    second = replace(whole, version=other, period=replace(whole.period, start=middle))
    said = rules.draft(replace(given, stretches=(first, second)))
    told = {line.plan_key: line.amount_minor for line in said.lines if line.price_key == "yearly"}
    assert told == {"a": 0, "b": 50_000}
    base = [line.amount_minor for line in said.lines if line.price_key == "base"]
    assert sum(base) == 3100
    assert document.parse(document.canonical(said)) == said


def _period_of(version, start: datetime, *, index: int):
    from solvent.kernel.ledger.model import DraftInput, InvoiceKind, Stretch, Usage
    from solvent.kernel.metering.model import Period
    from solvent.kernel.subscriptions.model import FeePeriod

    period = Period(start, start + timedelta(days=31))
    usage = tuple(Usage(price.key, ()) for price in version.prices if price.meter_key)
    return DraftInput(
        InvoiceKind.PERIOD,
        "cus_1",
        "sub_1",
        period,
        version,
        (Stretch(version, period, usage),),
        0,
        fee=FeePeriod(period, index),
    )


@pytest.mark.parametrize(
    "days, base, minimum",
    [(31, 3100, 900), (10, 1000, 290), (1, 100, 29)],  # 40.00 / 31 a day is 129.03 cents
)
async def test_the_rest_of_a_calendar_month_pays_its_part(ctx, days, base, minimum) -> None:
    await subscribed(ctx, days_ago=0)
    version = await catalogue.plan_version(ctx, "a", 1)
    plain = replace(version.terms, prices=version.prices[:1])
    given = _period_of(replace(version, terms=plain), datetime(2026, 1, 1, tzinfo=UTC), index=0)
    stretch = replace(
        given.stretches[0], period=replace(given.period, start=given.period.end - timedelta(days))
    )
    part = replace(given, period=stretch.period, stretches=(stretch,))
    said = rules.draft(part)
    assert [line.amount_minor for line in said.lines] == [base, minimum]
    assert said.lines[-1].kind is LineKind.MINIMUM
    assert said.adds_up
    assert document.parse(document.canonical(said)) == said


async def test_a_subscription_of_the_calendar_ends_its_first_period_with_the_month(ctx) -> None:
    made = await subscriptions.get(ctx, await subscribed(ctx, days_ago=40))
    assert made.period.end.day == 1
    assert made.anchor_at.day == 1
    over = await subscriptions.list_periods(ctx, made.id)
    periods = [*over, made.period]
    assert all(one.end.day == 1 for one in periods)
    assert [one.end for one in periods[:-1]] == [one.start for one in periods[1:]]


async def test_a_charge_never_passes_the_maximum_of_its_plan() -> None:
    text = CATALOGUE.replace('minimum = "40.00"', 'maximum = "100.00"')
    terms = parse(text.encode()).plans[0].terms
    assert (terms.minimum_minor, terms.maximum_minor) == (None, 10_000)
    from solvent.kernel.catalogue.model import PlanVersion

    version = PlanVersion("a", 1, terms, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
    said = rules.draft(_period_of(version, datetime(2026, 1, 1, tzinfo=UTC), index=0))
    assert said.total_minor == 10_000
    assert said.lines[-1].kind is LineKind.MAXIMUM
    assert said.lines[-1].amount_minor == -5_100
    assert said.lines[-1].quantity == Decimal(1)
