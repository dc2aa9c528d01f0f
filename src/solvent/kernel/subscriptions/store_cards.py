"""Which SQL keeps whose card is on file?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


async def note(
    tx: Tx, tenant_id: TenantId, customer_id: str, *, on_file: bool, noted_at: datetime
) -> None:
    """Keep whether a customer has a card on file."""
    await tx.execute(
        "insert into subscriptions_card (tenant_id, customer_id, on_file, noted_at)"
        " values ($1, $2, $3, $4) on conflict (tenant_id, customer_id)"
        " do update set on_file = excluded.on_file, noted_at = excluded.noted_at",
        tenant_id,
        customer_id,
        on_file,
        noted_at,
    )


async def on_file_of(tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]) -> frozenset[str]:
    """Return those of these customers who are known to have a card on file."""
    rows = await tx.fetch(
        "select customer_id from subscriptions_card"
        " where tenant_id = $1 and customer_id = any($2::text[]) and on_file",
        tenant_id,
        list(customer_ids),
    )
    return frozenset(str(row["customer_id"]) for row in rows)
