"""How does a business come to be, and is the right tenant found by each of its names?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import (
    EmailInvalid,
    SlugInvalid,
    SlugReserved,
    SlugTaken,
    TenantNotNamed,
    TenantUnknown,
)
from solvent.kernel.tenants.model import Mode, Role
from solvent.kit.ctx import OPERATOR

THEN = datetime(2020, 2, 29, 12, 0, tzinfo=UTC)


def fresh(edge) -> str:
    return "f-" + edge.ids.new("tmp")[-20:]


async def test_twins_are_apart(edge, business) -> None:
    """Live and test share a name and an owner, and not one row of data."""
    live, test = business.live, business.test
    assert (live.mode, test.mode) == (Mode.LIVE, Mode.TEST)
    assert test.slug == f"{live.slug}-test"
    assert live.business_id == test.business_id
    assert live.id != test.id
    async with edge.open(live.id, OPERATOR) as ctx:
        await tenants.ensure_customer(ctx, "real_customer")
        assert (await tenants.twin(ctx)).id == test.id
    async with edge.open(test.id, OPERATOR) as ctx:
        assert not await tenants.list_customers(ctx)
        assert (await tenants.twin(ctx)).id == live.id


async def test_a_business_begins_with_keys_and_an_owner(business) -> None:
    starts = [issued.key.prefix for issued in business.keys]
    assert starts == ["sk_live_", "pk_live_", "sk_test_", "pk_test_"]
    assert business.owner.role is Role.OWNER


async def test_a_slug_is_one_businesss(edge, business) -> None:
    async def again() -> None:
        await tenants.create_business(edge, name="Other", slug=business.live.slug)

    with pytest.raises(SlugTaken):
        await again()


async def test_of_many_who_want_a_slug_one_gets_it(edge) -> None:
    slug = fresh(edge)
    made = await asyncio.gather(
        *(tenants.create_business(edge, name="Race", slug=slug) for _ in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, SlugTaken) for one in made) == 7
    found = await tenants.find_by_slug(edge, slug)
    async with edge.open(found.id, OPERATOR) as ctx:
        assert (await audit.verify(ctx)).ok


@pytest.mark.parametrize(
    "asked, refused",
    [
        ({"name": "Acme", "slug": "API"}, SlugInvalid),
        ({"name": "Acme", "slug": "api"}, SlugReserved),
        ({"name": "Acme", "slug": "acme-test"}, SlugReserved),
        ({"name": "株式会社"}, SlugInvalid),
        ({"name": "Acme", "slug": "acme-ok", "owner_email": "nobody"}, EmailInvalid),
    ],
)
async def test_nothing_half_made(edge, asked, refused) -> None:
    with pytest.raises(refused):
        await tenants.create_business(edge, **asked)
    with pytest.raises(TenantUnknown):
        await tenants.find_by_slug(edge, asked.get("slug", "none"))


async def test_a_test_twin_may_begin_at_any_moment(edge) -> None:
    made = await tenants.create_business(edge, name="Past", slug=fresh(edge), test_clock_at=THEN)
    async with edge.open(made.test.id, OPERATOR) as ctx:
        assert ctx.now() == THEN
    async with edge.open(made.live.id, OPERATOR) as ctx:
        assert ctx.now() > THEN


async def test_every_name_finds_its_tenant(edge, business) -> None:
    for tenant in (business.live, business.test):
        assert (await tenants.find_by_slug(edge, tenant.slug)).id == tenant.id
        assert (await tenants.find(edge, tenant.id)).id == tenant.id
        assert (await tenants.find(edge, tenant.slug)).id == tenant.id
        assert await tenants.tenant_of(edge, tenant.slug) == tenant.id
        host = f"{tenant.slug.upper()}.Pay.example.com:443"
        found = await tenants.find_by_host(edge, host, base_domains=("pay.example.com",))
        assert found.id == tenant.id


@pytest.mark.parametrize("name", ["", "no-such-tenant", "a\0b", "x" * 10_000, "'; drop table"])
async def test_a_name_of_nobody_finds_nobody(edge, name) -> None:
    with pytest.raises(TenantUnknown):
        await tenants.find_by_slug(edge, name)
    with pytest.raises(TenantUnknown):
        await tenants.find(edge, edge.ids.new("ten"))


async def test_the_only_business_need_not_be_named(edge, business, mallorys) -> None:
    with pytest.raises(TenantNotNamed) as refused:
        await tenants.tenant_of(edge, None)
    assert refused.value.field == "--tenant"
    listed = {tenant.slug for tenant in await tenants.all_tenants(edge)}
    assert {business.live.slug, business.test.slug, mallorys.live.slug} <= listed


async def test_a_tenant_is_renamed_and_keeps_its_slug(owner, business) -> None:
    answer = await owner("PATCH", "/tenant", json={"name": "  Acme GmbH "})
    assert (answer.status_code, answer.json()["name"]) == (200, "Acme GmbH")
    assert (await owner("GET", "/tenant")).json()["slug"] == business.live.slug
    refused = await owner("PATCH", "/tenant", json={"name": "a\u0000b"})
    assert (refused.status_code, refused.json()["field"]) == (400, "name")
    refused = await owner("PATCH", "/tenant", json={"slug": "other"})
    assert refused.status_code == 400


async def test_renaming_needs_the_scope(key_with) -> None:
    reader = await key_with("tenant:read")
    assert (await reader("GET", "/tenant")).status_code == 200
    assert (await reader("PATCH", "/tenant", json={"name": "x"})).status_code == 403


async def test_a_tenants_public_keys_are_public(http, edge, business) -> None:
    from solvent.kernel.signing import service as signing

    async with edge.open(business.live.id, OPERATOR) as ctx:
        key = await signing.ensure_key(ctx)
    answer = await http.get(f"/v1/t/{business.live.slug}/jwks.json")
    assert [one["kid"] for one in answer.json()["keys"]] == [key.kid]
    assert (await http.get("/v1/t/no-such-tenant/jwks.json")).status_code == 404


async def test_every_beginning_is_recorded(edge, business) -> None:
    for tenant in (business.live, business.test):
        async with edge.open(tenant.id, OPERATOR) as ctx:
            records = await audit.list_records(ctx)
            assert (await audit.verify(ctx)).ok
        assert records[-1].entry.action == "tenants.tenant_created"
        assert records[-1].entry.data["mode"] == tenant.mode
