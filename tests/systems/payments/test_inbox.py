"""Is each genuine webhook durable before it is answered, and each other one refused and noted?"""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.tenants import service as tenants
from solvent.kit.db import DatabaseAway
from solvent.kit.testing import eventually
from solvent.systems.payments.limits import BODY_BYTES_MAX, REFUSALS_EACH_MAX
from solvent.systems.payments.model import EventState, Provider, Refusal
from solvent.systems.payments.service.accounts import endpoint_of
from solvent.systems.payments.service.receive import Refusals
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase, deliver

BUY = StripePurchase("u42", "price_pro", EPOCH)
PADDLE = PaddlePurchase("u42", "pri_pro", EPOCH)


def ok(answer):
    return answer.status_code == 200


async def reasons(shop):
    return sorted(entry.data["reason"] for entry in await shop.audited("payments.webhook_refused"))


@pytest.mark.parametrize("provider,body", [("stripe", BUY.updated()), ("paddle", PADDLE.created())])
async def test_durable_before_ok(shop, provider, body):
    """A webhook is answered 200 only once it is committed, bytes and all."""
    answer = await shop.post(body, to=provider)
    assert (answer.status_code, answer.json()) == (200, {"received": True, "duplicate": False})
    kept = await shop.fetch("select * from payments_event where tenant_id = $1", shop.tenant_id)
    assert [(row["body"], row["state"]) for row in kept] == [(body, "received")]


async def test_nothing_is_answered_ok_while_the_database_is_away(shop):
    """A failed commit is a 503, so that the provider sends it again."""
    await shop.post(BUY.created())
    reception = shop.client._transport.app.state.payments_reception
    edge = reception.inbox.edge
    reception.inbox.edge = replace(edge, db=AwayDatabase())
    try:
        answer = await shop.post(BUY.updated())
    finally:
        reception.inbox.edge = edge
    assert answer.status_code == 503
    assert (await shop.post(BUY.updated())).json()["duplicate"] is False


class AwayDatabase:
    async def fetch(self, sql, *args):
        raise DatabaseAway


async def test_what_arrives_is_one_statement_of_its_own_tenant(shop, house):
    """It is a whole transaction, under row-level security, and tells the worker only of news."""
    body = BUY.updated()
    assert (await shop.post(body)).status_code == 200
    [told] = await outbox(shop, house)
    assert told["tenant_id"] == shop.tenant_id
    assert (await shop.post(body)).json()["duplicate"] is True
    assert [row["id"] for row in await outbox(shop, house)] == [told["id"]]
    mallory = await shop.another()
    assert await mallory.inbox() == []
    assert await outbox(mallory, house) == []
    assert (await mallory.post(body)).json()["duplicate"] is False
    assert len(await mallory.inbox()) == 1


async def outbox(shop, house):
    async with house.system.transaction() as tx:
        return await tx.fetch(
            "select * from kit_outbox where tenant_id = $1 and subject like '%webhooks_received%'",
            shop.tenant_id,
        )


