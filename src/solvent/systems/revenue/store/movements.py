"""How do movements reach the database, and in which orders do they come back?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.revenue.model import Movement, Place, PlanSum

_LOCK_SEED = 270
_COLUMNS = (
    "customer_id, subscription_id, at, plan_key, plan_version, seq, currency, delta_minor, noted_at"
)


async def lock(tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]) -> None:
    """Let whoever follows the same customers, or all of them, take turns until commit."""
    await tx.execute(
        "select pg_advisory_xact_lock_shared(hashtextextended($1, $2))", tenant_id, _LOCK_SEED
    )
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended(name, $2)) from unnest($1::text[]) as name",
        sorted(f"{tenant_id}/{customer_id}" for customer_id in customer_ids),
        _LOCK_SEED,
    )


async def lock_all(tx: Tx, tenant_id: TenantId) -> None:
    """Keep out whoever follows any customer of the tenant until commit, by one lock."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, $2))", tenant_id, _LOCK_SEED
    )


async def insert(tx: Tx, tenant_id: TenantId, rows: Sequence[Movement]) -> None:
    """Add rows; the same key and number a second time is a bug and fails."""
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    await tx.execute(
        f"""insert into revenue_movement (tenant_id, {_COLUMNS})
            select $1, * from unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[],
                $6::integer[], $7::integer[], $8::text[], $9::bigint[], $10::timestamptz[])""",
        tenant_id,
        *columns,
    )


async def of_customers(
    tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]
) -> list[Movement]:
    """Return all rows of these customers: each one's in the order of time."""
    rows = await tx.fetch(
        f"""select {_COLUMNS} from revenue_movement
            where tenant_id = $1 and customer_id = any($2::text[])
            order by customer_id, at, subscription_id, plan_key, plan_version, seq""",
        tenant_id,
        list(customer_ids),
    )
    return [_movement(row) for row in rows]


async def last_customer(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> str | None:
    """Return the last of the next so many customers after an id; None if there is no other."""
    return await tx.fetchval(
        """select max(customer_id) from (
               select distinct customer_id from revenue_movement
               where tenant_id = $1 and customer_id > $2 order by customer_id limit $3
           ) as following""",
        tenant_id,
        after,
        limit,
    )


async def between_customers(
    tx: Tx, tenant_id: TenantId, *, after: str, last: str, until: datetime
) -> list[Movement]:
    """Return the rows before a moment of the customers after one id, up to and with another."""
    rows = await tx.fetch(
        f"""select {_COLUMNS} from revenue_movement
            where tenant_id = $1 and customer_id > $2 and customer_id <= $3 and at < $4
            order by customer_id, at, subscription_id, plan_key, plan_version, seq""",
        tenant_id,
        after,
        last,
        until,
    )
    return [_movement(row) for row in rows]


async def page(
    tx: Tx,
    tenant_id: TenantId,
    *,
    within: Period,
    customer_id: str | None,
    plan_key: str | None,
    after: Place | None,
    limit: int,
) -> list[Movement]:
    """Return rows of a time in their order, those after a place."""
    place = after or Place(within.start, "", "", 0, 0)
    rows = await tx.fetch(
        f"""select {_COLUMNS} from revenue_movement
            where tenant_id = $1 and at >= $2 and at < $3
              and ($4::text is null or customer_id = $4) and ($5::text is null or plan_key = $5)
              and (at, subscription_id, plan_key, plan_version, seq) > ($6, $7, $8, $9, $10)
            order by at, subscription_id, plan_key, plan_version, seq limit $11""",
        tenant_id,
        within.start,
        within.end,
        customer_id,
        plan_key,
        *place,
        limit,
    )
    return [_movement(row) for row in rows]


async def sums_by_plan(
    tx: Tx, tenant_id: TenantId, *, until: datetime, time_zone: str, customer_id: str | None
) -> list[PlanSum]:
    """Return what the rows before a moment come to, by plan, currency and day of a zone."""
    rows = await tx.fetch(
        """select plan_key, currency, (at at time zone $3)::date as day,
                  sum(delta_minor)::bigint as delta_minor
           from revenue_movement
           where tenant_id = $1 and at < $2 and ($4::text is null or customer_id = $4)
           group by plan_key, currency, day order by plan_key, currency, day""",
        tenant_id,
        until,
        time_zone,
        customer_id,
    )
    return [PlanSum(*row.values()) for row in rows]


def _movement(row: Row) -> Movement:
    return Movement(*row.values())
