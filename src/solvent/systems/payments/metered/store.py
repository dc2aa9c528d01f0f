"""Which SQL keeps the meters that Stripe bills, and what it is told of them?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.metered.model import Metered, MeterEvent, Pair, SendState

_EVENT = (
    "id, meter_key, customer_ref, hour, number, event_name, value, state, reason, tries,"
    " first_tried_at, settled_at"
)


async def save_metered(tx: Tx, tenant_id: TenantId, one: Metered) -> bool:
    """Keep which events a meter is told by; return False where another meter has their name."""
    taken = await tx.fetchval(
        "select meter_key from payments_metered"
        " where tenant_id = $1 and event_name = $2 and meter_key <> $3",
        tenant_id,
        one.event_name,
        one.meter_key,
    )
    if taken is not None:
        return False
    await tx.execute(
        "insert into payments_metered (tenant_id, meter_key, event_name, since, created_at)"
        " values ($1, $2, $3, $4, $5) on conflict (tenant_id, meter_key)"
        " do update set event_name = excluded.event_name",
        tenant_id,
        one.meter_key,
        one.event_name,
        one.since,
        one.created_at,
    )
    return True


async def drop_metered(tx: Tx, tenant_id: TenantId, meter_key: str) -> bool:
    """Tell no more of a meter; return whether it was told."""
    await tx.execute(
        "delete from payments_metered_due where tenant_id = $1 and meter_key = $2",
        tenant_id,
        meter_key,
    )
    gone = await tx.execute(
        "delete from payments_metered where tenant_id = $1 and meter_key = $2",
        tenant_id,
        meter_key,
    )
    return gone > 0


async def list_metered(tx: Tx, tenant_id: TenantId) -> list[Metered]:
    """Return the meters that Stripe is told of, by key."""
    rows = await tx.fetch(
        "select meter_key, event_name, since, created_at from payments_metered"
        " where tenant_id = $1 order by meter_key",
        tenant_id,
    )
    return [Metered(*row.values()) for row in rows]


async def note(
    tx: Tx,
    tenant_id: TenantId,
    *,
    meter_keys: Sequence[str],
    customer_refs: Sequence[str],
    at: datetime,
) -> None:
    """Note that customers' use of meters is to be looked at, as soon as possible."""
    await tx.execute(
        "insert into payments_metered_due (tenant_id, meter_key, customer_ref, noted_at, look_at)"
        " select $1, m.meter_key, c.ref, $4, $4 from payments_metered m,"
        " unnest($3::text[]) as c(ref) where m.tenant_id = $1 and m.meter_key = any($2)"
        " order by m.meter_key, c.ref on conflict (tenant_id, meter_key, customer_ref)"
        " do update set noted_at = excluded.noted_at, look_at = excluded.look_at",
        tenant_id,
        list(meter_keys),
        sorted(set(customer_refs)),
        at,
    )


async def take_due(tx: Tx, tenant_id: TenantId, *, now: datetime, limit: int) -> list[Pair]:
    """Return pairs that are to be looked at, locked until the transaction ends."""
    rows = await tx.fetch(
        "select meter_key, customer_ref from payments_metered_due"
        " where tenant_id = $1 and look_at <= $2"
        " order by look_at, meter_key, customer_ref limit $3 for update skip locked",
        tenant_id,
        now,
        limit,
    )
    return [Pair(row["meter_key"], row["customer_ref"]) for row in rows]


async def look_again(tx: Tx, tenant_id: TenantId, pairs: Sequence[Pair], *, at: datetime) -> None:
    """Look at pairs again at a moment."""
    await tx.executemany(
        "update payments_metered_due set look_at = $4"
        " where tenant_id = $1 and meter_key = $2 and customer_ref = $3",
        [(tenant_id, one.meter_key, one.customer_ref, at) for one in pairs],
    )


async def forget_due(tx: Tx, tenant_id: TenantId, pairs: Sequence[Pair]) -> None:
    """Look at pairs no more, until their use changes again."""
    await tx.executemany(
        "delete from payments_metered_due"
        " where tenant_id = $1 and meter_key = $2 and customer_ref = $3",
        [(tenant_id, one.meter_key, one.customer_ref) for one in pairs],
    )


async def told(
    tx: Tx, tenant_id: TenantId, pair: Pair, *, since: datetime
) -> tuple[dict[datetime, Decimal], dict[datetime, int]]:
    """Return what was told, or is to be, of a pair's hours, and by how many events each."""
    rows = await tx.fetch(
        "select hour, sum(value) as value, count(*) as events from payments_metered_event"
        " where tenant_id = $1 and meter_key = $2 and customer_ref = $3 and hour >= $4"
        " group by hour",
        tenant_id,
        pair.meter_key,
        pair.customer_ref,
        since,
    )
    values = {row["hour"]: row["value"] for row in rows}
    return values, {row["hour"]: row["events"] for row in rows}


