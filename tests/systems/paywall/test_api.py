"""Are checks, consumptions and reservations answered over HTTP as documented?"""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from solvent.kernel.tenants.model import KeyKind


async def ask(client: httpx.AsyncClient, what: str, body: object, **headers: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    more = told | {"content-type": "application/json"}
    return await client.post(f"/v1/entitlements/{what}", content=raw, headers=more)


async def test_a_check_tells_why(client, shop) -> None:
    nothing = await ask(client, "check", {"customer": "alice"})
    assert nothing.status_code == 200
    assert nothing.json() == {
        "allowed": False,
        "code": "no_subscription",
        "reason": "The customer has no current subscription.",
        "until": None,
        "remaining": None,
    }
    await shop.subscribe("alice")
    allowed = (await ask(client, "check", {"customer": "alice", "feature": "seats"})).json()
    assert (allowed["allowed"], allowed["code"], allowed["remaining"]) == (True, "ok", "10")
    missing = (await ask(client, "check", {"customer": "alice", "feature": "sso"})).json()
    assert (missing["allowed"], missing["code"]) == (False, "feature_missing")
    much = {"customer": "alice", "feature": "ingest", "quantity": "10.000000000001"}
    assert (await ask(client, "check", much)).json()["code"] == "quota_exhausted"


async def test_a_repeated_consumption_is_answered_again(client, shop) -> None:
    await shop.subscribe("alice")
    body = {"customer": "alice", "feature": "seats", "quantity": 4}
    first, again = [
        (await ask(client, "consume", body, idempotency_key="job-1")).json() for _ in range(2)
    ]
    assert first == again
    assert (first["allowed"], first["remaining"]) == (True, "6")
    other = await ask(client, "consume", body | {"quantity": 5}, idempotency_key="job-1")
    assert other.status_code == 409


async def test_the_last_units_go_out_once_over_http(client, shop) -> None:
    await shop.subscribe("alice")
    body = {"customer": "alice", "feature": "ingest"}
    answers = await asyncio.gather(*(ask(client, "consume", body) for _ in range(30)))
    assert sum(one.json()["allowed"] for one in answers) == 10


async def test_a_reservation_is_held_committed_and_released(client, shop) -> None:
    await shop.subscribe("alice")
    body = {"customer": "alice", "feature": "seats", "quantity": 8, "ttl_s": 30}
    made = await ask(client, "reservations", body)
    held = made.json()
    assert made.status_code == 201
    assert (held["allowed"], held["remaining"], held["reservation"]["state"]) == (True, "2", "held")
    denied = await ask(client, "reservations", body)
    refused = denied.json()
    assert (denied.status_code, refused["allowed"], refused["reservation"]) == (200, False, None)
    address = f"reservations/{held['reservation']['id']}"
    done = (await ask(client, f"{address}/commit", {"quantity": "2.5"})).json()
    assert (done["state"], done["committed"]) == ("committed", "2.5")
    closed = await ask(client, f"{address}/release", b"")
    assert (closed.status_code, closed.json()["code"]) == (409, "entitlements.reservation_closed")
    assert (await ask(client, "reservations/rsv_none/commit", {})).status_code == 404


async def test_a_record_is_shown_by_a_name_with_slashes(client, shop) -> None:
    await shop.subscribe("org/7/ada")
    for name in ("org/7/ada", "org%2F7%2Fada"):
        shown = await client.get(f"/v1/entitlements/{name}")
        assert (shown.status_code, shown.json()["customer"]) == (200, "org/7/ada"), shown.text


async def test_a_record_is_shown_by_name_and_by_id(client, shop) -> None:
    held = await shop.subscribe("alice")
    by_name, by_id = [
        (await client.get(f"/v1/entitlements/{name}")).json()
        for name in ("alice", held.customer_id)
    ]
    assert by_name == by_id
    assert (by_name["customer"], by_name["revision"]) == ("alice", 1)
    assert (await client.get("/v1/entitlements/nobody")).status_code == 404


@pytest.mark.parametrize(
    "what, body, field",
    [
        ("check", b"", None),
        ("check", b"{", None),
        ("check", {}, "customer"),
        ("check", {"customer": ""}, "customer"),
        ("check", {"customer": 5}, "customer"),
        ("check", {"customer": "a", "feature": ""}, "feature"),
        ("check", {"customer": "a", "more": 1}, "more"),
        ("check", {"customer": "a", "quantity": 0}, "quantity"),
        ("check", {"customer": "a", "quantity": -1}, "quantity"),
        ("check", {"customer": "a", "quantity": "x"}, "quantity"),
        ("check", {"customer": "a", "quantity": True}, "quantity"),
        ("check", b'{"customer":"a","quantity":NaN}', "quantity"),
        ("check", b'{"customer":"a","quantity":1e400}', "quantity"),
        ("consume", {"customer": "a"}, "feature"),
        ("consume", {"customer": "a", "feature": "f", "enforce": "no"}, "enforce"),
        ("reservations", {"customer": "a", "feature": "f", "ttl_s": 0}, "ttl_s"),
        ("reservations", {"customer": "a", "feature": "f", "ttl_s": 90_000}, "ttl_s"),
        ("reservations", {"customer": "a", "feature": "f", "ttl_s": "60"}, "ttl_s"),
    ],
)
async def test_an_odd_body_is_refused_with_its_place(client, what, body, field) -> None:
    refused = await ask(client, what, body)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    if field:
        assert refused.json()["field"] == field


async def test_names_that_no_database_takes_are_refused(client) -> None:
    for name in ("a\0b", "\ud800", "a" * 201):
        refused = await ask(client, "check", {"customer": name, "feature": name})
        assert refused.status_code == 400
    assert (await client.get("/v1/entitlements/a%00b")).status_code in {400, 404}


async def test_keys_without_the_right_are_denied(app, shop) -> None:
    await shop.subscribe("alice")
    body = {"customer": "alice", "feature": "seats"}
    for how, expected in (
        ({"kind": KeyKind.PUBLISHABLE}, [403, 403, 403]),
        ({"asked_scopes": ["entitlements:read"]}, [200, 403, 403]),
        ({"asked_scopes": ["entitlements:*"]}, [200, 200, 201]),
    ):
        transport = httpx.ASGITransport(app=app)
        headers = await shop.headers(**how)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://x", headers=headers
        ) as one:
            told = [await ask(one, what, body) for what in ("check", "consume", "reservations")]
        assert [one.status_code for one in told] == expected


async def test_mallory_learns_nothing(app, shop, other_shop) -> None:
    held = await shop.subscribe("alice")
    transport = httpx.ASGITransport(app=app)
    headers = await other_shop.headers()
    async with httpx.AsyncClient(
        transport=transport, base_url="http://x", headers=headers
    ) as mallory:
        for name in ("alice", held.customer_id):
            assert not (await ask(mallory, "check", {"customer": name})).json()["allowed"]
            theirs = await mallory.get(f"/v1/entitlements/{name}")
            none = await mallory.get("/v1/entitlements/none")
            assert (theirs.status_code, theirs.json()["code"]) == (404, none.json()["code"])
