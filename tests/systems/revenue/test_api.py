"""Can numbers be asked for over HTTP, by whom, and do all forms agree?"""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kit.money import Money
from solvent.systems.revenue import service
from solvent.systems.revenue.service import What
from solvent.systems.revenue.testing import Founder

ROUTES = (
    "/v1/revenue/mrr",
    "/v1/revenue/plans",
    "/v1/revenue/movements",
    "/v1/revenue/retention",
    "/v1/revenue/cohorts",
    "/v1/revenue/recognition",
    "/v1/revenue/recognition/lines",
    "/v1/revenue/export/mrr",
    "/v1/revenue/waterfall.svg",
    "/v1/revenue/policy",
    "/v1/revenue/rates",
)
SPAN = {"from": "2026-01", "to": "2026-02"}


@pytest.fixture
async def three(founder: Founder) -> Founder:
    """Three customers came, one left, all of it known."""
    held = [await founder.subscribe(ref, "small") for ref in ("=ann", "ben", "cem")]
    await founder.move("2026-02-03T00:00:00")
    await founder.do(lambda ctx: subscriptions.cancel(ctx, held[0].id))
    await founder.follow()
    return founder


async def test_all_forms_say_the_same(three: Founder, alice) -> None:
    january, february = (await alice.get("/v1/revenue/mrr", params=SPAN)).json()
    assert (january["new_minor"], january["closing_minor"], january["arr_minor"]) == (
        *(4500, 4500),
        54_000,
    )
    assert (february["churn_minor"], february["customers"]) == (-1500, 2)
    answer = await alice.get("/v1/revenue/export/mrr", params=SPAN)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    table = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["closing_minor"]) for row in table] == [4500, 3000]
    retention = (await alice.get("/v1/revenue/retention", params=SPAN)).json()
    assert retention[0]["spans"][1]["kept"] == {
        "customers": 3,
        "lost": 1,
        "opening_minor": 4500,
        "closing_minor": 3000,
        "grr": "0.6667",
        "nrr": "0.6667",
    }
    (cohort,) = (await alice.get("/v1/revenue/cohorts", params=SPAN)).json()
    assert (cohort["customers"], cohort["mrr_minor"]) == ([3, 2], [4500, 3000])
    (plan,) = (await alice.get("/v1/revenue/plans", params=SPAN)).json()
    assert plan["mrr_minor"] == {"2026-01": 4500, "2026-02": 3000}
    picture = await alice.get("/v1/revenue/waterfall.svg", params={"month": "2026-02"})
    assert picture.headers["content-type"] == "image/svg+xml"
    told = ET.fromstring(picture.text)  # noqa: S314 - our own
    assert "churn -15.00 USD" in "".join(told.itertext())


async def test_every_table_leaves_whole(three: Founder, alice) -> None:
    async with three.open() as ctx:
        bought = await ledger.record_purchase(
            ctx,
            provider="stripe",
            provider_payment_id="pi_1",
            customer_id=(await subscriptions.list_all(ctx))[0].customer_id,
            amount=Money(700, "USD"),
            received_at=ctx.now(),
        )
        await service.rebuild(ctx)
    for what in What:
        answer = await alice.get(f"/v1/revenue/export/{what}", params=SPAN)
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert rows
        assert all(None not in row and None not in row.values() for row in rows)
    assert rows[-1]["document_id"] == bought.id
    lines = (await alice.get("/v1/revenue/recognition/lines", params=SPAN)).json()["data"]
    assert [(one["kind"], one["earned_minor"], one["left_minor"]) for one in lines] == [
        ("purchase", 700, 0)
    ]


async def test_movements_come_in_pages_that_hold_each_once(three: Founder, alice) -> None:
    seen, cursor = [], None
    while True:
        given = SPAN | {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await alice.get("/v1/revenue/movements", params=given)).json()
        seen += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one["kind"] for one in seen] == ["new", "new", "new", "churn"]
    only = await alice.get("/v1/revenue/movements", params=SPAN | {"kind": "churn"})
    assert [one["customer"] for one in only.json()["data"]] == ["=ann"]
    whole = await alice.get("/v1/revenue/export/movements", params=SPAN)
    rows = list(csv.DictReader(io.StringIO(whole.text, newline="")))
    assert [row["customer"] for row in rows][-1] == "'=ann"
    mine = await alice.get("/v1/revenue/movements", params=SPAN | {"customer": "ben"})
    assert len(mine.json()["data"]) == 1


