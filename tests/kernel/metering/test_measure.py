"""Do the roll-ups say what the raw events say, for every aggregation and every period?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solvent.app.testing import EPOCH, fresh_engines, fresh_tenant, open_test_house
from solvent.kernel.metering import service
from solvent.kernel.metering.errors import MeterNotFound
from solvent.kernel.metering.model import Aggregation, MeterSpec, Period, TallyRequest, UsageEvent
from solvent.kernel.metering.rules import split_hours
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId

HOUR = timedelta(hours=1)
START = EPOCH - timedelta(days=1)


async def define_all(ctx: Ctx) -> None:
    for aggregation in Aggregation:
        spec = MeterSpec(
            key=aggregation.value, name="M", aggregation=aggregation, unit="", counts_from=START
        )
        await service.define_meter(ctx, spec)


def use(id: str, meter: str, at, value: str | Decimal | None) -> UsageEvent:
    return UsageEvent(id=id, customer_ref="alice", meter_key=meter, at=at, value=value)


async def measure(ctx: Ctx, meter: str, period: Period):
    return await service.measure(ctx, meter, customer_ref="alice", period=period)


async def tally(ctx: Ctx, meter: str, period: Period) -> Decimal:
    asked = TallyRequest(meter_key=meter, customer_ref="alice", period=period)
    return (await service.tally(ctx, [asked]))[0]


USES = st.lists(
    st.tuples(
        st.integers(-90 * 60_000, 300 * 60_000),  # ms around START: also before the meter counts
        st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-3)),
        st.sampled_from("abcd"),
    ),
    max_size=25,
)
CUTS = st.tuples(st.integers(-100 * 60, 310 * 60), st.integers(0, 200 * 60))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    uses=USES, cuts=st.lists(CUTS, min_size=1, max_size=4), sizes=st.integers(1, 7), data=st.data()
)
async def test_roll_ups_equal_raw(house, uses, cuts, sizes, data) -> None:
    from solvent.app.testing import fresh_tenant

    tenant_id = await fresh_tenant(house)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await define_all(ctx)
    for first in range(0, len(uses), sizes):
        batch = [
            use(
                f"{meter.value}-{first + n}", meter.value, START + timedelta(milliseconds=ms), given
            )
            for n, (ms, value, name) in enumerate(uses[first : first + sizes])
            for meter in Aggregation
            for given in [{Aggregation.COUNT: None, Aggregation.UNIQUE: name}.get(meter, value)]
        ]
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await service.record(ctx, batch)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for start_s, length_s in cuts:
            start = START + timedelta(seconds=start_s)
            period = Period(start, start + timedelta(seconds=length_s))
            for meter in Aggregation:
                raw = await measure(ctx, meter.value, period)
                assert expected(meter, uses, period) == raw.quantity
                assert raw.quantity == await tally(ctx, meter.value, period)


def expected(meter: Aggregation, uses, period: Period) -> Decimal:
    """Work the quantity out anew, the plain way."""
    inside = [
        (at, place, value, name)
        for place, (ms, value, name) in enumerate(uses)
        if (at := START + timedelta(milliseconds=ms)) in period and at >= START
    ]
    match meter:
        case Aggregation.SUM:
            return sum((value for _, _, value, _ in inside), Decimal(0))
        case Aggregation.COUNT:
            return Decimal(len(inside))
        case Aggregation.MIN:
            return min((value for _, _, value, _ in inside), default=Decimal(0))
        case Aggregation.MAX:
            return max((value for _, _, value, _ in inside), default=Decimal(0))
        case Aggregation.AVERAGE:
            total = sum((value for _, _, value, _ in inside), Decimal(0))
            return rounded(total / len(inside)) if inside else Decimal(0)
        case Aggregation.WEIGHTED:
            return weighted(uses, period)
        case Aggregation.UNIQUE:
            return Decimal(len({name for *_, name in inside}))
        case Aggregation.LATEST:
            return max(inside, default=(0, 0, Decimal(0), ""))[2]


def weighted(uses, period: Period) -> Decimal:
    """Work out the average level over the period's milliseconds, those before it carried in."""
    ms = timedelta(milliseconds=1)
    held = Decimal(0)
    for offset, value, _ in uses:
        at = START + offset * ms
        if START <= at < period.end:
            held += value * ((period.end - max(at, period.start)) // ms)
    length = period.duration // ms
    return rounded(held / length) if length else Decimal(0)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-12), rounding=ROUND_HALF_UP)


