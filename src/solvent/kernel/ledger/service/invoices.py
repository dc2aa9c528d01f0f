"""How does an invoice get its number, and how is it taken back, found and derived again?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.errors import (
    InvoiceNotDraft,
    InvoiceNotFound,
    InvoiceNotVoidable,
)
from solvent.kernel.ledger.events import InvoiceFinalized, InvoiceVoided
from solvent.kernel.ledger.model import (
    Invoice,
    InvoiceStatus,
    Letterhead,
    Parties,
    Posting,
    Rebuilt,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import coupons, journal, settling
from solvent.kernel.ledger.service.drawing import gather_again
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.ledger.store import numbers
from solvent.kernel.ledger.store import payments as payment_store
from solvent.kernel.metering import service as metering
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Mode
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.limits import PAGE_SIZE

PAYMENT_TERM = timedelta(days=14)
"""How long after it became final an invoice is due."""


async def finalize_invoice(
    ctx: Ctx, invoice_id: str, *, letterhead: Letterhead | None = None
) -> Invoice:
    """Freeze a draft: book it, use the customer's credit for it, and give it the next number.

    The parties are frozen as they are now, with the letterhead that the caller tells.
    A final invoice is returned as it is. Emits `invoice_finalized`, and `invoice_paid` if nothing
    is due. The number is drawn last, so that its counter is locked for the shortest time.

    Raises:
        InvoiceNotFound: there is no such invoice.
        InvoiceNotDraft: it is void.
    """
    ctx.require(SCOPE_WRITE)
    invoice = await locked(ctx, invoice_id)
    if invoice.status is InvoiceStatus.VOID:
        raise InvoiceNotDraft(field="invoice_id")
    if invoice.status is not InvoiceStatus.DRAFT:
        return invoice
    now = ctx.now()
    invoice = replace(
        invoice,
        status=InvoiceStatus.FINAL,
        parties=replace(await _parties(ctx, invoice), letterhead=letterhead),
        finalized_at=now,
        due_at=now + PAYMENT_TERM,
    )
    await _book(ctx, invoice)
    await coupons.note_uses(ctx, invoice)
    invoice = await settling.settle(ctx, invoice)
    number = await numbers.draw(ctx.tx, ctx.tenant_id, numbers.INVOICE)
    invoice = replace(invoice, number=number)
    await store.save_state(ctx.tx, ctx.tenant_id, invoice)
    await _tell_final(ctx, invoice, number)
    await settling.announce_paid(ctx, invoice)
    return invoice


async def locked(ctx: Ctx, invoice_id: str) -> Invoice:
    """Return an invoice as it stands while nobody else moves its customer's money."""
    invoice = await _get(ctx, invoice_id)
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, invoice.draft.customer_id)
    return await _get(ctx, invoice_id)


async def _parties(ctx: Ctx, invoice: Invoice) -> Parties:
    tenant = await tenants.current(ctx)
    customer = await tenants.get_customer(ctx, invoice.draft.customer_id)
    return Parties(
        seller_name=tenant.name,
        buyer_ref=customer.external_ref,
        buyer_name=customer.name,
        buyer_email=customer.email,
        buyer_country=customer.country,
        time_zone=customer.time_zone,
        test_mode=tenant.mode is Mode.TEST,
    )


async def _book(ctx: Ctx, invoice: Invoice) -> None:
    entries = rules.invoice_entries(invoice)
    if entries:
        source = Source(SourceKind.INVOICE, invoice.id)
        await journal.post(ctx, Posting(source, f"invoice {invoice.id}", entries))


async def _tell_final(ctx: Ctx, invoice: Invoice, number: int) -> None:
    said = invoice.draft
    audit.record(
        ctx,
        action="ledger.invoice_finalized",
        subject=invoice.id,
        data={
            "number": number,
            "customer_id": said.customer_id,
            "total_minor": said.total_minor,
            "currency": said.currency,
            "digest": invoice.digest,
        },
    )
    event = InvoiceFinalized(
        invoice_id=invoice.id,
        number=number,
        customer_id=said.customer_id,
        subscription_id=said.subscription_id,
        period_start=said.period_start,
        period_end=said.period_end,
        currency=said.currency,
        total_minor=said.total_minor,
        due_minor=invoice.due_minor,
        digest=invoice.digest,
    )
    await ctx.bus.emit(ctx, event)


async def invoiced_until(ctx: Ctx, subscription_id: str) -> datetime | None:
    """Return the end of the latest period of a subscription that has an invoice, if any has."""
    ctx.require(SCOPE_READ)
    return await store.last_end(ctx.tx, ctx.tenant_id, subscription_id=subscription_id)


