"""Which SQL keeps collections and the policy that they follow?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import (
    Collection,
    CollectionState,
    Decline,
    NextStep,
    Purpose,
)
from solvent.systems.payments.model import Provider


async def find_policy(tx: Tx, tenant_id: TenantId) -> Mapping[str, object] | None:
    """Return the tenant's policy as it was written, if it was."""
    return await tx.fetchval(
        "select document from payments_collection_policy where tenant_id = $1", tenant_id
    )


async def save_policy(
    tx: Tx, tenant_id: TenantId, document: Mapping[str, object], *, at: datetime
) -> None:
    """Write the tenant's policy."""
    await tx.execute(
        "insert into payments_collection_policy (tenant_id, document, updated_at)"
        " values ($1, $2, $3) on conflict (tenant_id)"
        " do update set document = excluded.document, updated_at = excluded.updated_at",
        tenant_id,
        document,
        at,
    )


async def insert(tx: Tx, tenant_id: TenantId, one: Collection) -> bool:
    """Write a collection; return whether its subject had none before."""
    written = await tx.execute(
        "insert into payments_collection (tenant_id, id, purpose, subject_id, customer_id,"
        " subscription_id, provider, currency, amount_minor, state, next_at, next_step,"
        " created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)"
        " on conflict (tenant_id, purpose, subject_id) do nothing",
        tenant_id,
        one.id,
        one.purpose,
        one.subject_id,
        one.customer_id,
        one.subscription_id,
        one.provider,
        one.currency,
        one.amount_minor,
        one.state,
        one.next_at,
        one.next_step,
        one.created_at,
    )
    return written > 0


async def save(tx: Tx, tenant_id: TenantId, one: Collection) -> None:
    """Write how a collection stands."""
    await tx.execute(
        "update payments_collection set state = $3, attempts = $4, failures = $5,"
        " first_failed_at = $6, next_at = $7, next_step = $8, decline = $9, reason = $10,"
        " final_step = $11, updated_at = $12, provider = $13 where tenant_id = $1 and id = $2",
        tenant_id,
        one.id,
        one.state,
        one.attempts,
        one.failures,
        one.first_failed_at,
        one.next_at,
        one.next_step,
        one.decline,
        one.reason,
        one.final_step,
        one.updated_at,
        one.provider,
    )


async def find(tx: Tx, tenant_id: TenantId, collection_id: str) -> Collection | None:
    """Return a collection."""
    row = await tx.fetchrow(
        "select * from payments_collection where tenant_id = $1 and id = $2",
        tenant_id,
        collection_id,
    )
    return _collection(row) if row else None


async def lock(tx: Tx, tenant_id: TenantId, collection_id: str) -> Collection | None:
    """Return a collection that nobody else changes before the transaction ends."""
    row = await tx.fetchrow(
        "select * from payments_collection where tenant_id = $1 and id = $2 for update",
        tenant_id,
        collection_id,
    )
    return _collection(row) if row else None


async def find_of(
    tx: Tx, tenant_id: TenantId, purpose: Purpose, subject_id: str
) -> Collection | None:
    """Return the collection of an invoice, a top-up or an upgrade."""
    row = await tx.fetchrow(
        "select * from payments_collection"
        " where tenant_id = $1 and purpose = $2 and subject_id = $3",
        tenant_id,
        purpose,
        subject_id,
    )
    return _collection(row) if row else None


async def list_open_of_subscription(
    tx: Tx, tenant_id: TenantId, subscription_id: str
) -> list[Collection]:
    """Return what is still collected for a subscription, the oldest first."""
    rows = await tx.fetch(
        "select * from payments_collection where tenant_id = $1 and subscription_id = $2"
        " and state in ('collecting', 'waiting') order by id",
        tenant_id,
        subscription_id,
    )
    return [_collection(row) for row in rows]


async def list_of_customer(
    tx: Tx, tenant_id: TenantId, customer_id: str, *, purpose: Purpose | None = None
) -> list[Collection]:
    """Return a customer's collections, the newest first, at most 500."""
    rows = await tx.fetch(
        "select * from payments_collection where tenant_id = $1 and customer_id = $2"
        " and ($3::text is null or purpose = $3) order by id desc limit 500",
        tenant_id,
        customer_id,
        purpose,
    )
    return [_collection(row) for row in rows]


async def list_page(
    tx: Tx,
    tenant_id: TenantId,
    *,
    state: CollectionState | None,
    customer_id: str | None,
    after: str | None,
    limit: int,
) -> list[Collection]:
    """Return collections, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        "select * from payments_collection where tenant_id = $1"
        " and ($2::text is null or state = $2) and ($3::text is null or customer_id = $3)"
        " and ($4::text is null or id < $4) order by id desc limit $5",
        tenant_id,
        state,
        customer_id,
        after,
        limit,
    )
    return [_collection(row) for row in rows]


async def sum_charged(
    tx: Tx, tenant_id: TenantId, customer_id: str, *, currency: str, since: datetime
) -> int:
    """Return what a customer's top-ups since a moment come to: those paid, and those under way."""
    return await tx.fetchval(
        "select coalesce(sum(amount_minor), 0)::bigint from payments_collection"
        " where tenant_id = $1 and customer_id = $2 and purpose = 'top_up' and currency = $3"
        " and created_at >= $4 and state in ('collecting', 'waiting', 'paid')",
        tenant_id,
        customer_id,
        currency,
        since,
    )


def _collection(row: Row) -> Collection:
    return Collection(
        id=row["id"],
        purpose=Purpose(row["purpose"]),
        subject_id=row["subject_id"],
        customer_id=row["customer_id"],
        subscription_id=row["subscription_id"],
        provider=Provider(row["provider"]),
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        state=CollectionState(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        attempts=row["attempts"],
        failures=row["failures"],
        first_failed_at=row["first_failed_at"],
        next_at=row["next_at"],
        next_step=NextStep(row["next_step"]) if row["next_step"] else None,
        decline=Decline(row["decline"]) if row["decline"] else None,
        reason=row["reason"],
        final_step=row["final_step"],
    )
