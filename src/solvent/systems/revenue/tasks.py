"""What does revenue do once something happened to a subscription or in the ledger?

Each handler derives what is touched again from history, so the order of events, their number and
how often each is delivered do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import (
    CreditNoteIssued,
    InvoiceFinalized,
    InvoiceVoided,
    PaymentRecorded,
    RefundRecorded,
)
from solvent.kernel.ledger.service import history as ledger_history
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.ctx import Ctx
from solvent.systems.revenue import service
from solvent.systems.revenue.service import note


async def on_subscription_changed(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Note what recurring revenue of these customers moved by."""
    await service.follow(ctx, sorted({event.customer_id for event in events}))


async def on_invoice_finalized(ctx: Ctx, events: Sequence[InvoiceFinalized]) -> None:
    """Note what the invoices earn, and coupons for ever that have begun to count."""
    noted = await service.note_invoices(ctx, [event.invoice_id for event in events])
    if noted.with_coupons:
        await service.follow(ctx, sorted(noted.with_coupons))


async def on_invoice_voided(ctx: Ctx, events: Sequence[InvoiceVoided]) -> None:
    """Note that an invoice that had a number earns nothing any more."""
    await service.note_invoices(
        ctx, [event.invoice_id for event in events if event.number is not None]
    )


async def on_credit_note_issued(ctx: Ctx, events: Sequence[CreditNoteIssued]) -> None:
    """Note what credit notes take back."""
    noted, further = note.Noted(), note.Further()
    for event in events:
        found = await ledger.get_credit_note(ctx, event.credit_note_id)
        noted.add(await note.of_credit_note(ctx, found, further))
    await note.keep(ctx, noted)


async def on_payment_recorded(ctx: Ctx, events: Sequence[PaymentRecorded]) -> None:
    """Note what was sold once, outside of invoices; other payments earn nothing by themselves."""
    noted = note.Noted()
    for one in await ledger_history.purchases_of(ctx, [event.payment_id for event in events]):
        noted.add(note.of_purchase(one))
    await note.keep(ctx, noted)


async def on_refund_recorded(ctx: Ctx, events: Sequence[RefundRecorded]) -> None:
    """Note what refunds take back of the invoices that had used the money."""
    noted, further = note.Noted(), note.Further()
    ids = sorted({event.payment_id for event in events})
    for one in await ledger_history.list_given_back(ctx, payment_ids=ids):
        noted.add(await note.of_refund(ctx, one, further))
    await note.keep(ctx, noted)
