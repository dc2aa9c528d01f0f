"""How are a business's people managed over HTTP?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import Member, Role
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["tenants"])

_FROZEN = ConfigDict(frozen=True)
_STRICT = ConfigDict(frozen=True, extra="forbid")


class MemberBody(BaseModel):
    """A person who works for the business."""

    model_config = _FROZEN

    id: str
    email: str
    name: str
    role: Role
    created_at: datetime


class NewMember(BaseModel):
    """Whom to add."""

    model_config = _STRICT

    email: str
    role: Role
    name: str | None = None


class MemberChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = _STRICT

    name: str | None = None
    role: Role | None = None


@router.get("/members")
async def list_members(ctx: RequestCtx, page: PageQuery) -> Page[MemberBody]:
    """List the business's members in the order in which they came."""
    members = await service.list_members(ctx, after=page.after, limit=page.limit + 1)
    return page_of(members, page, key=lambda member: member.id, render=_render)


@router.post("/members", status_code=201)
async def add_member(ctx: RequestCtx, body: NewMember) -> MemberBody:
    """Add a member."""
    return _render(await service.add_member(ctx, email=body.email, role=body.role, name=body.name))


@router.get("/members/{member_id}")
async def read_member(ctx: RequestCtx, member_id: str) -> MemberBody:
    """Return a member."""
    return _render(await service.get_member(ctx, member_id))


@router.patch("/members/{member_id}")
async def change_member(ctx: RequestCtx, member_id: str, body: MemberChange) -> MemberBody:
    """Give a member another name or role."""
    return _render(await service.change_member(ctx, member_id, name=body.name, role=body.role))


@router.delete("/members/{member_id}", status_code=204)
async def remove_member(ctx: RequestCtx, member_id: str) -> None:
    """Remove a member and end their sessions."""
    await service.remove_member(ctx, member_id)


def _render(member: Member) -> MemberBody:
    return MemberBody(
        id=member.id,
        email=member.email,
        name=member.name,
        role=member.role,
        created_at=member.created_at,
    )
