"""What does taking back a part of an invoice come to, and what does it move?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from solvent.kernel.ledger.errors import CreditExceedsInvoice, CreditMalformed
from solvent.kernel.ledger.model import (
    Account,
    AccountKind,
    CreditDraft,
    CreditLine,
    CreditPart,
    CreditTo,
    Entry,
    Invoice,
    InvoiceLine,
    TaxLine,
)
from solvent.kernel.ledger.rules.drafting import WIDE, partial_credit
from solvent.kernel.ledger.rules.entries import entries_of
from solvent.kit.money import round_minor


def credit(
    invoice: Invoice,
    parts: Sequence[CreditPart],
    before: Sequence[CreditDraft],
    *,
    reason: str,
    to: CreditTo,
) -> CreditDraft:
    """Return the credit note over these parts of a final invoice, after earlier ones.

    What coupons took off and what was charged as tax go back in the same measure. All is computed
    as differences of rounded running totals: parts in any sequence come to exactly the invoice's
    total once all of it is taken back, and never to more.

    Raises:
        CreditMalformed: no parts, an unknown line, or a part of neither quantity nor amount.
        CreditExceedsInvoice: more than is left of a line.
    """
    if not parts:
        raise CreditMalformed("expected at least one line", field="lines")
    lines = tuple(_line(invoice, part, before) for part in parts)
    if len({line.line for line in lines}) < len(lines):
        raise CreditMalformed("expected each line once", field="lines")
    earlier_minor = _gross(before)
    later_minor = earlier_minor + sum(line.amount_minor for line in lines)
    taxes = tuple(_tax(invoice, tax, earlier_minor, later_minor) for tax in invoice.draft.taxes)
    total_minor = _total(invoice, later_minor) - _total(invoice, earlier_minor)
    tax_minor = sum(tax.amount_minor for tax in taxes)
    return CreditDraft(
        invoice_id=invoice.id,
        invoice_number=invoice.number or 0,
        customer_id=invoice.draft.customer_id,
        currency=invoice.draft.currency,
        reason=reason,
        to=to,
        lines=lines,
        taxes=taxes,
        net_minor=total_minor - tax_minor,
        tax_minor=tax_minor,
        total_minor=total_minor,
    )


def everything(invoice: Invoice, before: Sequence[CreditDraft]) -> list[CreditPart]:
    """Return what is left of each line that charges something."""
    return [
        CreditPart(place, amount_minor=left)
        for place, line in enumerate(invoice.draft.lines, start=1)
        for left in [line.amount_minor - _credited(before, place)]
        if left > 0
    ]


def _line(invoice: Invoice, part: CreditPart, before: Sequence[CreditDraft]) -> CreditLine:
    line = _charged(invoice, part)
    if (part.quantity is None) == (part.amount_minor is None):
        raise CreditMalformed("expected either a quantity or an amount", field="lines")
    amount_minor = part.amount_minor
    if amount_minor is None:
        amount_minor = _worth(line, part, before)
    left_minor = line.amount_minor - _credited(before, part.line)
    if not 0 < amount_minor <= left_minor:
        raise CreditExceedsInvoice(field="lines", line=part.line, left_minor=left_minor)
    quantity = part.quantity if part.quantity is not None else Decimal(0)
    return CreditLine(part.line, line.description, quantity, amount_minor)


def _charged(invoice: Invoice, part: CreditPart) -> InvoiceLine:
    lines = invoice.draft.lines
    if not 1 <= part.line <= len(lines):
        message = f"expected a line from 1 to {len(lines)}"
        raise CreditMalformed(message, field="lines", given=part.line)
    return lines[part.line - 1]


def _worth(line: InvoiceLine, part: CreditPart, before: Sequence[CreditDraft]) -> int:
    """Return what so many more units of a line are worth."""
    credited = sum(
        (one.quantity for note in before for one in note.lines if one.line == part.line), Decimal(0)
    )
    return partial_credit(
        line.amount_minor,
        quantity=line.quantity,
        credited=credited,
        more=part.quantity or Decimal(0),
    )


def _credited(before: Sequence[CreditDraft], place: int) -> int:
    return sum(one.amount_minor for note in before for one in note.lines if one.line == place)


def _gross(notes: Sequence[CreditDraft]) -> int:
    return sum(one.amount_minor for note in notes for one in note.lines)


def _total(invoice: Invoice, credited_minor: int) -> int:
    """Return what the invoice's total is worth once so much of its charging lines is taken back."""
    return _share(invoice.draft.total_minor, invoice, credited_minor)


def _tax(invoice: Invoice, tax: TaxLine, earlier_minor: int, later_minor: int) -> TaxLine:
    amount_minor = _share(tax.amount_minor, invoice, later_minor)
    amount_minor -= _share(tax.amount_minor, invoice, earlier_minor)
    net_minor = _share(tax.net_minor, invoice, later_minor)
    net_minor -= _share(tax.net_minor, invoice, earlier_minor)
    return replace(tax, net_minor=net_minor, amount_minor=amount_minor)


def _share(amount_minor: int, invoice: Invoice, credited_minor: int) -> int:
    charged_minor = sum(max(line.amount_minor, 0) for line in invoice.draft.lines)
    exact = WIDE.multiply(Decimal(amount_minor), Decimal(credited_minor))
    return round_minor(WIDE.divide(exact, Decimal(charged_minor)))


def credit_entries(said: CreditDraft, *, off_due_minor: int) -> tuple[Entry, ...]:
    """Return what a credit note moves: revenue and tax go back, first off of what is due."""
    rest = Account(AccountKind.CREDIT, said.customer_id)
    if said.to is CreditTo.REFUNDED:
        rest = Account(AccountKind.REFUND)
    return entries_of(
        said.currency,
        (Account(AccountKind.REVENUE), said.net_minor),
        (Account(AccountKind.TAX), said.tax_minor),
        (Account(AccountKind.RECEIVABLE, said.customer_id), -off_due_minor),
        (rest, off_due_minor - said.total_minor),
    )
