"""Is it told, before usage is changed, which invoices would come to something else?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Late, Outcome, UsageEvent
from solvent.kernel.subscriptions import service as subscriptions
from solvent.systems.billing.documents.bill import of_invoice
from solvent.systems.billing.effects import InvoiceJudge, outcome_of
from solvent.systems.billing.testing import CATALOGUE, Shop

MONTH = timedelta(days=31)
CORRECTING = CATALOGUE.replace(b'unit = "GB"', b'unit = "GB"\nlate = "correct"')


@pytest.fixture
async def shop(edge, tenant_id) -> Shop:
    """A final invoice, a draft and a running period, each with a use of 10 GB."""
    made = Shop(edge, tenant_id)
    await made.stock(CORRECTING)
    await made.customer("globex")
    held = await made.subscribe()
    for month in range(3):
        await made.move_clock(EPOCH + month * MONTH + timedelta(hours=1))
        await made.use("10", EPOCH + month * MONTH, id=f"use-{month}")
    january, february = await made.renew(held.id)
    await made.bill(held.id, january)
    await made.do(lambda ctx: ledger.draw_invoice(ctx, held.id, february))
    return made


async def say(client, **body):
    return await client.post(
        "/v1/usage/overlays", json={"kind": "void", "reason": "sent twice"} | body
    )


async def test_a_dry_run_tells_what_becomes_of_each_invoice(shop: Shop, alice) -> None:
    for number, (outcome, status, reference) in enumerate(
        [
            ("corrected on the next invoice", "final", "INV-000001"),
            ("drawn anew", "draft", "DRAFT"),
            ("charged at the end of the period", "open", "running period"),
        ]
    ):
        answer = await say(alice, event_id=f"use-{number}", dry_run=True)
        (effect,) = answer.json()["effects"]
        assert (effect["outcome"], effect["status"], effect["invoice"]) == (
            outcome,
            status,
            reference,
        )
        assert (effect["before_minor"], effect["after_minor"]) == (3900, 2900)
    assert (await alice.get("/v1/usage/overlays")).json()["data"] == []
    told = await alice.get("/v1/usage/history", params={"event_id": "use-0"})
    assert told.json()["state"] == "recorded"


async def test_it_is_said_and_undone_over_http(shop: Shop, alice, bob, charlie, mallory) -> None:
    said = await say(alice, event_id="use-0", kind="amend", value="12.5")
    assert (said.status_code, said.json()["overlay"]["value"]) == (200, "12.5")
    overlay = said.json()["overlay"]["id"]
    for client, status in ((bob, 403), (charlie, 401), (mallory, 404)):
        assert (await say(client, event_id="use-0")).status_code == status
        undo = await client.post(f"/v1/usage/overlays/{overlay}/undo", json={"reason": "no"})
        assert undo.status_code == status
    undo = await alice.post(
        f"/v1/usage/overlays/{overlay}/undo", json={"reason": "right before", "dry_run": True}
    )
    assert [one["after_minor"] for one in undo.json()["effects"]] == [3900]
    undo = await alice.post(f"/v1/usage/overlays/{overlay}/undo", json={"reason": "right before"})
    assert undo.json()["overlay"]["undoes"] == overlay
    (latest, _) = (await alice.get("/v1/usage/overlays")).json()["data"]
    assert latest["kind"] == "undo"
    for body in ({"event_id": "x"}, {"event_id": "use-0", "reason": ""}, {"kind": "undo"}):
        assert (await say(alice, **body)).status_code in {400, 404, 422}


async def test_windows_are_opened_and_finished_over_http(shop: Shop, alice, bob) -> None:
    body = {"meter": "log_gb", "reason": "lost logs", "customer": "globex"}
    body |= {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    assert (await bob.post("/v1/usage/windows", json=body)).status_code == 403
    made = (await alice.post("/v1/usage/windows", json=body)).json()
    listed = (await alice.get("/v1/usage/windows")).json()["data"]
    assert [one["id"] for one in listed] == [made["id"]]
    done = await alice.post(f"/v1/usage/windows/{made['id']}/finish")
    assert done.json()["finished_at"]
    assert (await alice.post(f"/v1/usage/windows/{made['id']}/finish")).status_code == 404
    turned = body | {"end": "2025-01-02T00:00:00Z"}
    assert (await alice.post("/v1/usage/windows", json=turned)).status_code == 400


async def test_late_usage_is_listed_with_what_became_of_it(shop: Shop, alice, mallory) -> None:
    await shop.use("5", EPOCH, id="late")
    found = (await alice.get("/v1/billing/late-usage", params={"customer": "globex"})).json()
    assert [(one["event_id"], one["invoice"], one["outcome"]) for one in found["events"]] == [
        ("late", "INV-000001", "corrected on the next invoice")
    ]
    assert found["events"][0]["corrected_on"] is None
    async with shop.open() as ctx:
        (held,) = await subscriptions.list_all(ctx)
    second = await shop.bill(held.id, (await shop.renew(held.id))[1])
    found = (await alice.get("/v1/billing/late-usage", params={"customer": "globex"})).json()
    assert [one["corrected_on"] for one in found["events"]] == [second.reference]
    assert (await mallory.get("/v1/billing/late-usage?customer=globex")).status_code == 404


async def test_many_customers_are_judged_at_once(shop: Shop) -> None:
    event = UsageEvent(
        id="more", customer_ref="globex", meter_key="log_gb", at=EPOCH, value=Decimal(1)
    )
    async with shop.open() as ctx:
        told = await InvoiceJudge().effects_of(
            ctx, ["globex", "nobody"], lambda: metering.record(ctx, [event])
        )
    assert [(one.before_minor, one.after_minor) for one in told] == [(3900, 4000)]


@pytest.mark.parametrize(
    "status, policies, told",
    [
        (None, {Late.IGNORE}, Outcome.RUNNING),
        (InvoiceStatus.DRAFT, {Late.IGNORE}, Outcome.NOT_CHARGED),
        (InvoiceStatus.DRAFT, {Late.REOPEN}, Outcome.REDRAWN),
        (InvoiceStatus.FINAL, {Late.REOPEN}, Outcome.NOT_CHARGED),
        (InvoiceStatus.PAID, {Late.CORRECT}, Outcome.CORRECTED),
    ],
)
def test_what_becomes_of_it_follows_the_policy(status, policies, told) -> None:
    assert outcome_of(status, policies) is told


async def test_a_correction_is_printed_and_explained(shop: Shop, alice) -> None:
    """Five GB more, then eight of the first ten taken back: a line above nothing, one below."""
    await shop.use("5", EPOCH, id="late")
    async with shop.open() as ctx:
        (held,) = await subscriptions.list_all(ctx)
    second = await shop.bill(held.id, (await shop.renew(held.id))[1])
    await say(alice, event_id="use-0", kind="amend", value="2")
    await shop.move_clock(EPOCH + 3 * MONTH)
    third = await shop.bill(held.id, (await shop.renew(held.id))[2])
    for invoice, told in ((second, "INV-000001 charged 10.00 USD"), (third, "15.00 USD")):
        answer = (await alice.get(f"/v1/invoices/{invoice.id}/explain")).json()
        (line,) = [one for one in answer["lines"] if one["kind"] == "correction"]
        assert any(told in sentence for sentence in line["sentences"])
        assert answer["rebuilt"]["identical"]
        pdf = await alice.get(f"/v1/invoices/{invoice.id}.pdf")
        assert pdf.content.startswith(b"%PDF")
    assert line["corrects"]["event_ids"] == ["use-0"]
    assert (line["corrects"]["before_minor"], line["amount_minor"]) == (1500, -800)
    parties = third.parties
    assert parties is not None
    bill = of_invoice(third, parties)
    assert [one.net_minor for one in bill.lines][-1] == -800
    assert sum(one.net_minor for one in bill.lines) == third.draft.net_minor
