"""Which SQL keeps the windows in which old usage is taken?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kernel.metering.model import Period, Window
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, window: Window) -> None:
    """Write a window that is open."""
    await tx.execute(
        """insert into metering_window
               (tenant_id, id, meter_key, customer_ref, starts_at, ends_at, reason, opened_at,
                opened_by, opened_seq)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        tenant_id,
        window.id,
        window.meter_key,
        window.customer_ref,
        window.period.start,
        window.period.end,
        window.reason,
        window.opened_at,
        window.opened_by,
        window.opened_seq,
    )


async def finish(
    tx: Tx, tenant_id: TenantId, window_id: str, *, at: datetime, seq: int
) -> Window | None:
    """Close an open window and return it; None if there is none such."""
    row = await tx.fetchrow(
        """update metering_window set finished_at = $3, finished_seq = $4
           where tenant_id = $1 and id = $2 and finished_at is null returning *""",
        tenant_id,
        window_id,
        at,
        seq,
    )
    return _window(row) if row else None


async def find(tx: Tx, tenant_id: TenantId, window_id: str) -> Window | None:
    """Return a window by its id."""
    row = await tx.fetchrow(
        "select * from metering_window where tenant_id = $1 and id = $2", tenant_id, window_id
    )
    return _window(row) if row else None


async def list_open(tx: Tx, tenant_id: TenantId, meter_keys: Sequence[str] | None) -> list[Window]:
    """Return the windows that are open, of these meters or of all, by id."""
    rows = await tx.fetch(
        """select * from metering_window where tenant_id = $1 and finished_at is null
             and ($2::text[] is null or meter_key = any($2)) order by id""",
        tenant_id,
        None if meter_keys is None else list(meter_keys),
    )
    return [_window(row) for row in rows]


async def list_page(tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int) -> list[Window]:
    """Return windows, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        """select * from metering_window where tenant_id = $1 and ($2::text is null or id < $2)
           order by id desc limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [_window(row) for row in rows]


def _window(row: Row) -> Window:
    return Window(
        id=row["id"],
        meter_key=row["meter_key"],
        customer_ref=row["customer_ref"],
        period=Period(row["starts_at"], row["ends_at"]),
        reason=row["reason"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        finished_at=row["finished_at"],
        opened_seq=row["opened_seq"],
        finished_seq=row["finished_seq"],
    )
