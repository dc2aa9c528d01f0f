"""Which SQL keeps meters and usage events?"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from solvent.kernel.metering.errors import MeterNotFound
from solvent.kernel.metering.model import (
    Aggregation,
    Late,
    Meter,
    PropertyValue,
    Reading,
    StoredEvent,
    UsageState,
)
from solvent.kernel.metering.rules import shown
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_LOCK_METERS = 40
"""The seed of the advisory locks that keep a meter's meaning still; `metering_hold` has it too."""


METERS_KEPT_MAX, TENANTS_KEPT_MAX = 2_000, 1_000


async def plan_afresh(tx: Tx) -> None:
    """Let the statements from here to commit be planned for the tables as they are now.

    All indexes begin with the tenant, so a plan that was cached while a table was nearly empty may
    have taken any of them; a minute of ingest later it would read all that the tenant has.
    """
    await tx.execute("set local plan_cache_mode = force_custom_plan")


async def hold_meters(tx: Tx, tenant_id: TenantId, keys: Sequence[str]) -> dict[str, Meter]:
    """Keep every meter of the tenant as it is until commit; return those of these keys.

    Any number may hold at once; `lock_meters` waits for all of them. What was read before is not
    read again while no meter of the tenant has changed.
    """
    known = _KEPT.get(tenant_id)
    enough = known is not None and known.meters.keys() >= set(keys)
    revision = known.revision if known and enough else None
    rows = await tx.fetch(
        "select * from metering_hold($1, $2, $3)", tenant_id, list(keys), revision
    )
    if rows:
        known = _keep(tenant_id, rows)
    elif not enough:
        return {}
    return {key: known.meters[key] for key in keys if known and key in known.meters}


@dataclass(frozen=True, slots=True)
class _Kept:
    """Meters of a tenant as they are until its latest revision is another."""

    revision: int
    meters: dict[str, Meter]


_KEPT: OrderedDict[TenantId, _Kept] = OrderedDict()
"""What this process has read of meters; a revision is never used again, not by a roll-back."""


def _keep(tenant_id: TenantId, rows: Sequence[Row]) -> _Kept:
    """Remember meters, beside those of the same revision that are known."""
    revision = max(int(row["revision"]) for row in rows)
    meters = {str(row["key"]): _meter(row) for row in rows}
    known = _KEPT.pop(tenant_id, None)
    if known and known.revision == revision and len(known.meters) < METERS_KEPT_MAX:
        meters = known.meters | meters
    kept = _KEPT[tenant_id] = _Kept(revision, meters)
    if len(_KEPT) > TENANTS_KEPT_MAX:
        _KEPT.popitem(last=False)
    return kept


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


async def list_meters_by_late(tx: Tx, tenant_id: TenantId, late: Late) -> list[Meter]:
    """Return all meters that take late usage so."""
    rows = await tx.fetch(
        "select * from metering_meter where tenant_id = $1 and late = $2", tenant_id, late.value
    )
    return [_meter(row) for row in rows]


async def save_meter(tx: Tx, tenant_id: TenantId, meter: Meter) -> None:
    """Insert the meter, or replace the one of the same key."""
    await tx.execute(
        """insert into metering_meter
               (tenant_id, key, name, aggregation, unit, value_property, counts_from, created_at,
                carries, known_properties, late, accept_days)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           on conflict (tenant_id, key) do update
           set name = excluded.name, aggregation = excluded.aggregation, unit = excluded.unit,
               value_property = excluded.value_property, counts_from = excluded.counts_from,
               carries = excluded.carries, known_properties = excluded.known_properties,
               late = excluded.late, accept_days = excluded.accept_days, revision = default""",
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
        meter.late.value,
        meter.accept_days,
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


_SHOWN = """
select e.seq, e.id, e.customer_ref, e.meter_key, e.at, e.value, e.unique_value,
       e.properties::text as properties, e.received_at, o.kind as overlay, o.voided,
       o.value as counted_value, o.unique_value as counted_unique,
       o.properties::text as counted_properties,
       (o.value, o.unique_value, o.properties)
           is distinct from (e.value, e.unique_value, e.properties) as amended
from metering_event e
left join metering_overlay o
       on o.tenant_id = e.tenant_id and o.event_id = e.id and o.superseded_seq is null
"""


async def find_events(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> dict[str, StoredEvent]:
    """Return those of these events that there are, by id."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        f"{_SHOWN} where e.tenant_id = $1 and e.id = any($2::text[])",
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
        f"""{_SHOWN} where e.tenant_id = $1 and e.seq > $2
             and ($3::text is null or e.meter_key = $3)
             and ($4::text is null or e.customer_ref = $4)
           order by e.seq limit $5""",
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
        late=Late(row["late"]),
        accept_days=row["accept_days"],
    )


def _names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _event(row: Row) -> StoredEvent:
    said = row["overlay"] is not None
    properties = _properties(row["properties"])
    value = row["counted_value"] if said else row["value"]
    unique_value = row["counted_unique"] if said else row["unique_value"]
    return StoredEvent(
        seq=row["seq"],
        id=row["id"],
        customer_ref=row["customer_ref"],
        meter_key=row["meter_key"],
        at=row["at"],
        value=row["value"],
        unique_value=row["unique_value"],
        properties=properties,
        received_at=row["received_at"],
        state=_state(row),
        counted=unique_value if value is None else value,
        counted_properties=_properties(row["counted_properties"]) if said else properties,
    )


def _properties(text: str | None) -> Mapping[str, PropertyValue]:
    properties: object = json.loads(text or "{}", parse_float=Decimal)
    return cast("Mapping[str, PropertyValue]", properties)


def _state(row: Row) -> UsageState:
    if row["overlay"] is None:
        return UsageState.RECORDED
    if row["voided"]:
        return UsageState.VOIDED
    return UsageState.AMENDED if row["amended"] else UsageState.RECORDED
