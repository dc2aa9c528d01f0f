"""Which number does the next document of a series get, with no gap?"""

from __future__ import annotations

from typing import Final

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId

INVOICE: Final = "invoice"
CREDIT_NOTE: Final = "credit_note"


async def draw(tx: Tx, tenant_id: TenantId, series: str) -> int:
    """Return the series' next number; its row stays locked until this transaction ends.

    A roll-back gives the number back, so that no gap can arise: call it last.
    """
    return (await draw_many(tx, tenant_id, series, count=1))[0]


async def draw_many(tx: Tx, tenant_id: TenantId, series: str, *, count: int) -> list[int]:
    """Return the series' next numbers, as `draw` would one after another."""
    last = await tx.fetchval(
        """insert into ledger_counter (tenant_id, name, last_number) values ($1, $2, $3)
           on conflict (tenant_id, name)
           do update set last_number = ledger_counter.last_number + $3
           returning last_number""",
        tenant_id,
        series,
        count,
    )
    return list(range(int(last) - count + 1, int(last) + 1))
