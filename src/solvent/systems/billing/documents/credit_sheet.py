"""What does a credit note say in words?"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from solvent.kernel.ledger.model import (
    CreditLine,
    CreditNote,
    CreditTo,
    Invoice,
    Letterhead,
    Parties,
)
from solvent.systems.billing import rules
from solvent.systems.billing.model import Due, Fact, PrintedLine, Sheet, Total

_GOES = {
    CreditTo.BALANCE: "What had been paid of it is credit for the next invoices.",
    CreditTo.REFUNDED: "What had been paid of it has been given back.",
}


def note_sheet(
    note: CreditNote, invoice: Invoice, parties: Parties, *, logo: str | None = None
) -> Sheet:
    """Return the words and figures of a credit note."""
    said, zone = note.said, ZoneInfo(parties.time_zone)
    head = parties.letterhead or Letterhead()
    return Sheet(
        title=f"Credit note {note.reference}",
        number=note.reference,
        heading="Credit note",
        seller=rules.breakable(head.seller.name if head.seller else parties.seller_name),
        banner=rules.TEST_BANNER if parties.test_mode else None,
        buyer_label="Credited to",
        buyer=rules.buyer_lines(parties),
        facts=_facts(note, invoice, zone),
        due=Due("Credited", rules.money(said.total_minor, said.currency)),
        columns=("Description", "Quantity", "", f"Amount {said.currency}"),
        lines=tuple(_line(note, line) for line in said.lines),
        totals=_totals(note, invoice),
        remarks=(*rules.tax_reasons(said.taxes), *_remarks(note)),
        footer=f"Document SHA-256 {note.digest}",
        seller_lines=rules.seller_lines(parties),
        imprint=rules.breakable(head.footer),
        accent=head.accent,
        logo=logo or "",
    )


def _facts(note: CreditNote, invoice: Invoice, zone: ZoneInfo) -> tuple[Fact, ...]:
    issued = rules.day(invoice.finalized_at or invoice.drawn_at, zone)
    return (
        Fact("Credit note number", note.reference),
        Fact("Issued", rules.day(note.issued_at, zone)),
        Fact("Corrects invoice", invoice.reference),
        Fact("of", issued),
        Fact("Reason", rules.breakable(note.said.reason)),
    )


def _line(note: CreditNote, line: CreditLine) -> PrintedLine:
    return PrintedLine(
        title=rules.breakable(line.description),
        quantity=rules.number(line.quantity) if line.quantity else "",
        rate="",
        amount=rules.plain(line.amount_minor, note.said.currency),
        tiers=(),
        notes=(f"Line {line.line} of the invoice",),
    )


def _totals(note: CreditNote, invoice: Invoice) -> tuple[Total, ...]:
    """Return the sums: what coupons took off goes back in the same measure."""
    said, currency = note.said, note.said.currency
    included = invoice.draft.tax is not None and invoice.draft.tax.included
    whole_minor = said.total_minor if included else said.net_minor
    shared_minor = whole_minor - sum(line.amount_minor for line in said.lines)
    shared = (Total("Discounts, in the same measure", rules.plain(shared_minor, currency)),)
    return (
        *(shared if shared_minor else ()),
        Total("Subtotal", rules.plain(said.net_minor, currency)),
        *rules.tax_totals(said.taxes, currency),
        Total("Credited", rules.money(said.total_minor, currency), strong=True),
    )


def _remarks(note: CreditNote) -> tuple[str, ...]:
    said = note.said
    off = rules.money(note.off_due_minor, said.currency)
    due = f"{off} was taken off what was still due on the invoice."
    paid = note.off_due_minor < said.total_minor
    return (*((due,) if note.off_due_minor else ()), *((_GOES[said.to],) if paid else ()))
