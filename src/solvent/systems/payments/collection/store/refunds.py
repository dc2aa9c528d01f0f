"""Which SQL keeps refunds, from before the provider is asked until they are made?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import Refund, RefundState
from solvent.systems.payments.model import Provider


async def insert(tx: Tx, tenant_id: TenantId, one: Refund, *, lease: timedelta) -> bool:
    """Write a refund, asked for by the caller for so long; return whether its source was new."""
    written = await tx.execute(
        "insert into payments_refund (tenant_id, id, source, payment_id, provider, payment_ref,"
        " amount_minor, currency, reason, invoice_id, state, written_at, look_at, leased_until)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, clock_timestamp(),"
        " clock_timestamp() + $13::interval) on conflict (tenant_id, source) do nothing",
        tenant_id,
        one.id,
        one.source,
        one.payment_id,
        one.provider,
        one.payment_ref,
        one.amount_minor,
        one.currency,
        one.reason,
        one.invoice_id,
        one.state,
        one.written_at,
        lease,
    )
    return written > 0


async def settle(tx: Tx, tenant_id: TenantId, one: Refund) -> None:
    """Write what came of a refund."""
    await tx.execute(
        "update payments_refund set state = $3, refund_ref = coalesce($4, refund_ref),"
        " message = $5, credit_note_id = $6, settled_at = $7, look_at = null, leased_until = null"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        one.id,
        one.state,
        one.refund_ref,
        one.message,
        one.credit_note_id,
        one.settled_at,
    )


async def find(tx: Tx, tenant_id: TenantId, refund_id: str) -> Refund | None:
    """Return a refund."""
    row = await tx.fetchrow(
        "select * from payments_refund where tenant_id = $1 and id = $2", tenant_id, refund_id
    )
    return _refund(row) if row else None


async def lock(tx: Tx, tenant_id: TenantId, refund_id: str) -> Refund | None:
    """Return a refund that nobody else changes before the transaction ends."""
    row = await tx.fetchrow(
        "select * from payments_refund where tenant_id = $1 and id = $2 for update",
        tenant_id,
        refund_id,
    )
    return _refund(row) if row else None


async def find_by_source(tx: Tx, tenant_id: TenantId, source: str) -> Refund | None:
    """Return the refund that a source has asked for."""
    row = await tx.fetchrow(
        "select * from payments_refund where tenant_id = $1 and source = $2", tenant_id, source
    )
    return _refund(row) if row else None


async def sum_under_way(tx: Tx, tenant_id: TenantId, payment_id: str) -> int:
    """Return what refunds of a payment come to that are not booked yet."""
    return await tx.fetchval(
        "select coalesce(sum(amount_minor), 0)::bigint from payments_refund"
        " where tenant_id = $1 and payment_id = $2 and state in ('asked', 'pending')",
        tenant_id,
        payment_id,
    )


async def lock_payment(tx: Tx, tenant_id: TenantId, payment_id: str) -> None:
    """Let one at a time decide what of a payment may still go back."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1 || '/refund/' || $2, 0))",
        tenant_id,
        payment_id,
    )


async def list_page(
    tx: Tx, tenant_id: TenantId, *, payment_id: str | None, after: str | None, limit: int
) -> list[Refund]:
    """Return refunds, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        "select * from payments_refund where tenant_id = $1"
        " and ($2::text is null or payment_id = $2) and ($3::text is null or id < $3)"
        " order by id desc limit $4",
        tenant_id,
        payment_id,
        after,
        limit,
    )
    return [_refund(row) for row in rows]


def _refund(row: Row) -> Refund:
    return Refund(
        id=row["id"],
        source=row["source"],
        payment_id=row["payment_id"],
        provider=Provider(row["provider"]),
        payment_ref=row["payment_ref"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        reason=row["reason"],
        state=RefundState(row["state"]),
        written_at=row["written_at"],
        invoice_id=row["invoice_id"],
        credit_note_id=row["credit_note_id"],
        key_number=row["key_number"],
        asked_at=row["asked_at"],
        tries=row["tries"],
        refund_ref=row["refund_ref"],
        message=row["message"],
        settled_at=row["settled_at"],
    )
