"""Which SQL keeps what refunds and disputes have taken back?"""

from __future__ import annotations

from datetime import datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import Dispute, DisputeOutcome, Provider


async def lock_returned(tx: Tx, tenant_id: TenantId, *, provider: Provider, payment_id: str) -> int:
    """Return what a payment's booked refunds come to, and hold it until the transaction ends."""
    return await tx.fetchval(
        "insert into payments_returned as r (tenant_id, provider, payment_id, refunded_minor)"
        " values ($1, $2, $3, 0) on conflict (tenant_id, provider, payment_id)"
        " do update set refunded_minor = r.refunded_minor returning refunded_minor",
        tenant_id,
        provider,
        payment_id,
    )


async def note_returned(
    tx: Tx, tenant_id: TenantId, *, provider: Provider, payment_id: str, refunded_minor: int
) -> None:
    """Write what a payment's booked refunds come to."""
    await tx.execute(
        "update payments_returned set refunded_minor = $4"
        " where tenant_id = $1 and provider = $2 and payment_id = $3",
        tenant_id,
        provider,
        payment_id,
        refunded_minor,
    )


async def lock_dispute(tx: Tx, tenant_id: TenantId, dispute: Dispute) -> Dispute:
    """Write a dispute if it is new; return what was known of it, and hold it."""
    await tx.execute(
        "insert into payments_dispute (tenant_id, provider, provider_dispute_id, payment_ref,"
        " amount_minor, currency, status, reason, outcome, seen_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
        tenant_id,
        dispute.provider,
        dispute.id,
        dispute.payment_ref,
        dispute.amount_minor,
        dispute.currency,
        dispute.status,
        dispute.reason,
        DisputeOutcome.OPEN,
        dispute.seen_at,
    )
    row = await tx.fetchrow(
        "select * from payments_dispute"
        " where tenant_id = $1 and provider = $2 and provider_dispute_id = $3 for update",
        tenant_id,
        dispute.provider,
        dispute.id,
    )
    return _dispute(row) if row else dispute


async def save_dispute(tx: Tx, tenant_id: TenantId, dispute: Dispute) -> None:
    """Write how a dispute stands."""
    await tx.execute(
        "update payments_dispute set status = $4, outcome = $5, booked_minor = $6, seen_at = $7,"
        " payment_ref = $8"
        " where tenant_id = $1 and provider = $2 and provider_dispute_id = $3",
        tenant_id,
        dispute.provider,
        dispute.id,
        dispute.status,
        dispute.outcome,
        dispute.booked_minor,
        dispute.seen_at,
        dispute.payment_ref,
    )


async def list_unbooked(tx: Tx, tenant_id: TenantId) -> list[Dispute]:
    """Return the disputes that are lost and are not in the books."""
    rows = await tx.fetch(
        "select * from payments_dispute where tenant_id = $1 and outcome = 'open'"
        " and status in ('lost', 'approved') order by seen_at limit 100 for update",
        tenant_id,
    )
    return [_dispute(row) for row in rows]


async def list_disputes(
    tx: Tx, tenant_id: TenantId, *, before: datetime | None, limit: int
) -> list[Dispute]:
    """Return disputes, those last heard of first."""
    rows = await tx.fetch(
        "select * from payments_dispute where tenant_id = $1"
        " and ($2::timestamptz is null or seen_at < $2) order by seen_at desc limit $3",
        tenant_id,
        before,
        limit,
    )
    return [_dispute(row) for row in rows]


def _dispute(row: Row) -> Dispute:
    return Dispute(
        provider=Provider(row["provider"]),
        id=row["provider_dispute_id"],
        payment_ref=row["payment_ref"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        status=row["status"],
        reason=row["reason"],
        outcome=DisputeOutcome(row["outcome"]),
        booked_minor=row["booked_minor"],
        seen_at=row["seen_at"],
    )
