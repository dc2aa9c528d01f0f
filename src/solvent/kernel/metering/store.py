"""Which SQL keeps meters and usage events, and adds them up?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import cast

from solvent.kernel.metering.errors import MeterNotFound
from solvent.kernel.metering.model import (
    Aggregation,
    Measure,
    Meter,
    Period,
    PropertyValue,
    Reading,
    Selection,
    StoredEvent,
    Tally,
)
from solvent.kernel.metering.rules import average, level, shown
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_LOCK_METERS = 40
"""The seed of the advisory locks that keep a meter's meaning still; `metering_hold` has it too."""


async def plan_afresh(tx: Tx) -> None:
    """Let the statements from here to commit be planned for the tables as they are now.

    All indexes begin with the tenant, so a plan that was cached while a table was nearly empty may
    have taken any of them; a minute of ingest later it would read all that the tenant has.
    """
    await tx.execute("set local plan_cache_mode = force_custom_plan")


async def hold_meters(tx: Tx, tenant_id: TenantId, keys: Sequence[str]) -> dict[str, Meter]:
    """Keep every meter of the tenant as it is until commit; return those of these keys.

    Any number may hold at once; `lock_meters` waits for all of them.
    """
    rows = await tx.fetch("select * from metering_hold($1, $2)", tenant_id, list(keys))
    return {str(row["key"]): _meter(row) for row in rows}


