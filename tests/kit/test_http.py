"""Is a request one transaction, its repeat harmless, and its mistake told?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from solvent.app.house import House
from solvent.kit.ctx import Actor, Principal
from solvent.kit.db import Tx
from solvent.kit.errors import Conflict, Unauthenticated
from solvent.kit.http import Credentials, Page, PageQuery, RequestCtx, Router, page_of
from solvent.kit.http.gate import Gate
from solvent.kit.http.problems import install
from solvent.kit.http.rates import RateLimit, Rates
from solvent.kit.ids import TenantId

router = Router(tags=["notes"])


class Note(BaseModel):
    """A note to keep."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=40)


@router.post("/notes", status_code=201)
async def keep(note: Note, ctx: RequestCtx) -> dict[str, str]:
    """Keep a note, as a job row that never runs."""
    note_id = ctx.ids.new("not")
    await ctx.tx.execute(
        "insert into kit_job (tenant_id, id, name, payload, run_at, max_attempts)"
        " values ($1, $2, 'note', $3, 'infinity', 1)",
        ctx.tenant_id,
        note_id,
        {"text": note.text},
    )
    if note.text == "refuse":
        raise Conflict
    if note.text == "crash":
        raise RuntimeError
    return {"id": note_id}


@router.get("/notes")
async def list_notes(ctx: RequestCtx, page: PageQuery) -> Page[str]:
    """List notes by id."""
    rows = await ctx.tx.fetch(
        "select id from kit_job where tenant_id = $1 and name = 'note' and id > $2"
        " order by id limit $3",
        ctx.tenant_id,
        page.after or "",
        page.limit + 1,
    )
    return page_of([row["id"] for row in rows], page, key=str, render=str)


async def recognize(tx: Tx, credentials: Credentials) -> Principal:
    """Take the bearer token for the tenant's id."""
    if not credentials.bearer:
        raise Unauthenticated
    await tx.fetchval("select kit_open($1)", credentials.bearer)
    return Principal(TenantId(credentials.bearer), Actor("test", "alice"))


def notes_app(house: House, rates: Rates | None = None) -> FastAPI:
    app = FastAPI()
    app.state.edge, app.state.authenticator = house.edge, recognize
    app.include_router(router)
    install(app)
    app.add_middleware(Gate, ids=house.edge.ids, rates=rates, body_bytes_max=1000)
    return app


