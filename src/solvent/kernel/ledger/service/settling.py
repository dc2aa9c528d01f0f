"""How does money that is there meet an invoice that is due?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.events import InvoicePaid
from solvent.kernel.ledger.model import (
    Invoice,
    InvoiceStatus,
    Payment,
    Posting,
    Settlement,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import journal
from solvent.kernel.ledger.store import payments as store
from solvent.kit.ctx import Ctx


async def settle(ctx: Ctx, invoice: Invoice) -> Invoice:
    """Use the customer's credit for an invoice; return it as it then stands, not yet saved.

    The caller holds the customer's lock.
    """
    return (await settle_all(ctx, [invoice]))[0]


async def settle_all(ctx: Ctx, invoices: Sequence[Invoice]) -> list[Invoice]:
    """As `settle`, for invoices of customers whose locks are held, in their order."""
    ids = {one.draft.customer_id for one in invoices}
    with_money = await store.list_with_money(ctx.tx, ctx.tenant_id, ids)
    settled: list[Invoice] = []
    for one in invoices:
        now = await _use_credit(ctx, one) if one.draft.customer_id in with_money else one
        paid = replace(now, status=InvoiceStatus.PAID, paid_at=ctx.now())
        settled.append(now if now.due_minor else paid)
    return settled


async def _use_credit(ctx: Ctx, invoice: Invoice) -> Invoice:
    available = await store.list_available(
        ctx.tx,
        ctx.tenant_id,
        customer_id=invoice.draft.customer_id,
        currency=invoice.draft.currency,
        at=ctx.now(),
    )
    payments = {item.payment.id: item.payment for item in available}
    for settlement in rules.settle(invoice, available):
        await move(ctx, settlement, payments[settlement.payment_id])
        invoice = replace(invoice, paid_minor=invoice.paid_minor + settlement.amount_minor)
    return invoice


async def move(ctx: Ctx, settlement: Settlement, payment: Payment) -> None:
    """Write a settlement and post what it moves; a negative one gives the money back."""
    settlement_id = ctx.ids.new("stl")
    await store.add_settlement(
        ctx.tx, ctx.tenant_id, settlement, settlement_id=settlement_id, at=ctx.now()
    )
    posting = Posting(
        Source(SourceKind.SETTLEMENT, settlement_id),
        f"{settlement.payment_id} for {settlement.invoice_id}",
        rules.settlement_entries(settlement, payment=payment),
    )
    await journal.post(ctx, posting)


async def announce_paid(ctx: Ctx, invoice: Invoice) -> None:
    """Tell that nothing is due on an invoice any more."""
    if invoice.status is not InvoiceStatus.PAID or invoice.number is None:
        return
    said = invoice.draft
    audit.record(
        ctx,
        action="ledger.invoice_paid",
        subject=invoice.id,
        data={"number": invoice.number, "total_minor": said.total_minor},
    )
    event = InvoicePaid(
        invoice_id=invoice.id,
        number=invoice.number,
        customer_id=said.customer_id,
        subscription_id=said.subscription_id,
        currency=said.currency,
        total_minor=said.total_minor,
        paid_at=invoice.paid_at or ctx.now(),
    )
    await ctx.bus.emit(ctx, event)