async def test_periods_are_half_open(ctx: Ctx) -> None:
    await define_all(ctx)
    middle = START + timedelta(minutes=30)
    ms = timedelta(milliseconds=1)
    await service.record(
        ctx,
        [
            use("before", "sum", middle - ms, Decimal(1)),
            use("at", "sum", middle, Decimal(10)),
        ],
    )
    first, second = Period(START, middle), Period(middle, START + HOUR)
    assert [(await measure(ctx, "sum", one)).quantity for one in (first, second)] == [1, 10]
    assert [await tally(ctx, "sum", one) for one in (first, second)] == [1, 10]


async def test_a_value_seen_in_two_periods_counts_in_each(ctx: Ctx) -> None:
    await define_all(ctx)
    await service.record(
        ctx,
        [
            use("1", "unique", START, "ann"),
            use("2", "unique", START + HOUR, "ann"),
            use("3", "unique", START + 2 * HOUR, "ann"),
            use("4", "unique", START + 2 * HOUR, "ben"),
        ],
    )
    one, two, both = (
        Period(START, START + 2 * HOUR),
        Period(START + 2 * HOUR, START + 3 * HOUR),
        Period(START, START + 3 * HOUR),
    )
    assert [await tally(ctx, "unique", period) for period in (one, two, both)] == [1, 2, 2]


async def test_the_latest_is_the_last_dated_and_of_those_the_last_to_arrive(ctx: Ctx) -> None:
    await define_all(ctx)
    period = Period(START, START + HOUR)
    await service.record(ctx, [use("b", "latest", START + HOUR / 2, Decimal(5))])
    await service.record(ctx, [use("a", "latest", START, Decimal(9))])
    assert await tally(ctx, "latest", period) == 5
    await service.record(ctx, [use("c", "latest", START + HOUR / 2, Decimal(7))])
    assert (
        7 == await tally(ctx, "latest", period) == (await measure(ctx, "latest", period)).quantity
    )


async def test_a_measure_can_be_checked_by_hand(ctx: Ctx) -> None:
    await define_all(ctx)
    ids = ["z", "a", "m", "Ä"]
    await service.record(
        ctx, [use(id, "sum", START + n * HOUR, Decimal(n)) for n, id in enumerate(ids)]
    )
    period = Period(START, START + timedelta(days=1))
    told = await measure(ctx, "sum", period)
    lines = b"".join(id.encode() + b"\n" for id in sorted(ids, key=str.encode))
    assert hashlib.sha256(lines).hexdigest() == told.digest
    assert (
        told.quantity,
        told.event_count,
        told.first_event_id,
        told.last_event_id,
    ) == (6, 4, "z", "Ä")
    nothing = await measure(ctx, "sum", Period(START, START))
    assert (
        nothing.quantity,
        nothing.event_count,
        nothing.first_event_id,
        nothing.last_event_id,
    ) == (0, 0, None, None)
    assert hashlib.sha256(b"").hexdigest() == nothing.digest


async def test_a_late_event_is_in_what_is_measured_next(ctx: Ctx) -> None:
    await define_all(ctx)
    period = Period(START, START + HOUR)
    before = await measure(ctx, "sum", period)
    await service.record(ctx, [use("late", "sum", START, Decimal(4))])
    after = await measure(ctx, "sum", period)
    assert (before.quantity, after.quantity) == (0, 4)
    assert before.digest != after.digest


async def test_what_was_measured_can_be_measured_again(edge: Edge, tenant_id: TenantId) -> None:
    period = Period(START, START + HOUR)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await define_all(ctx)
    async with edge.open(tenant_id, OPERATOR) as slow:
        await service.record(slow, [use("first", "sum", START, Decimal(1))])
        asked = asyncio.create_task(mark_and_measure(edge, tenant_id, period))
        await asyncio.sleep(0.05)
        assert not asked.done()  # an event on its way may not slip in below the mark
    mark, before = await asked
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await service.record(ctx, [use("late", "sum", START, Decimal(10))])
    async with edge.open(tenant_id, OPERATOR) as ctx:
        again = await service.measure(ctx, "sum", customer_ref="alice", period=period, up_to=mark)
        assert again == before
        assert (before.quantity, (await measure(ctx, "sum", period)).quantity) == (1, 11)


