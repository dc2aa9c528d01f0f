"""Who may do what about webhooks over HTTP?"""

from __future__ import annotations

import pytest

from solvent.kit.ctx import OPERATOR
from solvent.systems.webhooks import service
from solvent.systems.webhooks.testing import TYPE

URL = "https://hooks.example.com/solvent"
WRITES = [
    ("post", "/v1/webhook-endpoints", {"url": URL}),
    ("patch", "/v1/webhook-endpoints/{endpoint}", {"description": "x"}),
    ("delete", "/v1/webhook-endpoints/{endpoint}", None),
    ("post", "/v1/webhook-endpoints/{endpoint}/rotate", {}),
    ("post", "/v1/webhook-endpoints/{endpoint}/enable", None),
    ("post", "/v1/webhook-endpoints/{endpoint}/disable", {"reason": "x"}),
    ("post", "/v1/webhook-endpoints/{endpoint}/test", {}),
    (
        "post",
        "/v1/webhook-endpoints/{endpoint}/replay",
        {"since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00Z"},
    ),
    ("post", "/v1/webhook-messages/{message}/replay", {"endpoint_id": "{endpoint}"}),
]
READS = [
    "/v1/webhook-endpoints/{endpoint}",
    "/v1/webhook-endpoints/{endpoint}/deliveries",
    "/v1/webhook-messages/{message}",
    "/v1/webhook-messages/{message}/attempts",
]
LISTS = ["/v1/webhook-endpoints", "/v1/webhook-messages", "/v1/webhook-event-types"]


async def ask(client, method, path, body, **names):
    told = body and {name: str(value).format(**names) for name, value in body.items()}
    options = {} if body is None else {"json": told}
    return await client.request(method.upper(), path.format(**names), **options)


@pytest.fixture
async def names(business, receiver):
    """An endpoint, and a message that it got."""
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    (message,) = await business.messages()
    return {"endpoint": made.endpoint.id, "message": message.id}


@pytest.mark.parametrize("method, path, body", WRITES)
async def test_the_owner_changes_and_a_reader_does_not(alice, bob, names, method, path, body):
    refused = await ask(bob, method, path, body, **names)
    assert (refused.status_code, refused.json()["code"]) == (403, "kit.scope_missing")
    assert (await ask(alice, method, path, body, **names)).status_code in {200, 201, 204}


@pytest.mark.parametrize("path", READS + LISTS)
async def test_owner_and_reader_look(alice, bob, names, path):
    for client in (alice, bob):
        assert (await ask(client, "get", path, None, **names)).status_code == 200


@pytest.mark.parametrize(
    "method, path, body", [*WRITES, *(("get", path, None) for path in READS + LISTS)]
)
async def test_without_a_key_there_is_nothing(charlie, names, method, path, body):
    assert (await ask(charlie, method, path, body, **names)).status_code == 401


@pytest.mark.parametrize(
    "method, path, body", [*WRITES[1:], *(("get", path, None) for path in READS)]
)
async def test_strangers_find_nothing(mallory, names, method, path, body):
    nothing = {"endpoint": "whe_" + "0" * 26, "message": "msg_" + "0" * 26}
    theirs = await ask(mallory, method, path, body, **names)
    none = await ask(mallory, method, path, body, **nothing)
    assert theirs.status_code == none.status_code == 404
    assert theirs.json()["code"] == none.json()["code"]


async def test_mallorys_lists_are_empty(mallory, names):
    for path in LISTS[:2]:
        assert (await mallory.get(path)).json() == {"data": [], "next_cursor": None}


async def test_mallory_cannot_replay_to_an_endpoint_of_hers(
    mallory, other_business, receiver, names
):
    hers = await other_business.add(receiver.url)
    path = f"/v1/webhook-messages/{names['message']}/replay"
    answer = await mallory.post(path, json={"endpoint_id": hers.endpoint.id})
    assert (answer.status_code, answer.json()["code"]) == (404, "webhooks.message_not_found")


async def test_the_life_of_an_endpoint(alice):
    body = {
        "url": URL,
        "event_types": ["billing.*", "ledger.invoice_paid.v1"],
        "description": "books",
        "order_wait_s": 300,
        "schemes": ["v1", "v1a"],
    }
    answer = await alice.post("/v1/webhook-endpoints", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert [one[:5] for one in made["new_secrets"]] == ["whsec", "whsk_"]
    path = f"/v1/webhook-endpoints/{made['id']}"
    held = (await alice.get(path)).json()
    assert "new_secrets" not in held
    assert made["new_secrets"][0] not in str(held)
    assert held["deliveries"] == {"pending": 0, "delivered": 0, "failed": 0}
    assert {name: held[name] for name in ("url", "event_types", "order_wait_s")} == {
        name: body[name] for name in ("url", "event_types", "order_wait_s")
    }
    changed = (await alice.patch(path, json={"order_wait_s": None})).json()
    assert (changed["order_wait_s"], changed["description"]) == (None, "books")
    rotated = (await alice.post(f"{path}/rotate", json={"overlap_hours": 2})).json()
    assert [one["not_after"] is None for one in rotated["secrets"]].count(False) == 1
    assert (await alice.post(f"{path}/disable", json={})).json()["disabled_reason"] == "by hand"
    assert (await alice.post(f"{path}/enable")).json()["enabled"] is True
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.get(path)).status_code == 404


