"""Who may see and steer the collecting of money over HTTP, and what does each route answer?"""

import pytest

from solvent.kernel.tenants import service as tenants
from solvent.systems.payments.collection.model import Purpose
from solvent.systems.payments.settings import PaymentsSection

BACK = "https://app.example.com/paid"


@pytest.fixture
def shop(house, till):
    """The till, with its emulated Stripe behind the API."""
    section = house.wiring.settings[PaymentsSection]
    held = section.stripe_api
    object.__setattr__(section, "stripe_api", till.bank.url)
    yield till
    object.__setattr__(section, "stripe_api", held)


@pytest.fixture
async def alice(app, shop, client_for):
    """The owner of the shop."""
    async with await client_for(app, shop) as made:
        yield made


async def owed(shop, code="insufficient_funds"):
    shop.bank.let_card_fail(shop.card, code)
    invoice = await shop.bill()
    await shop.work(invoice.id)
    return invoice


async def test_an_owner_sees_and_steers_a_collection(alice, shop):
    invoice = await owed(shop)
    listed = (await alice.get("/v1/collections", params={"state": "waiting"})).json()["data"]
    assert [one["subject_id"] for one in listed] == [invoice.id]
    by_number = await alice.get(f"/v1/collections/{invoice.number}")
    assert by_number.json()["history"][0]["code"] == "insufficient_funds"
    shop.bank.let_card_fail(shop.card, None)
    tried = await alice.post(f"/v1/collections/{invoice.id}/collect")
    assert (tried.status_code, tried.json()["state"]) == (202, "collecting")
    looked = await alice.post(f"/v1/collections/{invoice.id}/look")
    assert (looked.status_code, looked.json()["state"]) == (200, "paid")
    again = await alice.post(f"/v1/collections/{invoice.id}/collect")
    assert (again.status_code, again.json()["code"]) == (409, "payments.nothing_due")
    found = await alice.get("/v1/collections", params={"customer": "globex", "limit": 1})
    assert len(found.json()["data"]) == 1


