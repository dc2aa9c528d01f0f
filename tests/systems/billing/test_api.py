"""Does the API show, explain and print invoices to those who may see them, and to nobody else?"""

from __future__ import annotations

from datetime import timedelta

import httpx
import pypdf
import pytest

from solvent.kernel.ledger.model import Invoice
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.systems.billing.testing import Shop


async def test_an_invoice_is_shown_by_id_and_number(
    alice: httpx.AsyncClient, invoice: Invoice
) -> None:
    for name in (invoice.id, "INV-000001", "inv-1", "1"):
        answer = await alice.get(f"/v1/invoices/{name}")
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert (shown["id"], shown["reference"], shown["status"]) == (
            invoice.id,
            "INV-000001",
            "final",
        )
        assert (shown["total_minor"], shown["paid_minor"], shown["due_minor"]) == (
            139_00,
            29_00,
            110_00,
        )
        assert [line["quantity"] for line in shown["lines"]] == ["1", "120"]
        assert shown["taxes"] == []


async def test_an_explanation_names_events_prices_and_seconds(
    alice: httpx.AsyncClient, invoice: Invoice
) -> None:
    told = (await alice.get(f"/v1/invoices/{invoice.id}/explain")).json()
    base, usage = told["lines"]
    assert base["evidence"] is None
    assert usage["evidence"]["event_count"] == 2
    assert usage["period_seconds"] == 31 * 86_400
    assert [tier["rate_minor"] for tier in usage["tiers"]] == ["100", "50"]
    assert usage["sentences"][0] == "Plan pro version 1, price logs (graduated)"
    assert "2 events of meter log_gb, first use-1, last use-2" in usage["sentences"][2]
    (settled,) = told["settlements"]
    assert (settled["provider_payment_id"], settled["amount_minor"]) == ("in_1", 2900)
    assert told["rebuilt"] == {
        "identical": True,
        "digest": invoice.digest,
        "differences": [],
        "late_events": 0,
    }


async def test_each_event_of_a_line_is_listed(alice: httpx.AsyncClient, invoice: Invoice) -> None:
    url = f"/v1/invoices/{invoice.id}/lines/2/events"
    first = (await alice.get(url, params={"limit": 1})).json()
    assert first["data"] == [
        {"event_id": "use-1", "at": "2026-01-15T10:00:00Z", "counted": "100", "what": "counted"}
    ]
    rest = (await alice.get(url, params={"cursor": first["next_cursor"]})).json()
    assert [one["event_id"] for one in rest["data"]] == ["use-2"]
    assert rest["next_cursor"] is None
    assert (await alice.get("/v1/invoices/1/lines/1/events")).json()["data"] == []
    none = await alice.get("/v1/invoices/1/lines/3/events")
    assert (none.status_code, none.json()["code"]) == (404, "ledger.line_not_found")
    assert (await alice.get("/v1/invoices/1/lines/0/events")).status_code == 400


async def test_an_explanation_owns_up_to_late_usage(
    shop: Shop, alice: httpx.AsyncClient, invoice: Invoice
) -> None:
    await shop.use("1", invoice.draft.period_start + timedelta(hours=1), id="late")
    told = (await alice.get(f"/v1/invoices/{invoice.id}/explain")).json()
    assert (told["rebuilt"]["identical"], told["rebuilt"]["late_events"]) == (True, 1)


async def test_an_invoice_is_printed(alice: httpx.AsyncClient, invoice: Invoice) -> None:
    answer = await alice.get(f"/v1/invoices/{invoice.id}.pdf")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'inline; filename="INV-000001.pdf"'
    assert answer.content.startswith(b"%PDF-1.7")


async def test_a_draft_has_no_document_yet(
    shop: Shop, held: Subscription, first: Period, alice: httpx.AsyncClient
) -> None:
    from solvent.kernel.ledger import service as ledger

    drawn = await shop.do(lambda ctx: ledger.draw_invoice(ctx, held.id, first))
    answer = await alice.get(f"/v1/invoices/{drawn.id}.pdf")
    assert (answer.status_code, answer.json()["code"]) == (409, "billing.invoice_still_draft")
    shown = (await alice.get(f"/v1/invoices/{drawn.id}")).json()
    assert (shown["status"], shown["number"], shown["reference"]) == ("draft", None, "DRAFT")


async def test_invoices_come_in_pages_newest_first(
    shop: Shop, held: Subscription, alice: httpx.AsyncClient
) -> None:
    await shop.move_clock(held.period.start + timedelta(days=95))
    for period in await shop.renew(held.id):
        await shop.bill(held.id, period)
    first_page = (await alice.get("/v1/invoices", params={"limit": 2})).json()
    assert [one["number"] for one in first_page["data"]] == [3, 2]
    cursor = first_page["next_cursor"]
    last_page = (await alice.get("/v1/invoices", params={"limit": 2, "cursor": cursor})).json()
    assert [one["number"] for one in last_page["data"]] == [1]
    assert last_page["next_cursor"] is None