async def lock_meters(tx: Tx, tenant_id: TenantId) -> None:
    """Wait until nobody stores events of the tenant, and keep them waiting until commit."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, $2))", tenant_id, _LOCK_METERS
    )


async def find_meters(tx: Tx, tenant_id: TenantId, keys: Sequence[str]) -> dict[str, Meter]:
    """Return the meters of these keys; unknown keys are missing."""
    rows = await tx.fetch(
        "select * from metering_meter where tenant_id = $1 and key = any($2::text[])",
        tenant_id,
        list(keys),
    )
    return {str(row["key"]): _meter(row) for row in rows}


async def get_meter(tx: Tx, tenant_id: TenantId, key: str) -> Meter:
    """Return one meter.

    Raises:
        MeterNotFound: the tenant has none of this key.
    """
    found = await find_meters(tx, tenant_id, [key])
    if key not in found:
        raise MeterNotFound(field="meter", given=shown(key))
    return found[key]


async def list_meters(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[Meter]:
    """Return meters in the order of their keys, those after `after`."""
    rows = await tx.fetch(
        "select * from metering_meter where tenant_id = $1 and key > $2 order by key limit $3",
        tenant_id,
        after,
        limit,
    )
    return [_meter(row) for row in rows]


async def save_meter(tx: Tx, tenant_id: TenantId, meter: Meter) -> None:
    """Insert the meter, or replace the one of the same key."""
    await tx.execute(
        """insert into metering_meter
               (tenant_id, key, name, aggregation, unit, value_property, counts_from, created_at,
                carries, known_properties)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           on conflict (tenant_id, key) do update
           set name = excluded.name, aggregation = excluded.aggregation, unit = excluded.unit,
               value_property = excluded.value_property, counts_from = excluded.counts_from,
               carries = excluded.carries, known_properties = excluded.known_properties""",
        tenant_id,
        meter.key,
        meter.name,
        meter.aggregation.value,
        meter.unit,
        meter.value_property,
        meter.counts_from,
        meter.created_at,
        meter.carries,
        list(meter.known_properties) if meter.known_properties is not None else None,
    )


async def is_used(tx: Tx, tenant_id: TenantId, meter_key: str) -> bool:
    """Return whether the meter has any event."""
    return bool(
        await tx.fetchval(
            "select exists (select from metering_event where tenant_id = $1 and meter_key = $2)",
            tenant_id,
            meter_key,
        )
    )


_INSERT = """
with incoming as (
    select * from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::numeric[],
                         $7::text[], $8::text[], $9::bytea[])
        as t (id, meter_key, customer_ref, at, value, unique_value, properties, fingerprint)
), inserted as (
    insert into metering_event (tenant_id, id, meter_key, customer_ref, at, value, unique_value,
                                properties, fingerprint, received_at)
    select $1, id, meter_key, customer_ref, at, value, unique_value, properties::jsonb,
           fingerprint, $10
    from incoming
    on conflict (tenant_id, id) do nothing
    returning id, meter_key, customer_ref, at, date_trunc('hour', at, 'UTC') as hour, seq, value,
              unique_value
), rolled as (
    insert into metering_hour as kept
        (tenant_id, meter_key, customer_ref, hour, event_count, total, minimum, maximum, latest_at,
         latest_seq, latest_value)
    select $1, meter_key, customer_ref, hour, count(*), coalesce(sum(value), 0), min(value),
           max(value), max(at), (array_agg(seq order by at desc, seq desc))[1],
           (array_agg(value order by at desc, seq desc))[1]
    from inserted group by meter_key, customer_ref, hour
    order by meter_key, customer_ref, hour
    on conflict (tenant_id, meter_key, customer_ref, hour) do update
    set event_count = kept.event_count + excluded.event_count,
        total = kept.total + excluded.total,
        minimum = least(kept.minimum, excluded.minimum),
        maximum = greatest(kept.maximum, excluded.maximum),
        latest_value = case when (excluded.latest_at, excluded.latest_seq)
                                 > (kept.latest_at, kept.latest_seq)
                            then excluded.latest_value else kept.latest_value end,
        latest_seq = case when (excluded.latest_at, excluded.latest_seq)
                               > (kept.latest_at, kept.latest_seq)
                          then excluded.latest_seq else kept.latest_seq end,
        latest_at = greatest(kept.latest_at, excluded.latest_at)
), seen as (
    insert into metering_distinct (tenant_id, meter_key, customer_ref, hour, unique_value)
    select distinct $1, meter_key, customer_ref, hour, unique_value
    from inserted where unique_value is not null
    order by 2, 3, 4, 5
    on conflict do nothing
)
select id from inserted
"""


async def insert_readings(
    tx: Tx, tenant_id: TenantId, readings: Sequence[Reading], *, received_at: datetime
) -> set[str]:
    """Store the events whose ids are new, add them to their hours, and return the new ids.

    Rows go in by the order of their ids, so that two batches that share ids wait for each other
    and never deadlock; the hours are locked after all events, in the order of their keys.
    """
    ordered = sorted(readings, key=lambda reading: reading.id)
    rows = await tx.fetch(
        _INSERT,
        tenant_id,
        [reading.id for reading in ordered],
        [reading.meter_key for reading in ordered],
        [reading.customer_ref for reading in ordered],
        [reading.at for reading in ordered],
        [reading.value for reading in ordered],
        [reading.unique_value for reading in ordered],
        [reading.properties_json for reading in ordered],
        [reading.fingerprint for reading in ordered],
        received_at,
    )
    return {str(row["id"]) for row in rows}


async def find_fingerprints(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the fingerprint under which each of these ids was recorded."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        """select id, fingerprint from metering_event
           where tenant_id = $1 and id = any($2::text[])""",
        tenant_id,
        list(ids),
    )
    return {str(row["id"]): bytes(row["fingerprint"]) for row in rows}


async def find_events(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> dict[str, StoredEvent]:
    """Return those of these events that there are, by id."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        """select seq, id, customer_ref, meter_key, at, value, unique_value,
                  properties::text as properties, received_at
           from metering_event where tenant_id = $1 and id = any($2::text[])""",
        tenant_id,
        list(ids),
    )
    return {str(row["id"]): _event(row) for row in rows}


async def list_events(
    tx: Tx,
    tenant_id: TenantId,
    *,
    after: int,
    limit: int,
    meter_key: str | None = None,
    customer_ref: str | None = None,
) -> list[StoredEvent]:
    """Return events in the order of arrival, those after place `after`, narrowed where asked."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        """select seq, id, customer_ref, meter_key, at, value, unique_value,
                  properties::text as properties, received_at
           from metering_event
           where tenant_id = $1 and seq > $2 and ($3::text is null or meter_key = $3)
             and ($4::text is null or customer_ref = $4)
           order by seq limit $5""",
        tenant_id,
        after,
        meter_key,
        customer_ref,
        limit,
    )
    return [_event(row) for row in rows]


async def last_arrival(tx: Tx, tenant_id: TenantId) -> int:
    """Return the place of the tenant's newest event in the order of arrival, 0 before any.

    Waits for the events on their way: none will arrive below it.
    """
    return int(await tx.fetchval("select metering_last_arrival($1)", tenant_id))


_MEASURE = """
with counted as (
    select id, at, seq, value, unique_value,
           (select jsonb_object_agg(name, properties ->> name) from unnest($9::text[]) as name)
               as shared
    from metering_event
    where tenant_id = $1 and meter_key = $2 and customer_ref = $3 and at >= $4 and at < $5
      and ($6::bigint is null or seq <= $6)
      and ($7::jsonb is null or metering_meets(properties, $7))
      and ($8::jsonb is null or not exists (
              select from jsonb_array_elements($8) as other
              where metering_meets(properties, other)))
), first as (
    select distinct on (shared) shared, id from counted order by shared, at, seq
), last as (
    select distinct on (shared) shared, id, value from counted
    order by shared, at desc, seq desc
), added as (
    select shared, count(*) as event_count, sum(value) as total, min(value) as minimum,
           max(value) as maximum, count(distinct unique_value) as distinct_count,
           sum(value * extract(epoch from $5 - greatest(at, $10)))
               / nullif(extract(epoch from $5 - $10), 0) as weighted,
           encode(sha256(convert_to(string_agg(id || chr(10), '' order by id), 'UTF8')), 'hex')
               as digest
    from counted group by shared
)
select added.*, added.shared::text as shared_json, first.id as first_event_id,
       last.id as last_event_id, last.value as latest_value
from added join first on first.shared is not distinct from added.shared
           join last on last.shared is not distinct from added.shared
