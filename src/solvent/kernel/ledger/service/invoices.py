"""How does an invoice get its number, and how is it taken back, found and derived again?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    InvoiceKind,
    InvoiceStatus,
    Letterhead,
    Parties,
    Posting,
    Rebuilt,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import coupons, journal, settling
from solvent.kernel.ledger.service.drawing import count_late, gather_again
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.ledger.store import numbers
from solvent.kernel.ledger.store import payments as payment_store
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer, Mode, Tenant
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
    return (await finalize_invoices(ctx, {invoice_id: letterhead}))[0]


async def finalize_invoices(
    ctx: Ctx, letterheads: Mapping[str, Letterhead | None]
) -> list[Invoice]:
    """Freeze many drafts, named by id, as `finalize_invoice` would one after another.

    They get their numbers in the order given. Raises as `finalize_invoice`; then none is frozen.
    """
    ctx.require(SCOPE_WRITE)
    found = await _locked_many(ctx, list(letterheads))
    if any(one.status is InvoiceStatus.VOID for one in found):
        raise InvoiceNotDraft(field="invoice_id")
    drafts = [one for one in found if one.status is InvoiceStatus.DRAFT]
    frozen = await _frozen(ctx, drafts, letterheads)
    await _book(ctx, frozen)
    settled = await settling.settle_all(ctx, frozen)
    series = numbers.INVOICE
    drawn = await numbers.draw_many(ctx.tx, ctx.tenant_id, series, count=len(settled))
    final = [replace(one, number=number) for one, number in zip(settled, drawn, strict=True)]
    await store.save_states(ctx.tx, ctx.tenant_id, final)
    for one in final:
        await _tell_final(ctx, one, one.number or 0)
        await settling.announce_paid(ctx, one)
    done = {one.id: one for one in final}
    return [done.get(one.id, one) for one in found]


async def _locked_many(ctx: Ctx, ids: Sequence[str]) -> list[Invoice]:
    """Return invoices as they stand while nobody else moves their customers' money."""
    known = [one for one in ids if is_id(one, prefix="inv")]
    customers = await store.customers_of(ctx.tx, ctx.tenant_id, known)
    for one in ids:
        if one not in customers:
            raise InvoiceNotFound(field="invoice_id", given=one[:64])
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, *set(customers.values()))
    found = await store.find_many(ctx.tx, ctx.tenant_id, known)
    return [found[one] for one in ids]


async def _frozen(
    ctx: Ctx, drafts: Sequence[Invoice], letterheads: Mapping[str, Letterhead | None]
) -> list[Invoice]:
    """Return drafts with their parties and dates as they are now."""
    now = ctx.now()
    tenant = await tenants.current(ctx)
    ids = sorted({one.draft.customer_id for one in drafts})
    customers = await tenants.customers_by_ids(ctx, ids)
    return [
        replace(
            one,
            status=InvoiceStatus.FINAL,
            parties=_parties(tenant, customers[one.draft.customer_id], letterheads[one.id]),
            finalized_at=now,
            due_at=now + PAYMENT_TERM,
        )
        for one in drafts
    ]


async def locked(ctx: Ctx, invoice_id: str) -> Invoice:
    """Return an invoice as it stands while nobody else moves its customer's money."""
    invoice = await _get(ctx, invoice_id)
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, invoice.draft.customer_id)
    return await _get(ctx, invoice_id)


def _parties(tenant: Tenant, customer: Customer, letterhead: Letterhead | None) -> Parties:
    return Parties(
        seller_name=tenant.name,
        buyer_ref=customer.external_ref,
        buyer_name=customer.name,
        buyer_email=customer.email,
        buyer_country=customer.country,
        time_zone=customer.time_zone,
        test_mode=tenant.mode is Mode.TEST,
        letterhead=letterhead,
    )


async def _book(ctx: Ctx, invoices: Sequence[Invoice]) -> None:
    postings = [
        Posting(Source(SourceKind.INVOICE, one.id), f"invoice {one.id}", entries)
        for one in invoices
        for entries in [rules.invoice_entries(one)]
        if entries
    ]
    if postings:
        await journal.post_all(ctx, postings)
    for one in invoices:
        await coupons.note_uses(ctx, one)


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


async def invoiced_until_of(ctx: Ctx, subscription_ids: Collection[str]) -> dict[str, datetime]:
    """Return what `invoiced_until` would of each of these subscriptions that has an invoice."""
    ctx.require(SCOPE_READ)
    return await store.last_ends(ctx.tx, ctx.tenant_id, subscription_ids)


async def recent_totals(
    ctx: Ctx, wanted: Collection[tuple[str, InvoiceKind]], *, limit: int
) -> dict[tuple[str, InvoiceKind], list[int]]:
    """Return the totals of the latest final invoices of each (subscription, kind), newest first."""
    ctx.require(SCOPE_READ)
    return await store.recent_totals(ctx.tx, ctx.tenant_id, wanted, limit=limit)


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
    again = rules.draft(await gather_again(ctx, subscription, said))
    return Rebuilt(
        invoice_id=invoice.id,
        reference=invoice.reference,
        digest=invoice.digest,
        rebuilt_digest=document.digest(document.canonical(again)),
        differences=document.differences(said, again),
        late_events=await count_late(ctx, subscription, again),
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
