"""Who works for the business, and who may change that?"""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import (
    LastOwner,
    MemberUnknown,
    NotInLiveMode,
    OwnerNeeded,
)
from solvent.kernel.tenants.model import MEMBER_PREFIX, Member, Mode, Role
from solvent.kernel.tenants.rules import names
from solvent.kit.ctx import SCOPE_ALL, Ctx
from solvent.kit.ids import is_id


async def add_member(ctx: Ctx, *, email: str, role: Role, name: str | None = None) -> Member:
    """Add a person to the business; without a name the address stands for it.

    Needs `members:write`, in live mode; only an owner adds owners.

    Raises:
        NotInLiveMode, EmailInvalid, NameInvalid, MemberExists, OwnerNeeded.
    """
    await _require_write(ctx)
    _require_owner(ctx, role)
    address = names.check_email(email)
    member = Member(
        tenant_id=ctx.tenant_id,
        id=ctx.ids.new(MEMBER_PREFIX),
        email=address,
        name=names.check_name(name or address[: names.NAME_LENGTH_MAX]),
        role=role,
        created_at=ctx.now(),
    )
    await store.member.insert(ctx.tx, member)
    audit.record(ctx, action="tenants.member_added", subject=member.id, data={"role": member.role})
    return member


async def list_members(ctx: Ctx, *, after: str | None = None, limit: int = 50) -> list[Member]:
    """Return members in the order in which they came; needs `members:read`, in live mode."""
    ctx.require("members:read")
    await _require_live(ctx)
    return await store.member.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def get_member(ctx: Ctx, member_id: str) -> Member:
    """Return a member; needs `members:read`, in live mode. Raises MemberUnknown."""
    ctx.require("members:read")
    await _require_live(ctx)
    return await _member(ctx, member_id)


async def change_member(
    ctx: Ctx, member_id: str, *, name: str | None = None, role: Role | None = None
) -> Member:
    """Give a member another name or role; their open sessions have the new role at once.

    Needs `members:write`, in live mode; only an owner changes owners or makes them.

    Raises:
        MemberUnknown, NameInvalid, OwnerNeeded, LastOwner.
    """
    await _require_write(ctx)
    owners = await store.member.lock_owners(ctx.tx, ctx.tenant_id)
    before = await _member(ctx, member_id)
    after_role = role or before.role
    _require_owner(ctx, before.role, after_role)
    if owners == [member_id] and after_role is not Role.OWNER:
        raise LastOwner
    after_name = before.name if name is None else names.check_name(name)
    await store.member.change(ctx.tx, ctx.tenant_id, member_id, name=after_name, role=after_role)
    audit.record(
        ctx,
        action="tenants.member_changed",
        subject=member_id,
        data={"role_before": before.role, "role_after": after_role},
    )
    return await _member(ctx, member_id)


async def remove_member(ctx: Ctx, member_id: str) -> None:
    """Remove a member; their sessions and links end with them.

    Needs `members:write`, in live mode; only an owner removes owners.

    Raises:
        MemberUnknown, OwnerNeeded, LastOwner.
    """
    await _require_write(ctx)
    owners = await store.member.lock_owners(ctx.tx, ctx.tenant_id)
    member = await _member(ctx, member_id)
    _require_owner(ctx, member.role)
    if owners == [member_id]:
        raise LastOwner
    await store.member.remove(ctx.tx, ctx.tenant_id, member_id)
    audit.record(
        ctx, action="tenants.member_removed", subject=member_id, data={"role": member.role}
    )


async def _member(ctx: Ctx, member_id: str) -> Member:
    known = is_id(member_id, prefix=MEMBER_PREFIX)
    member = await store.member.by_id(ctx.tx, ctx.tenant_id, member_id) if known else None
    if member is None:
        raise MemberUnknown
    return member


async def _require_write(ctx: Ctx) -> None:
    ctx.require("members:write")
    await _require_live(ctx)


async def _require_live(ctx: Ctx) -> None:
    tenant = await store.tenant.current(ctx.tx, ctx.tenant_id)
    if tenant.mode is not Mode.LIVE:
        raise NotInLiveMode


def _require_owner(ctx: Ctx, *roles: Role) -> None:
    """Let only holders of everything touch owners."""
    if Role.OWNER in roles and not ctx.actor.may(SCOPE_ALL):
        raise OwnerNeeded
