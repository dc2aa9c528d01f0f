"""Is each refusal of a known caller on record, though its transaction left nothing?"""

from __future__ import annotations

import asyncio

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.service import RefusedRequests
from solvent.kit.ctx import OPERATOR, Actor, Principal, ScopeMissing


@pytest.fixture
def refusals(edge, business):
    async def read() -> list[tuple]:
        async with edge.open(business.live.id, OPERATOR) as ctx:
            found = await audit.list_records(ctx, action="tenants.request_refused")
            assert (await audit.verify(ctx)).ok
        return [(r.entry.subject, r.entry.data["code"], r.entry.data["scope"]) for r in found]

    return read


async def test_refusals_are_recorded(key_with, refusals) -> None:
    narrow = await key_with("customers:read")
    answer = await narrow("POST", "/customers", json={"external_ref": "x"})
    assert answer.status_code == 403
    await narrow("GET", "/customers/nobody")
    await narrow("GET", "/api-keys/key_x")
    assert await refusals() == [
        ("GET /v1/api-keys/{key_id}", "kit.scope_missing", "api_keys:read"),
        ("POST /v1/customers", "kit.scope_missing", "customers:write"),
    ]


async def test_a_revoked_keys_use_is_recorded(edge, business, caller, refusals) -> None:
    async with edge.open(business.live.id, OPERATOR) as ctx:
        issued = await tenants.issue_key(ctx, name="leaked")
        await tenants.revoke_key(ctx, issued.key.id)
    answer = await caller(issued.text)("GET", "/customers")
    assert (answer.status_code, answer.json()["code"]) == (401, "tenants.key_revoked")
    assert await refusals() == [("GET /v1/customers", "tenants.key_revoked", None)]
    async with edge.open(business.live.id, OPERATOR) as ctx:
        record = (await audit.list_records(ctx, action="tenants.request_refused"))[0]
    assert record.entry.actor == f"api_key:{issued.key.id}"


async def test_a_strangers_request_is_in_nobodys_log(caller, refusals) -> None:
    answer = await caller("sk_live_" + "0" * 39)("GET", "/customers")
    assert answer.status_code == 401
    assert not await refusals()


async def test_a_flood_of_refusals_is_a_few_records(edge, business) -> None:
    """A record stays for ever: whoever was shut out must not fill the log by knocking."""
    log, refused = RefusedRequests(window_s=0.3), ScopeMissing(scope="members:write")
    by = Principal(business.live.id, Actor("api_key", "key_of_mallory"))

    async def knock(times: int) -> list[object]:
        for _ in range(times):
            await log(edge, refused, by=by, asked="POST /v1/members")
        async with edge.open(business.live.id, OPERATOR) as ctx:
            found = await audit.list_records(ctx, action="tenants.request_refused")
        return [one.entry.data.get("passed_over") for one in found]

    assert await knock(40) == [None] * 5
    await asyncio.sleep(0.35)
    assert await knock(1) == [35, *[None] * 5]
