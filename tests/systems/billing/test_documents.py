"""Does every invoice become a PDF that opens, says what it should, and is always the same?"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pypdf
import pypdfium2
import pytest
from tests.kernel.ledger.test_rules import plan
from tests.systems.billing.test_einvoice import COUPONS, fee, item
from tests.systems.billing.test_einvoice import invoice_of as billed

from solvent.kernel.ledger.model import (
    Evidence,
    Invoice,
    InvoiceDraft,
    InvoiceId,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    LineKind,
    Parties,
    Payment,
    PaymentId,
    Purpose,
    Settled,
    TaxLine,
    TierLine,
)
from solvent.systems.billing import rules
from solvent.systems.billing.documents.typeset import set_pdf
from solvent.systems.billing.testing import at

START, END = at("2026-01-31T23:00:00"), at("2026-02-28T23:00:00")
SECONDS = 28 * 86_400
PARTIES = Parties(
    seller_name="Acme Logs",
    buyer_ref="globex-1",
    buyer_name="Globex Ltd",
    buyer_email="billing@globex.example",
    buyer_country="FR",
    time_zone="Europe/Paris",
    test_mode=False,
)


def base_line(description: str = "Base fee") -> InvoiceLine:
    fee = TierLine(Decimal(0), None, Decimal(1), Decimal(2900), 0, Decimal(2900))
    return InvoiceLine(
        kind=LineKind.BASE,
        price_key="base",
        price_model="flat",
        plan_key="pro",
        plan_version=3,
        description=description,
        meter_key=None,
        quantity=Decimal(1),
        period_start=START,
        period_end=END,
        period_seconds=SECONDS,
        amount_minor=2900,
        tax_rate=Decimal("0.2"),
        tiers=(fee,),
        evidence=None,
    )


def usage_line(description: str = "Log ingest, GB", *, place: int = 0) -> InvoiceLine:
    digest = sha256(str(place).encode()).hexdigest()
    return replace(
        base_line(description),
        kind=LineKind.USAGE,
        price_key="logs",
        price_model="graduated",
        meter_key="log_gb",
        quantity=Decimal("1137.25"),
        amount_minor=61_863,
        tiers=(
            TierLine(Decimal(0), Decimal(100), Decimal(100), Decimal(100), 0, Decimal(10_000)),
            TierLine(Decimal(100), None, Decimal("1037.25"), Decimal(50), 0, Decimal("51862.5")),
        ),
        evidence=Evidence(8214, f"evt-{place}-000001", f"evt-{place}-008214", digest),
    )


def invoice_of(*lines: InvoiceLine, tax: bool = True) -> Invoice:
    net = sum(line.amount_minor for line in lines)
    taxes = (TaxLine("VAT", Decimal("0.2"), net, net // 5),) if tax else ()
    tax_minor = sum(one.amount_minor for one in taxes)
    said = InvoiceDraft(
        kind=InvoiceKind.PERIOD,
        customer_id="cus_1",
        subscription_id="sub_1",
        product_key="logs",
        plan_key="pro",
        plan_version=3,
        plan_name="Pro",
        currency="EUR",
        period_start=START,
        period_end=END,
        period_seconds=SECONDS,
        usage_up_to=7,
        lines=lines,
        taxes=taxes,
        net_minor=net,
        tax_minor=tax_minor,
        total_minor=net + tax_minor,
    )
    return Invoice(
        id=InvoiceId("inv_1"),
        status=InvoiceStatus.FINAL,
        draft=said,
        digest=sha256(b"document").hexdigest(),
        drawn_at=END,
        number=42,
        parties=PARTIES,
        finalized_at=END + timedelta(seconds=2),
        due_at=END + timedelta(days=14),
    )


def paid(invoice: Invoice, amount_minor: int) -> tuple[Invoice, list[Settled]]:
    payment = Payment(
        id=PaymentId("pay_1"),
        provider="stripe",
        provider_payment_id="in_1",
        purpose=Purpose.ACCOUNT,
        customer_id="cus_1",
        currency="EUR",
        amount_minor=amount_minor,
        unapplied_minor=0,
        refunded_minor=0,
        received_at=START,
    )
    return replace(invoice, paid_minor=amount_minor), [Settled(payment, amount_minor)]


def printed(
    invoice: Invoice, parties: Parties = PARTIES, settled: list[Settled] | None = None
) -> bytes:
    sheet = rules.sheet(invoice, parties, settled or [])
    return set_pdf(sheet, at=invoice.finalized_at or END)


def pages(pdf: bytes) -> list[str]:
    return [
        " ".join(page.extract_text().replace("\u200b", "").split())
        for page in pypdf.PdfReader(BytesIO(pdf)).pages
    ]


def render(pdf: bytes, name: str) -> None:
    """Draw each page, as a reader would; SOLVENT_TEST_PDFS names a folder to keep them in."""
    if folder := os.environ.get("SOLVENT_TEST_PDFS"):
        (Path(folder) / f"{name}.pdf").write_bytes(pdf)
    document = pypdfium2.PdfDocument(pdf)
    try:
        for number in range(len(document)):
            page = document[number]
            bitmap = page.render(scale=1.5)
            assert bitmap.width > 800
            ink = set(bytes(bitmap.buffer[: 4 * bitmap.width * 200]))
            assert len(ink) > 2, f"page {number + 1} is empty"
            bitmap.close()
            page.close()
    finally:
        document.close()


def test_an_invoice_says_who_what_and_how_much() -> None:
    invoice, settled = paid(invoice_of(base_line(), usage_line()), 29_00)
    pdf = printed(invoice, settled=settled)
    (text,) = pages(pdf)
    for words in (
        "Acme Logs",
        "Globex Ltd",
        "billing@globex.example",
        "Reference globex-1",
        "INV-000042",
        "1 March 2026",  # issued at 23:00 UTC: the first of March in Paris
        "1 February 2026 \u2013 1 March 2026",
        "Europe/Paris",
        "Plan pro version 3, price logs (graduated)",
        "2026-02-01 00:00:00 to before 2026-03-01 00:00:00 Europe/Paris, 2,419,200 seconds",
        "8,214 events of meter log_gb, first evt-0-000001, last evt-0-008214",
        "up to 100",
        "above 100 1,037.25 0.50 518.625",
        "VAT 20 % of 647.63 129.52",
        "Paid 1 February 2026 by stripe \u221229.00",
        "748.15 EUR",
    ):
        assert words in text, f"{words!r} is missing in: {text}"
    render(pdf, "plain")


def test_what_is_no_price_of_the_plan_says_what_it_is() -> None:
    """A coupon, something charged once, and what a plan comes to at least."""
    version = plan(fee(2900), currency="EUR")
    version = replace(version, terms=replace(version.terms, minimum_minor=4000))
    invoice = billed(version, discounts=COUPONS, items=(item(9999, "EUR"), item(10_000, "EUR")))
    sheet = rules.sheet(invoice, PARTIES, [])
    told = [(line.title, line.rate, line.notes[0]) for line in sheet.lines]
    assert told == [
        ("Fee base", "29.00", "Plan pro version 1, price base (flat)"),
        ("Minimum of Pro", "", "Plan pro version 1, the least that a period comes to"),
        ("Set-up", "33.33", "Charged once"),
        ("Set-up", "", "Charged once"),  # a third of 100.00 is no amount
        ("A tenth less", "", "Coupon LESS: 10 %"),
        ("5 off", "", "Coupon OFF: 5.00 EUR"),
    ]
    assert [len(line.notes) for line in sheet.lines] == [2, 2, 1, 1, 1, 1]


def test_it_is_an_archivable_pdf_with_its_fonts_inside() -> None:
    pdf = printed(invoice_of(base_line()))
    reader = pypdf.PdfReader(BytesIO(pdf))
    metadata = reader.trailer["/Root"]["/Metadata"].get_object().get_data()
    assert b"<pdfaid:part>3</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice INV-000042"
    assert reader.metadata.creation_date == at("2026-02-28T23:00:02")
    for font in reader.pages[0]["/Resources"]["/Font"].values():
        (inner,) = font.get_object()["/DescendantFonts"]
        descriptor = inner.get_object()["/FontDescriptor"]
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def test_same_invoice_same_pdf() -> None:
    invoice = invoice_of(base_line(), usage_line())
    assert printed(invoice) == printed(invoice)
    other = replace(invoice, number=43)
    assert printed(other) != printed(invoice)


def test_every_line_is_printed() -> None:
    """200 lines over many pages: none broken apart, a head on each page, the totals at the end."""
    lines = [usage_line(f"Line number {place:03}", place=place) for place in range(200)]
    pdf = printed(invoice_of(*lines))
    texts = pages(pdf)
    assert len(texts) > 10
    for place, line in enumerate(lines):
        (on,) = [text for text in texts if line.description in text]
        own = on.split(line.description)[1].split("Line number")[0]
        assert f"evt-{place}-008214" in own, f"line {place} is broken over pages"
    heading = "DESCRIPTION QUANTITY RATE AMOUNT EUR"
    assert all(heading in text for text in texts[:-1])
    assert all("Invoice INV-000042" in text for text in texts[1:])
    assert all(f"{number} / {len(texts)}" in text for number, text in enumerate(texts, 1))
    assert "Amount due" in texts[-1]
    render(pdf, "long")


HOSTILE = (
    '#import "x": *',
    "*bold* _it_ `raw` $x^2$ <label> @ref #panic()",
    "\\u{41} \\ // comment /* other */",
    '"}],"lines":[],"x":{"',
    "= heading\n- list\n+ more",
    "<script>alert(1)</script>",
    "%PDF-1.4 endobj (a) Tj",
    "O'Brien & Sons \u2014 \u201cquoted\u201d",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_text_is_never_markup(name: str) -> None:
    parties = replace(PARTIES, buyer_name=name, seller_name=name, buyer_ref=name)
    text = pages(printed(invoice_of(base_line(name)), parties))[0]
    plain = " ".join(name.split())
    assert text.count(plain) >= 3, text


NAMES = (
    "株式会社グローベックス",
    "شركة جلوبكس",
    "חברת גלובקס",
    "नमस्ते लिमिटेड",
    "Ελληνική Εταιρεία",
    "Глобекс",
    "😀 Emoji GmbH",
    "a\u0301\u0300\u0327 combining",
    "\u202eright to left\u202c",
    "\U0010ffff\ue000\ufffe",
    "\x01\x02 control",
    "x" * 300,
    "word " * 80,
    " ",
)


@pytest.mark.parametrize("name", NAMES)
def test_name_never_stops_an_invoice(name: str) -> None:
    parties = replace(PARTIES, buyer_name=name, seller_name=name)
    pdf = printed(invoice_of(base_line(name), usage_line(name)), parties)
    assert "INV-000042" in pages(pdf)[0]
    render(pdf, f"name-{NAMES.index(name)}")


def test_a_long_word_stays_on_the_page() -> None:
    parties = replace(PARTIES, buyer_name="x" * 300, seller_name="y" * 200)
    document = pypdfium2.PdfDocument(printed(invoice_of(base_line("z" * 200)), parties))
    page = document[0]
    text = page.get_textpage()
    right = max(text.get_rect(place)[2] for place in range(text.count_rects()))
    assert right <= page.get_width() - 50
    for one in (text, page, document):
        one.close()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"status": InvoiceStatus.VOID}, "Nothing is owed on it."),
        (
            {"status": InvoiceStatus.PAID, "paid_minor": 3480, "paid_at": END},
            "Paid on 1 March 2026",
        ),
        ({}, "Amount due by 15 March 2026"),
    ],
)
def test_the_head_tells_where_the_invoice_stands(change: dict[str, object], words: str) -> None:
    invoice = replace(invoice_of(base_line()), **change)
    assert words in pages(printed(invoice))[0]


def test_a_test_invoice_says_so() -> None:
    text = pages(printed(invoice_of(base_line()), replace(PARTIES, test_mode=True)))[0]
    assert "this is no real invoice" in text


def test_an_invoice_without_lines_or_tax_is_printed() -> None:
    invoice = replace(invoice_of(tax=False), status=InvoiceStatus.PAID, paid_at=END)
    (text,) = pages(printed(invoice))
    assert "Nothing to pay" in text
    assert "VAT" not in text


@pytest.mark.parametrize(
    "value, currency, text",
    [
        ("100", "USD", "1.00"),
        ("0.0001", "USD", "0.000001"),
        ("12345678.5", "USD", "123,456.785"),
        ("5", "JPY", "5"),
        ("1", "KWD", "0.001"),
    ],
)
def test_rates_keep_every_digit(value: str, currency: str, text: str) -> None:
    assert rules.rate(Decimal(value), currency) == text


def test_a_long_id_is_shown_with_its_ends() -> None:
    assert rules.shorten("a" * 48) == "a" * 48
    assert rules.shorten("a" * 100 + "b" * 100) == "a" * 24 + "…" + "b" * 24
