"""Is what can be recorded recorded, and is each refusal told where its event stands?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.metering import service
from solvent.kernel.metering.errors import (
    BatchSizeWrong,
    EventConflict,
    MeterMalformed,
    MeterUnknown,
    PropertyUnknown,
    TimeTooFarAhead,
    ValueMalformed,
    ValueOutOfRange,
)
from solvent.kernel.metering.model import Aggregation, Fate, MeterSpec, Period, UsageEvent
from solvent.kit.ctx import OPERATOR, Actor, Edge, ScopeMissing
from solvent.kit.ids import TenantId

CALLS = MeterSpec(
    key="calls",
    name="Calls",
    aggregation=Aggregation.SUM,
    unit="call",
    known_properties=("model", "region"),
)
YEAR = Period(EPOCH - timedelta(days=180), EPOCH + timedelta(days=180))


def use(id: str, value: object = Decimal(1), **more: object) -> UsageEvent:
    given = {"customer_ref": "alice", "meter_key": "calls", "at": EPOCH} | more
    return UsageEvent(id=id, value=value, **given)


async def define(edge: Edge, tenant_id: TenantId, spec: MeterSpec = CALLS) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await service.define_meter(ctx, spec)


async def each(edge: Edge, tenant_id: TenantId, *events: UsageEvent) -> list[object]:
    """Record them; return fates as they are and refusals as their class."""
    async with edge.open(tenant_id, OPERATOR) as ctx:
        told = await service.record_each(ctx, events)
    return [one if isinstance(one, Fate) else type(one) for one in told]


async def total(edge: Edge, tenant_id: TenantId) -> Decimal:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return (await service.measure(ctx, "calls", customer_ref="alice", period=YEAR)).quantity


async def test_one_refused_event_keeps_no_other_from_being_recorded(edge, tenant_id):
    await define(edge, tenant_id)
    told = await each(
        edge,
        tenant_id,
        use("a", Decimal(2)),
        use("b", Decimal("NaN")),
        use("c", Decimal("1e400")),
        use("d", "12x"),
        use("e", meter_key="nothing"),
        use("f", at=EPOCH + timedelta(days=2)),
        use("g", properties={"color": "red"}),
        use("h", "3"),
    )
    assert told == [
        Fate.RECORDED,
        ValueMalformed,
        ValueOutOfRange,
        ValueMalformed,
        MeterUnknown,
        TimeTooFarAhead,
        PropertyUnknown,
        Fate.RECORDED,
    ]
    assert await total(edge, tenant_id) == 5


async def test_repeats_are_duplicates_and_other_content_a_conflict(edge, tenant_id):
    await define(edge, tenant_id)
    first = await each(edge, tenant_id, use("a"), use("a"), use("a", Decimal(9)), use("b", "x"))
    assert first == [Fate.RECORDED, Fate.DUPLICATE, EventConflict, ValueMalformed]
    again = await each(edge, tenant_id, use("a"), use("a", Decimal(9)), use("c"))
    assert again == [Fate.DUPLICATE, EventConflict, Fate.RECORDED]
    assert await total(edge, tenant_id) == 2


async def test_what_is_older_than_its_meter_is_told_as_uncounted(edge, tenant_id):
    await define(edge, tenant_id)
    old = use("old", at=EPOCH - timedelta(days=1))
    assert await each(edge, tenant_id, old, use("new")) == [Fate.UNCOUNTED, Fate.RECORDED]
    assert await each(edge, tenant_id, old, use("a")) == [Fate.DUPLICATE, Fate.RECORDED]
    assert await total(edge, tenant_id) == 2


async def test_two_at_once_record_each_id_once(edge, tenant_id):
    await define(edge, tenant_id)
    batch = [use(f"id-{number}") for number in range(50)]
    both = await asyncio.gather(
        each(edge, tenant_id, *batch), each(edge, tenant_id, *reversed(batch))
    )
    assert sorted(one for told in both for one in told) == sorted(
        [Fate.RECORDED] * 50 + [Fate.DUPLICATE] * 50
    )
    assert await total(edge, tenant_id) == 50


async def test_all_refused_is_no_error(edge, tenant_id):
    assert await each(edge, tenant_id, use("a", meter_key="Nothing!")) == [MeterUnknown]


async def test_a_batch_has_bounds_and_needs_the_scope(edge, tenant_id):
    with pytest.raises(BatchSizeWrong):
        await each(edge, tenant_id)
    async with edge.open(tenant_id, Actor("key", "bob", frozenset({"metering:read"}))) as ctx:
        with pytest.raises(ScopeMissing):
            await service.record_each(ctx, [use("a")])


async def test_events_are_found_by_id_and_by_their_tenant_alone(edge, tenant_id, mallory_id):
    await define(edge, tenant_id)
    await each(edge, tenant_id, use("a"), use("b"))
    async with edge.open(tenant_id, OPERATOR) as ctx:
        assert sorted(await service.find_events(ctx, ["a", "b", "c"])) == ["a", "b"]
    async with edge.open(mallory_id, OPERATOR) as ctx:
        assert await service.find_events(ctx, ["a"]) == {}


async def test_a_property_that_the_meter_does_not_know_is_refused(edge, tenant_id):
    await define(edge, tenant_id)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        with pytest.raises(PropertyUnknown) as refused:
            await service.record(ctx, [use("a"), use("b", properties={"modle": "large"})])
    assert refused.value.field == "events[1].properties.modle"
    assert await each(edge, tenant_id, use("c", properties={"model": "l"})) == [Fate.RECORDED]
    wider = replace(CALLS, known_properties=(*CALLS.known_properties, "modle"))
    await define(edge, tenant_id, wider)  # though it has events
    assert await each(edge, tenant_id, use("d", properties={"modle": "l"})) == [Fate.RECORDED]


@pytest.mark.parametrize("names", [("a", "a"), ("",), ("a\x00",), tuple(map(str, range(51)))])
async def test_known_properties_are_names_each_once(edge, tenant_id, names):
    with pytest.raises(MeterMalformed) as refused:
        await define(edge, tenant_id, replace(CALLS, known_properties=names))
    assert refused.value.field == "known_properties"


async def test_the_value_must_be_among_the_known_properties(edge, tenant_id):
    with pytest.raises(MeterMalformed):
        await define(edge, tenant_id, replace(CALLS, value_property="bytes"))