BAD = (
    ("mrr", {"from": "2026-13"}, "revenue.span_malformed"),
    ("mrr", {"from": "2026-03", "to": "2026-01"}, "revenue.span_malformed"),
    ("mrr", {"from": "2020-01", "by": "day"}, "revenue.span_too_long"),
    ("mrr", {"currency": "EURO"}, "kit.currency_unknown"),
    ("mrr", {"customer": "nobody"}, "tenants.customer_unknown"),
    ("movements", {"cursor": "YWJj"}, "kit.cursor_malformed"),
    ("recognition/lines", {"cursor": "YWJj"}, "kit.cursor_malformed"),
    ("rates", {"cursor": "YWJj"}, "kit.cursor_malformed"),
)


async def test_a_bad_question_is_refused_with_its_code(alice) -> None:
    for route, given, code in BAD:
        answer = await alice.get(f"/v1/revenue/{route}", params=given)
        assert (answer.status_code // 100, answer.json()["code"]) == (4, code)


async def test_a_missing_rate_is_a_conflict_that_names_it(three: Founder, alice) -> None:
    answer = await alice.get("/v1/revenue/mrr", params=SPAN | {"currency": "EUR"})
    assert (answer.status_code, answer.json()["code"]) == (409, "revenue.rate_missing")
    assert answer.json()["missing"] == ["USD/EUR 2026-01-15"]
    told = await alice.put("/v1/revenue/rates/USD/EUR/2026-01-01", json={"rate": "0.9"})
    assert told.json()["rate"] == "0.9"
    rows = (await alice.get("/v1/revenue/mrr", params=SPAN | {"currency": "EUR"})).json()
    assert [row["closing_minor"] for row in rows] == [4050, 2700]
    (kept,) = (await alice.get("/v1/revenue/rates")).json()["data"]
    assert kept == {"base": "USD", "quote": "EUR", "day": "2026-01-01", "rate": "0.9"}
    assert (await alice.delete("/v1/revenue/rates/USD/EUR/2026-01-01")).status_code == 204
    gone = await alice.delete("/v1/revenue/rates/USD/EUR/2026-01-01")
    assert (gone.status_code, gone.json()["code"]) == (404, "revenue.rate_not_found")


async def test_a_rate_that_is_none_is_refused(alice) -> None:
    for path, rate in (
        ("USD/USD", "1"),
        ("USD/XXX", "1"),
        ("USD/EUR", "0"),
        ("USD/EUR", "NaN"),
        ("USD/EUR", "-1"),
    ):
        answer = await alice.put(f"/v1/revenue/rates/{path}/2026-01-01", json={"rate": rate})
        assert answer.status_code == 400
    assert (await alice.get("/v1/revenue/rates")).json()["data"] == []


async def test_the_policy_is_told_and_refused(alice) -> None:
    assert (await alice.get("/v1/revenue/policy")).json() == {"time_zone": "UTC", "currency": None}
    wanted = {"time_zone": "Europe/Paris", "currency": "EUR"}
    assert (await alice.put("/v1/revenue/policy", json=wanted)).json() == wanted
    for wrong in ({"time_zone": "Mars/Base"}, {"currency": "XXX"}):
        assert (await alice.put("/v1/revenue/policy", json=wrong)).status_code == 400
    assert (await alice.get("/v1/revenue/policy")).json() == wanted


async def test_who_may_see_and_tell(three: Founder, alice, bob, charlie, mallory) -> None:
    for route in ROUTES:
        assert (await bob.get(route)).status_code == 200
        assert (await charlie.get(route)).status_code == 401
        assert (await mallory.get(route)).status_code == 200
    assert (await mallory.get("/v1/revenue/mrr")).json() == []
    assert (await mallory.get("/v1/revenue/movements")).json()["data"] == []
    for method, route, body in (
        ("PUT", "/v1/revenue/policy", {}),
        ("PUT", "/v1/revenue/rates/USD/EUR/2026-01-01", {"rate": "1"}),
        ("DELETE", "/v1/revenue/rates/USD/EUR/2026-01-01", None),
    ):
        assert (await bob.request(method, route, json=body)).status_code == 403