def caller(app: FastAPI, key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@pytest_asyncio.fixture(loop_scope="session")
async def alice(house: House, tenant_id: TenantId) -> AsyncGenerator[httpx.AsyncClient]:
    async with caller(notes_app(house), tenant_id) as client:
        yield client


async def count(alice: httpx.AsyncClient) -> int:
    return len((await alice.get("/v1/notes")).json()["data"])


async def test_what_succeeds_is_committed_before_the_answer(alice: httpx.AsyncClient) -> None:
    assert (await alice.post("/v1/notes", json={"text": "a"})).status_code == 201
    assert await count(alice) == 1


@pytest.mark.parametrize("text,status", [("refuse", 409), ("crash", 500)])
async def test_what_fails_leaves_nothing_half_written(
    alice: httpx.AsyncClient, text: str, status: int
) -> None:
    answer = await alice.post("/v1/notes", json={"text": text})
    assert (status, "application/problem+json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert await count(alice) == 0


async def test_a_repeat_with_the_same_key_gets_the_first_answer(alice: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "k1"}
    first = await alice.post("/v1/notes", json={"text": "a"}, headers=headers)
    again = await alice.post("/v1/notes", json={"text": "a"}, headers=headers)
    assert (201, first.content, "true") == (
        again.status_code,
        again.content,
        again.headers["idempotency-replayed"],
    )
    assert await count(alice) == 1


async def test_ten_repeats_at_once_are_carried_out_once(alice: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "k1"}
    answers = await asyncio.gather(
        *(alice.post("/v1/notes", json={"text": "a"}, headers=headers) for _ in range(10))
    )
    assert {201} == {answer.status_code for answer in answers}
    assert len({answer.content for answer in answers}) == 1
    assert await count(alice) == 1


async def test_a_key_used_for_another_request_is_refused(alice: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "k1"}
    await alice.post("/v1/notes", json={"text": "a"}, headers=headers)
    answer = await alice.post("/v1/notes", json={"text": "b"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "kit.idempotency_key_reused")


async def test_a_failed_request_is_not_remembered(alice: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "k1"}
    for _ in range(2):
        answer = await alice.post("/v1/notes", json={"text": "crash"}, headers=headers)
        assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (500, None)


async def test_another_tenants_key_is_another_key(
    house: House, alice: httpx.AsyncClient, mallory_id: TenantId
) -> None:
    headers = {"idempotency-key": "k1"}
    await alice.post("/v1/notes", json={"text": "a"}, headers=headers)
    async with caller(notes_app(house), mallory_id) as mallory:
        answer = await mallory.post("/v1/notes", json={"text": "a"}, headers=headers)
        assert answer.headers.get("idempotency-replayed") is None
        assert await count(mallory) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00fc"])
async def test_an_odd_idempotency_key_is_refused(alice: httpx.AsyncClient, key: str) -> None:
    headers = {"idempotency-key": key.encode()}
    answer = await alice.post("/v1/notes", json={"text": "a"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "kit.idempotency_key_malformed")


@pytest.mark.parametrize(
    "body,field",
    [
        (b'{"text": 5}', "text"),
        (b"{}", "text"),
        (b'{"text": "a", "more": 1}', "more"),
        (b'{"text": "' + b"x" * 41 + b'"}', "text"),
        (b"[]", "body"),
        (b"", "body"),
        (b'{"text": "a"', "body"),
        (b"\xff", "body"),
    ],
)
async def test_a_malformed_body_is_told_by_its_field(
    alice: httpx.AsyncClient, body: bytes, field: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await alice.post("/v1/notes", content=body, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, "kit.request_invalid")
    assert told["field"].startswith(field) or field == "body"
    assert await count(alice) == 0


async def test_nobody_known_is_told_to_authenticate(house: House) -> None:
    async with caller(notes_app(house), "") as stranger:
        answer = await stranger.get("/v1/notes")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "x", "Bearer " + "a" * 5000])
async def test_odd_credentials_are_refused(house: House, header: str) -> None:
    async with caller(notes_app(house), "") as stranger:
        answer = await stranger.get("/v1/notes", headers={"authorization": header})
        assert answer.status_code == 401


async def test_a_large_body_is_refused(alice: httpx.AsyncClient) -> None:
    answer = await alice.post("/v1/notes", content=b"x" * 1001)
    assert (answer.status_code, answer.json()["code"]) == (413, "kit.body_too_large")


async def test_a_large_body_without_a_length_is_refused(alice: httpx.AsyncClient) -> None:
    async def drip() -> AsyncGenerator[bytes]:
        for _ in range(200):
            yield b"x" * 10

    answer = await alice.post("/v1/notes", content=drip())
    assert answer.status_code == 413


async def test_every_answer_names_its_request(alice: httpx.AsyncClient) -> None:
    ours = await alice.get("/v1/notes", headers={"x-request-id": "mine-1"})
    assert ours.headers["x-request-id"] == "mine-1"
    theirs = await alice.get("/v1/notes", headers={"x-request-id": "a b\tc"})
    assert theirs.headers["x-request-id"].startswith("req_")


async def test_too_many_requests_are_told_to_wait(house: House, tenant_id: TenantId) -> None:
    """The first is counted to the address that it came from, the others to whom it proved to be."""
    rates = Rates(RateLimit(per_s=0.001, burst=2), RateLimit(per_s=1, burst=9))
    async with caller(notes_app(house, rates), tenant_id) as hasty:
        statuses = [(await hasty.get("/v1/notes")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert int((await hasty.get("/v1/notes")).headers["retry-after"]) >= 1


async def test_pages_end_and_never_repeat(alice: httpx.AsyncClient) -> None:
    for number in range(5):
        await alice.post("/v1/notes", json={"text": str(number)})
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = (await alice.get("/v1/notes", params=query)).json()
        seen += page["data"]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]
    assert 5 == len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "query", ["cursor=%00", "cursor=!!", "cursor=YQ==", "limit=0", "limit=501"]
)
async def test_an_odd_page_is_refused(alice: httpx.AsyncClient, query: str) -> None:
    assert (await alice.get(f"/v1/notes?{query}")).status_code == 400


@pytest.mark.parametrize("method,path,status", [("GET", "/v1/no", 404), ("PUT", "/v1/notes", 405)])
async def test_unknown_addresses_are_problems_too(
    alice: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await alice.request(method, path)
    assert (status, status) == (answer.status_code, answer.json()["status"])


@pytest.mark.parametrize(
    "body,media_type,told",
    [
        (b'{"text": ', "application/json", "body: not JSON: "),
        (b"text=a", "application/x-www-form-urlencoded", "body: expected a JSON object, with"),
        (b"[]", "application/json", "body: expected a JSON object, with"),
        (b"{}", "application/json", "text: must be given"),
    ],
)
async def test_a_wrong_body_is_told_in_words_of_http(
    alice: httpx.AsyncClient, body: bytes, media_type: str, told: str
) -> None:
    answer = await alice.post("/v1/notes", content=body, headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["detail"].startswith(told)) == (400, True), (
        answer.text
    )
    assert answer.json()["field"] == told.partition(":")[0]
