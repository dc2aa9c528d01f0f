"""Which provider accounts has a tenant connected, and what are webhooks checked against?"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants.model import Mode, Tenant
from solvent.kit.ctx import Actor, Ctx, Edge
from solvent.systems.payments.errors import (
    AccountNotFound,
    ApiKeyMalformed,
    EndpointNotFound,
    SecretMalformed,
    SecretsTooMany,
    WindowOutOfRange,
)
from solvent.systems.payments.limits import (
    PADDLE_WINDOW_MAX_S,
    PADDLE_WINDOW_MIN_S,
    PADDLE_WINDOW_S,
    ROTATION_OVERLAP_MAX_H,
    SECRETS_MAX,
    STRIPE_WINDOW_S,
)
from solvent.systems.payments.model import Account, Endpoint, Provider, SigningSecret
from solvent.systems.payments.store import accounts as accounts_store

SCOPE_READ = "payments:read"
SCOPE_WRITE = "payments:write"

WINDOWS = {Provider.STRIPE: STRIPE_WINDOW_S, Provider.PADDLE: PADDLE_WINDOW_S}
_SECRET = {
    Provider.STRIPE: re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,200}\Z", re.ASCII),
    Provider.PADDLE: re.compile(r"pdl_ntfset_[A-Za-z0-9+/=_-]{8,200}\Z", re.ASCII),
}
_API_KEY = {
    Provider.STRIPE: re.compile(r"(?:sk|rk)_(?:test|live)_[A-Za-z0-9_]{8,250}\Z", re.ASCII),
    Provider.PADDLE: re.compile(r"pdl_[A-Za-z0-9_]{8,250}\Z", re.ASCII),
}


async def connect(
    ctx: Ctx,
    provider: Provider,
    *,
    webhook_secret: str | None = None,
    api_key: str | None = None,
    window_s: int | None = None,
) -> Account:
    """Connect the provider's account, or change what is given of it; needs `payments:write`.

    A webhook secret that is new counts from now on beside those that are there; the older ones are
    ended by `rotate_secret`. Secrets are sealed under the tenant's context and never shown again.

    Raises:
        SecretMalformed, ApiKeyMalformed: not in the provider's form.
        WindowOutOfRange: only Paddle's window can be set, to 5 to 300 seconds.
        SecretsTooMany: four secrets are valid.
    """
    ctx.require(SCOPE_WRITE)
    _must_be_in_range(provider, window_s)
    key = (
        _checked(api_key, _API_KEY[provider], ApiKeyMalformed, field="api_key") if api_key else None
    )
    secret = (
        _checked(webhook_secret, _SECRET[provider], SecretMalformed, field="webhook_secret")
        if webhook_secret
        else None
    )
    await accounts_store.save_account(
        ctx.tx,
        ctx.tenant_id,
        id=ctx.ids.new("pac"),
        provider=provider,
        window_s=window_s,
        window_default_s=WINDOWS[provider],
        api_key_sealed=ctx.vault.seal(key, context=_context(ctx, provider, "api")) if key else None,
        at=ctx.now(),
    )
    if secret:
        await _add_secret(ctx, provider, secret)
    account = await get_account(ctx, provider)
    audit.record(
        ctx,
        action="payments.account_connected",
        subject=account.id,
        data={"provider": provider, "secret": bool(secret), "api_key": bool(key)},
    )
    return account


async def rotate_secret(
    ctx: Ctx, provider: Provider, *, webhook_secret: str, overlap_hours: int
) -> Account:
    """Let a new secret count from now on, and the others for `overlap_hours` more.

    Real hours, as the provider lives in them, also where a test clock stands. Needs
    `payments:write`.

    Raises:
        AccountNotFound: connect the account first.
        SecretMalformed, SecretsTooMany: as `connect`.
        WindowOutOfRange: the overlap is 0 to 168 hours.
    """
    ctx.require(SCOPE_WRITE)
    if not 0 <= overlap_hours <= ROTATION_OVERLAP_MAX_H:
        message = f"an overlap is 0 to {ROTATION_OVERLAP_MAX_H} hours"
        raise WindowOutOfRange(message, field="overlap_hours")
    account = await get_account(ctx, provider)
    secret = _checked(webhook_secret, _SECRET[provider], SecretMalformed, field="webhook_secret")
    now = await accounts_store.real_now(ctx.tx)
    await accounts_store.drop_ended_secrets(ctx.tx, ctx.tenant_id, provider, now=now)
    secret_id = await _add_secret(ctx, provider, secret)
    not_after = now + timedelta(hours=overlap_hours)
    await accounts_store.retire_secrets(
        ctx.tx, ctx.tenant_id, provider, not_after=not_after, but=secret_id
    )
    audit.record(
        ctx,
        action="payments.secret_rotated",
        subject=account.id,
        data={"provider": provider, "secret_id": secret_id, "others_until": not_after},
    )
    return await get_account(ctx, provider)


async def disconnect(ctx: Ctx, provider: Provider) -> None:
    """Forget the account with its secrets and key; what it told stays. Needs `payments:write`.

    Raises:
        AccountNotFound: none is connected.
    """
    ctx.require(SCOPE_WRITE)
    account = await get_account(ctx, provider)
    await accounts_store.forget_account(ctx.tx, ctx.tenant_id, provider)
    audit.record(ctx, action="payments.account_disconnected", subject=account.id)


async def list_accounts(ctx: Ctx) -> list[Account]:
    """Return the connected accounts; needs `payments:read`."""
    ctx.require(SCOPE_READ)
    return await accounts_store.list_accounts(ctx.tx, ctx.tenant_id)


async def get_account(ctx: Ctx, provider: Provider) -> Account:
    """Return the connected account of a provider; raises AccountNotFound."""
    found = await accounts_store.list_accounts(ctx.tx, ctx.tenant_id)
    for account in found:
        if account.provider is provider:
            return account
    raise AccountNotFound(field="provider", provider=provider.value)


async def real_now(ctx: Ctx) -> datetime:
    """Return the time that providers live in, which no test clock moves."""
    return await accounts_store.real_now(ctx.tx)


async def api_key(ctx: Ctx, provider: Provider) -> str | None:
    """Return the account's API key in the clear, for one call to the provider."""
    sealed = await accounts_store.find_api_key(ctx.tx, ctx.tenant_id, provider)
    context = _context(ctx, provider, "api")
    return ctx.vault.open(sealed, context=context).decode() if sealed else None


