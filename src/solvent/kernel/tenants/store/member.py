"""How are members, their sign-in links and their sessions kept and found?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.tenants.errors import MemberExists
from solvent.kernel.tenants.model import Member, Mode, Role, Session
from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId

_COLUMNS = "tenant_id, id, email, name, role, created_at"


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A session that was found: who, in which role, looking at which tenant."""

    tenant_id: TenantId
    session_id: str
    member_id: str
    role: Role
    frozen_at: datetime | None


async def insert(tx: Tx, member: Member) -> None:
    """Add a member; raises MemberExists."""
    try:
        await tx.execute(
            """
            insert into tenants_member (tenant_id, id, email, name, role, created_at)
            values ($1, $2, $3, $4, $5, $6)
            """,
            member.tenant_id,
            member.id,
            member.email,
            member.name,
            member.role,
            member.created_at,
        )
    except UniqueViolation:
        raise MemberExists(field="email") from None


async def by_id(tx: Tx, tenant_id: TenantId, member_id: str) -> Member | None:
    """Return the member of this id."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from tenants_member where tenant_id = $1 and id = $2",
        tenant_id,
        member_id,
    )
    return _member(row) if row else None


async def page(tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int) -> list[Member]:
    """Return members in the order in which they came, from behind the id `after`."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from tenants_member
        where tenant_id = $1 and ($2::text is null or id > $2) order by id limit $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [_member(row) for row in rows]


async def lock_owners(tx: Tx, tenant_id: TenantId) -> list[str]:
    """Return the ids of all owners and keep them as they are until this transaction ends."""
    rows = await tx.fetch(
        """
        select id from tenants_member where tenant_id = $1 and role = 'owner'
        order by id for update
        """,
        tenant_id,
    )
    return [row["id"] for row in rows]


async def change(tx: Tx, tenant_id: TenantId, member_id: str, *, name: str, role: Role) -> None:
    """Give a member another name and role."""
    await tx.execute(
        "update tenants_member set name = $3, role = $4 where tenant_id = $1 and id = $2",
        tenant_id,
        member_id,
        name,
        role,
    )


async def remove(tx: Tx, tenant_id: TenantId, member_id: str) -> None:
    """Remove a member with their links and sessions."""
    await tx.execute(
        "delete from tenants_member where tenant_id = $1 and id = $2", tenant_id, member_id
    )


async def insert_link(
    tx: Tx, tenant_id: TenantId, member_id: str, *, token_hash: bytes, at: datetime, until: datetime
) -> None:
    """Keep a sign-in link under the hash of its token."""
    await tx.execute(
        """
        insert into tenants_sign_in_link (tenant_id, token_hash, member_id, created_at, expires_at)
        values ($1, $2, $3, $4, $5)
        """,
        tenant_id,
        token_hash,
        member_id,
        at,
        until,
    )


async def redeem_link(tx: Tx, token_hash: bytes, *, now: datetime) -> tuple[TenantId, str] | None:
    """Use up a sign-in link and set its tenant; return (tenant, member), None if it is no good."""
    row = await tx.fetchrow("select * from tenants_redeem_link($1, $2)", token_hash, now)
    return (TenantId(row["tenant_id"]), row["member_id"]) if row else None


async def forget_links(tx: Tx, tenant_id: TenantId, *, before: datetime) -> int:
    """Remove links that ended before; return how many."""
    return await tx.execute(
        "delete from tenants_sign_in_link where tenant_id = $1 and expires_at < $2",
        tenant_id,
        before,
    )


async def insert_session(tx: Tx, session: Session, *, token_hash: bytes) -> None:
    """Keep a session under the hash of its token."""
    await tx.execute(
        """
        insert into tenants_session
            (tenant_id, id, token_hash, member_id, mode, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        session.tenant_id,
        session.id,
        token_hash,
        session.member_id,
        session.mode,
        session.created_at,
        session.expires_at,
    )


async def open_session(tx: Tx, token_hash: bytes, *, now: datetime) -> SeenSession | None:
    """Find a session and set the tenant that it looks at, in one round trip."""
    row = await tx.fetchrow("select * from tenants_open_session($1, $2)", token_hash, now)
    if row is None:
        return None
    return SeenSession(
        tenant_id=TenantId(row["tenant_id"]),
        session_id=row["session_id"],
        member_id=row["member_id"],
        role=Role(row["role"]),
        frozen_at=row["frozen_at"],
    )


async def list_sessions(
    tx: Tx, tenant_id: TenantId, *, member_id: str | None, now: datetime
) -> list[Session]:
    """Return the business's open sessions, or one member's, newest first."""
    rows = await tx.fetch(
        "select * from tenants_list_sessions($1, $2, $3)", tenant_id, member_id, now
    )
    return [
        Session(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            member_id=row["member_id"],
            mode=Mode(row["mode"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )
        for row in rows
    ]


async def change_session(
    tx: Tx,
    tenant_id: TenantId,
    session_id: str,
    *,
    mode: Mode | None = None,
    ended_at: datetime | None = None,
) -> bool:
    """Turn a session to the other half of the business, or end it; return whether it was open."""
    return await tx.fetchval(
        "select tenants_change_session($1, $2, $3, $4)", tenant_id, session_id, mode, ended_at
    )


def _member(row: Row) -> Member:
    return Member(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
    )