async def add_events(
    tx: Tx, tenant_id: TenantId, events: Sequence[MeterEvent], *, at: datetime
) -> None:
    """Keep events that are to be sent."""
    await tx.executemany(
        "insert into payments_metered_event (tenant_id, id, meter_key, customer_ref, hour, number,"
        " event_name, value, state, next_at, created_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), $10)",
        [
            (
                tenant_id,
                one.id,
                one.meter_key,
                one.customer_ref,
                one.hour,
                one.number,
                one.event_name,
                one.value,
                one.state,
                at,
            )
            for one in events
        ],
    )


async def claim(tx: Tx, tenant_id: TenantId, *, limit: int, lease: timedelta) -> list[MeterEvent]:
    """Return events that are due, oldest first; nobody else sends them while the lease lasts."""
    rows = await tx.fetch(
        f"update payments_metered_event set leased_until = clock_timestamp() + $3::interval"
        " where tenant_id = $1 and id in (select id from payments_metered_event"
        " where tenant_id = $1 and state = 'waiting' and next_at <= clock_timestamp()"
        " and (leased_until is null or leased_until < clock_timestamp())"
        f" order by hour, number, id limit $2 for update skip locked) returning {_EVENT}",
        tenant_id,
        limit,
        lease,
    )
    return sorted(map(_event, rows), key=lambda one: (one.hour, one.number, one.id))


async def begin(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> None:
    """Note, before they are sent, that events are tried."""
    await tx.execute(
        "update payments_metered_event set tries = tries + 1,"
        " first_tried_at = coalesce(first_tried_at, clock_timestamp())"
        " where tenant_id = $1 and id = any($2)",
        tenant_id,
        list(ids),
    )


async def restart(tx: Tx, tenant_id: TenantId, id: str) -> None:
    """Note that Stripe has not got an event: its identifier is as good as new."""
    await tx.execute(
        "update payments_metered_event set first_tried_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        id,
    )


async def settle(
    tx: Tx, tenant_id: TenantId, id: str, state: SendState, *, reason: str | None
) -> None:
    """Keep what came of an event; what is sent stays sent."""
    await tx.execute(
        "update payments_metered_event set state = $3, reason = $4, leased_until = null,"
        " settled_at = clock_timestamp() where tenant_id = $1 and id = $2 and state <> 'sent'",
        tenant_id,
        id,
        state,
        reason,
    )


async def put_off(tx: Tx, tenant_id: TenantId, id: str, *, by: timedelta, reason: str) -> None:
    """Let an event wait for its next try."""
    await tx.execute(
        "update payments_metered_event set next_at = clock_timestamp() + $3::interval,"
        " reason = $4, leased_until = null where tenant_id = $1 and id = $2 and state = 'waiting'",
        tenant_id,
        id,
        by,
        reason,
    )


async def send_again(tx: Tx, tenant_id: TenantId, *, id: str | None, state: SendState) -> int:
    """Let what was refused or is unclear wait to be sent again; return how much that was."""
    return await tx.execute(
        "update payments_metered_event set state = 'waiting', first_tried_at = null,"
        " settled_at = null, leased_until = null, next_at = clock_timestamp()"
        " where tenant_id = $1 and state = $2 and ($3::text is null or id = $3)",
        tenant_id,
        state,
        id,
    )


async def arrived(tx: Tx, tenant_id: TenantId, one: MeterEvent) -> Decimal:
    """Return what Stripe has for certain of the hour of an event."""
    return await tx.fetchval(
        "select coalesce(sum(value), 0) from payments_metered_event where tenant_id = $1"
        " and meter_key = $2 and customer_ref = $3 and hour = $4 and state = 'sent'",
        tenant_id,
        one.meter_key,
        one.customer_ref,
        one.hour,
    )


async def counts(
    tx: Tx, tenant_id: TenantId
) -> dict[str, list[tuple[SendState, int, datetime, datetime]]]:
    """Return for each meter, by state: how many events, their first and their last hour."""
    rows = await tx.fetch(
        "select meter_key, state, count(*) as events, min(hour) as first, max(hour) as last"
        " from payments_metered_event where tenant_id = $1 group by meter_key, state",
        tenant_id,
    )
    found: dict[str, list[tuple[SendState, int, datetime, datetime]]] = {}
    for row in rows:
        one = (SendState(row["state"]), row["events"], row["first"], row["last"])
        found.setdefault(row["meter_key"], []).append(one)
    return found


async def list_events(
    tx: Tx,
    tenant_id: TenantId,
    *,
    state: SendState | None = None,
    meter_key: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[MeterEvent]:
    """Return events, the newest first."""
    rows = await tx.fetch(
        f"select {_EVENT} from payments_metered_event where tenant_id = $1"
        " and ($2::text is null or state = $2) and ($3::text is null or meter_key = $3)"
        " and ($4::text is null or id < $4) order by id desc limit $5",
        tenant_id,
        state,
        meter_key,
        before,
        limit,
    )
    return [_event(row) for row in rows]


async def list_tenants(tx: Tx) -> list[TenantId]:
    """Return the tenants in which there is something to look at or to send."""
    rows = await tx.fetch("select tenant_id from payments_metered_tenants()")
    return [TenantId(row["tenant_id"]) for row in rows]


def _event(row: Row) -> MeterEvent:
    told: dict[str, Any] = dict(row)
    told["state"] = SendState(told["state"])
    return MeterEvent(**told)