async def endpoint_of(edge: Edge, tenant: Tenant, provider: Provider) -> Endpoint:
    """Return what webhooks of this provider to this tenant are checked against.

    Raises:
        EndpointNotFound: no signing secret is known.
    """
    async with edge.open(tenant.id, Actor("provider", provider)) as ctx:
        found = await accounts_store.find_endpoint(ctx.tx, ctx.tenant_id, provider)
        if found is None:
            raise EndpointNotFound
        secrets = tuple(
            SigningSecret(id_, ctx.vault.open(sealed, context=_context(ctx, provider, id_)), until)
            for id_, sealed, until in found.secrets
        )
    return Endpoint(tenant.id, provider, tenant.mode is Mode.LIVE, found.window_s, secrets)


async def _add_secret(ctx: Ctx, provider: Provider, secret: bytes) -> str:
    account = await get_account(ctx, provider)
    if len(account.secrets) >= SECRETS_MAX:
        raise SecretsTooMany(field="webhook_secret", limit=SECRETS_MAX)
    secret_id = ctx.ids.new("whs")
    sealed = ctx.vault.seal(secret, context=_context(ctx, provider, secret_id))
    await accounts_store.add_secret(
        ctx.tx, ctx.tenant_id, id=secret_id, provider=provider, sealed=sealed, at=ctx.now()
    )
    return secret_id


def _context(ctx: Ctx, provider: Provider, name: str) -> str:
    return f"{ctx.tenant_id}/payments/{provider}/{name}"


def _checked(
    text: str,
    form: re.Pattern[str],
    error: type[SecretMalformed | ApiKeyMalformed],
    *,
    field: str,
) -> bytes:
    if not form.match(text):
        raise error(field=field)
    return text.encode()


def _must_be_in_range(provider: Provider, window_s: int | None) -> None:
    if window_s is None:
        return
    in_range = PADDLE_WINDOW_MIN_S <= window_s <= PADDLE_WINDOW_MAX_S
    if provider is not Provider.PADDLE or not in_range:
        raise WindowOutOfRange(field="window_s", given=window_s)