@pytest.mark.parametrize(
    "body, code, field",
    [
        ({"url": "http://example.com/"}, "webhooks.url_invalid", "url"),
        ({"url": "https://169.254.169.254/"}, "webhooks.address_blocked", "url"),
        ({"url": "https://2130706433/"}, "webhooks.address_blocked", "url"),
        ({"url": URL, "event_types": ["biling.*"]}, "webhooks.pattern_invalid", "event_types"),
        ({"url": URL, "secret": "x"}, "webhooks.secret_malformed", "secret"),
        ({"url": URL, "schemes": []}, "webhooks.scheme_missing", "schemes"),
        ({"url": URL, "order_wait_s": 604_801}, "webhooks.out_of_range", "order_wait_s"),
        ({"url": URL, "description": "x" * 501}, "webhooks.out_of_range", "description"),
    ],
)
async def test_bad_input_is_named_and_nothing_is_kept(alice, body, code, field):
    answer = await alice.post("/v1/webhook-endpoints", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["field"] == field
    assert (await alice.get("/v1/webhook-endpoints")).json()["data"] == []


@pytest.mark.parametrize(
    "body", [{"url": URL, "more": 1}, {}, {"url": URL, "schemes": ["v9"]}, {"url": 5}]
)
async def test_a_body_of_another_shape_is_refused(alice, body):
    assert (await alice.post("/v1/webhook-endpoints", json=body)).status_code in {400, 422}


async def test_lists_come_in_pages(alice, business, receiver):
    made = await business.add(receiver.url)
    await business.happens(*[TYPE] * 5, "ledger.invoice_paid.v1")
    await business.deliver()
    for path in ("/v1/webhook-messages", f"/v1/webhook-endpoints/{made.endpoint.id}/deliveries"):
        seen, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await alice.get(path, params=query)).json()
            seen += [one.get("message_id", one.get("id")) for one in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == sorted((one.id for one in await business.messages()), reverse=True)
    only = await alice.get("/v1/webhook-messages", params={"type": "ledger.invoice_paid.v1"})
    assert len(only.json()["data"]) == 1
    for state, many in (("delivered", 6), ("pending", 0)):
        shown = await alice.get(path, params={"state": state})
        assert len(shown.json()["data"]) == many


async def test_a_message_and_its_attempts_are_shown(alice, business, receiver):
    receiver.replies(500, 204)
    made = await business.add(receiver.url)
    await business.happens(amount_minor=5)
    await business.deliver()
    await business.later(seconds=6)
    (message,) = await business.messages()
    whole = (await alice.get(f"/v1/webhook-messages/{message.id}")).json()
    assert whole["body"]["data"]["amount_minor"] == 5
    assert [one["state"] for one in whole["deliveries"]] == ["delivered"]
    path = f"/v1/webhook-messages/{message.id}/attempts"
    attempts = (await alice.get(path, params={"endpoint_id": made.endpoint.id})).json()["data"]
    told = [(one["number"], one["outcome"], one["status"]) for one in attempts]
    assert told == [(2, "delivered", 204), (1, "status", 500)]


async def test_a_repeated_post_makes_one_endpoint(alice):
    headers = {"idempotency-key": "make-1"}
    first = await alice.post("/v1/webhook-endpoints", json={"url": URL}, headers=headers)
    second = await alice.post("/v1/webhook-endpoints", json={"url": URL}, headers=headers)
    assert first.json() == second.json()
    assert len((await alice.get("/v1/webhook-endpoints")).json()["data"]) == 1


async def test_an_answer_that_is_kept_for_a_repeat_tells_no_secret_at_rest(alice, business):
    headers = {"idempotency-key": "make-2"}
    made = await alice.post("/v1/webhook-endpoints", json={"url": URL}, headers=headers)
    (secret,) = made.json()["new_secrets"]
    async with business.edge.open(business.tenant_id, OPERATOR) as ctx:
        kept = await ctx.tx.fetchval(
            "select body from kit_idempotency where tenant_id = $1 and key = 'make-2'",
            ctx.tenant_id,
        )
    assert kept
    assert secret.encode() not in bytes(kept)


async def test_a_dry_run_over_http_sends_nothing(alice, bob, business, receiver):
    made = await business.add(receiver.url)
    await business.do(lambda ctx: service.disable(ctx, made.endpoint.id))
    await business.happens()
    await business.do(lambda ctx: service.enable(ctx, made.endpoint.id))
    body = {"since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00Z", "dry_run": True}
    path = f"/v1/webhook-endpoints/{made.endpoint.id}/replay"
    assert (await bob.post(path, json=body)).json()["messages"] == 1
    assert await business.deliver() == 0
    assert (await alice.post(path, json=body | {"dry_run": False})).json()["messages"] == 1
    assert await business.deliver() == 1
