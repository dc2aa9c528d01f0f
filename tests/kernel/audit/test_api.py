"""Does the audit log answer over HTTP to those who may read it, and to nobody else?"""

from __future__ import annotations

import httpx
import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR


@pytest.fixture
async def ask(app, edge, tenant_id):
    """Ask the API as the holder of a key with these scopes."""
    transport = httpx.ASGITransport(app=app)

    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/v1") as client:

        async def asking(path: str, *scopes: str, tenant=tenant_id, **query) -> httpx.Response:
            async with edge.open(tenant, OPERATOR) as ctx:
                issued = await tenants.issue_key(ctx, name="k", asked_scopes=scopes)
            headers = {"authorization": f"Bearer {issued.text}"}
            return await client.get(path, params=query, headers=headers)

        yield asking


async def write(edge, tenant_id, count: int) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        for number in range(count):
            audit.record(ctx, action="tests.thing_done", subject="thing", data={"n": number})


async def test_records_come_in_pages_from_the_newest(ask, edge, tenant_id) -> None:
    await write(edge, tenant_id, 5)
    seen, query = [], {"subject": "thing", "limit": "2"}
    while True:
        page = (await ask("/audit", "audit:read", **query)).json()
        seen += [record["data"]["n"] for record in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        await write(edge, tenant_id, 1)
    assert seen == [4, 3, 2, 1, 0]


async def test_an_action_narrows_the_list(ask, edge, tenant_id) -> None:
    await write(edge, tenant_id, 1)
    page = (await ask("/audit", "*", action="tenants.tenant_created")).json()
    assert [record["subject"] for record in page["data"]] == [tenant_id]
    refused = await ask("/audit", "*", action="a\0b")
    assert (refused.status_code, refused.json()["code"]) == (400, "kit.text_not_storable")


async def test_verifying_tells_where_the_chain_ends(ask, edge, tenant_id) -> None:
    await write(edge, tenant_id, 3)
    report = (await ask("/audit/verify", "audit:read")).json()
    assert report["ok"]
    assert report["checked"] == report["head_seq"]
    assert report["flaw"] is None


async def test_alice_reads_charlie_does_not_and_mallory_sees_her_own(
    ask, edge, tenant_id, mallory_id
) -> None:
    await write(edge, tenant_id, 1)
    assert (await ask("/audit", "audit:read")).status_code == 200
    for path in ("/audit", "/audit/verify"):
        assert (await ask(path, "customers:read")).status_code == 403
    hers = await ask("/audit", "*", tenant=mallory_id, subject="thing")
    assert hers.json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "YWJj"},
        {"cursor": "4pmh"},
        {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "many"},
    ],
)
async def test_a_wrong_query_names_its_field(ask, query) -> None:
    answer = await ask("/audit", "audit:read", **query)
    assert answer.status_code == 400
    assert answer.json()["field"].split(".")[-1] in query
