"""Is usage told over HTTP taken, shown and refused as documented?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from solvent.app.testing import EPOCH
from solvent.kernel.metering import service
from solvent.kernel.metering.model import Aggregation, MeterSpec
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import KeyKind
from solvent.kit.ctx import OPERATOR, Edge
from solvent.kit.ids import TenantId

AT = EPOCH.isoformat()


async def client_of(app, edge: Edge, tenant_id: TenantId, **key) -> httpx.AsyncClient:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        issued = await tenants.issue_key(ctx, name="test", **key)
        await service.define_meter(
            ctx, MeterSpec(key="ingest", name="Logs", aggregation=Aggregation.SUM, unit="GB")
        )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest_asyncio.fixture(loop_scope="session")
async def client(app, edge: Edge, tenant_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, edge, tenant_id) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def mallory(app, edge: Edge, mallory_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, edge, mallory_id) as made:
        yield made


def event(id: str = "a", value: object = 1, **more: object) -> dict[str, object]:
    return {"id": id, "meter": "ingest", "customer": "alice", "at": AT, "value": value} | more


async def send(client: httpx.AsyncClient, body: object) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post("/v1/usage", content=raw)


async def test_one_event_and_a_batch(client: httpx.AsyncClient) -> None:
    one = await send(client, event())
    assert (one.status_code, one.json()) == (200, {"accepted": 1, "duplicates": 0, "uncounted": 0})
    many = await send(client, {"events": [event(), event("b", "2.5"), event("c", 0.1)]})
    assert many.json() == {"accepted": 2, "duplicates": 1, "uncounted": 0}
    span = {"start": "2026-01-15T10:00:00Z", "end": "2026-01-15T11:00:00+00:00"}
    told = await client.get(
        "/v1/usage/measure", params={"meter": "ingest", "customer": "alice"} | span
    )
    assert tuple(
        told.json()[name] for name in ("quantity", "event_count", "first_event_id", "last_event_id")
    ) == ("3.6", 3, "a", "c")


async def test_numbers_keep_their_digits(client: httpx.AsyncClient) -> None:
    raw = json.dumps(event("exact")).replace('"value": 1', '"value": 12345678901.123456789012')
    assert (await send(client, raw.encode())).json()["accepted"] == 1
    page = (await client.get("/v1/usage")).json()
    assert page["data"][0]["value"] == "12345678901.123456789012"


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-1", '"12 "', "true", "[]", "{}"]
)
async def test_an_odd_value_is_named(client: httpx.AsyncClient, value: str) -> None:
    events = ",".join(json.dumps(event(str(n))) for n in range(3))
    odd = json.dumps(event("odd")).replace('"value": 1', f'"value": {value}')
    refused = await send(client, f'{{"events":[{events},{odd}]}}'.encode())
    assert (refused.status_code, refused.json()["field"]) == (400, "events[3].value")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await client.get("/v1/usage")).json()["data"] == []


@pytest.mark.parametrize(
    "raw, field",
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"events":' + b"1" * 5000 + b"}", None),
        (b'{"events":1e9999999999999999999}', None),
        (b"[]", "body"),
        (b"null", "body"),
        (b'"x"', "body"),
        (b"{}", "id"),
        (b'{"events":{}}', "events"),
        (b'{"events":[]}', "events"),
        (b'{"events":[1]}', "events[0]"),
        (b'{"events":[],"more":1}', "more"),
        (json.dumps(event(more=1)).encode(), "more"),
        (json.dumps(event(id=5)).encode(), "id"),
        (json.dumps(event(at="2026-01-15T10:00:00")).encode(), "at"),
        (json.dumps(event(at="yesterday")).encode(), "at"),
        (json.dumps(event(at=1768471200)).encode(), "at"),
        (json.dumps(event(customer="a\0b")).encode(), "customer"),
        (json.dumps(event(customer="\ud800")).encode(), None),
        (json.dumps(event() | {"\ud800": 1}).encode(), None),
        (b'{"id":"\xed\xa0\x80"}', None),
        (json.dumps(event(properties={"a\0": 1})).encode(), "properties.a\0"),
        (json.dumps(event(properties={"a": [1]})).encode(), "properties.a"),
        (json.dumps(event(properties={"a": "\0"})).encode(), "properties.a"),
        (json.dumps(event(meter="other")).encode(), "meter"),
    ],
)
async def test_an_odd_body_is_refused_with_its_place(client, raw: bytes, field: str | None) -> None:
    refused = await send(client, raw)
    assert (refused.status_code, refused.json().get("field")) == (400, field)
    assert refused.json()["code"]


async def test_a_conflict_is_told_and_keeps_nothing(client: httpx.AsyncClient) -> None:
    await send(client, event())
    refused = await send(client, {"events": [event("new"), event("a", 2)]})
    assert refused.status_code == 409
    assert (refused.json()["code"], refused.json()["ids"]) == ("metering.event_conflict", ["a"])
    assert [one["id"] for one in (await client.get("/v1/usage")).json()["data"]] == ["a"]


async def test_a_batch_is_not_too_large(client: httpx.AsyncClient) -> None:
    refused = await send(client, {"events": [event(str(n)) for n in range(1001)]})
    assert (refused.status_code, refused.json()["code"]) == (400, "metering.batch_size_wrong")


async def test_events_come_in_pages(client: httpx.AsyncClient) -> None:
    await send(client, {"events": [event(f"{n}") for n in range(5)]})
    seen, cursor = [], None
    for _ in range(3):
        page = (
            await client.get(
                "/v1/usage", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
            )
        ).json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert (sorted(seen), cursor) == (["0", "1", "2", "3", "4"], None)
    assert (await client.get("/v1/usage", params={"customer": "bob"})).json()["data"] == []
    assert (await client.get("/v1/usage", params={"cursor": "eA"})).status_code == 400


async def test_meters(client: httpx.AsyncClient) -> None:
    made = await client.put("/v1/meters/seats", json={"name": "Seats", "aggregation": "unique"})
    assert (made.status_code, made.json()["unit"]) == (200, "")
    listed = (await client.get("/v1/meters")).json()["data"]
    assert [one["key"] for one in listed] == ["ingest", "seats"]
    assert (await client.get("/v1/meters/none")).status_code == 404
    odd = await client.put("/v1/meters/seats", json={"name": "Seats", "aggregation": "median"})
    assert (odd.status_code, odd.json()["field"]) == (400, "aggregation")
    assert (
        await client.put("/v1/meters/Seats", json={"name": "S", "aggregation": "sum"})
    ).status_code == 400


@pytest.mark.parametrize("change", [{"end": "2026-01-15T10:00:00Z"}, {"end": "x"}, {"start": ""}])
async def test_an_odd_period_is_refused(client: httpx.AsyncClient, change) -> None:
    asked = {"meter": "ingest", "customer": "a", "start": AT, "end": "2026-01-16T00:00:00Z"}
    told = await client.get("/v1/usage/measure", params=asked | change)
    assert (told.status_code, told.json()["field"]) == (400, next(iter(change)))


async def test_mallory_sees_and_changes_nothing(client, mallory: httpx.AsyncClient) -> None:
    await send(client, event())
    await client.put("/v1/meters/ours", json={"name": "Ours", "aggregation": "sum"})
    assert (await mallory.get("/v1/usage")).json()["data"] == []
    theirs, none = [await mallory.get(f"/v1/meters/{key}") for key in ("ours", "none")]
    assert (theirs.status_code, theirs.json()["code"]) == (none.status_code, none.json()["code"])
    assert (await send(mallory, event())).json()["accepted"] == 1


async def test_keys_without_the_right_are_denied(app, edge, tenant_id: TenantId) -> None:
    async with await client_of(app, edge, tenant_id, kind=KeyKind.PUBLISHABLE) as browser:
        assert (await send(browser, event())).status_code == 403
        assert (await browser.get("/v1/usage")).status_code == 403
    async with await client_of(app, edge, tenant_id, asked_scopes=["metering:read"]) as reader:
        assert (await send(reader, event())).status_code == 403
        assert (await reader.get("/v1/usage")).status_code == 200
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://x"
    ) as nobody:
        assert (await send(nobody, event())).status_code == 401


@pytest.mark.parametrize("text", ["a\0b", "x" * 5000, "é"])
async def test_names_that_no_meter_has_are_refused(client, text: str) -> None:
    assert (await send(client, event(meter=text))).json()["code"] == "metering.meter_unknown"
    odd = await client.get("/v1/usage", params={"customer": text[:200]})
    assert odd.status_code in {200, 400}


async def test_characters_beyond_the_basic_plane_are_kept(client) -> None:
    assert (await send(client, event("\N{GRINNING FACE}"))).json()["accepted"] == 1
    assert (await client.get("/v1/usage")).json()["data"][0]["id"] == "\N{GRINNING FACE}"
