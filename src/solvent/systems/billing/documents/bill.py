"""What does an electronic invoice by EN 16931 say of an invoice or a credit note?

The norm knows net amounts only: of an invoice whose prices contain the tax each line's net is a
difference of rounded running totals, so that the nets sum to the invoice's net exactly (BR-CO-10).
Coupons are allowances of the document (BG-20). A line of which price times quantity is not its
amount to the digit is billed as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from solvent.kernel.ledger.model import (
    CreditNote,
    Invoice,
    InvoiceLine,
    LegalEntity,
    LineKind,
    Parties,
    TaxLine,
)
from solvent.kit.money import exponent, plain_number, round_minor

INVOICE: Final = "380"
CREDIT_NOTE: Final = "381"
"""The document's type by UNTDID 1001."""

_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_UP)
_MOMENT: Final = timedelta(microseconds=1)
PRICE_STEP: Final = Decimal("0.000001")
TEST: Final = "Test mode: this is no real invoice, and no money is owed on it."
NO_TAX: Final = TaxLine("VAT", Decimal(0), 0, 0, "O", "Not subject to VAT")


@dataclass(frozen=True, slots=True)
class BillLine:
    """A line (BG-25): `quantity` times `price` is its net amount."""

    id: str
    name: str
    detail: str
    quantity: Decimal
    price: Decimal
    net_minor: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is taken off (negative) or put on the whole document, and why (BG-20, BG-21)."""

    net_minor: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bill:
    """A document of EN 16931, all of its lines under one tax."""

    type_code: str
    number: str
    issued: date
    notes: tuple[str, ...]
    currency: str
    seller: LegalEntity
    buyer: LegalEntity
    buyer_ref: str
    first_day: date
    last_day: date
    lines: tuple[BillLine, ...]
    adjustments: tuple[Adjustment, ...]
    tax: TaxLine
    net_minor: int
    total_minor: int
    paid_minor: int
    due_day: date | None = None
    preceding: tuple[str, date] | None = None

    @property
    def lines_minor(self) -> int:
        """Return the sum of the lines (BT-106)."""
        return sum(line.net_minor for line in self.lines)

    @property
    def allowances_minor(self) -> int:
        """Return what is taken off in all (BT-107), not negative."""
        return -sum(one.net_minor for one in self.adjustments if one.net_minor < 0)

    @property
    def charges_minor(self) -> int:
        """Return what is put on in all (BT-108)."""
        return sum(one.net_minor for one in self.adjustments if one.net_minor > 0)


def of_invoice(invoice: Invoice, parties: Parties) -> Bill:
    """Return a numbered invoice as a document of EN 16931; `faults` says whether it is one."""
    said = invoice.draft
    zone = ZoneInfo(parties.time_zone)
    nets = _nets([line.amount_minor for line in said.lines], _included(invoice))
    priced = list(zip(said.lines, nets, strict=True))
    lines = [
        _line(str(place), line, line.quantity, net_minor=net, of=(said.currency, zone))
        for place, (line, net) in enumerate(priced, start=1)
        if line.kind is not LineKind.DISCOUNT
    ]
    off = [Adjustment(n, one.description) for one, n in priced if one.kind is LineKind.DISCOUNT]
    return Bill(
        type_code=INVOICE,
        number=invoice.reference,
        issued=_day(invoice.finalized_at or invoice.drawn_at, zone),
        notes=_notes(parties),
        currency=said.currency,
        seller=_seller(parties),
        buyer=_buyer(parties),
        buyer_ref=parties.buyer_ref,
        first_day=_day(said.period_start, zone),
        last_day=_day(said.period_end - _MOMENT, zone),
        lines=tuple(lines),
        adjustments=tuple(one for one in off if one.net_minor),
        tax=_tax(said.taxes, said.net_minor),
        net_minor=said.net_minor,
        total_minor=said.total_minor,
        paid_minor=invoice.paid_minor,
        due_day=_day(invoice.due_at, zone) if invoice.due_at else None,
    )


def of_note(note: CreditNote, invoice: Invoice, parties: Parties) -> Bill:
    """Return a credit note as a document of EN 16931, which refers to its invoice."""
    said, zone = note.said, ZoneInfo(parties.time_zone)
    nets = _nets([line.amount_minor for line in said.lines], _included(invoice))
    lines = [
        _line(str(place), charged, line.quantity, net_minor=net, of=(said.currency, zone))
        for place, (line, net) in enumerate(zip(said.lines, nets, strict=True), start=1)
        for charged in [invoice.draft.lines[line.line - 1]]
    ]
    rest_minor = said.net_minor - sum(nets)
    shared = Adjustment(rest_minor, "Discounts and charges of the invoice, in the same measure")
    return Bill(
        type_code=CREDIT_NOTE,
        number=note.reference,
        issued=_day(note.issued_at, zone),
        notes=(said.reason, *_notes(parties)),
        currency=said.currency,
        seller=_seller(parties),
        buyer=_buyer(parties),
        buyer_ref=parties.buyer_ref,
        first_day=_day(invoice.draft.period_start, zone),
        last_day=_day(invoice.draft.period_end - _MOMENT, zone),
        lines=tuple(lines),
        adjustments=(shared,) if rest_minor else (),
        tax=_tax(said.taxes, said.net_minor),
        net_minor=said.net_minor,
        total_minor=said.total_minor,
        paid_minor=0,
        due_day=_day(note.issued_at, zone),
        preceding=(invoice.reference, _day(invoice.finalized_at or invoice.drawn_at, zone)),
    )


def _included(invoice: Invoice) -> Decimal:
    """Return what prices are divided by to be net."""
    tax = invoice.draft.tax
    return 1 + tax.rate if tax is not None and tax.included else Decimal(1)


def _nets(amounts: Sequence[int], divisor: Decimal) -> list[int]:
    nets: list[int] = []
    running = 0
    before = 0
    for amount_minor in amounts:
        running += amount_minor
        after = round_minor(_WIDE.divide(Decimal(running), divisor))
        nets.append(after - before)
        before = after
    return nets


def _line(
    id: str,
    line: InvoiceLine,
    counted: Decimal,
    *,
    net_minor: int,
    of: tuple[str, ZoneInfo],
) -> BillLine:
    currency, zone = of
    quantity, price = _priced(counted, net_minor, currency)
    told = f"Quantity {plain_number(counted)}" if counted not in {quantity, 0, 1} else ""
    shared = ", ".join(value or f"no {name}" for name, value in line.group)
    return BillLine(
        id=id,
        name=f"{line.description} ({shared})" if shared else line.description,
        detail=told,
        quantity=quantity,
        price=price,
        net_minor=net_minor,
        first_day=_day(line.period_start, zone),
        last_day=_day(line.period_end - _MOMENT, zone),
    )


def _priced(quantity: Decimal, net_minor: int, currency: str) -> tuple[Decimal, Decimal]:
    """Return a quantity and a price, not negative (BR-27), of which the net is the product."""
    net = Decimal(abs(net_minor)).scaleb(-exponent(currency))
    if quantity > 0 and net_minor >= 0:
        price = _WIDE.divide(net, quantity)
        short = _WIDE.quantize(price, PRICE_STEP)
        if _WIDE.multiply(short, quantity) == net:
            return quantity, short
    return (Decimal(-1), net) if net_minor < 0 else (Decimal(1), net)


def _tax(taxes: Sequence[TaxLine], net_minor: int) -> TaxLine:
    """Return the one tax of a document, on its net amount."""
    if not taxes:
        return TaxLine("VAT", Decimal(0), net_minor, 0, NO_TAX.category, NO_TAX.reason)
    one = taxes[0]
    return TaxLine(one.name, one.rate, net_minor, one.amount_minor, one.category, one.reason)


def _seller(parties: Parties) -> LegalEntity:
    head = parties.letterhead
    return head.seller if head and head.seller else LegalEntity(parties.seller_name)


def _buyer(parties: Parties) -> LegalEntity:
    head = parties.letterhead
    if head and head.buyer:
        return head.buyer
    return LegalEntity(
        parties.buyer_name or parties.buyer_ref,
        country=parties.buyer_country or "",
        email=parties.buyer_email or "",
    )


def _notes(parties: Parties) -> tuple[str, ...]:
    footer = parties.letterhead.footer if parties.letterhead else ""
    return tuple(text for text in (TEST if parties.test_mode else "", footer) if text)


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


_CENTS: Final = 2


def faults(bill: Bill) -> tuple[str, ...]:
    """Return why a document is none of EN 16931, each in a sentence; nothing where it is one."""
    found = {
        "The seller's country is not stated.": not bill.seller.country,
        "The seller has no tax id or tax number.": _needs_seller_id(bill),
        "The buyer's country is not known.": not bill.buyer.country,
        "The buyer has no tax id, which a reverse charge needs.": (
            bill.tax.category == "AE" and not vat_id(bill.buyer)
        ),
        "There is no line.": not bill.lines,
        "An amount has more than two decimals.": not _fits_cents(bill),
        "The amounts do not agree.": not _agrees(bill),
    }
    return tuple(sentence for sentence, holds in found.items() if holds)


def _needs_seller_id(bill: Bill) -> bool:
    seller, category = bill.seller, bill.tax.category
    if category == "O":
        return not seller.registration
    if category in {"AE", "G"}:
        return not vat_id(seller)
    return not (vat_id(seller) or seller.tax_number)


def vat_id(entity: LegalEntity) -> str:
    """Return a party's tax id if it is led by the letters of its country (EN 16931 BR-CO-9)."""
    leads = (entity.country, "EL", "XI") if entity.country else ()
    return entity.tax_id if entity.tax_id.startswith(leads) and leads else ""


def _fits_cents(bill: Bill) -> bool:
    step = 10 ** max(exponent(bill.currency) - _CENTS, 0)
    amounts = (
        *(line.net_minor for line in bill.lines),
        *(one.net_minor for one in bill.adjustments),
        *(bill.net_minor, bill.tax.amount_minor, bill.total_minor, bill.paid_minor),
    )
    return not any(amount % step for amount in amounts)


def _agrees(bill: Bill) -> bool:
    """Return whether BR-CO-10, -13, -15 and -17 hold; the last to a unit, as its test has it."""
    net_minor = bill.lines_minor - bill.allowances_minor + bill.charges_minor
    exact_tax = _WIDE.multiply(Decimal(bill.net_minor), bill.tax.rate)
    return (
        net_minor == bill.net_minor
        and bill.net_minor + bill.tax.amount_minor == bill.total_minor
        and abs(round_minor(exact_tax) - bill.tax.amount_minor) <= 1
    )
