"""Who may come in, and what does everybody else find?"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import httpx
import pytest

from solvent.app.http import create_app
from solvent.app.testing import EPOCH
from solvent.kernel.metering import service as metering
from solvent.kernel.tenants.service import create_business
from solvent.kit.ctx import OPERATOR
from solvent.kit.http.rates import RateLimit, Rates

NOW_S = int(EPOCH.timestamp())
LAGO = {"transaction_id": "a", "external_subscription_id": "acme", "code": "calls"}
CLOUD = {"id": "a", "source": "app", "specversion": "1.0", "type": "calls", "subject": "acme"}
FORM = {
    "event_name": "calls",
    "identifier": "s",
    "payload[stripe_customer_id]": "acme",
    "payload[n]": "1",
}
SENDS = [
    ("/doors/lago/api/v1/events", {"json": {"event": LAGO | {"properties": {"n": 1}}}}, 200),
    ("/doors/lago/api/v1/events/batch", {"json": {"events": [LAGO]}}, 200),
    ("/doors/openmeter/api/v1/events", {"json": CLOUD | {"data": {"n": 1}}}, 204),
    ("/doors/stripe/v1/billing/meter_events", {"data": FORM}, 200),
    (
        "/doors/stripe/v2/billing/meter_event_stream",
        {"json": {"events": [{"event_name": "x", "payload": {"stripe_customer_id": "c"}}]}},
        200,
    ),
]
MAKES = [
    (
        "/doors/openmeter/api/v1/meters",
        {"json": {"slug": "m", "aggregation": "COUNT", "eventType": "m"}},
    ),
    (
        "/doors/stripe/v1/billing/meters",
        {
            "data": {
                "display_name": "M",
                "event_name": "m",
                "default_aggregation[formula]": "count",
            }
        },
    ),
]
QUERY = f"customer=acme&start_time={NOW_S - 60}&end_time={NOW_S}"
READS = [
    "/v1/usage-dead-letters",
    "/v1/usage-dead-letters/counts",
    "/v1/doors/lago/customers",
    "/v1/doors/lago/meters",
    "/doors/lago/api/v1/events",
    "/doors/openmeter/api/v1/meters",
    "/doors/openmeter/api/v1/meters/calls",
    "/doors/openmeter/api/v1/meters/calls/query?subject=acme",
    "/doors/stripe/v1/billing/meters",
    "/doors/stripe/v1/billing/meters/mtr_calls",
    f"/doors/stripe/v1/billing/meters/mtr_calls/event_summaries?{QUERY}",
]


@pytest.mark.parametrize("path, sent, status", SENDS)
async def test_a_sender_may_send_and_nothing_else(bob, alice, path, sent, status):
    assert (await bob.post(path, **sent)).status_code == status
    assert (await bob.get("/v1/usage-dead-letters")).status_code == 403
    assert (await bob.get("/doors/stripe/v1/billing/meters")).status_code == 403


@pytest.mark.parametrize("path", READS)
async def test_a_sender_reads_nothing_and_the_owner_does(alice, bob, path):
    assert (await alice.get(path)).status_code == 200
    assert (await bob.get(path)).status_code == 403


@pytest.mark.parametrize(
    "path, sent",
    [*((path, sent) for path, sent, _ in SENDS), *MAKES, *((one, {}) for one in READS)],
)
async def test_without_a_key_there_is_nothing(charlie, path, sent):
    answer = await (charlie.post(path, **sent) if sent else charlie.get(path))
    assert answer.status_code == 401


@pytest.mark.parametrize("path, sent", MAKES)
async def test_meters_are_made_by_who_may(alice, app, business, path, sent):
    assert (await alice.post(path, **sent)).status_code in {200, 201}
    assert (await alice.post(path, **sent)).status_code in {200, 201}  # changes nothing
    alice.headers["authorization"] = f"Bearer {await business.key('metering:read')}"
    assert (await alice.post(path, **sent)).status_code == 403


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


async def test_a_key_may_come_as_a_user_name(charlie, business):
    path = "/doors/stripe/v1/billing/meters"
    key = await business.key()
    assert (await charlie.get(path, headers=basic(f"{key}:"))).status_code == 200
    for odd in (f":{key}", f"{key}x:", ":"):
        assert (await charlie.get(path, headers=basic(odd))).status_code == 401
    for odd in ("Basic", "Basic !", "Basic /w==", f"Digest {key}", f"Basic {key}"):
        answer = await charlie.get(path, headers={"authorization": odd})
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert (await charlie.get("/v1/meters", headers=basic(f"{key}:"))).status_code == 401


async def test_a_cookie_opens_no_door(charlie):
    headers = {"cookie": "solvent_session=ses_x"}
    assert (await charlie.get("/doors/lago/api/v1/events", headers=headers)).status_code == 401


async def test_strangers_find_no_letter(alice, mallory, business, other_business):
    """Mallory's lists are empty, and Alice's letters are to her as any that does not exist."""
    await alice.post(SENDS[1][0], json={"events": [LAGO | {"code": "nothing"}]})
    (letter,) = await business.letters()
    none = "dle_" + "0" * 26
    for one in (letter.id, none):
        answer = await mallory.get(f"/v1/usage-dead-letters/{one}")
        assert (answer.status_code, answer.json()["code"]) == (404, "doors.letter_not_found")
    assert (await mallory.get("/v1/usage-dead-letters")).json()["data"] == []
    assert (await mallory.get("/v1/usage-dead-letters/counts")).json() == []
    for verb in ("replay", "discard"):
        path = f"/v1/usage-dead-letters/{verb}"
        theirs, nothing = [
            await mallory.post(path, json={"ids": [one]}) for one in (letter.id, none)
        ]
        assert theirs.status_code == nothing.status_code == 404
    assert [one.id for one in await business.letters()] == [letter.id]


async def test_strangers_find_no_name_meter_or_event(alice, mallory, business, other_business):
    await alice.put("/v1/doors/lago/customers", json={"name": "sub-1", "customer": "acme"})
    body = {"event": "Calls", "meter": "calls"}
    assert (await alice.put("/v1/doors/lago/meters", json=body)).status_code == 200
    event = LAGO | {"external_subscription_id": "sub-1", "code": "Calls", "properties": {"n": 4}}
    await alice.post(SENDS[0][0], json={"event": event})
    assert await business.used("calls") == 4
    assert (await mallory.get("/v1/doors/lago/customers")).json()["data"] == []
    assert (await mallory.get("/v1/doors/lago/meters")).json() == []
    assert (await mallory.get("/doors/lago/api/v1/events/a")).status_code == 404
    for path in ("customers?name=sub-1", "meters?event=Calls"):
        assert (await mallory.delete(f"/v1/doors/lago/{path}")).status_code == 404
        assert (await alice.delete(f"/v1/doors/lago/{path}")).status_code == 204
    await mallory.post(SENDS[0][0], json={"event": event})
    (letter,) = await other_business.letters()
    assert letter.reason == "doors.customer_unknown"


@pytest.mark.parametrize("path, sent, status", SENDS[:3])
async def test_test_and_live_are_told_apart_by_the_key(app, house, path, sent, status):
    slug = "d-" + house.edge.ids.new("tmp")[-20:]
    made = await create_business(house.edge, name="Two", slug=slug, test_clock_at=EPOCH)
    (key,) = [one.text for one in made.keys if one.text.startswith("sk_test")]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        await client.put("/v1/meters/calls", json={"name": "Calls", "aggregation": "count"})
        await client.post("/v1/customers", json={"external_ref": "acme"})
        assert (await client.post(path, **sent)).status_code == status
    for tenant, count in ((made.test, 1), (made.live, 0)):
        async with house.edge.open(tenant.id, OPERATOR) as ctx:
            assert len(await metering.list_events(ctx)) == count


ERRORS = [
    ("/doors/lago/api/v1/nothing", "get", 404, {"status": 404, "error": "Not found"}),
    ("/doors/lago/api/v1/events", "delete", 405, {"status": 405}),
    ("/doors/stripe/v1/charges", "post", 404, {"error": {"type": "invalid_request_error"}}),
    ("/doors/openmeter/api/v1/subjects", "get", 404, {"status": 404, "title": "Not found"}),
]


@pytest.mark.parametrize("path, method, status, told", ERRORS)
async def test_errors_are_told_as_the_vendor_tells_them(alice, path, method, status, told):
    answer = await alice.request(method, path)
    assert answer.status_code == status
    body = answer.json()
    for name, value in told.items():
        expected = value.items() if isinstance(value, dict) else [(None, value)]
        for inner, one in expected:
            assert (body[name][inner] if inner else body[name]) == one


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/doors/lago/api/v1/events", "application/json"),
        ("/doors/stripe/v1/billing/meter_events", "application/json"),
        ("/doors/openmeter/api/v1/events", "application/problem+json"),
    ],
)
async def test_what_the_gate_refuses_is_told_in_the_vendors_words_too(alice, path, kind):
    answer = await alice.post(path, content=b"x" * 1_048_577)
    assert (answer.status_code, answer.headers["content-type"]) == (413, kind)


async def test_who_sends_too_often_is_told_to_wait(house, business):
    """By the gate that all requests pass, and in the vendor's words."""
    rates = Rates(RateLimit(0.01, 2), RateLimit(1, 100))
    app = create_app(replace(house, rates=rates))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {await business.key()}"},
    ) as client:
        answers = [await client.get("/doors/stripe/v1/billing/meters") for _ in range(4)]
    assert [one.status_code for one in answers][-1] == 429
    assert answers[-1].json()["error"]["code"] == "rate_limit"
    assert int(answers[-1].headers["retry-after"]) >= 1


