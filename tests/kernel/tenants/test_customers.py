"""Is each customer one customer, found by either name, and told of when they change?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import httpx
import pytest
import uvicorn

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import (
    CountryInvalid,
    CustomerExists,
    CustomerInUse,
    CustomerUnknown,
    EmailInvalid,
    ExternalRefInvalid,
    TimeZoneInvalid,
)
from solvent.kernel.tenants.model import CustomerDetails
from solvent.kit.bus.envelope import decode
from solvent.kit.ctx import OPERATOR, Actor, ScopeMissing

READER = Actor("member", "charlie", frozenset({"customers:read"}))
TOLD = CustomerDetails(email="a@b.example", name="Alice", country="FR", time_zone="Europe/Paris")


async def test_either_name_finds_the_customer(ctx) -> None:
    made = await tenants.create_customer(ctx, "user/42", TOLD)
    assert await tenants.get_customer(ctx, "user/42") == made
    assert await tenants.get_customer(ctx, made.id) == made
    assert (made.time_zone, made.country) == ("Europe/Paris", "FR")
    assert await tenants.customers_by_refs(ctx, ["user/42", "nobody"]) == {"user/42": made}
    assert await tenants.customers_by_ids(ctx, [made.id, "cus_x"]) == {made.id: made}


@pytest.mark.parametrize("name", ["nobody", "", "cus_" + "0" * 26, "a\0b", "x" * 10_000])
async def test_a_stranger_is_unknown(ctx, name) -> None:
    with pytest.raises(CustomerUnknown):
        await tenants.get_customer(ctx, name)


async def test_one_customer_per_ref(edge, tenant_id) -> None:
    """Twenty who want the same customer at once get the same one; one event tells of it."""

    async def ensure() -> str:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            return (await tenants.ensure_customer(ctx, "popular")).id

    made = await asyncio.gather(*(ensure() for _ in range(20)))
    assert len(set(made)) == 1
    async with edge.open(tenant_id, OPERATOR) as ctx:
        assert len(await audit.list_records(ctx, subject=made[0])) == 1
        with pytest.raises(CustomerExists):
            await tenants.create_customer(ctx, "popular")


async def test_ensuring_changes_nothing_that_is_known(ctx) -> None:
    made = await tenants.create_customer(ctx, "known", TOLD)
    assert await tenants.ensure_customer(ctx, "known", email="other@b.example") == made


async def test_many_are_ensured_at_once(edge, tenant_id) -> None:
    """Those there are kept, the others made and told of; of one that is wrong nobody is made."""
    async with edge.open(tenant_id, OPERATOR) as ctx:
        known = await tenants.create_customer(ctx, "known", TOLD)
        wanted = {"known": CustomerDetails(), "new": CustomerDetails(email="n@b.example")}
        found = await tenants.ensure_customers(ctx, wanted)
        assert (found["known"], found["new"].email) == (known, "n@b.example")
        with pytest.raises(EmailInvalid):
            await tenants.ensure_customers(
                ctx, {"fine": CustomerDetails(), "odd": CustomerDetails(email="odd")}
            )
        assert set(await tenants.customers_by_refs(ctx, ["known", "new", "fine", "odd"])) == {
            "known",
            "new",
        }
    async with edge.open(tenant_id, OPERATOR) as ctx:
        records = await audit.list_records(ctx, action="tenants.customer_created")
    assert {record.entry.subject for record in records} == {one.id for one in found.values()}


async def test_importing_twice_is_importing_once(ctx) -> None:
    first = await tenants.upsert_customer(ctx, "imported", TOLD)
    assert await tenants.upsert_customer(ctx, "imported", TOLD) == first
    changed = await tenants.upsert_customer(ctx, "imported", CustomerDetails(name="Alicia"))
    assert (changed.id, changed.name, changed.email) == (first.id, "Alicia", "a@b.example")


async def test_changes_are_told_once(edge, tenant_id) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        made = await tenants.create_customer(ctx, "told", TOLD)
        for _ in range(2):
            details = CustomerDetails(name="Alicia", country="FR")
            await tenants.update_customer(ctx, made.id, details)
        await tenants.delete_customer(ctx, "told")
        collected = ctx.tx._collected["kit.outbox"].items
        envelopes = [decode(encoded) for _, _, encoded in collected]
    assert [(one.name, one.payload.get("fields")) for one in envelopes] == [
        ("tenants.customer_created.v1", None),
        ("tenants.customer_updated.v1", ["name"]),
        ("tenants.customer_deleted.v1", None),
    ]
    async with edge.open(tenant_id, OPERATOR) as ctx:
        found = await audit.list_records(ctx, subject=made.id)
        with pytest.raises(CustomerUnknown):
            await tenants.get_customer(ctx, made.id)
    assert [record.entry.action for record in found] == [
        "tenants.customer_deleted",
        "tenants.customer_updated",
        "tenants.customer_created",
    ]
    assert "example" not in str(found)


async def test_a_customer_with_a_history_stays(engines, edge, tenant_id) -> None:
    """Whatever table comes to name customers later: while it does, they cannot be deleted."""
    owner = await asyncpg.connect(engines.access.postgres.owner_dsn)
    await owner.execute(
        "create table if not exists tests_history (tenant_id text, customer_id text,"
        " foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id))"
    )
    async with edge.open(tenant_id, OPERATOR) as ctx:
        made = await tenants.ensure_customer(ctx, "kept")
    await owner.execute("insert into tests_history values ($1, $2)", tenant_id, made.id)
    try:
        with pytest.raises(CustomerInUse):
            async with edge.open(tenant_id, OPERATOR) as ctx:
                await tenants.delete_customer(ctx, "kept")
    finally:
        await owner.execute("drop table tests_history")
        await owner.close()


@pytest.mark.parametrize(
    "details, refused",
    [
        (CustomerDetails(country="fr"), CountryInvalid),
        (CustomerDetails(time_zone="Paris"), TimeZoneInvalid),
    ],
)
async def test_what_is_wrong_is_not_kept(edge, tenant_id, details, refused) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        with pytest.raises(refused):
            await tenants.upsert_customer(ctx, "wrong", details)
        with pytest.raises(CustomerUnknown):
            await tenants.get_customer(ctx, "wrong")
        with pytest.raises(ExternalRefInvalid):
            await tenants.ensure_customer(ctx, "\n")


async def test_writing_needs_the_scope(edge, tenant_id) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await tenants.ensure_customer(ctx, "there")
    async with edge.open(tenant_id, READER) as ctx:
        assert await tenants.list_customers(ctx)
        for use_case in (
            tenants.create_customer(ctx, "new"),
            tenants.upsert_customer(ctx, "there", TOLD),
            tenants.update_customer(ctx, "there", TOLD),
            tenants.delete_customer(ctx, "there"),
        ):
            with pytest.raises(ScopeMissing):
                await use_case


async def test_mallory_has_her_own_customer_of_that_name(edge, tenant_id, mallory_id) -> None:
    made = []
    for one in (tenant_id, mallory_id):
        async with edge.open(one, OPERATOR) as ctx:
            made.append(await tenants.ensure_customer(ctx, "same"))
    assert made[0].id != made[1].id
    async with edge.open(mallory_id, OPERATOR) as ctx:
        assert not await tenants.customers_by_ids(ctx, [made[0].id])


# --------------------------------------------------------------------------------- over HTTP


async def test_customers_over_http(tester) -> None:
    asked = {"external_ref": "u1", "email": "u1@b.example", "country": "DE"}
    made = await tester("POST", "/customers", json=asked)
    assert made.status_code == 201
    again = await tester("POST", "/customers", json=asked)
    assert (again.status_code, again.json()["code"]) == (409, "tenants.customer_exists")
    for name in ("u1", made.json()["id"]):
        assert (await tester("GET", f"/customers/{name}")).json() == made.json()
    put = await tester("PUT", "/customers/u1", json={"name": "One"})
    assert (put.json()["name"], put.json()["email"]) == ("One", "u1@b.example")
    assert (await tester("PUT", "/customers/u2", json={})).status_code == 200
    patched = await tester("PATCH", "/customers/u1", json={"time_zone": "Asia/Tokyo"})
    assert patched.json()["time_zone"] == "Asia/Tokyo"
    assert (await tester("DELETE", "/customers/u1")).status_code == 204
    assert (await tester("GET", "/customers/u1")).status_code == 404
    assert (await tester("PATCH", "/customers/u1", json={"name": "x"})).status_code == 404


async def test_customers_come_in_pages_that_stay_right(tester) -> None:
    for number in range(5):
        await tester("PUT", f"/customers/page-{number}", json={"email": f"p{number}@b.example"})
    seen, query = [], {"limit": "2"}
    while True:
        page = (await tester("GET", "/customers", params=query)).json()
        seen += [one["external_ref"] for one in page["data"]]
        await tester("PUT", f"/customers/late-{len(seen)}", json={})
        if page["next_cursor"] is None or len(seen) > 20:
            break
        query["cursor"] = page["next_cursor"]
    assert seen[:5] == [f"page-{number}" for number in range(5)]
    assert len(seen) == len(set(seen))
    found = await tester("GET", "/customers", params={"email": "P3@B.example"})
    assert [one["external_ref"] for one in found.json()["data"]] == ["page-3"]


@pytest.mark.parametrize(
    "body, field",
    [
        ({"external_ref": ""}, "external_ref"),
        ({"external_ref": "a\u0000"}, "external_ref"),
        ({"external_ref": 7}, "external_ref"),
        ({}, "external_ref"),
        ({"external_ref": "a", "email": "nobody"}, "email"),
        ({"external_ref": "a", "country": "Germany"}, "country"),
        ({"external_ref": "a", "time_zone": "Mars/Base"}, "time_zone"),
        ({"external_ref": "a", "name": ""}, "name"),
        ({"external_ref": "a", "plan": "pro"}, "plan"),
        ([], "body"),
    ],
)
async def test_a_wrong_body_names_its_field(tester, body, field) -> None:
    answer = await tester("POST", "/customers", json=body)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_repeated_post_is_one_customer(tester) -> None:
    headers = {"idempotency-key": "once"}
    asked = {"external_ref": "idem"}
    first = await tester("POST", "/customers", json=asked, headers=headers)
    again = await tester("POST", "/customers", json=asked, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


async def test_live_customers_are_not_seen_in_test_mode(owner, tester) -> None:
    await owner("PUT", "/customers/real", json={})
    assert (await tester("GET", "/customers/real")).status_code == 404


@pytest.fixture
async def server(app) -> AsyncIterator[str]:
    """The API as it is served: what a path is, uvicorn decides."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None)
    serving = uvicorn.Server(config)
    task = asyncio.create_task(serving._serve())
    while not serving.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}/v1"
    serving.should_exit = True
    await task


@pytest.mark.parametrize("ref", ["org/7/ada", "/", "a//b", "ends/", "100%/x", "ä/ö ü", "a%2Fb"])
async def test_a_ref_with_slashes_stands_in_a_path(server, owner, ref) -> None:
    """As %2F, which the server decodes before it looks for the route."""
    path = f"{server}/customers/{quote(ref, safe='')}"
    async with httpx.AsyncClient(headers=owner.headers) as client:
        made = await client.put(path, json={"name": "Ada"})
        assert (made.status_code, made.json()["external_ref"]) == (200, ref), made.text
        assert (await client.get(path)).json() == made.json()
        renamed = await client.patch(path, json={"name": "Lovelace"})
        assert renamed.json()["name"] == "Lovelace"
        by_id = await client.get(f"{server}/customers/{made.json()['id']}")
        assert by_id.json()["external_ref"] == ref
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