async def test_unique_before_work(shop):
    """Twenty deliveries of one event at once: one is new, and there is one row and one fact."""
    answers = await asyncio.gather(*[shop.post(BUY.updated()) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 19
    assert len(await shop.inbox()) == 1


async def test_a_herd_reads_the_account_once(shop):
    """Twenty deliveries to an endpoint that nobody has read lately wait for one reading."""
    await shop.post(BUY.created())
    reception = shop.client._transport.app.state.payments_reception
    reception._endpoints.clear()
    edge = reception.edge
    counting = CountingDatabase(edge.db)
    reception.edge = replace(edge, db=counting)
    try:
        await shop.post(BUY.updated())
        alone, counting.opened = counting.opened, 0
        reception._endpoints.clear()
        await asyncio.gather(*[shop.post(BUY.paid()) for _ in range(20)])
    finally:
        reception.edge = edge
    assert 0 < counting.opened == alone


class CountingDatabase:
    def __init__(self, db):
        self._db = db
        self.opened = 0

    def __getattr__(self, name):
        return getattr(self._db, name)

    def transaction(self, *args, **named):
        self.opened += 1
        return self._db.transaction(*args, **named)


async def test_a_repeat_of_an_accepted_event_does_no_work(shop):
    await shop.post(BUY.updated())
    await shop.post(BUY.checkout())
    await shop.work()
    answer = await shop.post(BUY.updated())
    assert answer.json() == {"received": True, "duplicate": True}
    assert {one.state for one in await shop.inbox()} == {EventState.APPLIED}
    assert len(await shop.subscriptions()) == 1


async def test_stale_replays_are_refused_even_when_known(shop):
    """The bytes of yesterday with yesterday's signature are no news, accepted before or not."""
    assert (await shop.post(BUY.updated())).status_code == 200
    for late_s, reason in [(302, Refusal.TIMESTAMP_STALE), (-302, Refusal.TIMESTAMP_FUTURE)]:
        answer = await shop.post(BUY.updated(), late_s=late_s)
        assert answer.status_code == 400
        assert answer.json()["reason"] == reason
    year = await shop.post(BUY.paid(), late_s=-365 * 86_400)
    assert year.json()["reason"] == Refusal.TIMESTAMP_FUTURE
    assert await reasons(shop) == ["timestamp_future", "timestamp_future", "timestamp_stale"]
    assert len(await shop.inbox()) == 1


async def test_refusals_are_audited(shop):
    """Each refusal is a record with its reason, and nothing of the webhook's content."""
    await shop.post(BUY.updated(), secret="whsec_of_somebody_else")
    unsigned = deliver(Provider.STRIPE, BUY.updated(), secret="x", at=shop.now())
    unsigned.headers.pop("stripe-signature")
    assert (await shop.send(unsigned)).json()["code"] == "payments.webhook_refused"
    for header in ("t=1,v0=" + "0" * 64, "rubbish", "t=99999999999999999999,v1=" + "0" * 64):
        unsigned.headers["stripe-signature"] = header
        assert (await shop.send(unsigned)).status_code == 400
    signed = deliver(
        Provider.STRIPE, b'{"id": 1}', secret=shop.secrets[Provider.STRIPE], at=shop.now()
    )
    assert (await shop.send(signed)).json()["field"] == "id"
    assert await reasons(shop) == [
        "body_malformed",
        "header_malformed",
        "header_malformed",
        "scheme_unsupported",
        "signature_mismatch",
        "signature_missing",
    ]
    [entry, *_] = await shop.audited("payments.webhook_refused")
    assert set(entry.data) == {"reason", "body_sha256", "body_bytes"}
    assert await shop.inbox() == []


async def test_a_flood_of_forgeries_is_a_few_records(shop, house):
    """The first five of a kind are recorded, the rest as one count at the window's end."""
    endpoint = await endpoint_of(house.edge, shop.tenant, Provider.STRIPE)
    refusals = Refusals(house.edge, window_s=0.2)
    for _ in range(40):
        await refusals.note(endpoint, Refusal.SIGNATURE_MISMATCH, b"x")
    await asyncio.gather(*refusals._closing)
    entries = await shop.audited("payments.webhook_refused")
    assert len(entries) == REFUSALS_EACH_MAX + 1
    assert [one.data["more"] for one in entries if "more" in one.data] == [35]


async def test_unknown_endpoints_look_the_same(shop):
    """No tenant, no provider, nothing connected: one answer, which tells nothing."""
    other = await shop.another()
    async with other.open() as ctx:
        await ctx.tx.execute("delete from payments_account where provider = 'stripe'")
    signed = deliver(
        Provider.STRIPE, BUY.updated(), secret=shop.secrets[Provider.STRIPE], at=shop.now()
    )
    answers = [
        await shop.send(signed, slug="nobody-here"),
        await shop.send(signed, slug="%00"),
        await shop.send(signed, to="square"),
        await other.send(signed),
    ]
    bodies = {answer.text for answer in answers}
    assert {answer.status_code for answer in answers} == {404}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["code"] == "payments.endpoint_not_found"


async def test_the_subdomain_names_the_tenant(shop, app):
    signed = deliver(
        Provider.STRIPE, BUY.updated(), secret=shop.secrets[Provider.STRIPE], at=shop.now()
    )
    for host, status in [
        (f"{shop.tenant.slug}.localhost", 200),
        (f"{shop.tenant.slug}.localhost:8080", 200),
        ("localhost", 404),
        (f"x.{shop.tenant.slug}.localhost", 404),
        (f"{shop.tenant.slug}.example.org", 404),
    ]:
        headers = signed.headers | {"host": host}
        path = "/v1/webhooks/stripe"
        answer = await shop.client.post(path, content=signed.body, headers=headers)
        assert answer.status_code == status, host


async def test_one_tenants_secret_opens_no_other_inbox(shop):
    """Mallory signs rightly, under her own secret, for Alice's address."""
    mallory = await shop.another()
    secret = "whsec_mallory_0123456789abcdef"
    answer = await mallory.call(
        "PUT", "/v1/payments/accounts/stripe", body={"webhook_secret": secret}
    )
    assert answer.status_code == 200, answer.text
    assert (await mallory.post(BUY.updated(), secret=secret)).status_code == 200
    assert (await shop.post(BUY.updated(), secret=secret)).status_code == 400
    assert await shop.inbox() == []


async def test_the_same_id_that_says_something_else_is_refused(shop):
    """Under the same API version it is a conflict, and recorded.

    Under another it is the same event in another shape, as Stripe sends it while the version of an
    endpoint is being changed.
    """
    await shop.post(BUY.paid())
    event = json.loads(BUY.paid())
    other_version = json.dumps(
        event | {"api_version": "2020-08-27", "data": {"object": {"id": "in_1"}}}
    )
    assert (await shop.post(other_version.encode())).json()["duplicate"] is True
    counted = json.dumps(event | {"pending_webhooks": 0, "request": None}, separators=(",", ":"))
    assert (await shop.post(counted.encode())).json()["duplicate"] is True
    event["data"]["object"]["amount_paid"] = 1
    answer = await shop.post(json.dumps(event).encode())
    assert (answer.status_code, answer.json()["code"]) == (409, "payments.event_changed")
    assert len(await shop.audited("payments.event_changed")) == 1
    [kept] = await shop.fetch("select body from payments_event")
    assert kept["body"] == BUY.paid()


async def test_bodies_past_the_limit_are_refused(shop):
    answer = await shop.post(b'{"x":"' + b"a" * BODY_BYTES_MAX + b'"}')
    assert (answer.status_code, answer.json()["reason"]) == (400, "body_too_large")
    huge = await shop.client.post(
        f"/v1/t/{shop.tenant.slug}/webhooks/stripe", content=b"a" * 2_000_000
    )
    assert huge.status_code == 413


async def test_raw_bytes_reach_the_check(shop):
    """Escapes, a BOM and CRLF survive the way through the server."""
    event = json.loads(BUY.paid())
    event["data"]["object"]["description"] = "J\u00fcrgen \u2014 caf\u00e9"
    escaped = json.dumps(event).replace("\n", "\r\n").encode()
    body = b"\xef\xbb\xbf" + escaped + b"\r\n"
    assert (await shop.post(body)).status_code == 200
    [kept] = await shop.fetch("select body from payments_event")
    assert kept["body"] == body


async def test_unused_types_are_kept_and_acknowledged(shop):
    event = json.loads(BUY.paid()) | {"type": "radar.early_fraud_warning.created", "id": "evt_r"}
    assert (await shop.post(json.dumps(event).encode())).status_code == 200
    [kept] = await shop.inbox()
    assert (kept.state, kept.reason) == (EventState.IGNORED, "type_unused")


async def test_real_money_does_not_enter_a_test_tenant(shop):
    """Nor the other way round: an event of the other mode is kept, and changes nothing."""
    live = StripePurchase("u42", "price_pro", EPOCH, live=True)
    assert (await shop.post(live.updated())).status_code == 200
    [kept] = await shop.inbox()
    assert (kept.state, kept.reason) == (EventState.IGNORED, "mode_mismatch")


async def test_a_new_secret_counts_at_once_and_the_old_one_for_a_while(shop):
    assert (await shop.post(BUY.created())).status_code == 200
    new = "whsec_rotated_0123456789abcdef"
    path = "/v1/payments/accounts/stripe/rotate-secret"
    rotated = await shop.call("POST", path, body={"webhook_secret": new, "overlap_hours": 1})
    assert rotated.status_code == 200, rotated.text
    ends = [one["not_after"] for one in rotated.json()["secrets"]]
    assert ends.count(None) == 1
    await eventually(partial(shop.post, BUY.updated(), secret=new), until=ok)
    assert (await shop.post(BUY.paid())).status_code == 200
    over = await shop.call("POST", path, body={"webhook_secret": new + "2", "overlap_hours": 0})
    assert over.status_code == 200
    await eventually(partial(shop.post, BUY.checkout(), secret=new + "2"), until=ok)
    assert (await shop.post(BUY.deleted(at=EPOCH))).status_code == 400


async def test_secrets_rest_sealed(shop):
    rows = await shop.fetch("select sealed from payments_secret")
    assert len(rows) == 2
    for row in rows:
        assert not any(secret.encode() in row["sealed"] for secret in shop.secrets.values())
    shown = await shop.call("GET", "/v1/payments/accounts")
    assert "0123456789abcdef" not in shown.text
    assert [one["provider"] for one in shown.json()["data"]] == ["paddle", "stripe"]


async def test_accounts_come_in_pages(shop):
    first = (await shop.call("GET", "/v1/payments/accounts?limit=1")).json()
    path = f"/v1/payments/accounts?limit=1&cursor={first['next_cursor']}"
    second = (await shop.call("GET", path)).json()
    assert [one["provider"] for one in first["data"] + second["data"]] == ["paddle", "stripe"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "provider,body,code",
    [
        ("stripe", {"webhook_secret": "hunter2"}, "payments.secret_malformed"),
        ("stripe", {"webhook_secret": "pdl_ntfset_0123456789"}, "payments.secret_malformed"),
        ("paddle", {"webhook_secret": "whsec_0123456789"}, "payments.secret_malformed"),
        ("stripe", {"api_key": "pk_test_0123456789"}, "payments.api_key_malformed"),
        ("stripe", {"window_s": 60}, "payments.window_out_of_range"),
        ("paddle", {"window_s": 0}, "payments.window_out_of_range"),
        ("paddle", {"window_s": 301}, "payments.window_out_of_range"),
        ("paddle", {"window_s": "60"}, "kit.body_invalid"),
        ("paddle", {"tolerance": 60}, "kit.body_invalid"),
    ],
)
async def test_accounts_refuse_what_would_weaken_them(shop, provider, body, code):
    answer = await shop.call("PUT", f"/v1/payments/accounts/{provider}", body=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code) or (
        answer.status_code in {400, 422} and code == "kit.body_invalid"
    )


async def test_paddles_window_can_be_set_within_bounds(shop):
    assert (await shop.post(PADDLE.created(), to="paddle", late_s=50)).status_code == 200
    await shop.call("PUT", "/v1/payments/accounts/paddle", body={"window_s": 5})
    shop.client._transport.app.state.payments_reception._endpoints.clear()
    answer = await shop.post(PADDLE.completed(), to="paddle", late_s=8)
    assert answer.json()["reason"] == "timestamp_stale"
    assert (await shop.post(PADDLE.completed(), to="paddle", late_s=3)).status_code == 200


async def test_api_needs_scopes_and_keeps_tenants_apart(shop):
    mallory = await shop.another()
    await shop.post(BUY.updated())
    [event] = (await shop.call("GET", "/v1/payments/events")).json()["data"]
    assert (await shop.call("GET", f"/v1/payments/events/{event['id']}")).status_code == 200
    for name in (event["id"], event["provider_event_id"], "pev_" + "0" * 26):
        theirs = await mallory.call("GET", f"/v1/payments/events/{name}")
        assert (theirs.status_code, theirs.json()["code"]) == (404, "payments.event_not_found")
    assert (await mallory.call("GET", "/v1/payments/events")).json()["data"] == []
    nobody = await shop.client.get("/v1/payments/events")
    assert nobody.status_code == 401


async def test_events_come_in_pages(shop):
    for n in range(5):
        await shop.post(StripePurchase("u", "price_pro", EPOCH + timedelta(seconds=n)).created())
    seen, cursor = [], ""
    while cursor is not None:
        query = f"?limit=2{f'&cursor={cursor}' if cursor else ''}"
        page = (await shop.call("GET", f"/v1/payments/events{query}")).json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert len(set(seen)) == len(seen) == 5
    assert seen == sorted(seen, reverse=True)


async def test_what_a_key_may_do_is_in_its_scopes(shop):
    """Reading accounts and events is one scope, changing them another."""
    async with shop.open() as ctx:
        issued = await tenants.issue_key(ctx, name="reader", asked_scopes=["payments:read"])
    key = issued.text
    assert (await shop.call("GET", "/v1/payments/accounts", key=key)).status_code == 200
    assert (await shop.call("GET", "/v1/payments/events", key=key)).status_code == 200
    for method, path, body in [
        ("PUT", "/v1/payments/accounts/stripe", {}),
        ("DELETE", "/v1/payments/accounts/stripe", None),
        (
            "POST",
            "/v1/payments/accounts/stripe/rotate-secret",
            {"webhook_secret": "whsec_12345678"},
        ),
        ("POST", "/v1/payments/events/evt_1/replay", None),
        ("POST", "/v1/portal-links", {"customer": "u42"}),
    ]:
        answer = await shop.call(method, path, key=key, body=body)
        assert answer.status_code == 403, path
