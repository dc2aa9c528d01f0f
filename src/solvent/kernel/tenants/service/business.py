"""How does a business come to be, and which tenant is meant by a name?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import TenantNotNamed, TenantUnknown
from solvent.kernel.tenants.model import (
    BUSINESS_PREFIX,
    TENANT_PREFIX,
    IssuedKey,
    KeyKind,
    Mode,
    NewBusiness,
    Role,
    Tenant,
)
from solvent.kernel.tenants.rules import names
from solvent.kernel.tenants.service.keys import issue_key
from solvent.kernel.tenants.service.members import add_member
from solvent.kit.clock import as_utc
from solvent.kit.ctx import OPERATOR, Actor, Ctx, Edge
from solvent.kit.ids import TenantId, is_id

NAMED_MAX = 20


async def create_business(
    edge: Edge,
    *,
    name: str,
    slug: str | None = None,
    owner_email: str | None = None,
    test_clock_at: datetime | None = None,
    actor: Actor = OPERATOR,
) -> NewBusiness:
    """Create a live tenant and its test twin, with a secret and a publishable key for each.

    `test_clock_at` stops the test twin's time at a moment, past or future; later it moves forward
    only. The keys' texts are in the answer and nowhere else.

    Raises:
        NameInvalid, SlugInvalid, SlugReserved, SlugTaken, EmailInvalid.
    """
    name = names.check_name(name)
    slug = names.check_slug(slug) if slug is not None else names.slug_of(name)
    email = names.check_email(owner_email) if owner_email is not None else None
    live, test = _pair(edge, name=name, slug=slug)
    async with edge.open(live.id, actor) as ctx:
        await store.tenant.create_pair(ctx.tx, live, test)
        keys = await _found(ctx, live)
        owner = await add_member(ctx, email=email, name=email, role=Role.OWNER) if email else None
    async with edge.open(test.id, actor) as ctx:
        if test_clock_at is not None:
            moment = as_utc(test_clock_at, field="test_clock_at")
            await store.tenant.move_clock(ctx.tx, test.id, to=moment)
        keys += await _found(ctx, test)
    return NewBusiness(live=live, test=test, keys=keys, owner=owner)


async def current(ctx: Ctx) -> Tenant:
    """Return the tenant of this context; raises TenantUnknown."""
    return await store.tenant.current(ctx.tx, ctx.tenant_id)


async def twin(ctx: Ctx) -> Tenant:
    """Return the other half of this tenant's business."""
    return await store.tenant.twin(ctx.tx, ctx.tenant_id)


async def rename(ctx: Ctx, name: str) -> Tenant:
    """Give this tenant another name; its slug stays. Needs `tenant:write`; raises NameInvalid."""
    ctx.require("tenant:write")
    before = await current(ctx)
    name = names.check_name(name)
    await store.tenant.rename(ctx.tx, ctx.tenant_id, name)
    audit.record(
        ctx,
        action="tenants.tenant_renamed",
        subject=ctx.tenant_id,
        data={"before": before.name, "after": name},
    )
    return await current(ctx)


async def find_by_slug(edge: Edge, slug: str) -> Tenant:
    """Return the tenant of a slug; raises TenantUnknown."""
    async with edge.db.transaction() as tx:
        found = await store.tenant.by_slug(tx, slug) if slug.isprintable() else None
    if found is None:
        raise TenantUnknown
    return found


async def find_by_host(edge: Edge, host: str, *, base_domains: Sequence[str]) -> Tenant:
    """Return the tenant whose subdomain a Host header names; raises TenantUnknown."""
    return await find_by_slug(edge, names.slug_from_host(host, base_domains=base_domains))


async def find(edge: Edge, reference: str) -> Tenant:
    """Return the tenant of an id or a slug; raises TenantUnknown. For operators."""
    if not is_id(reference, prefix=TENANT_PREFIX):
        return await find_by_slug(edge, reference)
    async with edge.open(TenantId(reference), OPERATOR) as ctx:
        return await current(ctx)


async def tenant_of(edge: Edge, reference: str | None) -> TenantId:
    """Return the tenant of a slug or id, or the live one of the only business there is.

    Raises:
        TenantUnknown: there is none of this name, or none at all.
        TenantNotNamed: there are several to choose from.
    """
    if reference is not None:
        return (await find(edge, reference)).id
    live = [tenant for tenant in await all_tenants(edge) if tenant.mode is Mode.LIVE]
    if not live:
        raise TenantUnknown("there is no tenant yet: make one by `solvent tenant create NAME`")
    if len(live) > 1:
        raise TenantNotNamed(field="--tenant", known=[tenant.slug for tenant in live[:NAMED_MAX]])
    return live[0].id


async def all_tenants(edge: Edge) -> list[Tenant]:
    """Return every tenant of the deployment by slug; for its operator."""
    async with edge.db.transaction() as tx:
        return await store.tenant.all_tenants(tx)


def _pair(edge: Edge, *, name: str, slug: str) -> tuple[Tenant, Tenant]:
    business_id, at = edge.ids.new(BUSINESS_PREFIX), edge.clock.now()

    def half(mode: Mode, its_slug: str) -> Tenant:
        tenant_id = TenantId(edge.ids.new(TENANT_PREFIX))
        return Tenant(tenant_id, business_id, its_slug, name, mode, at)

    return half(Mode.LIVE, slug), half(Mode.TEST, names.test_slug(slug))


async def _found(ctx: Ctx, tenant: Tenant) -> tuple[IssuedKey, ...]:
    """Record a tenant's beginning and issue its first two keys."""
    audit.record(
        ctx,
        action="tenants.tenant_created",
        subject=tenant.id,
        data={"slug": tenant.slug, "mode": tenant.mode, "business_id": tenant.business_id},
    )
    secret = await issue_key(ctx, name="first secret key", kind=KeyKind.SECRET)
    publishable = await issue_key(ctx, name="first publishable key", kind=KeyKind.PUBLISHABLE)
    return secret, publishable
