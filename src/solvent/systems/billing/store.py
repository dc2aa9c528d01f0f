"""How do parked accounts reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.billing.model import Parked


async def park(tx: Tx, tenant_id: TenantId, parked: Parked) -> bool:
    """Write that a customer's account is parked; False if it is already."""
    written = await tx.execute(
        """insert into billing_parked
               (tenant_id, id, customer_id, subscription_id, invoice_id, reason, detail, parked_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (tenant_id, customer_id) where released_at is null do nothing""",
        tenant_id,
        parked.id,
        parked.customer_id,
        parked.subscription_id,
        parked.invoice_id,
        parked.reason,
        parked.detail,
        parked.parked_at,
    )
    return bool(written)


async def find_parked(tx: Tx, tenant_id: TenantId, customer_id: str) -> Parked | None:
    """Return why a customer's account is parked now."""
    row = await tx.fetchrow(
        """select * from billing_parked
           where tenant_id = $1 and customer_id = $2 and released_at is null""",
        tenant_id,
        customer_id,
    )
    return _parked(row) if row else None


async def list_parked_of(tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]) -> set[str]:
    """Return those of these customers whose accounts are parked now."""
    rows = await tx.fetch(
        """select customer_id from billing_parked
           where tenant_id = $1 and customer_id = any($2::text[]) and released_at is null""",
        tenant_id,
        list(customer_ids),
    )
    return {str(row["customer_id"]) for row in rows}


async def list_accepted(tx: Tx, tenant_id: TenantId, invoice_ids: Collection[str]) -> set[str]:
    """Return those of these invoices that somebody has looked at and let be charged."""
    rows = await tx.fetch(
        """select invoice_id from billing_parked
           where tenant_id = $1 and invoice_id = any($2::text[]) and released_at is not null""",
        tenant_id,
        list(invoice_ids),
    )
    return {str(row["invoice_id"]) for row in rows}


async def release(tx: Tx, tenant_id: TenantId, parked_id: str, *, at: datetime, by: str) -> None:
    """Write that somebody has looked."""
    await tx.execute(
        """update billing_parked set released_at = $3, released_by = $4
           where tenant_id = $1 and id = $2 and released_at is null""",
        tenant_id,
        parked_id,
        at,
        by,
    )


async def list_parked(
    tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int
) -> list[Parked]:
    """Return the accounts that are parked now, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        """select * from billing_parked
           where tenant_id = $1 and released_at is null and ($2::text is null or id < $2)
           order by id desc limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [_parked(row) for row in rows]


async def list_parked_for(
    tx: Tx, tenant_id: TenantId, reason: str, *, begins: str, after: str | None, limit: int
) -> list[Parked]:
    """As `list_parked`, of those parked for a reason whose detail begins with a text."""
    rows = await tx.fetch(
        """select * from billing_parked
           where tenant_id = $1 and released_at is null and reason = $2
             and starts_with(detail, $3) and ($4::text is null or id < $4)
           order by id desc limit $5""",
        tenant_id,
        reason,
        begins,
        after,
        limit,
    )
    return [_parked(row) for row in rows]


def _parked(row: Row) -> Parked:
    return Parked(
        id=row["id"],
        customer_id=row["customer_id"],
        subscription_id=row["subscription_id"],
        invoice_id=row["invoice_id"],
        reason=row["reason"],
        detail=row["detail"],
        parked_at=row["parked_at"],
    )
