"""Does the process tell its operator what it is, and nobody else?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from solvent.app.house import House
from solvent.app.http import create_app
from solvent.app.sign_in import new_link
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.ids import TenantId
from solvent.kit.testing import eventually

KEY = "operator-key-for-tests"


def caller(app: FastAPI, host: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(host, 4321))
    return httpx.AsyncClient(transport=transport, base_url="http://solvent.test")


@pytest_asyncio.fixture(loop_scope="session")
async def local(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    async with caller(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def keyed(house: House) -> AsyncGenerator[FastAPI]:
    settings = replace(house.settings, http=replace(house.settings.http, operator_key=KEY))
    app = create_app(replace(house, settings=settings))
    async with app.router.lifespan_context(app):
        yield app


async def test_a_living_process_is_healthy(local: httpx.AsyncClient) -> None:
    assert (await local.get("/healthz")).json() == {"status": "ok"}


async def test_it_is_ready_only_while_the_relay_beats(
    local: httpx.AsyncClient, house: House, request: pytest.FixtureRequest
) -> None:
    await eventually(lambda: local.get("/readyz"), until=lambda answer: answer.status_code == 503)
    told = (await local.get("/readyz")).json()
    assert told == {"ready": False, "database": "ok", "event_log": "ok", "relay": "away"}


@pytest.mark.usefixtures("worker")
async def test_it_is_ready_with_a_worker(local: httpx.AsyncClient) -> None:
    await eventually(lambda: local.get("/readyz"), until=lambda answer: answer.status_code == 200)


@pytest.mark.usefixtures("worker")
async def test_both_processes_tell_their_metrics(local: httpx.AsyncClient) -> None:
    await local.get("/healthz")
    assert "solvent_http_requests_total" in (await local.get("/metrics")).text
    assert "solvent_bus_events_published_total" in (await local.get("/metrics/worker")).text


@pytest.mark.parametrize("path", ["/metrics", "/metrics/worker", "/debug/profile?seconds=0.1"])
async def test_strangers_are_told_nothing(app: FastAPI, path: str) -> None:
    async with caller(app, "203.0.113.9") as stranger:
        answer = await stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "app.operator_key_missing")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
async def test_who_comes_through_a_proxy_of_this_machine_is_a_stranger(
    local: httpx.AsyncClient, header: str
) -> None:
    assert (await local.get("/metrics", headers={header: "203.0.113.9"})).status_code == 403


async def test_a_profile_needs_the_key_even_here(local: httpx.AsyncClient) -> None:
    assert (await local.get("/debug/profile?seconds=0.1")).status_code == 403


async def test_the_operator_key_opens(keyed: FastAPI) -> None:
    async with caller(keyed, "203.0.113.9") as operator:
        headers = {"x-operator-key": KEY}
        assert (await operator.get("/metrics", headers=headers)).status_code == 200
        profile = await operator.get("/debug/profile?seconds=0.1", headers=headers)
        assert (profile.status_code, "<html" in profile.text) == (200, True)
        assert (await operator.get("/metrics", headers={"x-operator-key": "x"})).status_code == 403


async def test_with_a_key_set_this_machine_needs_it_too(keyed: FastAPI) -> None:
    async with caller(keyed) as neighbor:
        assert (await neighbor.get("/metrics")).status_code == 403


@pytest.mark.parametrize("seconds", ["0", "61", "x", "nan"])
async def test_an_odd_profile_length_is_refused(keyed: FastAPI, seconds: str) -> None:
    async with caller(keyed) as operator:
        headers = {"x-operator-key": KEY}
        answer = await operator.get(f"/debug/profile?seconds={seconds}", headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (400, "query.seconds")


async def test_the_start_page_hides_events_from_strangers(
    local: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    page = await local.get("/")
    assert (page.status_code, "Sign in to see them" in page.text) == (200, True)
    assert tenant_id not in page.text


BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_the_start_page_tells_strangers_no_versions(
    local: httpx.AsyncClient, house: House
) -> None:
    """Neither the database's nor the log's; who is signed in sees both."""
    async with house.edge.db.transaction() as tx:
        database = str(await tx.fetchval("show server_version"))
    page = (await local.get("/")).text
    assert database.split(maxsplit=1)[0] not in page
    assert "JetStream" in page
    await local.get(await new_link(house.system, "http://solvent.test"))
    assert database in (await local.get("/")).text
    local.cookies.clear()
    member = await member_link(house)
    local.cookies.set(
        "solvent_session", (await tenants.redeem_sign_in_link(house.edge, member)).token
    )
    seen = (await local.get("/")).text
    assert database in seen
    assert "Sign in to see them" in seen  # the events are of all tenants: the operator's alone


async def member_link(house: House) -> str:
    """Return the token of a link for the owner of a fresh business."""
    slug = "b-" + house.edge.ids.new("tmp")[-20:]
    made = await tenants.create_business(
        house.edge, name="Acme", slug=slug, owner_email=f"alice@{slug}.example"
    )
    assert made.owner is not None
    async with house.edge.open(made.live.id, OPERATOR) as ctx:
        return (await tenants.create_sign_in_link(ctx, made.owner.id)).token


async def test_a_member_signs_in_by_a_button_and_not_by_the_link_alone(
    local: httpx.AsyncClient, house: House
) -> None:
    """What scans mail for viruses follows links: only the button uses one up."""
    token = await member_link(house)
    for _ in range(2):
        shown = await local.get(f"/sign-in/member?token={token}", headers=BROWSER)
        assert (shown.status_code, token in shown.text) == (200, True)
    first = await local.post("/sign-in/member", data={"token": token}, headers=BROWSER)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert "solvent_session" in local.cookies
    spent = await local.post("/sign-in/member", data={"token": token}, headers=BROWSER)
    assert (spent.status_code, spent.headers["content-type"][:9]) == (401, "text/html")
    assert "has been used" in spent.text
    told = await local.post("/sign-in/member", data={"token": token})
    assert (told.status_code, told.json()["code"]) == (401, "tenants.sign_in_link_invalid")


@pytest.mark.parametrize("token", ["", "x", "<script>", "0" * 5000, "%00"])
async def test_an_odd_member_link_is_shown_and_refused(
    local: httpx.AsyncClient, token: str
) -> None:
    shown = await local.get("/sign-in/member", params={"token": token})
    assert (shown.status_code, "<script>" in shown.text) == (200, False)
    refused = await local.post("/sign-in/member", content=f"token={token}", headers=BROWSER)
    assert refused.status_code == 401


async def test_a_spent_link_shows_a_page_to_a_browser(local: httpx.AsyncClient) -> None:
    spent = await local.get("/sign-in?token=x", headers=BROWSER)
    assert (spent.status_code, spent.headers["content-type"][:9]) == (401, "text/html")
    assert "<code>solvent sign-in</code>" in spent.text
    api = await local.get("/sign-in?token=x", headers={"accept": "application/json"})
    assert (api.status_code, api.json()["code"]) == (401, "app.link_spent")


async def test_a_sign_in_link_works_once(local: httpx.AsyncClient, house: House) -> None:
    link = await new_link(house.system, "http://solvent.test")
    first = await local.get(link)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert {"httponly", "samesite=lax"} <= {
        part.strip().lower() for part in first.headers["set-cookie"].split(";")
    }
    local.cookies.clear()
    again = await local.get(link)
    assert (again.status_code, again.json()["code"]) == (401, "app.link_spent")


@pytest.mark.usefixtures("worker")
async def test_a_signed_in_operator_sees_the_last_events(
    local: httpx.AsyncClient, house: House, tenant_id: TenantId
) -> None:
    await local.get(await new_link(house.system, "http://solvent.test"))
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await tenants.ensure_customer(ctx, "ada")

    async def page() -> str:
        return (await local.get("/")).text

    await eventually(page, until=lambda text: "<code>ten_" in text)


@pytest.mark.parametrize("token", ["", "x", "0" * 500, "%00"])
async def test_an_odd_link_is_refused(local: httpx.AsyncClient, token: str) -> None:
    assert (await local.get(f"/sign-in?token={token}")).status_code == 401


async def test_the_reference_shows_every_address(local: httpx.AsyncClient, app: FastAPI) -> None:
    page = (await local.get("/reference")).text
    assert all(path in page for path in app.openapi()["paths"])


def test_the_api_document_tells_who_may_call_and_how_they_are_refused(app: FastAPI) -> None:
    document = app.openapi()
    assert not [name for name in document["components"]["schemas"] if "HTTPValidation" in name]
    assert not [name for name in document["components"]["schemas"] if "__" in name], "names clash"
    create = document["paths"]["/v1/subscriptions"]["post"]
    assert set(create["responses"]) == {"201", "default"}
    assert create["security"] == [{"key": []}]
    assert "Idempotency-Key" in [one["name"] for one in create["parameters"]]
    webhook = document["paths"]["/v1/webhooks/{provider}"]["post"]
    assert "security" not in webhook
    assert "security" in document["paths"]["/v1/entitlements/stream"]["get"]


async def test_a_refused_method_names_those_that_are_taken(local: httpx.AsyncClient) -> None:
    refused = await local.delete("/healthz")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert refused.json()["code"] == "kit.method_unknown"
