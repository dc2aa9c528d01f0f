"""Is each usage event kept once, exactly as sent, or refused with its place?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from solvent.app.house import open_house
from solvent.app.settings import Settings
from solvent.app.testing import EPOCH
from solvent.kernel.metering import service
from solvent.kernel.metering.errors import (
    BatchSizeWrong,
    EventConflict,
    EventMalformed,
    MeterInUse,
    MeterMalformed,
    MeterUnknown,
    PropertyUnknown,
    TimeTooFarAhead,
    ValueMalformed,
    ValueMissing,
    ValueOutOfRange,
    ValueUnexpected,
)
from solvent.kernel.metering.model import Aggregation, MeterSpec, Period, UsageEvent
from solvent.kit.clock import TimeWithoutZone
from solvent.kit.crypto import Vault, new_master_key
from solvent.kit.ctx import OPERATOR, Actor, Edge, ScopeMissing
from solvent.kit.ids import TenantId

DAY = timedelta(days=1)
GIGABYTES = MeterSpec(key="ingest", name="Logs", aggregation=Aggregation.SUM, unit="GB")
MONTH = Period(EPOCH - 14 * DAY, EPOCH + 17 * DAY)


def use(id: str, value: object = 1, **more: object) -> UsageEvent:
    if isinstance(value, int):
        value = Decimal(value)
    given = {"customer_ref": "alice", "meter_key": "ingest", "at": EPOCH} | more
    return UsageEvent(id=id, value=value, **given)


async def define(edge: Edge, tenant_id: TenantId, spec: MeterSpec = GIGABYTES):
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await service.define_meter(ctx, spec)


async def record(edge: Edge, tenant_id: TenantId, *events: UsageEvent):
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await service.record(ctx, events)


async def measured(
    edge: Edge, tenant_id: TenantId, *, customer="alice", meter="ingest", period=MONTH
):
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await service.measure(ctx, meter, customer_ref=customer, period=period)


async def test_an_id_counts_once_for_ever(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    first = await record(edge, tenant_id, use("a", 2), use("b", 3))
    again = await record(edge, tenant_id, use("a", 2), use("b", 3), use("c", 5))
    assert (first.accepted, first.duplicates) == (2, 0)
    assert (again.accepted, again.duplicates) == (1, 2)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update kit_test_clock set now_at = now_at + interval '33 days' where tenant_id = $1",
            tenant_id,
        )
    later = await record(edge, tenant_id, use("a", 2))
    assert (later.accepted, later.duplicates) == (0, 1)
    assert Decimal(10) == (await measured(edge, tenant_id)).quantity


async def test_an_id_counts_once_across_a_restart(engines, house, tenant_id: TenantId) -> None:
    await define(house.edge, tenant_id)
    await record(house.edge, tenant_id, use("a", 2))
    async with open_house(
        engines.access, Settings(), vault=Vault((new_master_key(),)), name="solvent-again"
    ) as again:
        assert (await record(again.edge, tenant_id, use("a", 2))).duplicates == 1
        with pytest.raises(EventConflict):
            await record(again.edge, tenant_id, use("a", 3))


async def test_the_same_batch_twice_at_once_is_one_set(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    batch = [use(f"e{n}", 1, customer_ref=f"c{n % 3}") for n in range(200)]
    results = await asyncio.gather(
        *(record(edge, tenant_id, *(batch if n % 2 else reversed(batch))) for n in range(8))
    )
    assert sum(one.accepted for one in results) == 200
    assert sum(one.duplicates for one in results) == 1400
    quantities = [(await measured(edge, tenant_id, customer=f"c{n}")).quantity for n in range(3)]
    assert quantities == [67, 67, 66]


async def test_another_payload_is_refused(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    await record(edge, tenant_id, use("a", 2))
    for other in (
        use("a", 3),
        use("a", 2, customer_ref="bob"),
        use("a", 2, at=EPOCH + timedelta(milliseconds=1)),
        use("a", 2, properties={"region": "eu"}),
    ):
        with pytest.raises(EventConflict) as refused:
            await record(edge, tenant_id, use("new", 1), other)
        assert refused.value.detail["ids"] == ["a"]
    # Nothing of a refused batch was kept, so the good part can be sent again.
    assert (await record(edge, tenant_id, use("new", 1))).accepted == 1
    assert Decimal(3) == (await measured(edge, tenant_id)).quantity


async def test_a_repeat_inside_a_batch_is_a_duplicate_and_a_contradiction_is_not(
    edge: Edge, tenant_id: TenantId
) -> None:
    await define(edge, tenant_id)
    told = await record(edge, tenant_id, use("a", 2), use("a", 2))
    assert (told.accepted, told.duplicates) == (1, 1)
    with pytest.raises(EventConflict):
        await record(edge, tenant_id, use("b", 2), use("b", 3))
    assert Decimal(2) == (await measured(edge, tenant_id)).quantity


async def test_a_batch_is_all_or_nothing(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    with pytest.raises(ValueMalformed) as refused:
        await record(edge, tenant_id, use("a"), use("b"), use("c"), use("d", Decimal("NaN")))
    assert refused.value.field == "events[3].value"
    assert (await measured(edge, tenant_id)).event_count == 0
    assert (await record(edge, tenant_id, use("a"), use("b"), use("c"), use("d"))).accepted == 4


@pytest.mark.parametrize(
    "value, error",
    [
        (Decimal("NaN"), ValueMalformed),
        (Decimal("sNaN"), ValueMalformed),
        (Decimal("Infinity"), ValueMalformed),
        (Decimal("-Infinity"), ValueMalformed),
        (Decimal(-1), ValueMalformed),
        (Decimal("1e400"), ValueOutOfRange),
        (Decimal("1e-400"), ValueOutOfRange),
        (Decimal(10) ** 20, ValueOutOfRange),
        (Decimal("0.0000000000001"), ValueOutOfRange),
        ("1e3", ValueMalformed),
        ("-1", ValueMalformed),
        ("+1", ValueMalformed),
        (" 1", ValueMalformed),
        ("1_000", ValueMalformed),
        ("١٢", ValueMalformed),
        ("", ValueMalformed),
        (".5", ValueMalformed),
        ("0x10", ValueMalformed),
        ("9" * 600, ValueMalformed),
        (None, ValueMissing),
    ],
)
async def test_odd_values_are_refused(edge, tenant_id, value, error) -> None:
    await define(edge, tenant_id)
    with pytest.raises(error) as refused:
        await record(edge, tenant_id, use("a"), use("b", value))
    assert refused.value.field == "events[1].value"


async def test_a_number_and_its_text_are_one_value(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    await record(edge, tenant_id, use("a", 12))
    same = await record(
        edge, tenant_id, use("a", "12"), use("a", "12.00"), use("a", Decimal("1.2e1"))
    )
    assert same.duplicates == 3


async def test_digits_are_kept_exactly(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    fine = "12345678901234567890.123456789012"
    await record(edge, tenant_id, use("a", fine), use("b", "0.000000000001"))
    assert (
        Decimal("12345678901234567890.123456789013") == (await measured(edge, tenant_id)).quantity
    )


async def test_times(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    with pytest.raises(TimeWithoutZone):
        await record(edge, tenant_id, use("a", at=datetime(2026, 1, 15, 10)))  # noqa: DTZ001
    with pytest.raises(TimeTooFarAhead) as refused:
        await record(edge, tenant_id, use("a", at=EPOCH + timedelta(hours=24, milliseconds=1)))
    assert refused.value.field == "events[0].at"
    told = await record(
        edge,
        tenant_id,
        use("ahead", at=EPOCH + timedelta(hours=1)),
        use("ten years ago", at=EPOCH - 3650 * DAY),
        use("elsewhere", at=EPOCH.astimezone(timezone(timedelta(hours=5, minutes=30)))),
        use("fine", at=EPOCH + timedelta(microseconds=1999)),
    )
    assert (told.accepted, told.uncounted) == (4, 1)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        kept = {event.id: event.at for event in await service.list_events(ctx)}
    assert kept["elsewhere"] == EPOCH
    assert EPOCH + timedelta(milliseconds=1) == kept["fine"]


async def test_events_before_their_meter_are_never_measured(
    edge: Edge, tenant_id: TenantId
) -> None:
    await define(edge, tenant_id)
    told = await record(
        edge, tenant_id, use("old", 100, at=EPOCH - timedelta(milliseconds=1)), use("new", 1)
    )
    assert (told.accepted, told.uncounted) == (2, 1)
    assert Decimal(1) == (await measured(edge, tenant_id)).quantity
    since = replace(GIGABYTES, key="imported", counts_from=EPOCH - 30 * DAY)
    await define(edge, tenant_id, since)
    moved = await record(edge, tenant_id, use("moved", 7, meter_key="imported", at=EPOCH - 2 * DAY))
    assert moved.uncounted == 0
    assert Decimal(7) == (await measured(edge, tenant_id, meter="imported")).quantity


async def test_an_unknown_customer_is_kept_and_an_unknown_meter_is_refused(
    edge: Edge, tenant_id: TenantId
) -> None:
    await define(edge, tenant_id)
    assert (await record(edge, tenant_id, use("a", customer_ref="nobody yet"))).accepted == 1
    assert Decimal(1) == (await measured(edge, tenant_id, customer="nobody yet")).quantity
    with pytest.raises(MeterUnknown) as refused:
        await record(edge, tenant_id, use("b"), use("c", meter_key="other"))
    assert refused.value.field == "events[1].meter"


@pytest.mark.parametrize("text", ["", " ", "a\0b", "a\nb", "\ud800", "x" * 201])
async def test_odd_names_are_refused(edge: Edge, tenant_id: TenantId, text: str) -> None:
    await define(edge, tenant_id)
    for event, field in ((use(text), "id"), (use("a", customer_ref=text), "customer")):
        with pytest.raises(EventMalformed) as refused:
            await record(edge, tenant_id, event)
        assert f"events[0].{field}" == refused.value.field


@pytest.mark.parametrize(
    "properties",
    [
        {"a": "\0"},
        {"a\0": 1},
        {"": 1},
        {"a": "\udfff"},
        {"a": "x" * 501},
        {f"p{n}": n for n in range(21)},
    ],
)
async def test_odd_properties_are_refused(edge: Edge, tenant_id: TenantId, properties) -> None:
    await define(edge, tenant_id)
    with pytest.raises(EventMalformed):
        await record(edge, tenant_id, use("a", properties=properties))


async def test_a_meter_may_read_its_value_from_a_property(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id, replace(GIGABYTES, value_property="gb"))
    await record(
        edge, tenant_id, use("a", None, properties={"gb": Decimal("0.25"), "region": "eu"})
    )
    await record(edge, tenant_id, use("b", None, properties={"gb": "1.5"}))
    assert Decimal("1.75") == (await measured(edge, tenant_id)).quantity
    for properties, error in (({}, ValueMissing), ({"gb": True}, ValueMalformed)):
        with pytest.raises(error) as refused:
            await record(edge, tenant_id, use("c", None, properties=properties))
        assert refused.value.field == "events[0].properties.gb"


async def test_a_counting_meter_takes_no_value_but_one(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id, replace(GIGABYTES, aggregation=Aggregation.COUNT))
    for wrong in (2, "0.5", 0):
        with pytest.raises(ValueUnexpected):
            await record(edge, tenant_id, use("a", wrong))
    assert (await record(edge, tenant_id, use("a", None), use("b", 1))).accepted == 2
    assert (await measured(edge, tenant_id)).quantity == 2


async def test_a_batch_has_a_size(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    with pytest.raises(BatchSizeWrong):
        await record(edge, tenant_id)
    with pytest.raises(BatchSizeWrong):
        await record(edge, tenant_id, *(use(str(n)) for n in range(1001)))
    assert (await record(edge, tenant_id, *(use(str(n)) for n in range(1000)))).accepted == 1000


async def test_a_used_meter_keeps_its_meaning(edge: Edge, tenant_id: TenantId) -> None:
    made = await define(edge, tenant_id)
    assert made == await define(edge, tenant_id)
    await define(edge, tenant_id, replace(GIGABYTES, aggregation=Aggregation.MAX))
    await record(edge, tenant_id, use("a", 1))
    renamed = await define(
        edge, tenant_id, replace(GIGABYTES, aggregation=Aggregation.MAX, name="Log volume")
    )
    assert renamed.name == "Log volume"
    for changed in (
        replace(GIGABYTES, aggregation=Aggregation.SUM),
        replace(GIGABYTES, aggregation=Aggregation.MAX, unit="TB"),
        replace(GIGABYTES, aggregation=Aggregation.MAX, value_property="gb"),
        replace(GIGABYTES, aggregation=Aggregation.MAX, counts_from=EPOCH - DAY),
    ):
        with pytest.raises(MeterInUse):
            await define(edge, tenant_id, changed)


async def test_a_meter_does_not_change_under_events_on_their_way(
    edge: Edge, tenant_id: TenantId
) -> None:
    await define(edge, tenant_id)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await service.record(ctx, [use("a")])
        changing = asyncio.create_task(
            define(edge, tenant_id, replace(GIGABYTES, aggregation=Aggregation.MAX))
        )
        await asyncio.sleep(0.05)
        assert not changing.done()
    with pytest.raises(MeterInUse):
        await changing


async def test_meters_that_are_kept_are_as_they_are(
    edge: Edge, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    """What one process has read of meters: no change is missed, nor one that was rolled back."""
    strict = replace(GIGABYTES, known_properties=("region",))

    async def takes(tenant: TenantId, id: str) -> bool:
        try:
            await record(edge, tenant, use(id, properties={"model": "x"}))
        except (PropertyUnknown, MeterUnknown):
            return False
        return True

    assert not await takes(tenant_id, "no meter yet")
    await define(edge, tenant_id)
    assert await takes(tenant_id, "a")
    await define(edge, tenant_id, strict)
    assert not await takes(tenant_id, "b")
    with pytest.raises(MeterMalformed):  # noqa: PT012 - all of it is rolled back
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await service.define_meter(ctx, GIGABYTES)
            await service.record(ctx, [use("c", properties={"model": "x"})])
            await service.define_meter(ctx, replace(GIGABYTES, key=""))
    assert not await takes(tenant_id, "d")
    await define(edge, tenant_id, replace(GIGABYTES, key="other"))
    assert not await takes(tenant_id, "e")
    await define(edge, tenant_id)
    assert await takes(tenant_id, "f")
    assert not await takes(mallory_id, "g")


@pytest.mark.parametrize(
    "spec",
    [
        replace(GIGABYTES, key="Ingest"),
        replace(GIGABYTES, key=""),
        replace(GIGABYTES, key="a" * 65),
        replace(GIGABYTES, name=""),
        replace(GIGABYTES, name="a\nb"),
        replace(GIGABYTES, unit="x" * 41),
        replace(GIGABYTES, aggregation=Aggregation.COUNT, value_property="gb"),
    ],
)
async def test_odd_meters_are_refused(edge: Edge, tenant_id: TenantId, spec: MeterSpec) -> None:
    with pytest.raises(MeterMalformed):
        await define(edge, tenant_id, spec)


async def test_tenants_do_not_meet(edge: Edge, tenant_id: TenantId, mallory_id: TenantId) -> None:
    for tenant in (tenant_id, mallory_id):
        await define(edge, tenant)
    await record(edge, tenant_id, use("a", 2))
    assert (await record(edge, mallory_id, use("a", 5))).accepted == 1
    assert Decimal(2) == (await measured(edge, tenant_id)).quantity
    assert Decimal(5) == (await measured(edge, mallory_id)).quantity


async def test_a_key_without_the_scope_is_denied(edge: Edge, tenant_id: TenantId) -> None:
    await define(edge, tenant_id)
    bob = Actor("key", "bob", frozenset({"metering:read"}))
    async with edge.open(tenant_id, bob) as ctx:
        with pytest.raises(ScopeMissing):
            await service.record(ctx, [use("a")])
    async with edge.open(tenant_id, Actor("key", "charlie")) as ctx:
        with pytest.raises(ScopeMissing):
            await service.measure(ctx, "ingest", customer_ref="alice", period=MONTH)
