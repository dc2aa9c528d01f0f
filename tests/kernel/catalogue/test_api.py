"""Is the catalogue shown and applied over HTTP, and refused with its place and a stable code?"""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR, Edge
from solvent.kit.ids import TenantId

SHOP = """
[meters.log_gb]
aggregation = "sum"
unit = "GB"

[products.logs]

[plans.pro]
product = "logs"
currency = "JPY"
interval = "month"
provider_prices = { stripe = "price_1" }
prices.base = { model = "flat", amount = 2900 }
prices.use = { model = "per_unit", meter = "log_gb", unit_price = "0.000001" }
prices.more = { model = "package", meter = "log_gb", package_size = 2.5, amount = 3 }
prices.most = { model = "volume", meter = "log_gb", tiers = [
    { up_to = 10, unit_price = 1 }, { unit_price = 0.5, flat = 2 } ] }
features.ingest = { kind = "quota", meter = "log_gb", limit = "unlimited" }

[plans.team]
product = "logs"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = 2900 }
"""
TOML = {"content-type": "application/toml; charset=utf-8"}


async def client_of(app, edge: Edge, tenant_id: TenantId, **key) -> httpx.AsyncClient:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        issued = await tenants.issue_key(ctx, name="test", **key)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test/v1",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, edge: Edge, tenant_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, edge, tenant_id) as made:
        yield made


@pytest.fixture
async def bob(app, edge: Edge, tenant_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the same tenant who may only look."""
    scopes = frozenset({"catalogue:read"})
    async with await client_of(app, edge, tenant_id, asked_scopes=scopes) as made:
        yield made


@pytest.fixture
async def mallory(app, edge: Edge, mallory_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, edge, mallory_id) as made:
        yield made


async def put(client: httpx.AsyncClient, text: str = SHOP, **options) -> httpx.Response:
    return await client.put("/catalogue", content=text.encode(), **({"headers": TOML} | options))


async def test_a_catalogue_is_applied_and_shown(alice: httpx.AsyncClient) -> None:
    applied = await put(alice)
    assert applied.status_code == 200
    assert applied.json()["dry_run"] is False
    assert {one["change"] for one in applied.json()["changes"]} == {"created"}
    plan = (await alice.get("/plans/pro")).json()
    assert (plan["version"], plan["currency"], plan["product"]) == (1, "JPY", "logs")
    assert plan["provider_prices"] == {"stripe": ["price_1"]}
    base, use, more, most = plan["prices"]
    assert base["amount_minor"] == 2900
    assert (use["unit_rate_minor"], use["meter"]) == ("0.000001", "log_gb")
    assert (more["package_size"], more["amount_minor"]) == ("2.5", 3)
    assert most["tiers"][1] == {"up_to": None, "unit_rate_minor": "0.5", "flat_minor": 2}
    assert plan["features"][0]["limit"] is None


async def test_json_is_taken_too(alice: httpx.AsyncClient) -> None:
    body = json.dumps(tomllib.loads(SHOP))
    first = await put(alice, body, headers={"content-type": "application/json"})
    assert first.status_code == 200
    changes = (await put(alice)).json()["changes"]
    assert {one["change"] for one in changes} == {"unchanged"}


async def test_a_dry_run_only_tells(alice: httpx.AsyncClient) -> None:
    told = await put(alice, params={"dry_run": "true"})
    assert told.json()["dry_run"] is True
    assert (await alice.get("/plans")).json()["data"] == []


async def test_lists_come_in_pages(alice: httpx.AsyncClient) -> None:
    await put(alice)
    first = (await alice.get("/plans", params={"limit": 1})).json()
    assert [one["key"] for one in first["data"]] == ["pro"]
    cursor = first["next_cursor"]
    second = (await alice.get("/plans", params={"limit": 1, "cursor": cursor})).json()
    assert [one["key"] for one in second["data"]] == ["team"]
    assert second["next_cursor"] is None
    assert (await alice.get("/plans", params={"product": "mail"})).json()["data"] == []
    assert [one["key"] for one in (await alice.get("/products")).json()["data"]] == ["logs"]
    whole = (await alice.get("/catalogue")).json()
    assert (len(whole["products"]), len(whole["plans"])) == (1, 2)


async def test_a_wrong_text_is_refused_whole_with_every_place(alice: httpx.AsyncClient) -> None:
    answer = await put(alice, SHOP.replace("0.000001", "-1").replace('"USD"', '"usd"'))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "catalogue.invalid")
    assert body["field"] == "plans.pro.prices.use.unit_price"
    assert [one.split(" ")[0] for one in body["problems"]] == ["body:14:", "body:22:"]
    assert (await alice.get("/products")).json()["data"] == []


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "multipart/form-data", "application/xml"]
)
async def test_another_media_type_is_refused(alice: httpx.AsyncClient, content_type: str) -> None:
    answer = await put(alice, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "catalogue.content_type_unknown")


@pytest.mark.parametrize(
    "path, status",
    [
        ("/plans/none", 404),
        ("/plans/%00", 404),
        ("/plans/pro?version=2", 404),
        ("/plans/pro?version=0", 400),
        ("/plans/pro?version=99999999999", 400),
        ("/plans?cursor=%00", 400),
    ],
)
async def test_what_is_not_there(alice: httpx.AsyncClient, path: str, status: int) -> None:
    await put(alice)
    assert (await alice.get(path)).status_code == status


async def test_who_may_look_may_not_apply(bob: httpx.AsyncClient, alice) -> None:
    await put(alice)
    assert (await bob.get("/plans/pro")).status_code == 200
    assert (await put(bob)).status_code == 403


async def test_nobody_without_a_key(app) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test/v1") as charlie:
        assert (await charlie.get("/plans")).status_code == 401
        assert (await put(charlie)).status_code == 401


async def test_mallory_finds_nothing(alice: httpx.AsyncClient, mallory: httpx.AsyncClient) -> None:
    await put(alice)
    mine = await mallory.get("/plans/none")
    hers = await mallory.get("/plans/pro")
    assert (mine.status_code, hers.status_code) == (404, 404)
    assert mine.json()["code"] == hers.json()["code"]
    assert (await mallory.get("/plans")).json()["data"] == []


async def test_who_may_not_write_is_refused_before_the_text_is_read(bob: httpx.AsyncClient) -> None:
    answer = await put(bob, "this is no TOML [[[")
    assert (answer.status_code, answer.json()["code"]) == (403, "kit.scope_missing")
