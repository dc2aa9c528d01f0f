"""How much of a meter has a machine told that it used?"""

from __future__ import annotations

from datetime import datetime

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


async def told(tx: Tx, tenant_id: TenantId, activation_id: str) -> dict[tuple[str, str], int]:
    """Return what a machine has told so far, by period and meter."""
    rows = await tx.fetch(
        "select period, meter_key, used from licensing_usage"
        " where tenant_id = $1 and activation_id = $2",
        tenant_id,
        activation_id,
    )
    return {(row["period"], row["meter_key"]): row["used"] for row in rows}


async def keep(
    tx: Tx,
    tenant_id: TenantId,
    activation_id: str,
    used: dict[tuple[str, str], int],
    *,
    at: datetime,
) -> None:
    """Keep what a machine has told now, by period and meter."""
    await tx.executemany(
        """
        insert into licensing_usage (tenant_id, activation_id, meter_key, period, used, told_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (tenant_id, activation_id, meter_key, period) do update
        set used = excluded.used, told_at = excluded.told_at
        """,
        [
            (tenant_id, activation_id, meter, period, quantity, at)
            for (period, meter), quantity in used.items()
        ],
    )
