"""What does an idempotency key remember of errors, of streams, of others, and of odd requests?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import count

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response, StreamingResponse

from solvent.app.house import House
from solvent.kit.ctx import Actor, Principal
from solvent.kit.db import Tx
from solvent.kit.errors import LimitReached, Unauthenticated, Unavailable
from solvent.kit.http import Credentials, RequestCtx, Router
from solvent.kit.http.gate import Gate
from solvent.kit.http.problems import install
from solvent.kit.ids import TenantId

router = Router(tags=["tries"])
FAULTS = {"limit": LimitReached, "away": Unavailable, "bug": RuntimeError}
tries = count(1)


@router.post("/tries/{kind}")
async def attempt(ctx: RequestCtx, kind: str) -> Response:
    """Answer in as many ways as there are."""
    number = next(tries)
    if kind in FAULTS:
        raise FAULTS[kind]
    if kind == "refusal":
        return JSONResponse({"number": number}, 409)
    if kind == "stream":
        return StreamingResponse(_chunks(number))
    if kind == "slow":
        await ctx.tx.fetchval("select pg_sleep(0.2)::text")
    return JSONResponse({"number": number})


async def _chunks(number: int) -> AsyncIterator[bytes]:
    yield f"{number}".encode()


async def recognize(tx: Tx, credentials: Credentials) -> Principal:
    """Take `TENANT.ACTOR` as the bearer token."""
    if not credentials.bearer:
        raise Unauthenticated
    tenant, _, actor = credentials.bearer.partition(".")
    await tx.fetchval("select kit_open($1)", tenant)
    return Principal(TenantId(tenant), Actor("test", actor))


@pytest_asyncio.fixture(loop_scope="session")
async def http(house: House) -> AsyncGenerator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.edge, app.state.authenticator = house.edge, recognize
    app.include_router(router)
    install(app)
    app.add_middleware(Gate, ids=house.edge.ids)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/v1") as client:
        yield client


async def post(
    http: httpx.AsyncClient, kind: str, tenant: TenantId, actor: str = "alice", **headers: str
) -> httpx.Response:
    sent = {"authorization": f"Bearer {tenant}.{actor}", "idempotency-key": "one"} | headers
    return await http.post(f"/tries/{kind}", headers=sent)


@pytest.mark.parametrize("kind", FAULTS)
async def test_an_error_is_forgotten_with_its_key(
    http: httpx.AsyncClient, tenant_id: TenantId, kind: str
) -> None:
    """It has left nothing behind, so the repeat is a first try, of whatever address."""
    first = await post(http, kind, tenant_id)
    assert first.is_error
    again = await post(http, "fine", tenant_id)
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers


async def test_a_refusal_that_was_committed_is_told_again(
    http: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    first, again = [await post(http, "refusal", tenant_id) for _ in range(2)]
    assert (first.status_code, again.status_code) == (409, 409)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_stream_is_not_kept_and_not_run_again(
    http: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    first, again = [await post(http, "stream", tenant_id) for _ in range(2)]
    assert first.status_code == 200
    assert (again.status_code, again.json()["code"]) == (409, "kit.response_not_kept")


async def test_another_actor_neither_uses_nor_sees_what_a_key_has_done(
    http: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    await post(http, "fine", tenant_id)
    other = await post(http, "fine", tenant_id, actor="bob")
    assert (other.status_code, other.json()["code"]) == (409, "kit.idempotency_key_reused")
    assert "number" not in other.json()


async def test_another_tenant_has_that_key_to_itself(
    http: httpx.AsyncClient, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    ours, theirs = [await post(http, "fine", one) for one in (tenant_id, mallory_id)]
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert ours.json() != theirs.json()


async def test_a_repeat_during_the_first_waits_for_its_answer(
    http: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    answers = await asyncio.gather(*(post(http, "slow", tenant_id) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["number"] for answer in answers}) == 1


async def test_a_repeat_under_another_host_is_the_same_request(
    http: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    """The host is no part of it: neither a good one nor one that is none."""
    first, *others = [
        await post(http, "fine", tenant_id, host=host) for host in ("test", "[::1", "a b", "")
    ]
    assert [other.json() for other in others] == [first.json()] * 3
