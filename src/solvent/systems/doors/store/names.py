"""Which SQL keeps what foreign clients call customers and meters?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.doors.model import CustomerName, Door, MeterName


async def save_customers(tx: Tx, tenant_id: TenantId, names: Sequence[CustomerName]) -> None:
    """Keep names of customers, in place of what they meant before."""
    await tx.executemany(
        """insert into doors_customer (tenant_id, door, name, customer_ref, created_at)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, door, name) do update
           set customer_ref = excluded.customer_ref""",
        [
            (tenant_id, one.door.value, one.name, one.customer_ref, one.created_at)
            for one in sorted(names, key=lambda one: (one.door, one.name))
        ],
    )


async def find_customers(
    tx: Tx, tenant_id: TenantId, door: Door, names: Collection[str]
) -> dict[str, str]:
    """Return whose names these are, as far as it was said."""
    rows = await tx.fetch(
        """select name, customer_ref from doors_customer
           where tenant_id = $1 and door = $2 and name = any($3::text[])""",
        tenant_id,
        door.value,
        list(names),
    )
    return {row["name"]: row["customer_ref"] for row in rows}


async def list_customers(
    tx: Tx, tenant_id: TenantId, *, door: Door, after: str, limit: int
) -> list[CustomerName]:
    """Return names of customers at a door in their order, those after `after`."""
    rows = await tx.fetch(
        """select door, name, customer_ref, created_at from doors_customer
           where tenant_id = $1 and door = $2 and name > $3 order by name limit $4""",
        tenant_id,
        door.value,
        after,
        limit,
    )
    return [
        CustomerName(
            door=Door(row["door"]),
            name=row["name"],
            customer_ref=row["customer_ref"],
            created_at=row["created_at"],
        )
        for row in rows
    ]


async def remove_customer(tx: Tx, tenant_id: TenantId, door: Door, name: str) -> bool:
    """Forget a name; return whether there was one."""
    gone = await tx.execute(
        "delete from doors_customer where tenant_id = $1 and door = $2 and name = $3",
        tenant_id,
        door.value,
        name,
    )
    return bool(gone)


async def count_names(tx: Tx, tenant_id: TenantId) -> int:
    """Return how many names of customers and meters there are."""
    return await tx.fetchval(
        """select (select count(*) from doors_customer where tenant_id = $1)
                + (select count(*) from doors_meter where tenant_id = $1)""",
        tenant_id,
    )


async def save_meter(tx: Tx, tenant_id: TenantId, name: MeterName) -> None:
    """Keep which meter an event is for, beside the others that it is for."""
    await tx.execute(
        """insert into doors_meter
               (tenant_id, door, event, meter_key, value_path, dimensions, created_at)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, door, event, meter_key) do update
           set value_path = excluded.value_path, dimensions = excluded.dimensions""",
        tenant_id,
        name.door.value,
        name.event,
        name.meter_key,
        name.value_path,
        None if name.dimensions is None else dict(name.dimensions),
        name.created_at,
    )


async def find_meters(
    tx: Tx, tenant_id: TenantId, door: Door, events: Collection[str]
) -> dict[str, list[MeterName]]:
    """Return the meters that these events are for, as far as it was said."""
    rows = await tx.fetch(
        """select * from doors_meter where tenant_id = $1 and door = $2 and event = any($3::text[])
           order by event, meter_key""",
        tenant_id,
        door.value,
        list(events),
    )
    found: dict[str, list[MeterName]] = {}
    for row in rows:
        found.setdefault(row["event"], []).append(_meter(row))
    return found


async def list_meters(tx: Tx, tenant_id: TenantId, *, door: Door | None) -> list[MeterName]:
    """Return which events are for which meters, at one door or at all."""
    rows = await tx.fetch(
        """select * from doors_meter where tenant_id = $1 and ($2::text is null or door = $2)
           order by door, event, meter_key""",
        tenant_id,
        door and door.value,
    )
    return [_meter(row) for row in rows]


async def remove_meters(
    tx: Tx, tenant_id: TenantId, door: Door, event: str, *, keep: str | None = None
) -> int:
    """Forget which meters an event is for, but for one where it is named."""
    return await tx.execute(
        """delete from doors_meter
           where tenant_id = $1 and door = $2 and event = $3 and meter_key is distinct from $4""",
        tenant_id,
        door.value,
        event,
        keep,
    )


def _meter(row: Row) -> MeterName:
    return MeterName(
        door=Door(row["door"]),
        event=row["event"],
        meter_key=row["meter_key"],
        value_path=row["value_path"],
        dimensions=row["dimensions"],
        created_at=row["created_at"],
    )
