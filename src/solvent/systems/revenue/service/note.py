"""How do invoices, purchases, credit notes and refunds become lines of revenue, each once?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import (
    CreditNote,
    Invoice,
    InvoiceStatus,
    LineKind,
    Payment,
    Purpose,
)
from solvent.kernel.ledger.model.history import GivenBack
from solvent.kernel.ledger.service import history as ledger_history
from solvent.kit.ctx import Ctx
from solvent.systems.revenue.model import Line, Reversal, Why
from solvent.systems.revenue.rules import documents
from solvent.systems.revenue.store import lines as store


@dataclass(slots=True)
class Further:
    """For how many months beyond its period a fee is for; plan versions are looked up once."""

    months: dict[documents.PriceOf, int] = field(default_factory=dict[documents.PriceOf, int])
    known: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])


@dataclass(slots=True)
class Noted:
    """What documents earn, and what was taken back of them, before it is kept."""

    lines: list[Line] = field(default_factory=list[Line])
    reversals: list[Reversal] = field(default_factory=list[Reversal])
    with_coupons: set[str] = field(default_factory=set[str])
    """The customers from whose invoices a coupon took something off."""

    def add(self, other: Noted) -> None:
        """Take in what another document earns."""
        self.lines += other.lines
        self.reversals += other.reversals
        self.with_coupons |= other.with_coupons


async def keep(ctx: Ctx, noted: Noted) -> int:
    """Keep what is not kept yet; return how many rows that took."""
    added = await store.insert(ctx.tx, ctx.tenant_id, noted.lines)
    return added + await store.insert_reversals(ctx.tx, ctx.tenant_id, noted.reversals)


async def note_invoices(ctx: Ctx, invoice_ids: Iterable[str]) -> Noted:
    """Keep what final and void invoices earn; return it."""
    noted, further = Noted(), Further()
    for invoice in await ledger_history.invoices_of(ctx, list(dict.fromkeys(invoice_ids))):
        noted.add(await of_invoice(ctx, invoice, further))
    await keep(ctx, noted)
    return noted


async def of_invoice(ctx: Ctx, invoice: Invoice, further: Further) -> Noted:
    """Return what a final invoice earns; of a void one, that all of it was taken back."""
    await _look_up(ctx, invoice, further)
    lines = documents.lines_of(invoice, further=further.months)
    noted = Noted(lines)
    if any(line.kind is LineKind.DISCOUNT for line in invoice.draft.lines):
        noted.with_coupons.add(invoice.draft.customer_id)
    if invoice.status is InvoiceStatus.VOID and invoice.voided_at is not None:
        net_minor = sum(line.amount_minor for line in lines)
        at = invoice.voided_at
        noted.reversals = documents.taken_back(invoice.id, Why.VOID, net_minor, lines, at=at)
    return noted


async def _look_up(ctx: Ctx, invoice: Invoice, further: Further) -> None:
    """Learn of the plan versions of an invoice's lines which fees are charged in each so-many-th
    period only, and so are for more than one.
    """
    for plan in {(line.plan_key, line.plan_version) for line in invoice.draft.lines}:
        if plan not in further.known:
            version = await catalogue.plan_version(ctx, *plan)
            further.known.add(plan)
            for price in version.prices:
                if price.every > 1:
                    months = (price.every - 1) * documents.months_of(version)
                    further.months[*plan, price.key] = months


async def of_credit_note(ctx: Ctx, note: CreditNote, further: Further) -> Noted:
    """Return what a credit note takes back, with the lines that it takes it from."""
    invoice = await ledger.get_invoice(ctx, note.said.invoice_id)
    noted = await of_invoice(ctx, invoice, further)
    noted.reversals += documents.credited(note, noted.lines)
    return noted


async def of_refund(ctx: Ctx, refund: GivenBack, further: Further) -> Noted:
    """Return what a refund takes back of each invoice that had used the money, net of tax."""
    if refund.purchase:
        noted = of_purchase(await ledger.get_payment(ctx, refund.payment_id))
        noted.reversals += documents.refunded(refund, refund.amount_minor, noted.lines)
        return noted
    noted = Noted()
    for invoice_id, share_minor in documents.shares_of(refund):
        invoice = await ledger.get_invoice(ctx, invoice_id)
        found = await of_invoice(ctx, invoice, further)
        net_minor = documents.net_of(invoice.draft, share_minor)
        found.reversals += documents.refunded(refund, net_minor, found.lines)
        noted.add(found)
    return noted


def of_purchase(payment: Payment) -> Noted:
    """Return what something sold once, outside of invoices, earns; nothing of other payments."""
    return Noted([documents.purchase_line(payment)] if payment.purpose is Purpose.PURCHASE else [])
