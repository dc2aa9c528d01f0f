"""Which machines hold a license, what did they ask, and what is believed no more?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.licensing.model import Activation, Machine, Revoked

_COLUMNS = (
    "id, license_id, fingerprint, components, name, platform, nonce, created_at, lease_until,"
    " file_until, ended_at, proven"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered before; without an answer its activation has ended."""

    activation_id: str
    digest: bytes
    answer: str | None


async def save(tx: Tx, tenant_id: TenantId, one: Activation) -> None:
    """Insert an activation, or write what can change of it."""
    await tx.execute(
        f"""
        insert into licensing_activation (tenant_id, {_COLUMNS})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (tenant_id, id) do update set fingerprint = $4, components = $5, name = $6,
            platform = $7, nonce = $8, lease_until = $10, file_until = $11, ended_at = $12,
            proven = $13
        """,
        tenant_id,
        one.id,
        one.license_id,
        one.machine.fingerprint,
        dict(one.machine.components),
        one.machine.name,
        one.machine.platform,
        one.nonce,
        one.created_at,
        one.lease_until,
        one.file_until,
        one.ended_at,
        one.proven,
    )


async def find(tx: Tx, tenant_id: TenantId, activation_id: str) -> Activation | None:
    """Return an activation."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from licensing_activation where tenant_id = $1 and id = $2",
        tenant_id,
        activation_id,
    )
    return _activation(row) if row else None


async def that_count(
    tx: Tx, tenant_id: TenantId, license_id: str, *, now: datetime
) -> list[Activation]:
    """Return a license's activations that have not ended, or left a file that is still alive."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from licensing_activation
        where tenant_id = $1 and license_id = $2 and (ended_at is null or file_until >= $3)
        order by id
        """,
        tenant_id,
        license_id,
        now,
    )
    return [_activation(row) for row in rows]


async def find_request(tx: Tx, tenant_id: TenantId, nonce: str) -> Answered | None:
    """Return the request of a nonce."""
    row = await tx.fetchrow(
        "select activation_id, digest, answer from licensing_request"
        " where tenant_id = $1 and nonce = $2",
        tenant_id,
        nonce,
    )
    return Answered(row["activation_id"], row["digest"], row["answer"]) if row else None


async def keep_request(
    tx: Tx, tenant_id: TenantId, nonce: str, answered: Answered, *, at: datetime
) -> bool:
    """Keep an answered request; return False where the nonce was used at this very moment."""
    count = await tx.execute(
        """
        insert into licensing_request (tenant_id, nonce, activation_id, digest, answer, created_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """,
        tenant_id,
        nonce,
        answered.activation_id,
        answered.digest,
        answered.answer,
        at,
    )
    return count == 1


async def spend_requests(tx: Tx, tenant_id: TenantId, activation_id: str) -> None:
    """Forget the answers of an activation: its requests are used up."""
    await tx.execute(
        "update licensing_request set answer = null where tenant_id = $1 and activation_id = $2",
        tenant_id,
        activation_id,
    )


async def keep_trial(tx: Tx, tenant_id: TenantId, one: Activation) -> None:
    """Remember what a machine on trial is made of."""
    await tx.executemany(
        "insert into licensing_trial (tenant_id, digest, activation_id) values ($1, $2, $3)"
        " on conflict do nothing",
        [(tenant_id, digest, one.id) for digest in set(one.machine.components.values())],
    )


async def trials_sharing(
    tx: Tx, tenant_id: TenantId, digests: Iterable[str], *, limit: int
) -> list[Activation]:
    """Return past trials of machines that share a component, those that share most first."""
    rows = await tx.fetch(
        f"""
        with shared as (
            select activation_id, count(*) as hits from licensing_trial
            where tenant_id = $1 and digest = any($2::text[])
            group by activation_id order by hits desc, activation_id limit $3)
        select {_COLUMNS} from licensing_activation a join shared on shared.activation_id = a.id
        where a.tenant_id = $1 order by shared.hits desc
        """,
        tenant_id,
        list(digests),
        limit,
    )
    return [_activation(row) for row in rows]


# ------------------------------------------------------------------------------------- revocations


async def revoke(tx: Tx, tenant_id: TenantId, one: Revoked, *, listed_until: datetime) -> None:
    """Put a license or an activation on the list; the list has a new serial then."""
    await tx.execute(
        """
        insert into licensing_revocation (tenant_id, id, revoked_at, reason, listed_until)
        values ($1, $2, $3, $4, $5) on conflict (tenant_id, id) do update
        set revoked_at = $3, reason = $4, listed_until = $5
        """,
        tenant_id,
        one.id,
        one.at,
        one.reason,
        listed_until,
    )
    await _next_serial(tx, tenant_id)


async def unrevoke(tx: Tx, tenant_id: TenantId, id: str) -> None:
    """Take something off the list again."""
    gone = await tx.execute(
        "delete from licensing_revocation where tenant_id = $1 and id = $2", tenant_id, id
    )
    if gone:
        await _next_serial(tx, tenant_id)


async def revocations(
    tx: Tx, tenant_id: TenantId, *, now: datetime, limit: int
) -> tuple[int, list[Revoked]]:
    """Return the list's serial and what is on it, the latest first."""
    serial = await tx.fetchval(
        "select serial from licensing_serial where tenant_id = $1", tenant_id
    )
    rows = await tx.fetch(
        """
        select id, revoked_at, reason from licensing_revocation
        where tenant_id = $1 and listed_until >= $2 order by revoked_at desc, id limit $3
        """,
        tenant_id,
        now,
        limit,
    )
    told = [Revoked(id=row["id"], at=row["revoked_at"], reason=row["reason"]) for row in rows]
    return serial or 0, told


async def _next_serial(tx: Tx, tenant_id: TenantId) -> None:
    await tx.execute(
        """
        insert into licensing_serial (tenant_id, serial) values ($1, 1)
        on conflict (tenant_id) do update set serial = licensing_serial.serial + 1
        """,
        tenant_id,
    )


def _activation(row: Row) -> Activation:
    machine = Machine(
        fingerprint=row["fingerprint"],
        components=row["components"],
        name=row["name"],
        platform=row["platform"],
    )
    return Activation(
        id=row["id"],
        license_id=row["license_id"],
        machine=machine,
        created_at=row["created_at"],
        nonce=row["nonce"],
        lease_until=row["lease_until"],
        file_until=row["file_until"],
        ended_at=row["ended_at"],
        proven=row["proven"],
    )
