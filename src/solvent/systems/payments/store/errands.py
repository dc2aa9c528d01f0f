"""Which SQL keeps what a provider is asked to make, from before it is asked?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import ErrandKind, Provider


@dataclass(frozen=True, slots=True)
class OpenErrand:
    """What a provider was asked, where nobody has seen what came of it."""

    id: str
    provider: Provider
    customer_id: str
    request: Mapping[str, Any]
    asked_at: datetime


async def take_up(tx: Tx, tenant_id: TenantId, *, key: str, kind: ErrandKind) -> OpenErrand | None:
    """Return what was asked under the key and has no outcome, counting one try more."""
    row = await tx.fetchrow(
        "update payments_errand set tries = tries + 1"
        " where tenant_id = $1 and key = $2 and kind = $3 and state = 'asked'"
        " returning id, provider, customer_id, request, asked_at",
        tenant_id,
        key,
        kind,
    )
    if row is None:
        return None
    return OpenErrand(
        row["id"], Provider(row["provider"]), row["customer_id"], row["request"], row["asked_at"]
    )


async def begin(
    tx: Tx,
    tenant_id: TenantId,
    *,
    id: str,
    key: str,
    kind: ErrandKind,
    provider: Provider,
    customer_id: str,
    request: Mapping[str, object],
) -> None:
    """Note what is going to be asked; in the place of what has its outcome under the same key."""
    await tx.execute(
        "insert into payments_errand (tenant_id, key, id, kind, provider, customer_id, request)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict (tenant_id, key) do update set"
        " id = excluded.id, kind = excluded.kind, provider = excluded.provider,"
        " customer_id = excluded.customer_id, request = excluded.request,"
        " asked_at = excluded.asked_at, tries = 1, state = 'asked', made_id = null, reason = null,"
        " settled_at = null where payments_errand.state <> 'asked'",
        tenant_id,
        key,
        id,
        kind,
        provider,
        customer_id,
        request,
    )


async def settle(
    tx: Tx, tenant_id: TenantId, id: str, *, made_id: str | None, reason: str | None
) -> None:
    """Note what came of it: what was made, or why the provider refused."""
    await tx.execute(
        "update payments_errand set settled_at = clock_timestamp(), made_id = $3, reason = $4,"
        " state = case when $4::text is null then 'made' else 'refused' end"
        " where tenant_id = $1 and id = $2 and state = 'asked'",
        tenant_id,
        id,
        made_id,
        reason,
    )


async def note_fault(tx: Tx, tenant_id: TenantId, id: str, *, reason: str) -> None:
    """Note why no outcome is known; the errand stays open."""
    await tx.execute(
        "update payments_errand set reason = $3"
        " where tenant_id = $1 and id = $2 and state = 'asked'",
        tenant_id,
        id,
        reason,
    )
