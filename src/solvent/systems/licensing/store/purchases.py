"""What was bought once and waits for a license?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.licensing.model import Purchase


async def keep(tx: Tx, tenant_id: TenantId, bought: Purchase) -> None:
    """Let a purchase wait, once."""
    await tx.execute(
        """
        insert into licensing_purchase
            (tenant_id, purchase, payment, customer_id, plan_key, bought_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """,
        tenant_id,
        bought.key,
        bought.payment,
        bought.customer_id,
        bought.plan_key,
        bought.bought_at,
    )


async def take(tx: Tx, tenant_id: TenantId, key: str) -> Purchase | None:
    """Return a purchase that waits, and let it wait no more."""
    row = await tx.fetchrow(
        "delete from licensing_purchase where tenant_id = $1 and purchase = $2"
        " returning purchase, payment, customer_id, plan_key, bought_at",
        tenant_id,
        key,
    )
    return _purchase(row) if row else None


async def drop_paid_by(tx: Tx, tenant_id: TenantId, payment: str) -> None:
    """Let what was paid for by a payment wait no more: the money went back."""
    await tx.execute(
        "delete from licensing_purchase where tenant_id = $1 and payment = $2", tenant_id, payment
    )


async def page(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[Purchase]:
    """Return purchases that wait by their names, those after one."""
    rows: Sequence[Row] = await tx.fetch(
        """
        select purchase, payment, customer_id, plan_key, bought_at from licensing_purchase
        where tenant_id = $1 and purchase > $2 order by purchase limit $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [_purchase(row) for row in rows]


def _purchase(row: Row) -> Purchase:
    return Purchase(
        key=row["purchase"],
        payment=row["payment"],
        customer_id=row["customer_id"],
        plan_key=row["plan_key"],
        bought_at=row["bought_at"],
    )
