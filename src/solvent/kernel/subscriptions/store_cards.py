"""Which SQL keeps whose card is on file?"""

from __future__ import annotations

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


async def is_on_file(tx: Tx, tenant_id: TenantId, customer_id: str) -> bool:
    """Return whether a customer is known to have a card on file."""
    found = await tx.fetchval(
        "select on_file from subscriptions_card where tenant_id = $1 and customer_id = $2",
        tenant_id,
        customer_id,
    )
    return bool(found)
