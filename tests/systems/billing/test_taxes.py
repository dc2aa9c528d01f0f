"""Which tax does a sale carry, and who may state what it depends on?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import httpx
import pytest

from solvent.app.house import House
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceKind, LegalEntity, TaxRule
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import PeriodEnded
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kit.errors import Denied
from solvent.kit.jobs.testing import InlineJobs
from solvent.systems.billing import parking, tasks
from solvent.systems.billing import service as billing
from solvent.systems.billing.errors import TaxIdInvalid, TaxRateMissing
from solvent.systems.billing.taxes import eu, ids, service
from solvent.systems.billing.taxes.model import Buyer, Regime, Seller, TaxRate
from solvent.systems.billing.taxes.rules import (
    EXPORT,
    REVERSE_CHARGE,
    SMALL_BUSINESS,
    decide,
    rate_on,
)
from solvent.systems.billing.testing import CATALOGUE, Shop

DAY = date(2026, 3, 1)
GERMAN = Seller(LegalEntity("Acme", country="DE", tax_id="DE136695976"))
AMERICAN = Seller(LegalEntity("Acme", country="US"))
RATES = (
    TaxRate("DE", date(2030, 1, 1), Decimal("0.2"), "USt."),
    TaxRate("US", date(2020, 1, 1), Decimal("0.07"), "Sales tax"),
    TaxRate("CH", date(2024, 1, 1), Decimal("0.081"), "MWST"),
    TaxRate("DK", date(2026, 1, 1), Decimal(0), "Moms"),
    TaxRate("CA", date(2026, 1, 1), None),
)
STATED = "Exempt by decree 7"


def buyer(country: str = "", *, tax_id: str = "", exempt: str = "") -> Buyer:
    return Buyer(LegalEntity("Globex", country=country, tax_id=tax_id), exempt)


def told(rule: TaxRule | None) -> tuple[str, str, str] | None:
    return None if rule is None else (rule.category, f"{rule.rate:f}", rule.reason)


SHOP = replace(GERMAN, one_stop_shop=True)
SMALL = replace(GERMAN, regime=Regime.SMALL_BUSINESS)


@pytest.mark.parametrize(
    "seller, to, expected",
    [
        (GERMAN, buyer("DE"), ("S", "0.19", "")),
        (GERMAN, buyer(), ("S", "0.19", "")),
        (GERMAN, buyer("DE", tax_id="DE811569869"), ("S", "0.19", "")),
        (GERMAN, buyer("FR"), ("S", "0.19", "")),
        (SHOP, buyer("FR"), ("S", "0.20", "")),
        (SHOP, buyer("FI"), ("S", "0.255", "")),
        (SHOP, buyer("DK"), ("Z", "0", "")),
        (SHOP, buyer("FR", tax_id="FR40303265045"), ("AE", "0", REVERSE_CHARGE)),
        (GERMAN, buyer("FR", tax_id="FR40303265045"), ("AE", "0", REVERSE_CHARGE)),
        (GERMAN, buyer("US"), ("G", "0", EXPORT)),
        (GERMAN, buyer("CH", tax_id="CHE107787577IVA"), ("G", "0", EXPORT)),
        (GERMAN, buyer("DE", exempt=STATED), ("E", "0", STATED)),
        (GERMAN, buyer("US", exempt=STATED), ("E", "0", STATED)),
        (SMALL, buyer("FR", tax_id="FR40303265045"), ("E", "0", SMALL_BUSINESS)),
        (replace(SMALL, exempt_reason="§ 19 UStG"), buyer("DE"), ("E", "0", "§ 19 UStG")),
        (AMERICAN, buyer("US"), ("S", "0.07", "")),
        (AMERICAN, buyer("DE", tax_id="DE811569869"), ("G", "0", EXPORT)),
        (replace(AMERICAN, regime=Regime.UNTAXED), buyer("US"), None),
        (Seller(LegalEntity("A", country="CA")), buyer("CA"), None),
        (Seller(LegalEntity("A", country="CH")), buyer("CH"), ("S", "0.081", "")),
        (None, buyer("DE"), None),
    ],
)
def test_the_tax_of_a_sale(
    seller: Seller | None, to: Buyer, expected: tuple[str, str, str] | None
) -> None:
    assert told(decide(seller, to, RATES, on=DAY)) == expected


def test_prices_contain_the_tax_where_the_seller_says_so() -> None:
    rule = decide(replace(GERMAN, tax_included=True), buyer("DE"), (), on=DAY)
    assert rule is not None
    assert rule.included


def test_a_rate_that_nobody_knows_is_never_guessed() -> None:
    brazilian = Seller(LegalEntity("A", country="BR"))
    with pytest.raises(TaxRateMissing) as refused:
        decide(brazilian, buyer("BR"), RATES, on=DAY)
    assert refused.value.detail == {"given": "BR", "day": "2026-03-01"}
    with pytest.raises(TaxRateMissing):
        decide(Seller(LegalEntity("A", country="CH")), buyer(), RATES, on=date(2023, 12, 31))


@pytest.mark.parametrize(
    "country, day, rate",
    [
        ("EE", date(2023, 12, 31), "0.20"),
        ("EE", date(2024, 1, 1), "0.22"),
        ("EE", date(2025, 6, 30), "0.22"),
        ("EE", date(2025, 7, 1), "0.24"),
        ("RO", date(2025, 8, 1), "0.21"),
        ("DE", date(2029, 12, 31), "0.19"),
        ("DE", date(2030, 1, 1), "0.2"),
    ],
)
def test_a_rate_holds_from_its_day_on(country: str, day: date, rate: str) -> None:
    found = rate_on(country, RATES, on=day)
    assert found is not None
    assert found.rate == Decimal(rate)


def test_the_union_has_27_members_with_plausible_rates() -> None:
    assert len(eu.MEMBERS) == 27
    rates = [one.rate for table in eu.STANDARD_RATES.values() for one in table]
    assert all(rate is not None and Decimal("0.15") <= rate <= Decimal("0.27") for rate in rates)


@pytest.mark.parametrize(
    "given, country, compact",
    [
        ("DE 136 695 976", "DE", "DE136695976"),
        ("136695976", "DE", "DE136695976"),
        ("fr-40.303.265.045", "FR", "FR40303265045"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("EL094259216", "GR", "EL094259216"),
        ("NL004495445B01", "NL", "NL004495445B01"),
        ("GB980780684", "GB", "GB980780684"),
        ("XI980780684", "GB", "XI980780684"),
        ("12-3456789", "US", "123456789"),
    ],
)
def test_a_tax_id_has_one_form(given: str, country: str, compact: str) -> None:
    assert ids.check_tax_id(given, country=country) == compact
    assert ids.check_tax_id(compact, country=country) == compact


@pytest.mark.parametrize(
    "given, country",
    [("DE136695977", "DE"), ("FR40303265045", "DE"), ("DE1", "DE"), ("", "DE"), ("<a>", "US")],
)
def test_a_wrong_tax_id_is_refused(given: str, country: str) -> None:
    with pytest.raises(TaxIdInvalid):
        ids.check_tax_id(given, country=country)


@pytest.mark.parametrize(
    "given, country", [("DE1", "DE"), ("el09", "GR"), ("XI1", "GB"), ("12", ""), ("QQ1", "")]
)
def test_a_tax_id_tells_its_country(given: str, country: str) -> None:
    assert ids.country_of(given) == country


# ------------------------------------------------------------------------------------- over HTTP

SELLER = {
    "name": "Acme GmbH",
    "lines": ["Weg 1"],
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
    "tax_id": "DE 136695976",
    "footer": "Acme GmbH, Berlin",
    "accent": "#AA0000",
}
NOWHERE = SELLER | {"country": "XX", "tax_id": ""}
BUYER = {
    "name": "Globex SARL",
    "lines": ["Rue 2"],
    "city": "Paris",
    "country": "FR",
    "tax_id": "FR40303265045",
}


async def state(alice: httpx.AsyncClient) -> None:
    for path, body in (("/v1/seller", SELLER), ("/v1/buyers/globex", BUYER)):
        answer = await alice.put(path, json=body)
        assert answer.status_code == 200, answer.text


async def test_what_is_stated_is_shown_again(alice: httpx.AsyncClient, shop: Shop) -> None:
    assert (await alice.get("/v1/seller")).json()["code"] == "billing.seller_unknown"
    await state(alice)
    seller = (await alice.get("/v1/seller")).json()
    assert (seller["tax_id"], seller["accent"], seller["logo"]) == ("DE136695976", "#aa0000", "")
    shown = (await alice.get("/v1/buyers/globex")).json()
    assert (shown["name"], shown["tax_id"]) == ("Globex SARL", "FR40303265045")


async def test_a_buyers_name_with_slashes_stands_in_a_path(
    alice: httpx.AsyncClient, shop: Shop
) -> None:
    await shop.do(lambda ctx: tenants.ensure_customer(ctx, "org/7"))
    path = "/v1/buyers/org%2F7"
    assert (await alice.put(path, json=BUYER)).status_code == 200
    assert (await alice.get(path)).json()["name"] == "Globex SARL"


async def test_an_invoice_carries_its_tax_and_parties(
    alice: httpx.AsyncClient, shop: Shop, held: Subscription, first: Period
) -> None:
    """A reverse charge: decided when drawn, frozen with the parties, proved by the rebuild."""
    await state(alice)
    preview = await alice.post("/v1/invoices/preview", json={"subscription_id": held.id})
    assert preview.json()["taxes"][0]["category"] == "AE"
    invoice = await shop.do(lambda ctx: billing.close_period(ctx, held.id, first))
    assert invoice is not None
    shown = (await alice.get(f"/v1/invoices/{invoice.id}")).json()
    assert shown["taxes"] == [
        {
            "name": "VAT",
            "rate": "0",
            "net_minor": 139_00,
            "amount_minor": 0,
            "category": "AE",
            "reason": REVERSE_CHARGE,
        }
    ]
    head = invoice.parties.letterhead if invoice.parties else None
    assert head is not None
    assert (head.seller.tax_id, head.buyer.tax_id) == ("DE136695976", "FR40303265045")
    await alice.put("/v1/buyers/globex", json=BUYER | {"name": "Other"})
    again = await shop.do(lambda ctx: ledger.get_invoice(ctx, invoice.id))
    assert again.parties == invoice.parties
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, invoice.id))
    assert rebuilt.identical
    xml = await alice.get(f"/v1/invoices/{invoice.id}.xml")
    assert (xml.status_code, xml.headers["content-type"]) == (200, "application/xml")
    assert b">FR40303265045<" in xml.content
    pdf = await alice.get(f"/v1/invoices/{invoice.id}.pdf")
    assert b"factur-x.xml" in pdf.content


async def test_a_consumer_pays_the_domestic_rate_and_a_stated_one_goes_first(
    alice: httpx.AsyncClient, shop: Shop, held: Subscription, first: Period
) -> None:
    await alice.put("/v1/seller", json=SELLER)
    rate = {"country": "DE", "valid_from": "2026-01-01", "rate": "0.16", "name": "USt."}
    assert (await alice.put("/v1/tax-rates", json=rate)).json()["rate"] == "0.16"
    invoice = await shop.do(lambda ctx: billing.close_period(ctx, held.id, first))
    assert invoice is not None
    (tax,) = invoice.draft.taxes
    assert (tax.name, tax.rate, tax.amount_minor) == ("USt.", Decimal("0.16"), 2224)
    assert (await alice.get("/v1/tax-rates")).json()[0]["country"] == "DE"
    gone = await alice.delete("/v1/tax-rates", params={"country": "DE", "valid_from": "2026-01-01"})
    assert gone.status_code == 204
    assert (await alice.get("/v1/tax-rates")).json() == []


async def test_what_cannot_be_an_e_invoice_is_a_pdf_and_says_why(
    alice: httpx.AsyncClient, shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.do(lambda ctx: billing.close_period(ctx, held.id, first))
    assert invoice is not None
    assert (await alice.get(f"/v1/invoices/{invoice.id}.pdf")).content.startswith(b"%PDF-1.7")
    refused = await alice.get(f"/v1/invoices/{invoice.id}.xml")
    assert (refused.status_code, refused.json()["code"]) == (409, "billing.no_electronic_invoice")
    assert "The seller's country is not stated." in refused.text
    await alice.post(f"/v1/invoices/{invoice.id}/void", json={"reason": "wrong"})
    refused = await alice.get(f"/v1/invoices/{invoice.id}.xml")
    assert "It has been taken back." in refused.text


async def test_a_credit_note_is_printed_and_written(
    alice: httpx.AsyncClient, shop: Shop, held: Subscription, first: Period
) -> None:
    await state(alice)
    invoice = await shop.do(lambda ctx: billing.close_period(ctx, held.id, first))
    assert invoice is not None
    body = {"reason": "Outage", "source": "c1", "lines": [{"line": 1, "amount_minor": 500}]}
    made = await alice.post(f"/v1/invoices/{invoice.id}/credit-notes", json=body)
    note = made.json()["id"]
    pdf = await alice.get(f"/v1/credit-notes/{note}.pdf")
    assert pdf.status_code == 200, pdf.text
    assert b"factur-x.xml" in pdf.content
    xml = await alice.get(f"/v1/credit-notes/{note}.xml")
    assert b">381<" in xml.content
    assert (await alice.get(f"/v1/credit-notes/{note}")).json()["id"] == note


@pytest.mark.parametrize(
    "path, body, code, field",
    [
        ("/v1/seller", SELLER | {"name": ""}, "billing.party_malformed", "name"),
        ("/v1/seller", SELLER | {"name": "a\nb"}, "billing.party_malformed", "name"),
        ("/v1/seller", SELLER | {"accent": "red"}, "billing.party_malformed", "accent"),
        ("/v1/seller", SELLER | {"tax_id": "DE1"}, "billing.tax_id_invalid", "tax_id"),
        (
            "/v1/seller",
            SELLER | {"country": "XX", "tax_id": ""},
            "tenants.country_invalid",
            "country",
        ),
        ("/v1/buyers/globex", {"tax_id": "FR1"}, "billing.tax_id_invalid", "tax_id"),
        ("/v1/buyers/globex", {"tax_id": "123"}, "billing.party_malformed", "country"),
        ("/v1/buyers/nobody", {}, "tenants.customer_unknown", None),
        (
            "/v1/tax-rates",
            {"country": "DE", "valid_from": "2026-01-01", "rate": "19"},
            "billing.party_malformed",
            "rate",
        ),
    ],
)
async def test_bad_input_names_the_field(
    alice: httpx.AsyncClient, path: str, body: dict[str, object], code: str, field: str | None
) -> None:
    answer = await alice.put(path, json=body)
    assert answer.status_code in {400, 404}, answer.text
    assert (answer.json()["code"], answer.json().get("field")) == (code, field)
    assert (await alice.get("/v1/seller")).status_code == 404


SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    b'<rect width="9" height="9" fill="#aa0000"/></svg>'
)


async def test_a_logo_is_set_on_trial(alice: httpx.AsyncClient, shop: Shop) -> None:
    missing = await alice.put("/v1/seller/logo", content=SVG)
    assert missing.json()["code"] == "billing.seller_unknown"
    await state(alice)
    assert len((await alice.put("/v1/seller/logo", content=SVG)).json()["logo"]) == 64
    for wrong in (b"", b"GIF89a", b"<svg", b"\x89PNG\r\n\x1a\n", SVG + b" " * 200_000):
        refused = await alice.put("/v1/seller/logo", content=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "billing.logo_malformed")
    assert len((await alice.put("/v1/seller", json=SELLER)).json()["logo"]) == 64
    assert (await alice.delete("/v1/seller/logo")).json()["logo"] == ""


async def test_tax_ids_are_checked(alice: httpx.AsyncClient) -> None:
    found = (await alice.get("/v1/tax-ids/DE136695976")).json()
    assert found == {"tax_id": "DE136695976", "country": "DE"}
    refused = await alice.get("/v1/tax-ids/DE136695977")
    assert (refused.status_code, refused.json()["code"]) == (400, "billing.tax_id_invalid")


async def test_strangers_find_nothing(
    alice: httpx.AsyncClient,
    bob: httpx.AsyncClient,
    charlie: httpx.AsyncClient,
    mallory: httpx.AsyncClient,
    shop: Shop,
) -> None:
    await state(alice)
    rate = {"country": "DE", "valid_from": "2026-01-01", "rate": "0.16"}
    await alice.put("/v1/tax-rates", json=rate)
    assert (await mallory.get("/v1/seller")).status_code == 404
    assert (await mallory.get("/v1/buyers/globex")).status_code == 404
    assert (await mallory.get("/v1/tax-rates")).json() == []
    gone = await mallory.delete(
        "/v1/tax-rates", params={"country": "DE", "valid_from": "2026-01-01"}
    )
    assert gone.json()["code"] == "billing.tax_rate_unknown"
    for path in ("/v1/seller", "/v1/buyers/globex", "/v1/tax-rates", "/v1/tax-ids/DE136695976"):
        assert (await bob.get(path)).status_code == 403, path
        assert (await charlie.get(path)).status_code == 401, path
    assert (await bob.put("/v1/seller", json=SELLER)).status_code == 403
    assert (await charlie.put("/v1/seller/logo", content=b"x")).status_code == 401


async def test_a_rate_needs_the_right_to_write(shop: Shop) -> None:
    async with shop.open() as ctx:
        nobody = replace(ctx, actor=replace(ctx.actor, scopes=frozenset()))
        with pytest.raises(Denied):
            await service.set_rate(nobody, RATES[0])


BRAZILIAN = Seller(LegalEntity("Acme", country="BR"))
TENTH = TaxRate("BR", date(2026, 1, 1), Decimal("0.1"))


async def close_next(shop: Shop, held: Subscription) -> Period:
    """Let the running period of a subscription end, and tell billing of it."""
    running = await shop.do(lambda ctx: subscriptions.get(ctx, held.id))
    await shop.move_clock(running.period.end + timedelta(seconds=1))
    period = (await shop.renew(held.id))[-1]
    assert await shop.do(lambda ctx: billing.close_period(ctx, held.id, period)) is None
    return period


async def run_jobs(shop: Shop, house: House) -> None:
    runtime = InlineJobs(house.system, shop.edge, house.wiring.jobs)
    while await runtime.run_due():
        pass


async def test_a_missing_rate_parks_the_account_until_it_is_stated(
    shop: Shop, held: Subscription, house: House
) -> None:
    """Periods that end meanwhile wait with it, and are charged in their order."""
    await shop.do(lambda ctx: service.set_seller(ctx, BRAZILIAN))
    first = await close_next(shop, held)
    await close_next(shop, held)
    assert await shop.do(ledger.list_invoices) == []
    (parked,) = await shop.do(parking.list_parked)
    assert (parked.reason, parked.invoice_id) == ("tax_rate_missing", None)
    assert parked.detail.startswith("BR: no tax rate is known on 2026-02-15;")
    opened = await shop.do(lambda ctx: billing.open_period(ctx, held.id))
    assert opened is None, "nothing is charged in advance, so no tax need be known"

    await shop.do(lambda ctx: service.set_rate(ctx, replace(TENTH, country="CL")))
    await run_jobs(shop, house)
    assert await shop.do(parking.list_parked) == [parked]
    await shop.do(lambda ctx: service.set_rate(ctx, TENTH))
    await run_jobs(shop, house)
    assert await shop.do(parking.list_parked) == []
    second, earlier = await shop.do(ledger.list_invoices)
    assert (earlier.number, second.number) == (1, 2)
    assert (earlier.draft.period_start, earlier.draft.tax_minor) == (first.start, 290)
    again = await shop.do(lambda ctx: billing.close_period(ctx, held.id, first))
    assert again == earlier, "whoever was told of the end late finds it closed"


async def test_a_release_without_the_rate_parks_again(shop: Shop, held: Subscription) -> None:
    await shop.do(lambda ctx: service.set_seller(ctx, BRAZILIAN))
    await close_next(shop, held)
    assert await shop.do(lambda ctx: billing.release_account(ctx, "globex")) == []
    assert len(await shop.do(parking.list_parked)) == 1
    none = TaxRate("BR", TENTH.valid_from, None)
    await shop.do(lambda ctx: service.set_rate(ctx, none))
    (invoice,) = await shop.do(lambda ctx: billing.release_account(ctx, "globex"))
    assert (invoice.number, invoice.draft.tax_minor) == (1, 0)


async def test_of_many_periods_those_without_a_rate_hold_up_no_other(
    shop: Shop, held: Subscription
) -> None:
    """The batch falls apart, and then each event finds its account parked, or charges it."""
    await shop.customer("initech")
    other = await shop.subscribe("initech")
    german = Buyer(LegalEntity("Initech", country="DE"))
    await shop.do(lambda ctx: service.set_seller(ctx, BRAZILIAN))
    await shop.do(lambda ctx: service.set_buyer(ctx, "initech", german))
    await shop.move_clock(held.period.end)
    events = [
        PeriodEnded(
            subscription_id=one.id,
            customer_id=one.customer_id,
            period_start=one.period.start,
            period_end=one.period.end,
            charged_seconds=1,
        )
        for one in (held, other)
        if await shop.renew(one.id)
    ]
    with pytest.raises(TaxRateMissing):
        await shop.do(lambda ctx: tasks.on_periods_ended(ctx, events))
    for one in events:
        await shop.do(lambda ctx, event=one: tasks.on_periods_ended(ctx, [event]))
    (invoice,) = await shop.do(ledger.list_invoices)
    assert (invoice.draft.customer_id, invoice.number) == (other.customer_id, 1)


async def test_what_is_charged_in_advance_waits_for_its_rate_too(shop: Shop) -> None:
    await shop.stock(CATALOGUE.replace(b'"29.00"', b'"29.00"\nin_advance = true', 1))
    held = await shop.subscribe()
    await shop.do(lambda ctx: service.set_seller(ctx, BRAZILIAN))
    assert await shop.do(lambda ctx: billing.open_period(ctx, held.id)) is None
    assert [one.reason for one in await shop.do(parking.list_parked)] == ["tax_rate_missing"]
    await shop.do(lambda ctx: service.set_rate(ctx, TENTH))
    (invoice,) = await shop.do(lambda ctx: billing.release_account(ctx, "globex"))
    assert (invoice.draft.kind, invoice.draft.tax_minor) == (InvoiceKind.ADVANCE, 290)
