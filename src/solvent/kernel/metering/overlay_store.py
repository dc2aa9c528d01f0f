"""Which SQL keeps what is said of usage after it was recorded, and finds what came late?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import cast

from solvent.kernel.metering.model import (
    Changed,
    LateDay,
    LateEvent,
    LateRequest,
    MeasureRequest,
    Meter,
    Overlay,
    OverlayKind,
    PropertyValue,
    StoredEvent,
)
from solvent.kernel.metering.store import plan_afresh
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

IDS_NAMED_MAX = 20


async def insert(
    tx: Tx, tenant_id: TenantId, overlay: Overlay, *, properties_json: str | None
) -> int:
    """Write an overlay after the latest of its event; return its place in the order of arrival."""
    seq = await tx.fetchval("select nextval('metering_event_seq_seq')")
    await tx.execute(
        """update metering_overlay set superseded_seq = $3
           where tenant_id = $1 and event_id = $2 and superseded_seq is null""",
        tenant_id,
        overlay.event_id,
        seq,
    )
    await tx.execute(
        """insert into metering_overlay
               (tenant_id, id, seq, event_id, meter_key, customer_ref, at, kind, undoes_id, voided,
                value, unique_value, properties, reason, actor, made_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::jsonb, $14, $15,
                   $16)""",
        tenant_id,
        overlay.id,
        seq,
        overlay.event_id,
        overlay.meter_key,
        overlay.customer_ref,
        overlay.at,
        overlay.kind.value,
        overlay.undoes_id,
        overlay.voided,
        overlay.value,
        overlay.unique_value,
        properties_json,
        overlay.reason,
        overlay.actor,
        overlay.made_at,
    )
    return int(seq)


_COLUMNS = """select id, seq, event_id, meter_key, customer_ref, at, kind, undoes_id, voided, value,
    unique_value, properties::text as properties, reason, actor, made_at from metering_overlay"""


async def history(tx: Tx, tenant_id: TenantId, event_id: str) -> list[Overlay]:
    """Return all that was said of an event, in its order."""
    rows = await tx.fetch(
        f"{_COLUMNS} where tenant_id = $1 and event_id = $2 order by seq", tenant_id, event_id
    )
    return [_overlay(row) for row in rows]


async def find(tx: Tx, tenant_id: TenantId, overlay_id: str) -> Overlay | None:
    """Return an overlay by its id."""
    row = await tx.fetchrow(f"{_COLUMNS} where tenant_id = $1 and id = $2", tenant_id, overlay_id)
    return _overlay(row) if row else None


async def list_page(
    tx: Tx, tenant_id: TenantId, *, before: int | None, limit: int
) -> list[Overlay]:
    """Return overlays, the latest first, those before the place `before`."""
    rows = await tx.fetch(
        f"{_COLUMNS} where tenant_id = $1 and ($2::bigint is null or seq < $2)"
        " order by seq desc limit $3",
        tenant_id,
        before,
        limit,
    )
    return [_overlay(row) for row in rows]


_HOUR = """
insert into metering_hour
    (tenant_id, meter_key, customer_ref, hour, event_count, total, minimum, maximum, latest_at,
     latest_seq, latest_value)
select $1, $2, $3, $4, count(*), coalesce(sum(value), 0), min(value), max(value), max(at),
       (array_agg(seq order by at desc, seq desc))[1],
       (array_agg(value order by at desc, seq desc))[1]
from ({now}) as event having count(*) > 0
"""
_DISTINCT = """
insert into metering_distinct (tenant_id, meter_key, customer_ref, hour, unique_value)
select distinct $1, $2, $3, $4::timestamptz, unique_value
from ({now}) as event where unique_value is not null
"""
_NOW = """
select e.at, e.seq, case when o.id is null then e.value else o.value end as value,
       case when o.id is null then e.unique_value else o.unique_value end as unique_value
from metering_event e
left join metering_overlay o
       on o.tenant_id = $1 and o.event_id = e.id and o.superseded_seq is null
where e.tenant_id = $1 and e.meter_key = $2 and e.customer_ref = $3
  and e.at >= $4::timestamptz and e.at < $4::timestamptz + interval '1 hour'
  and o.voided is not true
"""


async def roll_anew(tx: Tx, tenant_id: TenantId, event: StoredEvent, *, hour: datetime) -> None:
    """Add up anew the hour of an event. The caller lets nobody store events meanwhile."""
    of = (tenant_id, event.meter_key, event.customer_ref, hour)
    for table, insert_sql in (("metering_hour", _HOUR), ("metering_distinct", _DISTINCT)):
        await tx.execute(
            f"delete from {table}"
            " where tenant_id = $1 and meter_key = $2 and customer_ref = $3 and hour = $4",
            *of,
        )
        await tx.execute(insert_sql.format(now=_NOW), *of)


# What came in time is found by its hour: it can only be late for a period that ended in that hour.
_LATE = """
select distinct asked.place, late.meter_key, date_trunc('day', late.at, 'UTC') as day
from unnest($2::text[], $3::timestamptz[], $4::bigint[]) with ordinality
    as asked (customer_ref, before, after, place)