ODD = [
    b"",
    b"null",
    b"[]",
    b"[1]",
    b'"x"',
    b"\xff",
    b"[" * 50_000,
    b'{"event": null}',
    b'{"event": {"transaction_id": "\\ud800"}}',
    b'{"events": [null, 1, [], {"a": NaN}]}',
    b'[{"id": 1e400}, {"source": {"a": 1}}]',
    b"payload=x&payload[value]=1",
    b"event_name=a&payload[stripe_customer_id]=acme&payload" + b"[a]" * 100_000 + b"=1",
    b'[{"id": "1", "source": "s", "specversion": "1.0", "type": "calls", "subject": "a", "data": '
    + b'{"a":' * 900
    + b"1"
    + b"}" * 900
    + b"}]",
    b'{"event": {"transaction_id": "1", "external_customer_id": "a", "code": "calls",'
    b' "properties": {"n": [' + b"[" * 900 + b"]" * 900 + b"]}}}",
    b"event_name=a&payload[stripe_customer_id]=b&payload[value]=%00",
    json.dumps(
        {"event": LAGO | {"properties": {"n": 1, "d": {"\ud800": [float("nan")]}}}}
    ).encode(),
    json.dumps([CLOUD | {"data": {"\x00": "\x00", "n": {}}}]).encode(),
    json.dumps({"slug": "a", "aggregation": [], "eventType": "\x00", "groupBy": 1}).encode(),
]
POSTS = [
    *dict.fromkeys(path for path, *_ in SENDS),
    *(path for path, _ in MAKES),
    "/doors/lago/api/v1/events/estimate_fees",
    "/doors/stripe/v1/billing/meter_event_adjustments",
    "/doors/stripe/v2/billing/meter_event_adjustments",
    "/doors/stripe/v2/billing/meter_events",
]


