"""Which licenses does a tenant have, and by what are they found?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId
from solvent.systems.licensing.errors import LicenseKeyTaken
from solvent.systems.licensing.model import License, State
from solvent.systems.licensing.store.policies import policy_of

_SELECT = """
    select l.id, l.customer_id, l.name, l.state, l.expires_at, l.maintenance_until,
        l.slot_limit, l.key_digest, l.key_hint, l.subscription_id, l.purchase, l.payment, l.reason,
        l.created_at, p.terms
    from licensing_license l
    join licensing_policy p on p.tenant_id = l.tenant_id and p.key = l.policy_key
"""


async def insert(tx: Tx, tenant_id: TenantId, new: License) -> bool:
    """Insert a license; return False where its key, subscription or purchase has one already."""
    count = await tx.execute(
        """
        insert into licensing_license (tenant_id, id, policy_key, customer_id, name, state,
            expires_at, maintenance_until, slot_limit, key_digest, key_hint, subscription_id,
            purchase, payment, reason, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        on conflict do nothing
        """,
        *_values(tenant_id, new),
        new.created_at,
    )
    return count == 1


async def save(tx: Tx, tenant_id: TenantId, held: License) -> None:
    """Write all of a license that can change.

    Raises:
        LicenseKeyTaken: another license has its key.
    """
    try:
        await tx.execute(
            """
            update licensing_license set policy_key = $3, customer_id = $4, name = $5, state = $6,
                expires_at = $7, maintenance_until = $8, slot_limit = $9, key_digest = $10,
                key_hint = $11, subscription_id = $12, purchase = $13, payment = $14, reason = $15
            where tenant_id = $1 and id = $2
            """,
            *_values(tenant_id, held),
        )
    except UniqueViolation:
        raise LicenseKeyTaken(field="key") from None


async def find(tx: Tx, tenant_id: TenantId, license_id: str) -> License | None:
    """Return a license."""
    return await _one(tx, "l.tenant_id = $1 and l.id = $2", tenant_id, license_id)


async def lock(tx: Tx, tenant_id: TenantId, license_id: str) -> License | None:
    """Return a license that nobody else works on until this transaction ends."""
    return await _one(tx, "l.tenant_id = $1 and l.id = $2 for update of l", tenant_id, license_id)


async def by_key(tx: Tx, tenant_id: TenantId, digest: str) -> License | None:
    """Return the license whose key has this digest."""
    return await _one(tx, "l.tenant_id = $1 and l.key_digest = $2", tenant_id, digest)


async def by_subscriptions(
    tx: Tx, tenant_id: TenantId, subscription_ids: Sequence[str]
) -> dict[str, License]:
    """Return the licenses that follow these subscriptions, locked, by subscription."""
    rows = await tx.fetch(
        f"{_SELECT} where l.tenant_id = $1 and l.subscription_id = any($2::text[])"
        " order by l.id for update of l",
        tenant_id,
        subscription_ids,
    )
    return {row["subscription_id"]: _license(row) for row in rows}


async def that_follow(tx: Tx, tenant_id: TenantId, subscription_ids: Sequence[str]) -> set[str]:
    """Return which of these subscriptions have a license."""
    rows = await tx.fetch(
        "select subscription_id from licensing_license"
        " where tenant_id = $1 and subscription_id = any($2::text[])",
        tenant_id,
        subscription_ids,
    )
    return {row["subscription_id"] for row in rows}


async def by_payment(tx: Tx, tenant_id: TenantId, payment: str) -> License | None:
    """Return the license that was paid for by a payment, locked."""
    where = "l.tenant_id = $1 and l.payment = $2 for update of l"
    return await _one(tx, where, tenant_id, payment)


async def count_since(tx: Tx, tenant_id: TenantId, policy_key: str, since: datetime) -> int:
    """Return how many licenses of a policy were given since a moment."""
    return await tx.fetchval(
        "select count(*) from licensing_license"
        " where tenant_id = $1 and policy_key = $2 and created_at > $3",
        tenant_id,
        policy_key,
        since,
    )


async def page(
    tx: Tx,
    tenant_id: TenantId,
    *,
    customer_id: str | None,
    policy_key: str | None,
    before: str | None,
    limit: int,
) -> list[License]:
    """Return licenses, the newest first, those before an id."""
    rows = await tx.fetch(
        f"""
        {_SELECT} where l.tenant_id = $1 and ($2::text is null or l.customer_id = $2)
            and ($3::text is null or l.policy_key = $3) and ($4::text is null or l.id < $4)
        order by l.id desc limit $5
        """,
        tenant_id,
        customer_id,
        policy_key,
        before,
        limit,
    )
    return [_license(row) for row in rows]


async def _one(tx: Tx, where: str, *values: object) -> License | None:
    row = await tx.fetchrow(f"{_SELECT} where {where}", *values)
    return _license(row) if row else None


def _values(tenant_id: TenantId, held: License) -> tuple[object, ...]:
    return (
        tenant_id,
        held.id,
        held.policy.key,
        held.customer_id,
        held.name,
        held.state,
        held.expires_at,
        held.maintenance_until,
        held.limit,
        held.key_digest,
        held.key_hint,
        held.subscription_id,
        held.purchase,
        held.payment,
        held.reason,
    )


def _license(row: Row) -> License:
    return License(
        id=row["id"],
        policy=policy_of(row),
        created_at=row["created_at"],
        customer_id=row["customer_id"],
        name=row["name"],
        state=State(row["state"]),
        expires_at=row["expires_at"],
        maintenance_until=row["maintenance_until"],
        limit=row["slot_limit"],
        key_digest=row["key_digest"],
        key_hint=row["key_hint"],
        subscription_id=row["subscription_id"],
        purchase=row["purchase"],
        payment=row["payment"],
        reason=row["reason"],
    )