async def test_a_mark_keeps_nobody_waiting(edge: Edge, tenant_id: TenantId) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await define_all(ctx)
    async with edge.open(tenant_id, OPERATOR) as reader:
        mark = await service.last_arrival(reader)
        async with asyncio.timeout(30), edge.open(tenant_id, OPERATOR) as ctx:
            await service.record(ctx, [use("next", "sum", START, Decimal(1))])
    async with edge.open(tenant_id, OPERATOR) as ctx:
        assert await service.last_arrival(ctx) > mark


async def mark_and_measure(edge: Edge, tenant_id: TenantId, period: Period):
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await service.last_arrival(ctx), await measure(ctx, "sum", period)


@pytest_asyncio.fixture(loop_scope="session")
async def young_ctx() -> AsyncGenerator[Ctx]:
    """A context on a database of its own: what others left would tell its planner other things."""
    with fresh_engines() as engines:
        async with open_test_house(engines) as house:
            tenant_id = await fresh_tenant(house)
            async with house.edge.open(tenant_id, OPERATOR) as ctx:
                yield ctx


async def test_a_tally_reads_its_customers_however_the_tables_grew(young_ctx: Ctx) -> None:
    ctx = young_ctx
    await define_all(ctx)
    period = Period(START, START + HOUR / 2)
    asked = [
        TallyRequest(meter_key="sum", customer_ref=f"other-{n}", period=period) for n in range(50)
    ]
    for _ in range(8):  # a statement run so often keeps its plan, made while the tables were empty
        await service.tally(ctx, asked)
    events = [
        UsageEvent(id=f"{n}", customer_ref=f"c{n}", meter_key="sum", at=START, value=Decimal(1))
        for n in range(1000)
    ]
    await service.record(ctx, events)
    before = await fetched(ctx)
    await service.tally(ctx, asked)
    assert await fetched(ctx) - before < 100


async def fetched(ctx: Ctx) -> int:
    """Return how many rows of events this transaction has read so far."""
    return await ctx.tx.fetchval(
        "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables"
        " where relname = 'metering_event'"
    )


async def test_many_tallies_come_in_their_order(ctx: Ctx) -> None:
    await define_all(ctx)
    await service.record(ctx, [use("1", "sum", START, Decimal(4)), use("2", "count", START, None)])
    period = Period(START, START + HOUR)
    asked = [
        TallyRequest(meter_key=key, customer_ref=customer, period=period)
        for key, customer in (("count", "alice"), ("sum", "bob"), ("sum", "alice"))
    ]
    assert await service.tally(ctx, asked) == [1, 0, 4]
    with pytest.raises(MeterNotFound):
        await service.tally(
            ctx, [TallyRequest(meter_key="none", customer_ref="alice", period=period)]
        )


@given(start_s=st.integers(0, 20_000), length_s=st.integers(0, 20_000))
def test_hours_split_without_hole_or_overlap(start_s: int, length_s: int) -> None:
    start = EPOCH + timedelta(seconds=start_s)
    period = Period(start, start + timedelta(seconds=length_s))
    split = split_hours(period)
    edges = [split.head.start, split.head.end, split.hours.start, split.hours.end, split.tail.start]
    assert [period.start, edges[1], edges[1], edges[3], edges[3]] == edges
    assert period.end == split.tail.end
    if split.hours.duration:
        assert all((edge.minute, edge.second) == (0, 0) for edge in edges[2:4])
    assert split.head.duration < HOUR or not split.hours.duration
    assert split.tail.duration < HOUR


async def test_mallory_measures_nothing_of_ours(
    edge: Edge, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await define_all(ctx)
        await service.record(ctx, [use("1", "sum", START, Decimal(4))])
    async with edge.open(mallory_id, OPERATOR) as ctx:
        assert await service.list_events(ctx) == []
        with pytest.raises(MeterNotFound):
            await measure(ctx, "sum", Period(START, START + HOUR))
