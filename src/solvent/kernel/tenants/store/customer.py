"""How are customers kept and found?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.tenants.errors import CustomerInUse
from solvent.kernel.tenants.model import Customer
from solvent.kit.db import ForeignKeyViolation, Row, Tx
from solvent.kit.ids import TenantId

_COLUMNS = "tenant_id, id, external_ref, email, name, country, time_zone, created_at, updated_at"


async def insert(tx: Tx, customers: Sequence[Customer]) -> set[str]:
    """Add customers; return the ids of those whose external_ref was not taken, even just now."""
    rows = await tx.fetchmany(
        """
        insert into tenants_customer
            (tenant_id, id, external_ref, email, name, country, time_zone, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (tenant_id, external_ref) do nothing returning id
        """,
        [
            (
                one.tenant_id,
                one.id,
                one.external_ref,
                one.email,
                one.name,
                one.country,
                one.time_zone,
                one.created_at,
                one.updated_at,
            )
            for one in customers
        ],
    )
    return {row["id"] for row in rows}


async def by_id(tx: Tx, tenant_id: TenantId, customer_id: str) -> Customer | None:
    """Return the customer of this id."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from tenants_customer where tenant_id = $1 and id = $2",
        tenant_id,
        customer_id,
    )
    return _customer(row) if row else None


async def by_ref(tx: Tx, tenant_id: TenantId, external_ref: str) -> Customer | None:
    """Return the customer whom the tenant calls so."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from tenants_customer where tenant_id = $1 and external_ref = $2",
        tenant_id,
        external_ref,
    )
    return _customer(row) if row else None


async def by_refs(tx: Tx, tenant_id: TenantId, external_refs: Sequence[str]) -> list[Customer]:
    """Return those of the named customers who exist."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from tenants_customer
        where tenant_id = $1 and external_ref = any($2::text[])
        """,
        tenant_id,
        list(external_refs),
    )
    return [_customer(row) for row in rows]


async def by_ids(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> list[Customer]:
    """Return those of the customers of these ids who exist."""
    rows = await tx.fetch(
        f"select {_COLUMNS} from tenants_customer where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
    )
    return [_customer(row) for row in rows]


async def page(
    tx: Tx, tenant_id: TenantId, *, after: str | None, email: str | None, limit: int
) -> list[Customer]:
    """Return customers in the order in which they came, from behind the id `after`."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from tenants_customer
        where tenant_id = $1 and ($2::text is null or id > $2)
          and ($3::text is null or lower(email) = lower($3))
        order by id limit $4
        """,
        tenant_id,
        after,
        email,
        limit,
    )
    return [_customer(row) for row in rows]


async def save(tx: Tx, customer: Customer) -> None:
    """Write what is told about a customer."""
    await tx.execute(
        """
        update tenants_customer
        set email = $3, name = $4, country = $5, time_zone = $6, updated_at = $7
        where tenant_id = $1 and id = $2
        """,
        customer.tenant_id,
        customer.id,
        customer.email,
        customer.name,
        customer.country,
        customer.time_zone,
        customer.updated_at,
    )


async def delete(tx: Tx, tenant_id: TenantId, customer_id: str) -> bool:
    """Remove a customer; raises CustomerInUse where something still names them."""
    try:
        deleted = await tx.execute(
            "delete from tenants_customer where tenant_id = $1 and id = $2", tenant_id, customer_id
        )
    except ForeignKeyViolation:
        raise CustomerInUse from None
    return deleted == 1


def _customer(row: Row) -> Customer:
    return Customer(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        external_ref=row["external_ref"],
        email=row["email"],
        name=row["name"],
        country=row["country"],
        time_zone=row["time_zone"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
