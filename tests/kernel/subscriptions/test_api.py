"""Are subscriptions made, shown and changed over HTTP, and refused with a stable code?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from solvent.kernel.tenants import service as tenants

EXTRA = b"""
[plans.extra]
product = "logs"
currency = "USD"
interval = "month"
addon = true
seats = { maximum = 5 }
prices.fee = { model = "flat", amount = 5, per_seat = true }
"""
NO_ID = "sub_00000000000000000000000000"


async def client_of(app, shop, **key) -> httpx.AsyncClient:
    await shop.customer()
    issued = await shop.do(lambda ctx: tenants.issue_key(ctx, name="test", **key))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test/v1",
        headers={"authorization": f"Bearer {issued.text}"},
    )


@pytest.fixture
async def alice(app, shop) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, shop) as made:
        yield made


@pytest.fixture
async def bob(app, shop) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody of the same tenant who may only look."""
    scopes = frozenset({"subscriptions:read"})
    async with await client_of(app, shop, asked_scopes=scopes) as made:
        yield made


@pytest.fixture
async def mallory(app, mallorys) -> AsyncGenerator[httpx.AsyncClient]:
    async with await client_of(app, mallorys) as made:
        yield made


async def subscribe(client: httpx.AsyncClient, **more: object) -> dict:
    body = {"customer": "alice", "plan": "pro"} | more
    answer = await client.post("/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_life_over_http(alice: httpx.AsyncClient) -> None:
    made = await subscribe(alice, time_zone="Europe/Paris", version=1)
    path = f"/subscriptions/{made['id']}"
    assert (await alice.get(path)).json() == made
    assert made["plan_expires_at"] == "2026-02-18T10:00:00Z"
    rest = (
        await alice.post(f"{path}/pause", json={"resume_at": "2026-02-01T00:00:00+01:00"})
    ).json()
    assert (rest["status"], rest["resume_at"]) == ("paused", "2026-01-31T23:00:00Z")
    assert (await alice.post(f"{path}/resume")).json()["status"] == "active"
    team = (await alice.post(f"{path}/change-plan", json={"plan": "team"})).json()
    assert team["plan"] == "team"
    down = (await alice.post(f"{path}/change-plan", json={"plan": "pro"})).json()
    assert (down["plan"], down["next_plan"]) == ("team", {"plan": "pro", "version": 1})
    later = (await alice.post(f"{path}/cancel", json={"when": "period_end"})).json()
    assert later["cancel_at"] == later["period_end"]
    assert (await alice.post(f"{path}/keep")).json()["cancel_at"] is None
    moment = (await alice.post(f"{path}/cancel", json={"at": "2026-01-20T00:00:00Z"})).json()
    assert moment["plan_expires_at"] == "2026-01-20T00:00:00Z"
    over = (await alice.post(f"{path}/cancel")).json()
    assert (over["status"], over["current"]) == ("canceled", False)
    again = await alice.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "subscriptions.transition_refused")


