"""Which SQL keeps up to when the poller has read what a provider told?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import Provider


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to when a provider was read, and when that was, both in real time."""

    read_until: datetime
    polled_at: datetime


async def find(tx: Tx, tenant_id: TenantId, provider: Provider) -> Cursor | None:
    """Return the cursor of a provider, if it was ever read."""
    row = await tx.fetchrow(
        "select read_until, polled_at from payments_cursor where tenant_id = $1 and provider = $2",
        tenant_id,
        provider,
    )
    return Cursor(row["read_until"], row["polled_at"]) if row else None


async def save(
    tx: Tx, tenant_id: TenantId, provider: Provider, *, cursor: Cursor, differences: int
) -> None:
    """Write the cursor; it never goes back."""
    await tx.execute(
        "insert into payments_cursor as c"
        " (tenant_id, provider, read_until, polled_at, differences) values ($1, $2, $3, $4, $5)"
        " on conflict (tenant_id, provider) do update set"
        " read_until = greatest(c.read_until, excluded.read_until),"
        " polled_at = excluded.polled_at, differences = excluded.differences",
        tenant_id,
        provider,
        cursor.read_until,
        cursor.polled_at,
        differences,
    )


async def statuses_of(
    tx: Tx, tenant_id: TenantId, provider: Provider, references: Sequence[str]
) -> dict[str, str | None]:
    """Return what the events of a provider's subscriptions amounted to, of those that are known."""
    rows = await tx.fetch(
        "select provider_subscription_id, status from payments_subscription"
        " where tenant_id = $1 and provider = $2 and provider_subscription_id = any($3::text[])",
        tenant_id,
        provider,
        list(references),
    )
    return {row["provider_subscription_id"]: row["status"] for row in rows}
