"""How do a tenant's keys reach the database, and come back from it?"""

from __future__ import annotations

from datetime import datetime

from solvent.kernel.signing.model import Algorithm, Key, KeyState, SealedKey
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_COLUMNS = (
    "tenant_id, kid, ring, algorithm, state, public_key, sealed, created_at, retired_at, revoked_at"
)


async def active(
    tx: Tx, tenant_id: TenantId, *, ring: str, algorithm: Algorithm
) -> SealedKey | None:
    """Return the ring's one active key of the algorithm."""
    row = await tx.fetchrow(
        f"""
        select {_COLUMNS} from signing_key
        where tenant_id = $1 and ring = $2 and algorithm = $3 and state = 'active'
        """,
        tenant_id,
        ring,
        algorithm,
    )
    return _sealed(row) if row else None


async def by_kid(tx: Tx, tenant_id: TenantId, kid: str) -> SealedKey | None:
    """Return the key of this kid in whatever state."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from signing_key where tenant_id = $1 and kid = $2", tenant_id, kid
    )
    return _sealed(row) if row else None


async def list_keys(tx: Tx, tenant_id: TenantId, *, limit: int) -> list[Key]:
    """Return the tenant's keys, the newest first."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from signing_key where tenant_id = $1
        order by kid desc limit $2
        """,
        tenant_id,
        limit,
    )
    return [_sealed(row).key for row in rows]


async def insert_active(tx: Tx, new: SealedKey) -> bool:
    """Insert an active key; return False if its ring has one already, made at the same moment."""
    key = new.key
    count = await tx.execute(
        """
        insert into signing_key
            (tenant_id, kid, ring, algorithm, state, public_key, sealed, created_at)
        values ($1, $2, $3, $4, 'active', $5, $6, $7)
        on conflict (tenant_id, ring, algorithm) where state = 'active' do nothing
        """,
        key.tenant_id,
        key.kid,
        key.ring,
        key.algorithm,
        key.public,
        new.sealed,
        key.created_at,
    )
    return count == 1


async def retire_active(
    tx: Tx, tenant_id: TenantId, *, ring: str, algorithm: Algorithm, at: datetime
) -> str | None:
    """Retire the ring's active key; return its kid, None if there was none."""
    return await tx.fetchval(
        """
        update signing_key set state = 'retired', retired_at = $4
        where tenant_id = $1 and ring = $2 and algorithm = $3 and state = 'active'
        returning kid
        """,
        tenant_id,
        ring,
        algorithm,
        at,
    )


async def revoke(tx: Tx, tenant_id: TenantId, kid: str, *, at: datetime) -> bool:
    """Revoke a key; return False if it does not exist or is revoked already."""
    count = await tx.execute(
        """
        update signing_key set state = 'revoked', revoked_at = $3
        where tenant_id = $1 and kid = $2 and state <> 'revoked'
        """,
        tenant_id,
        kid,
        at,
    )
    return count == 1


def _sealed(row: Row) -> SealedKey:
    key = Key(
        tenant_id=TenantId(row["tenant_id"]),
        kid=row["kid"],
        ring=row["ring"],
        algorithm=Algorithm(row["algorithm"]),
        state=KeyState(row["state"]),
        public=row["public_key"],
        created_at=row["created_at"],
        retired_at=row["retired_at"],
        revoked_at=row["revoked_at"],
    )
    return SealedKey(key, row["sealed"])
