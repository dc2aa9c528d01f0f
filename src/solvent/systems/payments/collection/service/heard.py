"""What do events, jobs and webhooks change about what is being collected?"""

from __future__ import annotations

from solvent.contracts.payments import ChargeSeen
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import InvoiceFinalized
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions.model import TERMINAL, Status
from solvent.kit.ctx import Ctx
from solvent.kit.log import get_logger
from solvent.kit.money import Money
from solvent.systems.payments.collection.limits import UNKNOWN_TOO_LONG
from solvent.systems.payments.collection.model import (
    Collection,
    CollectionState,
    NextStep,
    Purpose,
)
from solvent.systems.payments.collection.service import begin, dunning, top_ups
from solvent.systems.payments.collection.service.outcome import book_stray, settle
from solvent.systems.payments.collection.store import attempts as attempt_store
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.collection.store.asked import ATTEMPTS, REFUNDS
from solvent.systems.payments.model import Provider, Standing
from solvent.systems.payments.ports import Charged
from solvent.systems.payments.store import accounts as accounts_store

log = get_logger(__name__)


async def can_collect(ctx: Ctx) -> bool:
    """Return whether any provider can be asked at all: without, nothing here has any use."""
    return await accounts_store.has_api_key(ctx.tx, ctx.tenant_id)


async def on_invoice_final(ctx: Ctx, event: InvoiceFinalized) -> Collection | None:
    """Begin to collect a final invoice if the policy says so; look at the customer's wallet."""
    begun = await begin.begin_invoice(ctx, event.invoice_id) if event.due_minor > 0 else None
    await top_ups.consider(ctx, event.customer_id, event.currency)
    return begun


async def on_invoice_settled(ctx: Ctx, invoice_id: str) -> None:
    """Stop collecting what is paid or taken back; a subscription that owed is paid for again."""
    known = await store.find_of(ctx.tx, ctx.tenant_id, Purpose.INVOICE, invoice_id)
    held = await store.lock(ctx.tx, ctx.tenant_id, known.id) if known else None
    if held is None or held.state is CollectionState.PAID:
        return
    invoice = await ledger.get_invoice(ctx, invoice_id)
    if invoice.status is InvoiceStatus.PAID:
        await begin.stop_attempts(ctx, held)
        await begin.close(ctx, held, CollectionState.PAID, reason=held.reason)
        await dunning.on_paid(ctx, held)
    elif invoice.status is InvoiceStatus.VOID:
        await begin.stop_held(ctx, held, reason="invoice_voided")
        await dunning.on_paid(ctx, held)


async def on_subscription(ctx: Ctx, subscription_id: str, status: str) -> None:
    """Stop retries once a subscription has ended: who cancels is not charged again and again.

    What was never tried is tried once: the last invoice of what was used.
    """
    if Status(status) not in TERMINAL:
        return
    found = await store.list_open_of_subscription(ctx.tx, ctx.tenant_id, subscription_id)
    for one in found:
        held = await store.lock(ctx.tx, ctx.tenant_id, one.id)
        if held is not None and held.failures and not held.state.over:
            await begin.stop_held(ctx, held, reason="subscription_ended")


async def on_method(ctx: Ctx, customer_id: str) -> int:
    """Try now what has failed and waits; resume top-ups that failed. Return how much is tried."""
    tried = 0
    for one in await store.list_of_customer(ctx.tx, ctx.tenant_id, customer_id):
        held = await store.lock(ctx.tx, ctx.tenant_id, one.id)
        if held and held.state is CollectionState.WAITING and held.failures:
            await begin.retry(ctx, held)
            tried += 1
    await top_ups.resume_failed(ctx, customer_id)
    return tried


async def on_charge(ctx: Ctx, event: ChargeSeen) -> None:
    """Settle the attempt that a provider tells of; one that nobody knows is booked by its invoice.

    Told by a webhook, an answer and the poller: booked once.
    """
    told = Charged(
        Standing(event.standing),
        event.payment_id,
        Money(event.amount_minor, event.currency),
        event.code,
        provider_customer_id=event.provider_customer_id,
    )
    known = await settle(ctx, event.attempt_id, told, at=event.occurred_at)
    if known or told.standing is not Standing.SUCCEEDED:
        return
    provider = Provider(event.provider)
    if not await book_stray(ctx, provider, event.subject_id, told, at=event.occurred_at):
        log.warning("charge_unknown", payment_id=event.payment_id, attempt=event.attempt_id)


async def take_step(ctx: Ctx, collection_id: str) -> Collection | None:
    """Take the step that a collection waits for, if its time has come; each step once."""
    held = await begin.take_step(ctx, collection_id)
    if held is None:
        return None
    if held.next_step is NextStep.GIVE_UP:
        return await dunning.give_up(ctx, held)
    return await begin.retry(ctx, held)


async def list_charged_twice(ctx: Ctx) -> list[tuple[str, str]]:
    """Return what succeeded more than once."""
    found = await attempt_store.list_charged_twice(ctx.tx, ctx.tenant_id)
    return [(collection_id, f"charged {times} times") for collection_id, times in found]


async def list_unknown(ctx: Ctx) -> list[tuple[str, str]]:
    """Return attempts and refunds whose outcome nobody has known for more than an hour."""
    return [
        (one.id, f"outcome unknown after {one.tries} tries: {one.message or 'no answer'}")
        for asked in (ATTEMPTS, REFUNDS)
        for one in await asked.list_unknown(ctx.tx, ctx.tenant_id, longer_than=UNKNOWN_TOO_LONG)
    ]