order by added.shared
"""


async def measure(
    tx: Tx,
    tenant_id: TenantId,
    meter: Meter,
    *,
    customer_ref: str,
    period: Period,
    selection: Selection,
    up_to: int | None = None,
) -> list[Measure]:
    """Return what the raw events of the period come to, one for each group that has any.

    `up_to` leaves out those after this place in the order of arrival.
    """
    await plan_afresh(tx)
    counted = meter.counted(period)
    rows = await tx.fetch(
        _MEASURE,
        tenant_id,
        meter.key,
        customer_ref,
        counted.start,
        counted.end,
        up_to,
        [asdict(one) for one in selection.where] or None,
        [[asdict(one) for one in entry] for entry in selection.apart_from] or None,
        list(selection.group_by) or None,
        period.start,
    )
    return [_measure(row, meter, customer_ref, period) for row in rows]


def _measure(row: Row, meter: Meter, customer_ref: str, period: Period) -> Measure:
    shared: object = json.loads(row["shared_json"] or "{}")
    return Measure(
        meter_key=meter.key,
        customer_ref=customer_ref,
        period=period,
        quantity=_quantity(row, meter.aggregation),
        event_count=int(row["event_count"]),
        first_event_id=row["first_event_id"],
        last_event_id=row["last_event_id"],
        digest=str(row["digest"]),
        group=tuple(sorted(cast("Mapping[str, str | None]", shared).items())),
    )


_TALLY = """
select whole.event_count, whole.total, whole.minimum, whole.maximum, whole.latest_value,
       case when asked.is_unique then distinct_values.distinct_count else 0 end as distinct_count
from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::boolean[])
    with ordinality
    as asked (meter_key, customer_ref, period_start, first, last, period_end, is_unique, place)
cross join lateral (
    select coalesce(sum(event_count), 0) as event_count, sum(total) as total,
           min(minimum) as minimum, max(maximum) as maximum,
           (array_agg(latest_value order by latest_at desc, latest_seq desc))[1] as latest_value
    from (
        select event_count, total, minimum, maximum, latest_at, latest_seq, latest_value
        from metering_hour
        where tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and hour >= asked.first and hour < asked.last
        union all
        select 1, value, value, value, at, seq, value from metering_event
        where tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and at >= asked.period_start and at < asked.first
        union all
        select 1, value, value, value, at, seq, value from metering_event
        where tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and at >= asked.last and at < asked.period_end
    ) as parts
) as whole
cross join lateral (
    select count(distinct unique_value) as distinct_count
    from (
        select unique_value from metering_distinct
        where asked.is_unique and tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and hour >= asked.first and hour < asked.last
        union all
        select unique_value from metering_event
        where asked.is_unique and tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and at >= asked.period_start and at < asked.first
        union all
        select unique_value from metering_event
        where asked.is_unique and tenant_id = $1 and meter_key = asked.meter_key
          and customer_ref = asked.customer_ref
          and at >= asked.last and at < asked.period_end
    ) as parts
) as distinct_values
order by asked.place
"""


async def tally(tx: Tx, tenant_id: TenantId, asked: Sequence[Tally]) -> list[Decimal]:
    """Return each quantity from the hours, and from raw events where a period cuts an hour."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        _TALLY,
        tenant_id,
        [one.meter.key for one in asked],
        [one.customer_ref for one in asked],
        [one.split.head.start for one in asked],
        [one.split.hours.start for one in asked],
        [one.split.hours.end for one in asked],
        [one.split.tail.end for one in asked],
        [one.meter.aggregation is Aggregation.UNIQUE for one in asked],
    )
    return [_quantity(row, one.meter.aggregation) for row, one in zip(rows, asked, strict=True)]


_COLUMNS = {
    Aggregation.SUM: "total",
    Aggregation.COUNT: "event_count",
    Aggregation.MIN: "minimum",
    Aggregation.MAX: "maximum",
    Aggregation.UNIQUE: "distinct_count",
    Aggregation.LATEST: "latest_value",
    Aggregation.WEIGHTED: "weighted",
}


def _quantity(row: Row, aggregation: Aggregation) -> Decimal:
    """Return the column the aggregation reads; a period without events comes to nothing."""
    if aggregation is Aggregation.AVERAGE:
        return average(Decimal(row["total"] or 0), row["event_count"])
    return level(Decimal(row[_COLUMNS[aggregation]] or 0))


def _meter(row: Row) -> Meter:
    return Meter(
        key=row["key"],
        name=row["name"],
        aggregation=Aggregation(row["aggregation"]),
        unit=row["unit"],
        value_property=row["value_property"],
        counts_from=row["counts_from"],
        created_at=row["created_at"],
        carries=row["carries"],
        known_properties=_names(row["known_properties"]),
    )


def _names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _event(row: Row) -> StoredEvent:
    properties: object = json.loads(row["properties"] or "{}", parse_float=Decimal)
    return StoredEvent(
        seq=row["seq"],
        id=row["id"],
        customer_ref=row["customer_ref"],
        meter_key=row["meter_key"],
        at=row["at"],
        value=row["value"],
        unique_value=row["unique_value"],
        properties=cast("Mapping[str, PropertyValue]", properties),
        received_at=row["received_at"],
    )
