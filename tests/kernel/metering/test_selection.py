"""Do filters, groups and meters that never begin anew count each event where it belongs, once?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.metering import service
from solvent.kernel.metering.errors import MeterMalformed, ValueMalformed
from solvent.kernel.metering.model import (
    Aggregation,
    Condition,
    MeterSpec,
    Period,
    Selection,
    TallyRequest,
    UsageEvent,
)
from solvent.kit.ctx import Ctx

HOUR = timedelta(hours=1)
START = EPOCH - timedelta(days=1)
DAY = Period(START, START + timedelta(days=1))
EU = (Condition("region", ("eu", "uk")),)
BIG = (Condition("size", ("9",)),)


async def define(ctx: Ctx, aggregation: Aggregation, *, carries: bool = False) -> None:
    await service.define_meter(
        ctx,
        MeterSpec(
            key="m",
            name="M",
            aggregation=aggregation,
            unit="",
            counts_from=START - timedelta(days=90),
            carries=carries,
        ),
    )


async def record(ctx: Ctx, *uses: tuple[float, str, dict[str, object]]) -> None:
    await service.record(
        ctx,
        [
            UsageEvent(
                id=f"{hours}-{place}",
                customer_ref="alice",
                meter_key="m",
                at=START + hours * HOUR,
                value=value,
                properties=properties,
            )
            for place, (hours, value, properties) in enumerate(uses)
        ],
    )


async def quantities(ctx: Ctx, period: Period = DAY, **selected: object) -> dict[object, Decimal]:
    found = await service.measure_groups(
        ctx, Selection("m", **selected), customer_ref="alice", period=period
    )
    return {one.group: one.quantity for one in found}


async def test_filters_that_share_no_event_count_each_event_once(ctx: Ctx) -> None:
    await define(ctx, Aggregation.SUM)
    await record(
        ctx,
        (1, "1", {"region": "eu"}),
        (2, "2", {"region": "uk", "size": 9}),
        (3, "4", {"region": "us", "size": 9}),
        (4, "8", {"region": None}),
        (5, "16", {}),
    )
    assert await quantities(ctx, where=EU) == {(): 3}
    assert await quantities(ctx, where=EU + BIG) == {(): 2}
    assert await quantities(ctx, apart_from=(EU,)) == {(): 28}
    assert await quantities(ctx, apart_from=(EU, BIG)) == {(): 24}
    assert await quantities(ctx, where=BIG, apart_from=(EU,)) == {(): 4}
    assert await quantities(ctx) == {(): 31}


async def test_each_combination_of_values_is_a_group(ctx: Ctx) -> None:
    await define(ctx, Aggregation.SUM)
    await record(
        ctx,
        (1, "1", {"region": "eu", "size": 9}),
        (2, "2", {"region": "eu", "size": 9}),
        (3, "4", {"region": "eu"}),
        (4, "8", {"size": True}),
    )
    assert await quantities(ctx, group_by=("region", "size")) == {
        (("region", "eu"), ("size", "9")): 3,
        (("region", "eu"), ("size", None)): 4,
        (("region", None), ("size", "true")): 8,
    }
    assert await quantities(ctx, Period(START, START), group_by=("region",)) == {}


async def test_a_level_is_carried_in_and_weighed_by_its_seconds(ctx: Ctx) -> None:
    await define(ctx, Aggregation.WEIGHTED)
    await record(ctx, (-48, "10", {}), (6, "4", {}), (18, "-10", {}))
    assert await quantities(ctx) == {(): Decimal("10.5")}  # 10 all day, +4 for 18 h, -10 for 6 h
    before = Period(START - timedelta(days=30), START - timedelta(days=29))
    assert await quantities(ctx, before) == {(): 0}
    asked = TallyRequest(meter_key="m", customer_ref="alice", period=DAY)
    assert await service.tally(ctx, [asked]) == [Decimal("10.5")]


async def test_a_level_below_nothing_charges_nothing(ctx: Ctx) -> None:
    await define(ctx, Aggregation.WEIGHTED)
    await record(ctx, (1, "-5", {}))
    assert await quantities(ctx) == {(): 0}


@pytest.mark.parametrize(
    "aggregation, uses, expected",
    [
        (Aggregation.SUM, [(-48, "5", {}), (1, "2", {}), (2, "-3", {})], 4),
        (Aggregation.COUNT, [(-48, None, {}), (1, None, {})], 2),
        (Aggregation.UNIQUE, [(-48, "ann", {}), (1, "ben", {}), (2, "ann", {})], 2),
        (Aggregation.LATEST, [(-48, "7", {})], 7),
    ],
)
async def test_a_meter_that_carries_never_begins_anew(ctx, aggregation, uses, expected) -> None:
    await define(ctx, aggregation, carries=True)
    await record(ctx, *uses)
    assert await quantities(ctx) == {(): expected}
    asked = TallyRequest(meter_key="m", customer_ref="alice", period=DAY)
    assert await service.tally(ctx, [asked]) == [expected]


@pytest.mark.parametrize("aggregation", [Aggregation.MIN, Aggregation.MAX, Aggregation.AVERAGE])
async def test_what_cannot_carry_is_refused(ctx: Ctx, aggregation: Aggregation) -> None:
    with pytest.raises(MeterMalformed) as refused:
        await define(ctx, aggregation, carries=True)
    assert refused.value.field == "carries"


async def test_only_a_level_can_be_taken_from(ctx: Ctx) -> None:
    await define(ctx, Aggregation.SUM)
    with pytest.raises(ValueMalformed):
        await record(ctx, (1, "-1", {}))