async def test_changes_are_planned_listed_and_taken_back_over_http(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    made = await subscribe(alice)
    path = f"/subscriptions/{made['id']}"
    day = "2026-02-0{}T00:00:00Z"
    await alice.post(f"{path}/change-plan", json={"plan": "team", "at": day.format(1)})
    await alice.post(f"{path}/pause", json={"at": day.format(2), "resume_at": day.format(4)})
    await alice.post(f"{path}/resume", json={"at": day.format(3)})
    last = (await alice.post(f"{path}/cancel", json={"at": day.format(5)})).json()
    listed = (await alice.get(f"{path}/planned-changes")).json()
    assert listed == last["planned"]
    assert [(one["kind"], one["at"], one["plan"], one["resume_at"]) for one in listed] == [
        ("change_plan", day.format(1), "team", None),
        ("pause", day.format(2), None, day.format(3)),
        ("cancel", day.format(5), None, None),
    ]
    gone = f"{path}/planned-changes/{listed[0]['id']}"
    assert (await mallory.delete(gone)).status_code == 404
    assert len((await alice.delete(gone)).json()["planned"]) == 2
    again = await alice.delete(gone)
    assert (again.status_code, again.json()["code"]) == (404, "subscriptions.change_not_found")
    left = (await alice.delete(f"{path}/planned-changes/cancel")).json()
    assert (left["cancel_at"], len(left["planned"])) == (None, 1)


async def test_addons_over_http(alice: httpx.AsyncClient, shop) -> None:
    await shop.load(shop.catalogue + EXTRA)
    made = await subscribe(alice)
    path = f"/subscriptions/{made['id']}/addons"
    added = await alice.post(path, json={"plan": "extra", "quantity": 2})
    assert (added.status_code, added.json()["ends_at"]) == (201, None)
    one = f"{path}/{added.json()['id']}"
    more = (await alice.post(f"{one}/change-quantity", json={"quantity": 5})).json()
    assert more["quantity"] == 5
    one = f"{path}/{more['id']}"
    ended = (await alice.post(f"{one}/end", json={"when": "period_end"})).json()
    assert ended["ends_at"] == made["period_end"]
    assert (await alice.post(f"{one}/keep")).json()["ends_at"] is None
    assert [each["id"] for each in (await alice.get(path)).json()] == [more["id"]]
    unfit = await alice.post(path, json={"plan": "pro"})
    assert (unfit.status_code, unfit.json()["code"]) == (409, "subscriptions.addon_unfit")


async def test_the_zone_is_changed_over_http(alice: httpx.AsyncClient) -> None:
    made = await subscribe(alice)
    path = f"/subscriptions/{made['id']}"
    moved = (await alice.post(f"{path}/change-time-zone", json={"time_zone": "Asia/Tokyo"})).json()
    assert moved["time_zone"] == "Asia/Tokyo"
    assert moved["period_end"] == made["period_end"]  # the present period stays as it is


async def test_a_pending_one_is_activated(alice: httpx.AsyncClient) -> None:
    made = await subscribe(alice, pending=True, trial_days=7, auto_renew=False)
    assert made["status"] == "pending"
    begun = (await alice.post(f"/subscriptions/{made['id']}/activate")).json()
    assert (begun["status"], begun["trial_end_at"]) == ("trialing", "2026-01-22T10:00:00Z")


async def test_the_same_key_creates_once(alice: httpx.AsyncClient) -> None:
    body, headers = {"customer": "alice", "plan": "pro"}, {"idempotency-key": "k1"}
    first = await alice.post("/subscriptions", json=body, headers=headers)
    again = await alice.post("/subscriptions", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    second = await alice.post("/subscriptions", json=body)
    assert (second.status_code, second.json()["code"]) == (409, "subscriptions.already_subscribed")


async def test_lists_come_in_pages_newest_first(alice: httpx.AsyncClient, shop) -> None:
    ids = []
    for ref in ("alice", "bob", "carol"):
        await shop.customer(ref)
        ids.append((await subscribe(alice, customer=ref))["id"])
    await alice.post(f"/subscriptions/{ids[0]}/cancel")
    page = (await alice.get("/subscriptions", params={"limit": 2})).json()
    rest = (await alice.get("/subscriptions", params={"cursor": page["next_cursor"]})).json()
    assert [one["id"] for one in page["data"] + rest["data"]] == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None

    async def ids_of(**params: str) -> list[str]:
        found = await alice.get("/subscriptions", params=params)
        return [one["id"] for one in found.json()["data"]]

    assert await ids_of(customer="bob") == [ids[1]]
    assert await ids_of(status="canceled") == [ids[0]]
    assert (await alice.get("/subscriptions", params={"customer": "nobody"})).status_code == 404


@pytest.mark.parametrize(
    "body, status, field",
    [
        ({}, 400, "customer"),
        ({"customer": "alice"}, 400, "plan"),
        ({"customer": "alice", "plan": "pro", "more": 1}, 400, "more"),
        ({"customer": 3, "plan": "pro"}, 400, "customer"),
        ({"customer": "alice", "plan": "none"}, 404, "plan"),
        ({"customer": "alice", "plan": "a\0"}, 404, "plan"),
        ({"customer": "alice", "plan": "pro", "version": "1"}, 400, "version"),
        ({"customer": "alice", "plan": "pro", "version": 2**40}, 400, "version"),
        ({"customer": "alice", "plan": "pro", "start_at": "yesterday"}, 400, "start_at"),
        ({"customer": "alice", "plan": "pro", "start_at": "2026-01-01T00:00:00"}, 400, "start_at"),
        ({"customer": "alice", "plan": "pro", "start_at": "2027-01-01T00:00:00Z"}, 400, "start_at"),
        ({"customer": "alice", "plan": "pro", "start_at": "0001-01-01T00:00:00Z"}, 400, "start_at"),
        ({"customer": "alice", "plan": "pro", "time_zone": "Mars"}, 400, "time_zone"),
        ({"customer": "alice", "plan": "pro", "trial_days": 1.5}, 400, "trial_days"),
        ({"customer": "alice", "plan": "pro", "auto_renew": "no"}, 400, "auto_renew"),
    ],
)
async def test_a_wrong_body_names_its_field(
    alice: httpx.AsyncClient, body: dict, status: int, field: str
) -> None:
    answer = await alice.post("/subscriptions", json=body)
    assert answer.status_code == status
    assert field in answer.text
    assert (await alice.get("/subscriptions")).json()["data"] == []


@pytest.mark.parametrize(
    "verb, body",
    [
        ("cancel", {"at": "2020-01-01T00:00:00Z"}),
        ("cancel", {"when": "someday"}),
        ("cancel", {"when": "now", "at": "2026-02-01T00:00:00Z"}),
        ("cancel", {"at": "9999-12-31T23:59:59Z"}),
        ("pause", {"resume_at": "9999-12-31T23:59:59Z"}),
        ("pause", {"resume_at": "2020-01-01T00:00:00Z"}),
        ("change-plan", {}),
        ("change-plan", {"plan": "pro", "when": "someday"}),
        ("change-plan", {"plan": "pro", "at": "2020-01-01T00:00:00Z"}),
        ("change-quantity", {}),
        ("change-quantity", {"quantity": 0}),
        ("change-quantity", {"quantity": 2}),
        ("change-quantity", {"quantity": 1, "when": "now", "at": "2026-02-01T00:00:00Z"}),
        ("change-time-zone", {"time_zone": "Mars"}),
        ("pause", {"when": "auto"}),
        ("addons", {"plan": 3}),
    ],
)
async def test_a_wrong_change_is_refused(alice: httpx.AsyncClient, verb: str, body: dict) -> None:
    made = await subscribe(alice)
    answer = await alice.post(f"/subscriptions/{made['id']}/{verb}", json=body)
    assert answer.status_code == 400, answer.text
    assert (await alice.get(f"/subscriptions/{made['id']}")).json() == made


BODIES = {
    "change-plan": {"plan": "team"},
    "change-quantity": {"quantity": 1},
    "change-time-zone": {"time_zone": "Europe/Paris"},
    "addons": {"plan": "team"},
}
CHANGES = ["activate", "cancel", "keep", "pause", "resume", *BODIES]


@pytest.mark.parametrize("verb", CHANGES)
async def test_who_may_look_may_not_change(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, verb: str
) -> None:
    made = await subscribe(alice)
    assert (await bob.get(f"/subscriptions/{made['id']}")).status_code == 200
    body = BODIES.get(verb)
    refused = await bob.post(f"/subscriptions/{made['id']}/{verb}", json=body)
    assert refused.status_code == 403
    assert (
        await bob.post("/subscriptions", json={"customer": "alice", "plan": "pro"})
    ).status_code == 403


async def test_nobody_without_a_key(app) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://solvent.test/v1") as charlie:
        assert (await charlie.get("/subscriptions")).status_code == 401
        assert (await charlie.post(f"/subscriptions/{NO_ID}/cancel")).status_code == 401


@pytest.mark.parametrize("verb", ["", *(f"/{verb}" for verb in CHANGES)])
async def test_another_tenant_s_id_looks_like_none(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, verb: str
) -> None:
    made = await subscribe(alice)
    answers = []
    for id_ in (made["id"], NO_ID):
        body = BODIES.get(verb.removeprefix("/"))
        method = "POST" if verb else "GET"
        answer = await mallory.request(method, f"/subscriptions/{id_}{verb}", json=body)
        answers.append((answer.status_code, answer.text.replace(id_, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert (await alice.get(f"/subscriptions/{made['id']}")).json() == made


async def test_mallory_cannot_subscribe_another_tenant_s_customer(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    made = await subscribe(alice)
    body = {"customer": made["customer_id"], "plan": "pro"}
    assert (await mallory.post("/subscriptions", json=body)).status_code == 404
    listed = await mallory.get("/subscriptions", params={"customer": made["customer_id"]})
    assert listed.status_code == 404