async def void_invoice(ctx: Ctx, invoice_id: str, *, reason: str) -> Invoice:
    """Take back a draft or an unpaid final invoice; money already used for it is credit again.

    Its number stays used and its period stays invoiced. Voiding again changes nothing. Emits
    `invoice_voided`.

    Raises:
        InvoiceNotFound: there is no such invoice.
        InvoiceNotVoidable: it is paid.
    """
    ctx.require(SCOPE_WRITE)
    invoice = await locked(ctx, invoice_id)
    if invoice.status is InvoiceStatus.VOID:
        return invoice
    if invoice.status is InvoiceStatus.PAID or invoice.credited_minor:
        raise InvoiceNotVoidable(field="invoice_id")
    await _release(ctx, invoice)
    await item_store.release(ctx.tx, ctx.tenant_id, invoice_id=invoice.id)
    booked = await journal.find_by_source(ctx, Source(SourceKind.INVOICE, invoice.id))
    if booked is not None:
        await journal.reverse(ctx, booked.id, reason=reason)
    invoice = replace(invoice, status=InvoiceStatus.VOID, paid_minor=0, voided_at=ctx.now())
    await store.save_state(ctx.tx, ctx.tenant_id, invoice)
    await _tell_void(ctx, invoice, reason)
    return invoice


async def _release(ctx: Ctx, invoice: Invoice) -> None:
    for used in await payment_store.list_settled(ctx.tx, ctx.tenant_id, invoice_id=invoice.id):
        payment = await payment_store.find(ctx.tx, ctx.tenant_id, used.payment_id)
        if payment is not None:
            await settling.move(ctx, replace(used, amount_minor=-used.amount_minor), payment)


async def _tell_void(ctx: Ctx, invoice: Invoice, reason: str) -> None:
    audit.record(
        ctx,
        action="ledger.invoice_voided",
        subject=invoice.id,
        data={"number": invoice.number, "reason": reason},
    )
    event = InvoiceVoided(
        invoice_id=invoice.id,
        number=invoice.number,
        customer_id=invoice.draft.customer_id,
        subscription_id=invoice.draft.subscription_id,
        reason=reason,
    )
    await ctx.bus.emit(ctx, event)


async def rebuild_invoice(ctx: Ctx, invoice_id: str) -> Rebuilt:
    """Derive an invoice again from events and prices and compare it, byte for byte; saves nothing.

    Usage that arrived after it was drawn is counted as late, and is no difference.

    Raises:
        InvoiceNotFound: there is no such invoice.
    """
    ctx.require(SCOPE_READ)
    invoice = await _get(ctx, invoice_id)
    said = invoice.draft
    subscription = await subscriptions.get(ctx, said.subscription_id)
    seen = await gather_again(ctx, subscription, said, up_to=said.usage_up_to)
    now = await gather_again(ctx, subscription, said, up_to=await metering.last_arrival(ctx))
    again = rules.draft(seen)
    return Rebuilt(
        invoice_id=invoice.id,
        reference=invoice.reference,
        digest=invoice.digest,
        rebuilt_digest=document.digest(document.canonical(again)),
        differences=document.differences(said, again),
        late_events=rules.event_count(rules.draft(now)) - rules.event_count(again),
    )


async def get_invoice(ctx: Ctx, invoice_id: str) -> Invoice:
    """Return an invoice by its id. Raises `InvoiceNotFound`."""
    ctx.require(SCOPE_READ)
    return await _get(ctx, invoice_id)


async def _get(ctx: Ctx, invoice_id: str) -> Invoice:
    known = is_id(invoice_id, prefix="inv")
    found = await store.find(ctx.tx, ctx.tenant_id, invoice_id) if known else None
    if found is None:
        raise InvoiceNotFound(field="invoice_id", given=invoice_id[:64])
    return found


async def find_invoice(ctx: Ctx, number: int) -> Invoice:
    """Return an invoice by its number. Raises `InvoiceNotFound`."""
    ctx.require(SCOPE_READ)
    found = await store.find_by_number(ctx.tx, ctx.tenant_id, number)
    if found is None:
        raise InvoiceNotFound(field="number", given=number)
    return found


async def list_invoices(
    ctx: Ctx,
    *,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    status: InvoiceStatus | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> list[Invoice]:
    """Return invoices, newest first, beginning after the id `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_page(
        ctx.tx,
        ctx.tenant_id,
        customer_id=customer_id,
        subscription_id=subscription_id,
        status=status,
        after=after,
        limit=limit,
    )