async def test_a_page_to_pay_on_is_made_and_looked_at(alice, shop):
    invoice = await owed(shop, "authentication_required")
    body = {"return_url": BACK}
    made = await alice.post(f"/v1/collections/{invoice.id}/link", json=body)
    assert made.status_code == 201, made.text
    again = await alice.post(f"/v1/collections/{invoice.id}/link", json=body)
    assert again.json()["url"] == made.json()["url"]
    shop.bank.pay(made.json()["payment_ref"])
    looked = await alice.post(f"/v1/collections/{invoice.id}/look")
    assert looked.json()["state"] == "paid"
    refused = await alice.post(
        f"/v1/collections/{invoice.id}/link", json={"return_url": "javascript:alert(1)"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "payments.address_invalid")


async def test_a_collection_is_stopped(alice, shop):
    invoice = await owed(shop)
    stopped = await alice.post(f"/v1/collections/{invoice.id}/stop", json={"reason": "a friend"})
    assert (stopped.json()["state"], stopped.json()["reason"]) == ("stopped", "a friend")
    assert stopped.json()["next_at"] is None


async def test_the_policy_is_told_and_shown(alice):
    body = {"automatic": True, "retries": {"soft": [2, 4]}, "give_up_days": 9, "final": "pause"}
    told = await alice.put("/v1/collection-policy", json=body)
    assert told.status_code == 200, told.text
    shown = (await alice.get("/v1/collection-policy")).json()
    assert (shown["retries"]["soft"], shown["final"]) == ([2, 4], "pause")
    bad = await alice.put("/v1/collection-policy", json={"retries": {"soft": [4, 2]}})
    assert (bad.status_code, bad.json()["code"]) == (400, "payments.policy_malformed")
    assert bad.json()["field"] == "retries.soft"
    assert (await alice.get("/v1/collection-policy")).json() == shown


async def test_money_goes_back_once_a_key(alice, shop):
    invoice = await shop.bill()
    await shop.work(invoice.id)
    body = {"invoice": invoice.id, "amount_minor": 900, "reason": "late"}
    would_be = await alice.post("/v1/refunds", json=body | {"dry_run": True})
    assert (would_be.status_code, would_be.json()["amount_minor"]) == (200, 900)
    assert (await alice.get("/v1/refunds")).json()["data"] == []
    headers = {"idempotency-key": "refund-1"}
    first = await alice.post("/v1/refunds", json=body, headers=headers)
    again = await alice.post("/v1/refunds", json=body, headers=headers)
    assert (first.status_code, first.json()["state"]) == (201, "made")
    assert again.json() == first.json()
    listed = (await alice.get("/v1/refunds")).json()["data"]
    assert [one["amount_minor"] for one in listed] == [900]
    more = await alice.post("/v1/refunds", json=body | {"amount_minor": 2001})
    assert (more.status_code, more.json()["code"]) == (409, "payments.refund_too_large")
    assert more.json()["left_minor"] == 2000
    assert (await alice.get("/v1/disputes")).json()["data"] == []


async def test_rules_for_topping_up_are_kept(alice, shop):
    body = {"threshold_minor": 1000, "amount_minor": 5000, "monthly_cap_minor": 5000}
    made = await alice.put("/v1/top-ups/globex/usd", json=body)
    assert (made.status_code, made.json()["currency"]) == (200, "USD")
    [row] = await shop.fetch("select subject_id from payments_collection")
    await shop.work(row["subject_id"], Purpose.TOP_UP)
    assert shop.charged_minor() == 5000
    paused = await alice.post("/v1/top-ups/globex/USD/pause")
    assert paused.json()["state"] == "paused"
    assert (await alice.post("/v1/top-ups/globex/USD/resume")).json()["state"] == "active"
    assert len((await alice.get("/v1/top-ups")).json()["data"]) == 1
    assert (await alice.delete("/v1/top-ups/globex/USD")).status_code == 204
    gone = await alice.delete("/v1/top-ups/globex/USD")
    assert (gone.status_code, gone.json()["code"]) == (404, "payments.top_up_rule_not_found")


async def test_a_customers_name_with_slashes_stands_in_a_path(alice, shop):
    await shop.do(lambda ctx: tenants.ensure_customer(ctx, "org/7"))
    path, body = "/v1/top-ups/org%2F7/USD", {"threshold_minor": 1000, "amount_minor": 5000}
    nobody = "payments.payer_unknown"  # no provider knows them, but we do
    assert (await alice.put(path, json=body)).json()["code"] == nobody
    for answer in (await alice.post(f"{path}/pause"), await alice.delete(path)):
        assert answer.json()["code"] == "payments.top_up_rule_not_found"


async def test_an_upgrade_is_quoted_and_paid(alice, shop):
    held = await shop.subscribe()
    path = f"/v1/subscriptions/{held.id}"
    quote = await alice.get(f"{path}/upgrade-quote", params={"plan": "max"})
    assert quote.json() == {"amount_minor": 7000, "currency": "USD"}
    body = {"plan": "max", "quoted_minor": 7000}
    made = await alice.post(f"{path}/upgrades", json=body)
    assert made.status_code == 202, made.text
    await shop.work(made.json()["id"], Purpose.UPGRADE)
    assert (await shop.held(held)).plan_key == "max"


ROUTES = [
    ("GET", "/v1/collections", None, 200),
    ("GET", "/v1/collections/{invoice}", None, 404),
    ("POST", "/v1/collections/{invoice}/collect", None, 404),
    ("POST", "/v1/collections/{invoice}/stop", {}, 404),
    ("POST", "/v1/collections/{invoice}/link", {"return_url": BACK}, 404),
    ("POST", "/v1/collections/{invoice}/look", None, 404),
    ("GET", "/v1/collection-policy", None, 200),
    ("PUT", "/v1/collection-policy", {}, 200),
    ("POST", "/v1/refunds", {"invoice": "{invoice}", "reason": "x"}, 404),
    ("GET", "/v1/refunds", None, 200),
    ("GET", "/v1/disputes", None, 200),
    ("GET", "/v1/top-ups", None, 200),
    ("PUT", "/v1/top-ups/globex/USD", {"threshold_minor": 1, "amount_minor": 5}, 404),
    ("DELETE", "/v1/top-ups/globex/USD", None, 404),
    ("POST", "/v1/subscriptions/{subscription}/upgrades", {"plan": "max"}, 404),
]
"""Each route with what it answers to the owner of another shop: as if nothing of ours was there."""


async def test_strangers_and_members_without_the_scope_get_nowhere(
    app, shop, mallory_id, client_for
):
    """Bob may see usage; Charlie has no key; Mallory owns another shop."""
    invoice = await owed(shop)
    names = {"{invoice}": invoice.id, "{subscription}": invoice.draft.subscription_id}
    another = type(shop)(shop.edge, mallory_id, shop.bank, shop.collector)
    bob = await client_for(app, shop, asked_scopes=["metering:read"])
    charlie = await client_for(app, shop)
    charlie.headers.pop("authorization")
    mallory = await client_for(app, another)
    async with bob, charlie, mallory:
        for method, form, body, expected in ROUTES:
            path = form.replace("{invoice}", invoice.id)
            path = path.replace("{subscription}", invoice.draft.subscription_id)
            filled = {name: names.get(value, value) for name, value in (body or {}).items()}
            given = {"json": filled} if body is not None else {}
            assert (await bob.request(method, path, **given)).status_code == 403, path
            assert (await charlie.request(method, path, **given)).status_code == 401, path
            answer = await mallory.request(method, path, **given)
            assert answer.status_code == expected, (path, answer.text)
            assert answer.json().get("data", []) == [], path
    assert len((await shop.story(invoice.id)).attempts) == 1
    assert len(shop.charges()) == 1
