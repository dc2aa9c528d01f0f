"""How are tenants and their test clocks kept and found?"""

from __future__ import annotations

from datetime import datetime

from solvent.kernel.tenants.errors import ClockGoesBack, SlugTaken, TenantUnknown
from solvent.kernel.tenants.model import Mode, Tenant
from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId

_COLUMNS = "tenant_id, business_id, slug, name, mode, created_at"


async def create_pair(tx: Tx, live: Tenant, test: Tenant) -> None:
    """Insert both tenants of a business or none; raises SlugTaken."""
    try:
        await tx.execute(
            "select tenants_create_pair($1, $2, $3, $4, $5, $6, $7)",
            live.business_id,
            live.name,
            live.created_at,
            live.id,
            live.slug,
            test.id,
            test.slug,
        )
    except UniqueViolation:
        raise SlugTaken(field="slug", given=live.slug) from None


async def current(tx: Tx, tenant_id: TenantId) -> Tenant:
    """Return the tenant of this transaction; raises TenantUnknown."""
    row = await tx.fetchrow(
        f"select {_COLUMNS} from tenants_tenant where tenant_id = $1", tenant_id
    )
    if row is None:
        raise TenantUnknown
    return _tenant(row)


async def twin(tx: Tx, tenant_id: TenantId) -> Tenant:
    """Return the other half of the tenant's business."""
    row = await tx.fetchrow(f"select {_COLUMNS} from tenants_find_twin($1)", tenant_id)
    if row is None:
        raise TenantUnknown
    return _tenant(row)


async def by_slug(tx: Tx, slug: str) -> Tenant | None:
    """Return the tenant of a slug; works before any tenant is set."""
    row = await tx.fetchrow(f"select {_COLUMNS} from tenants_find_slug($1)", slug)
    return _tenant(row) if row else None


async def open_unproven(tx: Tx, tenant_id: TenantId) -> datetime | None:
    """Set the tenant that a token claims, to look up its keys; return where its clock stands."""
    return await tx.fetchval("select kit_open($1)", tenant_id)


async def all_tenants(tx: Tx) -> list[Tenant]:
    """Return every tenant of the deployment; for its operator."""
    return [_tenant(row) for row in await tx.fetch(f"select {_COLUMNS} from tenants_all()")]


async def rename(tx: Tx, tenant_id: TenantId, name: str) -> None:
    """Give the tenant another name."""
    await tx.execute("update tenants_tenant set name = $2 where tenant_id = $1", tenant_id, name)


async def clock(tx: Tx, tenant_id: TenantId) -> datetime | None:
    """Return where the tenant's test clock stands, None where it follows real time."""
    return await tx.fetchval("select now_at from kit_test_clock where tenant_id = $1", tenant_id)


async def move_clock(tx: Tx, tenant_id: TenantId, *, to: datetime) -> None:
    """Set the tenant's test clock, forward only; raises ClockGoesBack."""
    moved = await tx.execute(
        """
        insert into kit_test_clock as clock (tenant_id, now_at) values ($1, $2)
        on conflict (tenant_id) do update set now_at = excluded.now_at
        where clock.now_at <= excluded.now_at
        """,
        tenant_id,
        to,
    )
    if not moved:
        raise ClockGoesBack(field="now")


async def release_clock(tx: Tx, tenant_id: TenantId, *, real_now: datetime) -> bool:
    """Let the tenant follow real time again if that is not back; return whether it does."""
    released = await tx.execute(
        "delete from kit_test_clock where tenant_id = $1 and now_at <= $2", tenant_id, real_now
    )
    return released == 1


def _tenant(row: Row) -> Tenant:
    return Tenant(
        id=TenantId(row["tenant_id"]),
        business_id=row["business_id"],
        slug=row["slug"],
        name=row["name"],
        mode=Mode(row["mode"]),
        created_at=row["created_at"],
    )
