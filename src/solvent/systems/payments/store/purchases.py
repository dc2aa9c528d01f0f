"""Which SQL makes sure that a one-time purchase is told of once?"""

from __future__ import annotations

from datetime import datetime

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import Provider


async def note(
    tx: Tx,
    tenant_id: TenantId,
    *,
    provider: Provider,
    checkout_id: str,
    payment_id: str,
    at: datetime,
) -> bool:
    """Note a purchase; return whether neither its checkout nor its payment was noted before.

    Two that are noted at once wait for each other: one of them is the first.
    """
    noted = await tx.execute(
        "insert into payments_purchase (tenant_id, provider, checkout_id, payment_id, noted_at)"
        " values ($1, $2, $3, $4, $5) on conflict do nothing",
        tenant_id,
        provider,
        checkout_id,
        payment_id,
        at,
    )
    return noted > 0
