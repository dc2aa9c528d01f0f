"""What does a tenant say of itself, and what tokens does it hand out, over HTTP?"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import Mode, Tenant
from solvent.kit.http import RequestCtx, Router

router = Router(tags=["tenants"])

_FROZEN = ConfigDict(frozen=True)
_STRICT = ConfigDict(frozen=True, extra="forbid")
LIFE_S_MAX = 3600


class TenantBody(BaseModel):
    """A tenant: one half of a business."""

    model_config = _FROZEN

    id: str
    business_id: str
    slug: str
    name: str
    mode: Mode
    created_at: datetime


class TenantChange(BaseModel):
    """What can be changed about a tenant."""

    model_config = _STRICT

    name: str


class TokenRequest(BaseModel):
    """For whom a token is, what its bearer may do, and how long."""

    model_config = _STRICT

    subject: str
    scopes: list[str] = Field(max_length=64)
    life_s: int = Field(default=900, ge=1, le=LIFE_S_MAX)


class TokenBody(BaseModel):
    """A token; it cannot be shown again, nor taken back before it ends."""

    model_config = _FROZEN

    token: str


@router.get("/tenant")
async def read_tenant(ctx: RequestCtx) -> TenantBody:
    """Return the tenant that the key, token or session belongs to."""
    return _render(await service.current(ctx))


@router.patch("/tenant")
async def rename_tenant(ctx: RequestCtx, body: TenantChange) -> TenantBody:
    """Give the tenant another name; its slug stays."""
    return _render(await service.rename(ctx, body.name))


@router.post("/tokens", status_code=201)
async def issue_token(ctx: RequestCtx, body: TokenRequest) -> TokenBody:
    """Issue a short-lived token (JWT) with some of the caller's own scopes."""
    life = timedelta(seconds=body.life_s)
    token = await service.issue_token(
        ctx, subject=body.subject, asked_scopes=body.scopes, life=life
    )
    return TokenBody(token=token)


def _render(tenant: Tenant) -> TenantBody:
    return TenantBody(
        id=tenant.id,
        business_id=tenant.business_id,
        slug=tenant.slug,
        name=tenant.name,
        mode=tenant.mode,
        created_at=tenant.created_at,
    )
