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
    number = await tx.fetchval(
        """insert into ledger_counter (tenant_id, name, last_number) values ($1, $2, 1)
           on conflict (tenant_id, name)
           do update set last_number = ledger_counter.last_number + 1
           returning last_number""",
        tenant_id,
        series,
    )
    return int(number)