@pytest.mark.parametrize("path", POSTS)
async def test_no_body_crashes_a_door(alice, path):
    for raw in ODD:
        answer = await alice.post(path, content=raw)
        assert answer.status_code < 500, raw


ODD_QUERIES = [
    "/doors/lago/api/v1/events?page=101&per_page=100",
    "/doors/lago/api/v1/events?page=x",
    "/doors/lago/api/v1/events?external_subscription_id=nobody",
    "/doors/openmeter/api/v1/meters/calls/query",
    "/doors/openmeter/api/v1/meters/calls/query?subject=a&windowTimeZone=../x",
    "/doors/openmeter/api/v1/meters/calls/query?subject=a&windowSize=HOUR",
    "/doors/openmeter/api/v1/meters/calls/query?subject=a&from=2020-01-01T00:00:00Z&windowSize=MINUTE",
    "/doors/openmeter/api/v1/meters/calls/query?subject=a&from=x",
    "/doors/openmeter/api/v1/meters/calls/query?subject=a&from=2027-01-01T00:00:00Z",
    "/doors/stripe/v1/billing/meters?limit=1000",
    "/doors/stripe/v1/billing/meters/mtr_calls/event_summaries?customer=acme",
    f"/doors/stripe/v1/billing/meters/mtr_calls/event_summaries?{QUERY}&value_grouping_window=week",
    "/v1/usage-dead-letters?state=odd",
    "/v1/doors/paypal/customers",
]


@pytest.mark.parametrize("path", ODD_QUERIES)
async def test_an_odd_query_is_refused(alice, path):
    assert (await alice.get(path)).status_code == 400


NAMES = [
    ("customers", {"name": "", "customer": "acme"}, "name"),
    ("customers", {"name": "a\x00", "customer": "acme"}, "name"),
    ("customers", {"name": "a"}, "customer"),
    ("meters", {"event": "a", "meter": "calls", "value_path": "tokens"}, "value_path"),
    ("meters", {"event": "a", "meter": "calls", "dimensions": {"m": "x"}}, "dimensions.m"),
    ("meters", {"event": " ", "meter": "calls"}, "event"),
]


@pytest.mark.parametrize("kind, body, field", NAMES)
async def test_an_odd_name_is_refused(alice, kind, body, field):
    answer = await alice.put(f"/v1/doors/lago/{kind}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_name_is_for_a_meter_that_there_is(alice):
    body = {"event": "a", "meter": "nothing"}
    assert (await alice.put("/v1/doors/lago/meters", json=body)).status_code == 404


async def test_names_come_in_pages(alice):
    for number in range(3):
        body = {"name": f"n{number}", "customer": "acme"}
        await alice.put("/v1/doors/stripe/customers", json=body)
    first = (await alice.get("/v1/doors/stripe/customers?limit=2")).json()
    cursor = first["next_cursor"]
    rest = (await alice.get(f"/v1/doors/stripe/customers?limit=2&cursor={cursor}")).json()
    assert [one["name"] for one in first["data"] + rest["data"]] == ["n0", "n1", "n2"]


async def test_lagos_list_comes_in_numbered_pages(alice):
    events = [LAGO | {"transaction_id": f"t{n}", "properties": {"n": 1}} for n in range(3)]
    await alice.post("/doors/lago/api/v1/events/batch", json={"events": events})
    first = (await alice.get("/doors/lago/api/v1/events?per_page=2")).json()
    second = (await alice.get("/doors/lago/api/v1/events?per_page=2&page=2&code=calls")).json()
    ids = [one["transaction_id"] for one in first["events"] + second["events"]]
    assert sorted(ids) == ["t0", "t1", "t2"]
    assert (first["meta"]["next_page"], second["meta"]["next_page"]) == (2, None)
