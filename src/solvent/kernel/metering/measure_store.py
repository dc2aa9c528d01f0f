"""Which SQL adds usage up, from the raw events and from their hours?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import cast

from solvent.kernel.metering.model import (
    Aggregation,
    Condition,
    CountedEvent,
    Group,
    Measure,
    MeasureRequest,
    Meter,
    Tally,
)
from solvent.kernel.metering.rules import average, level
from solvent.kernel.metering.store import plan_afresh
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

# An event counts as the latest overlay up to the place asked for says, or as it was recorded.
_EVENTS = """
               (select jsonb_object_agg(name, properties ->> name)
                from jsonb_array_elements_text(asked.shared::jsonb) as name) as shared
        from (
            select e.id, e.at, e.seq,
                   case when o.id is null then e.value else o.value end as value,
                   case when o.id is null then e.unique_value else o.unique_value end
                       as unique_value,
                   case when o.id is null then e.properties else o.properties end as properties
            from metering_event e
            left join metering_overlay o
                   on o.tenant_id = $1 and o.customer_ref = asked.customer_ref
                  and o.meter_key = asked.meter_key and o.event_id = e.id
                  and (asked.up_to is null or o.seq <= asked.up_to)
                  and (o.superseded_seq is null or o.superseded_seq > asked.up_to)
            where e.tenant_id = $1 and e.meter_key = asked.meter_key
              and e.customer_ref = asked.customer_ref
              and e.at >= asked.first_at and e.at < asked.end_at
              and (asked.up_to is null or e.seq <= asked.up_to) and o.voided is not true
        ) as event
        where (asked.met is null or metering_meets(properties, asked.met::jsonb))
          and (asked.apart is null or not exists (
                  select from jsonb_array_elements(asked.apart::jsonb) as other
                  where metering_meets(properties, other)))
"""
"""The values that an event shares with its group, and which events of what is `asked` count."""

_MEASURE = f"""
select asked.place, found.*
from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::timestamptz[])
    with ordinality
    as asked (meter_key, customer_ref, first_at, end_at, up_to, met, apart, shared, period_start,
              place)
cross join lateral (
    with counted as (
        select id, at, seq, value, unique_value, {_EVENTS}
    )
    select shared::text as shared_json, count(*) as event_count, sum(value) as total,
           min(value) as minimum, max(value) as maximum,
           count(distinct unique_value) as distinct_count,
           sum(value * extract(epoch from asked.end_at - greatest(at, asked.period_start)))
               / nullif(extract(epoch from asked.end_at - asked.period_start), 0) as weighted,
           encode(sha256(convert_to(string_agg(id || chr(10), '' order by id), 'UTF8')), 'hex')
               as digest,
           (array_agg(id order by at, seq))[1] as first_event_id,
           (array_agg(id order by at desc, seq desc))[1] as last_event_id,
           (array_agg(value order by at desc, seq desc))[1] as latest_value
    from counted group by shared
) as found
order by asked.place, found.shared_json
"""

_COUNTED = f"""
select found.id, found.at, found.seq, found.value, found.unique_value
from (
    select $2::text as meter_key, $3::text as customer_ref,
           coalesce(passed.at, $4::timestamptz) as first_at, $5::timestamptz as end_at,
           $6::bigint as up_to, $7::text as met, $8::text as apart, $9::text as shared,
           passed.at as passed_at, passed.seq as passed_seq
    from (values (1)) as one
    left join metering_event passed on passed.tenant_id = $1 and passed.id = $11
) as asked
cross join lateral (select id, at, seq, value, unique_value, {_EVENTS}) as found
where ($10::text is null or found.shared = $10::jsonb)
  and (asked.passed_seq is null or (found.at, found.seq) > (asked.passed_at, asked.passed_seq))
order by found.at, found.seq
limit $12
"""


async def measure(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[Meter, MeasureRequest]]
) -> list[list[Measure]]:
    """Return what the raw events of each request come to, one for each group that has any."""
    await plan_afresh(tx)
    periods = [meter.counted(one.period) for meter, one in asked]
    rows = await tx.fetch(
        _MEASURE,
        tenant_id,
        [meter.key for meter, _ in asked],
        [one.customer_ref for _, one in asked],
        [period.start for period in periods],
        [period.end for period in periods],
        [one.up_to for _, one in asked],
        [_conditions(one.selection.where) for _, one in asked],
        [_apart(one.selection.apart_from) for _, one in asked],
        [_names(one.selection.group_by) for _, one in asked],
        [one.period.start for _, one in asked],
    )
    found: list[list[Measure]] = [[] for _ in asked]
    for row in rows:
        place = int(row["place"]) - 1
        meter, one = asked[place]
        found[place].append(_measure(row, meter, one))
    return found


async def list_counted(
    tx: Tx,
    tenant_id: TenantId,
    asked: tuple[Meter, MeasureRequest],
    *,
    group: Group,
    after: str | None,
    limit: int,
) -> list[CountedEvent]:
    """Return the events that a measure of a group counts, by their time, those after an id."""
    await plan_afresh(tx)
    meter, one = asked
    counted = meter.counted(one.period)
    rows = await tx.fetch(
        _COUNTED,
        tenant_id,
        meter.key,
        one.customer_ref,
        counted.start,
        counted.end,
        one.up_to,
        _conditions(one.selection.where),
        _apart(one.selection.apart_from),
        _names(one.selection.group_by),
        json.dumps(dict(group)) if group else None,
        after,
        limit,
    )
    return [
        CountedEvent(
            event_id=row["id"],
            at=row["at"],
            counted=row["unique_value"] if row["value"] is None else row["value"],
        )
        for row in rows
    ]


def _conditions(where: Sequence[Condition]) -> str | None:
    return json.dumps([asdict(one) for one in where]) if where else None


def _names(names: Sequence[str]) -> str | None:
    return json.dumps(names) if names else None


def _apart(entries: Sequence[Sequence[Condition]]) -> str | None:
    if not entries:
        return None
    return json.dumps([[asdict(one) for one in entry] for entry in entries])


def _measure(row: Row, meter: Meter, asked: MeasureRequest) -> Measure:
    shared: object = json.loads(row["shared_json"] or "{}")
    return Measure(
        meter_key=meter.key,
        customer_ref=asked.customer_ref,
        period=asked.period,
        quantity=_quantity(row, meter.aggregation),
        event_count=int(row["event_count"]),
        first_event_id=row["first_event_id"],
        last_event_id=row["last_event_id"],
        digest=str(row["digest"]),
        group=tuple(sorted(cast("Mapping[str, str | None]", shared).items())),
    )


_NOW = """
        select e.at, e.seq, case when o.id is null then e.value else o.value end as value,
               case when o.id is null then e.unique_value else o.unique_value end as unique_value
        from metering_event e
        left join metering_overlay o
               on o.tenant_id = $1 and o.event_id = e.id and o.superseded_seq is null
        where e.tenant_id = $1 and e.meter_key = asked.meter_key
          and e.customer_ref = asked.customer_ref and o.voided is not true
"""
"""What counts now of the raw events of a customer and meter."""

_TALLY = f"""
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
        select 1, value, value, value, at, seq, value from ({_NOW}
          and e.at >= asked.period_start and e.at < asked.first) as head
        union all
        select 1, value, value, value, at, seq, value from ({_NOW}
          and e.at >= asked.last and e.at < asked.period_end) as tail
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
        select unique_value from ({_NOW} and asked.is_unique
          and e.at >= asked.period_start and e.at < asked.first) as head
        union all
        select unique_value from ({_NOW} and asked.is_unique
          and e.at >= asked.last and e.at < asked.period_end) as tail
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
