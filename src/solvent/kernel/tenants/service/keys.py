"""How are API keys issued, shown, listed and revoked?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import ApiKeyAlreadyRevoked, ApiKeyUnknown, ExpiryPast
from solvent.kernel.tenants.model import KEY_PREFIX, ApiKey, IssuedKey, KeyKind
from solvent.kernel.tenants.rules import names, scopes, secrets
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id, random_token


async def issue_key(
    ctx: Ctx,
    *,
    name: str,
    kind: KeyKind = KeyKind.SECRET,
    asked_scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Issue a key; its text is in the answer and nowhere else. Needs `api_keys:write`.

    Without scopes a secret key may do everything, if its issuer may; a publishable one what
    everybody may.

    Raises:
        NameInvalid, ScopeInvalid, ScopeNotPublishable, ScopeBeyondOwn, ExpiryPast.
    """
    ctx.require("api_keys:write")
    tenant = await store.tenant.current(ctx.tx, ctx.tenant_id)
    text = secrets.key_text(kind, tenant.mode, chance=random_token(secrets.KEY_BYTES))
    key = ApiKey(
        tenant_id=ctx.tenant_id,
        id=ctx.ids.new(KEY_PREFIX),
        kind=kind,
        name=names.check_name(name),
        prefix=secrets.prefix_of(kind, tenant.mode),
        last4=text[-4:],
        scopes=scopes.check_scopes(asked_scopes, kind=kind, giver=ctx.actor),
        created_at=ctx.now(),
        created_by=str(ctx.actor),
        expires_at=_future(ctx, expires_at),
        revoked_at=None,
        last_used_at=None,
    )
    await store.key.insert(ctx.tx, key, key_hash=secrets.key_hash(text))
    _record(ctx, "tenants.api_key_issued", key)
    return IssuedKey(key, text)


async def list_keys(ctx: Ctx, *, after: str | None = None, limit: int = 50) -> list[ApiKey]:
    """Return keys, revoked ones too, the newest first, from behind the id `after`.

    Needs `api_keys:read`.
    """
    ctx.require("api_keys:read")
    return await store.key.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def get_key(ctx: Ctx, key_id: str) -> ApiKey:
    """Return a key; needs `api_keys:read`. Raises ApiKeyUnknown."""
    ctx.require("api_keys:read")
    return await _key(ctx, key_id)


async def revoke_key(ctx: Ctx, key_id: str) -> ApiKey:
    """Revoke a key: from this commit on it opens nothing. Needs `api_keys:write`.

    Raises:
        ApiKeyUnknown, ApiKeyAlreadyRevoked.
    """
    ctx.require("api_keys:write")
    key = await _key(ctx, key_id)
    if not await store.key.revoke(ctx.tx, ctx.tenant_id, key_id, at=ctx.now()):
        raise ApiKeyAlreadyRevoked
    _record(ctx, "tenants.api_key_revoked", key)
    return await _key(ctx, key_id)


async def _key(ctx: Ctx, key_id: str) -> ApiKey:
    known = is_id(key_id, prefix=KEY_PREFIX)
    key = await store.key.by_id(ctx.tx, ctx.tenant_id, key_id) if known else None
    if key is None:
        raise ApiKeyUnknown
    return key


def _future(ctx: Ctx, expires_at: datetime | None) -> datetime | None:
    if expires_at is None:
        return None
    moment = as_utc(expires_at, field="expires_at")
    if moment <= ctx.now():
        raise ExpiryPast(field="expires_at")
    return moment


def _record(ctx: Ctx, action: str, key: ApiKey) -> None:
    facts = {"kind": key.kind, "last4": key.last4, "scopes": sorted(key.scopes)}
    audit.record(ctx, action=action, subject=key.id, data=facts)
