"""How is a final invoice corrected, since it never changes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.errors import (
    CreditChanged,
    CreditMalformed,
    CreditNoteNotFound,
    CreditNotRefunded,
    InvoiceNotCreditable,
)
from solvent.kernel.ledger.events import CreditNoteIssued
from solvent.kernel.ledger.model import (
    CreditDraft,
    CreditNote,
    CreditPart,
    CreditTo,
    Invoice,
    InvoiceStatus,
    Payment,
    PaymentId,
    Posting,
    Purpose,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import invoices, journal, payments, settling
from solvent.kernel.ledger.service.grants import PROVIDER
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import credit_notes as store
from solvent.kernel.ledger.store import invoices as invoice_store
from solvent.kernel.ledger.store import numbers
from solvent.kernel.ledger.store import payments as payment_store
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE

TEXT_LENGTH_MAX = 200


async def issue_credit_note(
    ctx: Ctx,
    invoice_id: str,
    *,
    reason: str,
    source: str,
    parts: Sequence[CreditPart] | None = None,
    to: CreditTo = CreditTo.BALANCE,
) -> CreditNote:
    """Take back parts of a final invoice (None: all that is left), once per `source`.

    It takes off what is still due first. What had been paid becomes the customer's credit, or is
    matched with money that a provider has given back. Emits `credit_note_issued`.

    Raises:
        InvoiceNotFound: there is no such invoice.
        InvoiceNotCreditable: it is a draft or void.
        CreditMalformed, CreditExceedsInvoice: names the line.
        CreditNotRefunded: less of it has gone back than is to be matched.
        CreditChanged: the source is known for another invoice.
    """
    ctx.require(SCOPE_WRITE)
    _check_texts(reason, source)
    invoice = await invoices.locked(ctx, invoice_id)
    known = await store.find_by_source(ctx.tx, ctx.tenant_id, source)
    if known is not None:
        return _same(known, invoice)
    if invoice.status not in {InvoiceStatus.FINAL, InvoiceStatus.PAID}:
        raise InvoiceNotCreditable(field="invoice_id")
    before = await store.list_for(ctx.tx, ctx.tenant_id, invoice.id)
    told = [note.said for note in before]
    wanted = rules.everything(invoice, told) if parts is None else parts
    said = rules.credit(invoice, wanted, told, reason=reason, to=to)
    off_due_minor = min(invoice.due_minor, said.total_minor)
    if to is CreditTo.REFUNDED:
        await _must_be_refunded(ctx, invoice, before, said.total_minor - off_due_minor)
    return await _issue(ctx, invoice, said, source=source, off_due_minor=off_due_minor)


def _check_texts(reason: str, source: str) -> None:
    for field, text in (("reason", reason), ("source", source)):
        if not 0 < len(text) <= TEXT_LENGTH_MAX or not text.isprintable() or text.isspace():
            message = f"expected 1 to {TEXT_LENGTH_MAX} printable characters"
            raise CreditMalformed(message, field=field)


def _same(known: CreditNote, invoice: Invoice) -> CreditNote:
    if known.said.invoice_id != invoice.id:
        raise CreditChanged(field="source", given=known.source)
    return known


async def _must_be_refunded(
    ctx: Ctx, invoice: Invoice, before: Sequence[CreditNote], amount_minor: int
) -> None:
    matched_minor = sum(
        note.said.total_minor - note.off_due_minor
        for note in before
        if note.said.to is CreditTo.REFUNDED
    )
    back_minor = await store.refunded(ctx.tx, ctx.tenant_id, invoice.id)
    if matched_minor + amount_minor > back_minor:
        raise CreditNotRefunded(field="to", left_minor=back_minor - matched_minor)


async def _issue(
    ctx: Ctx, invoice: Invoice, said: CreditDraft, *, source: str, off_due_minor: int
) -> CreditNote:
    note_id = ctx.ids.new("cn")
    entries = rules.credit_entries(said, off_due_minor=off_due_minor)
    posting = Posting(Source(SourceKind.CREDIT_NOTE, note_id), f"credit on {invoice.id}", entries)
    await journal.post(ctx, posting)
    await _take_off_due(ctx, invoice, off_due_minor)
    if said.to is CreditTo.BALANCE and said.total_minor > off_due_minor:
        await _to_balance(ctx, note_id, said, said.total_minor - off_due_minor)
    text = document.canonical_credit(said)
    note = CreditNote(
        id=note_id,
        number=await numbers.draw(ctx.tx, ctx.tenant_id, numbers.CREDIT_NOTE),
        said=said,
        source=source,
        digest=document.digest(text),
        off_due_minor=off_due_minor,
        issued_at=ctx.now(),
    )
    await store.insert(ctx.tx, ctx.tenant_id, note, text=text)
    await _tell(ctx, note)
    return note


async def _take_off_due(ctx: Ctx, invoice: Invoice, amount_minor: int) -> None:
    if not amount_minor:
        return
    left = replace(invoice, credited_minor=invoice.credited_minor + amount_minor)
    if left.due_minor == 0:
        left = replace(left, status=InvoiceStatus.PAID, paid_at=ctx.now())
    await invoice_store.save_state(ctx.tx, ctx.tenant_id, left)
    await settling.announce_paid(ctx, left)


async def _to_balance(ctx: Ctx, note_id: str, said: CreditDraft, amount_minor: int) -> None:
    """Keep what had been paid as the customer's credit; the note's own entries have booked it."""
    credit = Payment(
        id=PaymentId(ctx.ids.new("pay")),
        provider=PROVIDER,
        provider_payment_id=note_id,
        purpose=Purpose.ACCOUNT,
        customer_id=said.customer_id,
        currency=said.currency,
        amount_minor=amount_minor,
        unapplied_minor=amount_minor,
        refunded_minor=0,
        received_at=ctx.now(),
        description=f"credit note {note_id}",
    )
    await payment_store.insert(ctx.tx, ctx.tenant_id, [credit])
    await payments.pay_open_invoices(ctx, credit)


async def _tell(ctx: Ctx, note: CreditNote) -> None:
    said = note.said
    audit.record(
        ctx,
        action="ledger.credit_note_issued",
        subject=note.id,
        data={
            "number": note.number,
            "invoice_id": said.invoice_id,
            "total_minor": said.total_minor,
            "reason": said.reason,
        },
    )
    event = CreditNoteIssued(
        credit_note_id=note.id,
        number=note.number,
        invoice_id=said.invoice_id,
        customer_id=said.customer_id,
        currency=said.currency,
        total_minor=said.total_minor,
    )
    await ctx.bus.emit(ctx, event)


async def get_credit_note(ctx: Ctx, note_id: str) -> CreditNote:
    """Return a credit note. Raises `CreditNoteNotFound`."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, note_id)
    if found is None:
        raise CreditNoteNotFound(field="credit_note_id", given=note_id[:64])
    return found


async def list_credit_notes(
    ctx: Ctx, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[CreditNote]:
    """Return credit notes, the newest first, beginning after the id `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def credit_notes_of(ctx: Ctx, invoice_id: str) -> list[CreditNote]:
    """Return the credit notes of an invoice, the oldest first."""
    ctx.require(SCOPE_READ)
    return await store.list_for(ctx.tx, ctx.tenant_id, invoice_id)
