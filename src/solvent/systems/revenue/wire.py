"""Where does the program meet revenue?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from solvent.kernel.ledger.events import (
    CreditNoteIssued,
    InvoiceFinalized,
    InvoiceVoided,
    PaymentRecorded,
    RefundRecorded,
)
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.ctx import Ctx
from solvent.kit.wiring import Event, Wiring
from solvent.systems.revenue import tasks
from solvent.systems.revenue.cli import app

LINGER_MS = 1_000
"""Numbers may be a second old, so that under load many events share a transaction."""

HANDLERS: tuple[tuple[type[Event], Callable[[Ctx, Sequence[Any]], Awaitable[None]]], ...] = (
    (SubscriptionChanged, tasks.on_subscription_changed),
    (InvoiceFinalized, tasks.on_invoice_finalized),
    (InvoiceVoided, tasks.on_invoice_voided),
    (CreditNoteIssued, tasks.on_credit_note_issued),
    (PaymentRecorded, tasks.on_payment_recorded),
    (RefundRecorded, tasks.on_refund_recorded),
)


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; follow subscriptions and documents, many events at a time."""
    wiring.routes("solvent.systems.revenue.api:ROUTERS")
    wiring.command(app, name="revenue")
    for event, run in HANDLERS:
        name = f"revenue.{run.__name__}"
        wiring.handle_batch(event, run, name=name, linger_ms=LINGER_MS)