async def test_invoices_are_narrowed_by_customer_and_status(
    shop: Shop, alice: httpx.AsyncClient, invoice: Invoice
) -> None:
    await shop.customer("initech")
    numbers = {}
    for query in ("customer=globex", "customer=initech", "status=final", "status=paid"):
        page = (await alice.get(f"/v1/invoices?{query}")).json()
        numbers[query] = [one["number"] for one in page["data"]]
    assert list(numbers.values()) == [[1], [], [1], []]
    by_id = await alice.get("/v1/invoices", params={"customer": invoice.draft.customer_id})
    assert len(by_id.json()["data"]) == 1


async def test_a_preview_tells_what_is_due_so_far(
    shop: Shop, held: Subscription, alice: httpx.AsyncClient
) -> None:
    await shop.use("3.5", held.period.start + timedelta(hours=1), id="use-1")
    answer = await alice.post("/v1/invoices/preview", json={"subscription_id": held.id})
    assert answer.status_code == 200, answer.text
    assert answer.json()["total_minor"] == 32_50
    assert (await alice.get("/v1/invoices")).json()["data"] == []


async def test_an_unpaid_invoice_is_voided(
    shop: Shop, held: Subscription, first: Period, alice: httpx.AsyncClient
) -> None:
    await shop.bill(held.id, first)
    answer = await alice.post("/v1/invoices/1/void", json={"reason": "wrong plan"})
    assert (answer.status_code, answer.json()["status"]) == (200, "void")
    printed = await alice.get("/v1/invoices/1.pdf")
    assert printed.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subscription_id": 1},
        {"subscription_id": ""},
        {"subscription_id": "sub_x", "more": 1},
        [],
        None,
    ],
)
async def test_a_malformed_preview_names_the_field(alice: httpx.AsyncClient, body: object) -> None:
    answer = await alice.post("/v1/invoices/preview", json=body)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path, code",
    [
        ("/v1/invoices/nonsense", "billing.reference_malformed"),
        ("/v1/invoices/inv_" + "0" * 26, "ledger.invoice_not_found"),
        ("/v1/invoices/999", "ledger.invoice_not_found"),
        ("/v1/invoices/999.pdf", "ledger.invoice_not_found"),
        ("/v1/invoices/999999999999999/explain", "ledger.invoice_not_found"),
        ("/v1/invoices?cursor=!!", "kit.cursor_malformed"),
    ],
)
async def test_what_is_not_there_is_said_plainly(
    alice: httpx.AsyncClient, path: str, code: str
) -> None:
    answer = await alice.get(path)
    assert answer.status_code in {400, 404}
    assert answer.json()["code"] == code


async def test_strangers_find_nothing(
    invoice: Invoice,
    held: Subscription,
    bob: httpx.AsyncClient,
    charlie: httpx.AsyncClient,
    mallory: httpx.AsyncClient,
) -> None:
    """Mallory gets for another's invoice what she gets for one that does not exist."""
    nowhere = "inv_" + "0" * 26
    for suffix in ("", ".pdf", "/explain", "/lines/2/events"):
        real = await mallory.get(f"/v1/invoices/{invoice.id}{suffix}")
        none = await mallory.get(f"/v1/invoices/{nowhere}{suffix}")
        assert real.status_code == none.status_code == 404
        assert real.json() | {"given": ""} == none.json() | {"given": ""}
        assert (await mallory.get(f"/v1/invoices/1{suffix}")).status_code == 404
        assert (await bob.get(f"/v1/invoices/{invoice.id}{suffix}")).status_code == 403
        assert (await charlie.get(f"/v1/invoices/{invoice.id}{suffix}")).status_code == 401
    void = {"reason": "mine now"}
    preview = {"subscription_id": held.id}
    assert (await mallory.post(f"/v1/invoices/{invoice.id}/void", json=void)).status_code == 404
    assert (await mallory.post("/v1/invoices/preview", json=preview)).status_code == 404
    assert (await mallory.get("/v1/invoices")).json()["data"] == []
    held_by = await mallory.get("/v1/invoices", params={"customer": invoice.draft.customer_id})
    assert held_by.status_code == 404
    assert (await bob.get("/v1/invoices")).status_code == 403
    assert (await bob.post("/v1/invoices/preview", json=preview)).status_code == 403


async def test_a_printed_invoice_can_be_read(alice: httpx.AsyncClient, invoice: Invoice) -> None:
    from io import BytesIO

    answer = await alice.get(f"/v1/invoices/{invoice.id}.pdf")
    text = pypdf.PdfReader(BytesIO(answer.content)).pages[0].extract_text()
    for words in ("Globex Ltd", "INV-000001", "Base fee", "Logs, GB", "139.00", "110.00 USD"):
        assert words in text
