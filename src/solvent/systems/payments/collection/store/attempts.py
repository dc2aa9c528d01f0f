"""Which SQL keeps attempts, from before the provider is asked until their outcome is known?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Decline,
)
from solvent.systems.payments.model import Provider


async def insert(tx: Tx, tenant_id: TenantId, one: Attempt) -> None:
    """Write an attempt, to be asked for at once."""
    await tx.execute(
        "insert into payments_attempt (tenant_id, id, collection_id, number, kind, provider,"
        " provider_customer_id, subscription_ref, amount_minor, currency, state, written_at,"
        " return_url, look_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, clock_timestamp())",
        tenant_id,
        one.id,
        one.collection_id,
        one.number,
        one.kind,
        one.provider,
        one.provider_customer_id,
        one.subscription_ref,
        one.amount_minor,
        one.currency,
        one.state,
        one.written_at,
        one.return_url,
    )


async def note_wanted(
    tx: Tx, tenant_id: TenantId, attempt_id: str, *, amount_minor: int, method_id: str | None
) -> None:
    """Write how much is about to be charged, and what."""
    await tx.execute(
        "update payments_attempt set amount_minor = $3, method_id = $4"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        attempt_id,
        amount_minor,
        method_id,
    )


async def hold(tx: Tx, tenant_id: TenantId, attempt_id: str, *, lease: timedelta) -> None:
    """Keep an attempt from being taken up by others while it is asked for here."""
    await tx.execute(
        "update payments_attempt set leased_until = clock_timestamp() + $3::interval"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        attempt_id,
        lease,
    )


async def look_now(tx: Tx, tenant_id: TenantId, attempt_id: str) -> None:
    """Let an attempt be looked at as soon as somebody has time."""
    await tx.execute(
        "update payments_attempt set look_at = clock_timestamp(), leased_until = null"
        " where tenant_id = $1 and id = $2 and state in ('asked', 'pending')",
        tenant_id,
        attempt_id,
    )


async def note_link(
    tx: Tx, tenant_id: TenantId, attempt_id: str, *, payment_ref: str, url: str, wait: timedelta
) -> None:
    """Write the page on which the customer can pay."""
    await tx.execute(
        "update payments_attempt set state = 'pending', payment_ref = $3, url = $4,"
        " look_at = clock_timestamp() + $5::interval, leased_until = null"
        " where tenant_id = $1 and id = $2 and state in ('asked', 'pending')",
        tenant_id,
        attempt_id,
        payment_ref,
        url,
        wait,
    )


async def settle(tx: Tx, tenant_id: TenantId, one: Attempt) -> None:
    """Write what came of an attempt."""
    await tx.execute(
        "update payments_attempt set state = $3, payment_ref = coalesce($4, payment_ref),"
        " decline = $5, code = $6, message = $7, received_minor = $8, settled_at = $9,"
        " look_at = null, leased_until = null where tenant_id = $1 and id = $2",
        tenant_id,
        one.id,
        one.state,
        one.payment_ref,
        one.decline,
        one.code,
        one.message,
        one.received_minor,
        one.settled_at,
    )


async def note_withdrawn(tx: Tx, tenant_id: TenantId, attempt_id: str) -> None:
    """Write that nobody can pay an attempt any more."""
    await tx.execute(
        "update payments_attempt set withdrawn_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        attempt_id,
    )


async def find(tx: Tx, tenant_id: TenantId, attempt_id: str) -> Attempt | None:
    """Return an attempt."""
    row = await tx.fetchrow(
        "select * from payments_attempt where tenant_id = $1 and id = $2", tenant_id, attempt_id
    )
    return _attempt(row) if row else None


async def list_of(tx: Tx, tenant_id: TenantId, collection_id: str) -> list[Attempt]:
    """Return the attempts of a collection, the first one first."""
    rows = await tx.fetch(
        "select * from payments_attempt where tenant_id = $1 and collection_id = $2"
        " order by number",
        tenant_id,
        collection_id,
    )
    return [_attempt(row) for row in rows]


async def list_charged_twice(tx: Tx, tenant_id: TenantId) -> list[tuple[str, int]]:
    """Return collections that succeeded more than once, and how often."""
    rows = await tx.fetch(
        "select collection_id, count(*) as times from payments_attempt"
        " where tenant_id = $1 and state = 'succeeded'"
        " group by collection_id having count(*) > 1 order by collection_id limit 100",
        tenant_id,
    )
    return [(row["collection_id"], row["times"]) for row in rows]


def _attempt(row: Row) -> Attempt:
    return Attempt(
        id=row["id"],
        collection_id=row["collection_id"],
        number=row["number"],
        kind=AttemptKind(row["kind"]),
        provider=Provider(row["provider"]),
        provider_customer_id=row["provider_customer_id"],
        subscription_ref=row["subscription_ref"],
        method_id=row["method_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        state=AttemptState(row["state"]),
        written_at=row["written_at"],
        key_number=row["key_number"],
        asked_at=row["asked_at"],
        tries=row["tries"],
        payment_ref=row["payment_ref"],
        url=row["url"],
        return_url=row["return_url"],
        decline=Decline(row["decline"]) if row["decline"] else None,
        code=row["code"],
        message=row["message"],
        received_minor=row["received_minor"],
        withdrawn_at=row["withdrawn_at"],
        settled_at=row["settled_at"],
    )
