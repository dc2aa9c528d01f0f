"""How are API keys managed over HTTP?"""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import ApiKey, KeyKind
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["tenants"])


class ApiKeyBody(BaseModel):
    """A key as it may be shown: its beginning and its last four characters."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: KeyKind
    name: str
    shown_as: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class IssuedKeyBody(ApiKeyBody):
    """A fresh key with its text, which is never shown again."""

    key: str


class NewKey(BaseModel):
    """Which key to issue; without scopes, all that its kind may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: KeyKind = KeyKind.SECRET
    scopes: list[str] = Field(default=[], max_length=64)
    expires_at: AwareDatetime | None = None


@router.get("/api-keys")
async def list_api_keys(ctx: RequestCtx, page: PageQuery) -> Page[ApiKeyBody]:
    """List API keys, the newest first, the revoked ones too."""
    keys = await service.list_keys(ctx, after=page.after, limit=page.limit + 1)
    return page_of(keys, page, key=lambda key: key.id, render=_render)


@router.post("/api-keys", status_code=201)
async def issue_api_key(ctx: RequestCtx, body: NewKey) -> IssuedKeyBody:
    """Issue a key; nobody can hand out a scope that they do not hold."""
    issued = await service.issue_key(
        ctx,
        name=body.name,
        kind=body.kind,
        asked_scopes=body.scopes,
        expires_at=body.expires_at,
    )
    return IssuedKeyBody(key=issued.text, **_render(issued.key).model_dump())


@router.get("/api-keys/{key_id}")
async def read_api_key(ctx: RequestCtx, key_id: str) -> ApiKeyBody:
    """Return a key as it may be shown."""
    return _render(await service.get_key(ctx, key_id))


@router.delete("/api-keys/{key_id}")
async def revoke_api_key(ctx: RequestCtx, key_id: str) -> ApiKeyBody:
    """Revoke a key; it opens nothing from now on."""
    return _render(await service.revoke_key(ctx, key_id))


def _render(key: ApiKey) -> ApiKeyBody:
    return ApiKeyBody(
        id=key.id,
        kind=key.kind,
        name=key.name,
        shown_as=f"{key.prefix}…{key.last4}",
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
