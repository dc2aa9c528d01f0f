"""How are API keys kept and found?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.tenants.model import ApiKey, KeyKind
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_COLUMNS = (
    "tenant_id, id, kind, name, prefix, last4, scopes, created_at, created_by, expires_at, "
    "revoked_at, last_used_at"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a key's hash led to; `refused` says why it does not open, None if it does."""

    tenant_id: TenantId
    key_id: str
    scopes: frozenset[str]
    frozen_at: datetime | None
    refused: str | None


async def authenticate(tx: Tx, key_hash: bytes, *, now: datetime) -> Found | None:
    """Find a key and set its tenant for this transaction, in one round trip."""
    row = await tx.fetchrow("select * from tenants_authenticate($1, $2)", key_hash, now)
    if row is None:
        return None
    return Found(
        tenant_id=TenantId(row["tenant_id"]),
        key_id=row["key_id"],
        scopes=frozenset(row["scopes"]),
        frozen_at=row["frozen_at"],
        refused=row["refused"],
    )


async def insert(tx: Tx, key: ApiKey, *, key_hash: bytes) -> None:
    """Keep a fresh key under the hash of its text."""
    await tx.execute(
        """
        insert into tenants_api_key
            (tenant_id, id, kind, name, key_hash, prefix, last4, scopes, created_at, created_by,
             expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        key.tenant_id,
        key.id,
        key.kind,
        key.name,
        key_hash,
        key.prefix,
        key.last4,
        sorted(key.scopes),
        key.created_at,
        key.created_by,
        key.expires_at,
    )


async def by_id(tx: Tx, tenant_id: TenantId, key_id: str) -> ApiKey | None:
    """Return the key of this id."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from tenants_api_key where tenant_id = $1 and id = $2",
        tenant_id,
        key_id,
    )
    return _key(row) if row else None


async def page(tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int) -> list[ApiKey]:
    """Return keys, the newest first, from behind the id `after`."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from tenants_api_key
        where tenant_id = $1 and ($2::text is null or id < $2) order by id desc limit $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [_key(row) for row in rows]


async def revoke(tx: Tx, tenant_id: TenantId, key_id: str, *, at: datetime) -> bool:
    """Revoke a key; return False if it does not exist or is revoked already."""
    revoked = await tx.execute(
        """
        update tenants_api_key set revoked_at = $3
        where tenant_id = $1 and id = $2 and revoked_at is null
        """,
        tenant_id,
        key_id,
        at,
    )
    return revoked == 1


def _key(row: Row) -> ApiKey:
    return ApiKey(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        kind=KeyKind(row["kind"]),
        name=row["name"],
        prefix=row["prefix"],
        last4=row["last4"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