cross join lateral (
    select meter_key, at from metering_event
    where tenant_id = $1 and customer_ref = asked.customer_ref and seq > asked.after and seq <= $6
      and received_at - at >= interval '1 hour' and at < asked.before and meter_key = any($5)
    union all
    select e.meter_key, at from metering_event e
    where e.tenant_id = $1 and e.meter_key = any($5) and e.customer_ref = asked.customer_ref
      and e.at >= asked.before - interval '1 hour' and e.at < asked.before
      and e.seq > asked.after and e.seq <= $6
    union all
    select meter_key, at from metering_overlay
    where tenant_id = $1 and customer_ref = asked.customer_ref and meter_key = any($5)
      and seq > asked.after and seq <= $6 and at < asked.before
) as late
order by 1, 2, 3
"""


async def late_days(
    tx: Tx,
    tenant_id: TenantId,
    asked: Sequence[LateRequest],
    *,
    meter_keys: Sequence[str],
    up_to: int,
) -> list[list[LateDay]]:
    """Return for each request the days for which something arrived, or changed, since then."""
    await plan_afresh(tx)
    rows = await tx.fetch(
        _LATE,
        tenant_id,
        [one.customer_ref for one in asked],
        [one.before for one in asked],
        [one.after for one in asked],
        list(meter_keys),
        up_to,
    )
    found: list[list[LateDay]] = [[] for _ in asked]
    for row in rows:
        found[row["place"] - 1].append(LateDay(row["meter_key"], row["day"]))
    return found


_CHANGED_EVENTS = """
select e.id, e.at, e.seq, e.received_at, o.seq as overlay_seq, o.kind, o.made_at
from metering_event e
left join metering_overlay o
       on o.tenant_id = $1 and o.event_id = e.id and o.seq > $6 and o.seq <= $7
      and (o.superseded_seq is null or o.superseded_seq > $7)
where e.tenant_id = $1 and e.meter_key = $2 and e.customer_ref = $3 and e.at >= $4 and e.at < $5
  and e.seq <= $7 and (e.seq > $6 or o.id is not null)
  and ($8::jsonb is null or metering_meets(e.properties, $8)
       or metering_meets(o.properties, $8))
"""
_CHANGED = f"""
with event as ({_CHANGED_EVENTS})
select count(*) as event_count, (array_agg(id order by at, seq))[1] as first_event_id,
       (array_agg(id order by at desc, seq desc))[1] as last_event_id,
       encode(sha256(convert_to(coalesce(string_agg(id || chr(10), '' order by id), ''), 'UTF8')),
              'hex') as digest,
       (array_agg(id order by at, seq))[:{IDS_NAMED_MAX}] as event_ids
from event
"""


async def changed(
    tx: Tx, tenant_id: TenantId, meter: Meter, asked: MeasureRequest, *, after: int, up_to: int
) -> Changed:
    """Return which events of a period arrived, or count otherwise, since a place of arrival."""
    counted = meter.counted(asked.period)
    where = [{"property": one.property, "values": one.values} for one in asked.selection.where]
    row = await tx.fetchrow(
        _CHANGED,
        tenant_id,
        meter.key,
        asked.customer_ref,
        counted.start,
        counted.end,
        after,
        up_to,
        where or None,
    )
    assert row is not None  # noqa: S101 - a sum over nothing is a row too
    return Changed(
        event_count=row["event_count"],
        first_event_id=row["first_event_id"],
        last_event_id=row["last_event_id"],
        digest=row["digest"],
        event_ids=tuple(row["event_ids"] or ()),
    )


_LISTED = f"""
{_CHANGED_EVENTS}
  and ($9::text is null or (e.at, e.seq) > (
          select passed.at, passed.seq from metering_event passed
          where passed.tenant_id = $1 and passed.id = $9))
order by e.at, e.seq limit $10
"""
FOR_EVER = 2**62
"""A place of arrival that no event comes to."""


async def list_late(
    tx: Tx,
    tenant_id: TenantId,
    asked: tuple[Meter, MeasureRequest],
    *,
    after: int,
    up_to: int | None,
    after_id: str | None,
    limit: int,
) -> list[LateEvent]:
    """Return the events of a period that arrived, or count otherwise, between two places.

    Those after the event of an id; an id that there is not leads nowhere.
    """
    meter, one = asked
    counted = meter.counted(one.period)
    rows = await tx.fetch(
        _LISTED,
        tenant_id,
        meter.key,
        one.customer_ref,
        counted.start,
        counted.end,
        after,
        FOR_EVER if up_to is None else up_to,
        [{"property": each.property, "values": each.values} for each in one.selection.where]
        or None,
        after_id,
        limit,
    )
    return [
        LateEvent(
            event_id=row["id"],
            at=row["at"],
            seq=row["overlay_seq"] or row["seq"],
            came_at=row["made_at"] or row["received_at"],
            what=row["kind"] or "late",
        )
        for row in rows
    ]


def _overlay(row: Row) -> Overlay:
    properties: object = json.loads(row["properties"] or "{}", parse_float=Decimal)
    return Overlay(
        id=row["id"],
        seq=row["seq"],
        event_id=row["event_id"],
        meter_key=row["meter_key"],
        customer_ref=row["customer_ref"],
        at=row["at"],
        kind=OverlayKind(row["kind"]),
        undoes_id=row["undoes_id"],
        voided=row["voided"],
        value=row["value"],
        unique_value=row["unique_value"],
        properties=cast("Mapping[str, PropertyValue]", properties),
        reason=row["reason"],
        actor=row["actor"],
        made_at=row["made_at"],
    )
