"""How far has a tenant been told what the log of jobs says?"""

from __future__ import annotations

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


async def advance(tx: Tx, tenant_id: TenantId, kind: str, *, seq: int) -> int:
    """Move a tenant's place forward to `seq` in this transaction; return where it was before.

    The row is locked until commit: of two that tell the same records the second sees the first.
    """
    await tx.execute(
        "insert into queue_told (tenant_id, kind, seq) values ($1, $2, 0) on conflict do nothing",
        tenant_id,
        kind,
    )
    before: int = await tx.fetchval(
        "select seq from queue_told where tenant_id = $1 and kind = $2 for update",
        tenant_id,
        kind,
    )
    await tx.execute(
        "update queue_told set seq = $3 where tenant_id = $1 and kind = $2 and seq < $3",
        tenant_id,
        kind,
        seq,
    )
    return before
