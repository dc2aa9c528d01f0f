"""How does money that arrived, or went back, come into the books once?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.errors import AmountNotPositive, PaymentChanged, PaymentNotFound
from solvent.kernel.ledger.events import PaymentRecorded, RefundRecorded
from solvent.kernel.ledger.model import (
    Payment,
    PaymentId,
    Posting,
    Purpose,
    Settled,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import journal, settling
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import invoices as invoice_store
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.ledger.store import payments as store
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money


async def record_payment(
    ctx: Ctx,
    *,
    provider: str,
    provider_payment_id: str,
    customer_id: str,
    amount: Money,
    received_at: datetime,
    subscription_id: str | None = None,
    covers_from: datetime | None = None,
) -> Payment:
    """Book money of a customer, once per provider and its id, and use it for what is due.

    `subscription_id` with `covers_from` (the start of the period that the provider charged for)
    earmarks it: it waits as the customer's credit for that period's invoice and is used for no
    other until that one is final, so that nothing is charged twice. Without them it is used for the
    customer's open invoices, the oldest first. Emits `payment_recorded`, and `invoice_paid` for
    each invoice on which nothing is due any more.

    Raises:
        AmountNotPositive: nothing arrived.
        PaymentChanged: the provider's id is known with another amount, currency or customer.
    """
    receipt = Receipt(
        provider=provider,
        provider_payment_id=provider_payment_id,
        customer_id=customer_id,
        amount=amount,
        received_at=received_at,
        subscription_id=subscription_id,
        covers_from=covers_from,
    )
    return (await record_payments(ctx, [receipt]))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that arrived, by the provider's name for it; see `record_payment`."""

    provider: str
    provider_payment_id: str
    customer_id: str
    amount: Money
    received_at: datetime
    subscription_id: str | None = None
    covers_from: datetime | None = None


async def record_payments(ctx: Ctx, receipts: Sequence[Receipt]) -> list[Payment]:
    """As `record_payment`, for many; of one that is refused the caller undoes the others."""
    payments = [_payment(ctx, receipt) for receipt in receipts]
    return await _receive(ctx, payments, tell=_tell_recorded)


def _payment(ctx: Ctx, receipt: Receipt) -> Payment:
    return Payment(
        id=PaymentId(ctx.ids.new("pay")),
        provider=receipt.provider,
        provider_payment_id=receipt.provider_payment_id,
        purpose=Purpose.ACCOUNT,
        customer_id=receipt.customer_id,
        currency=receipt.amount.currency,
        amount_minor=receipt.amount.amount_minor,
        unapplied_minor=receipt.amount.amount_minor,
        refunded_minor=0,
        received_at=receipt.received_at,
        subscription_id=receipt.subscription_id,
        covers_from=receipt.covers_from,
    )


async def record_purchase(
    ctx: Ctx,
    *,
    provider: str,
    provider_payment_id: str,
    customer_id: str,
    amount: Money,
    received_at: datetime,
) -> Payment:
    """Book what a customer paid for something sold once, outside of invoices, once.

    It is revenue at once and never credit: no invoice uses it. Emits and raises as
    `record_payment`; a payment that is known already is returned as it was first booked.
    """
    payment = Payment(
        id=PaymentId(ctx.ids.new("pay")),
        provider=provider,
        provider_payment_id=provider_payment_id,
        purpose=Purpose.PURCHASE,
        customer_id=customer_id,
        currency=amount.currency,
        amount_minor=amount.amount_minor,
        unapplied_minor=0,
        refunded_minor=0,
        received_at=received_at,
    )
    return await receive(ctx, payment, tell=_tell_recorded)


Tell: TypeAlias = Callable[[Ctx, Payment], Awaitable[None]]


async def receive(ctx: Ctx, payment: Payment, *, tell: Tell) -> Payment:
    """Book a payment or grant once and use it for what is due; return it as it then stands."""
    return (await _receive(ctx, [payment], tell=tell))[0]


async def _receive(ctx: Ctx, payments: Sequence[Payment], *, tell: Tell) -> list[Payment]:
    ctx.require(SCOPE_WRITE)
    if any(payment.amount_minor <= 0 for payment in payments):
        raise AmountNotPositive(field="amount")
    payers = [payment.customer_id for payment in payments]
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, *payers)
    written = await store.insert(ctx.tx, ctx.tenant_id, payments)
    new = [payment for payment in payments if payment.id in written]
    await journal.post_all(ctx, [_posting(payment) for payment in new])
    for payment in new:
        await tell(ctx, payment)
    used = await _use(ctx, new)
    return [used[one.id] if one.id in written else await _known(ctx, one) for one in payments]


async def _use(ctx: Ctx, new: Sequence[Payment]) -> dict[str, Payment]:
    """Use new payments for what their customers owe; return them as they then stand, by id."""
    pairs = {(one.customer_id, one.currency) for one in new if one.unapplied_minor}
    owing = await invoice_store.list_owing(ctx.tx, ctx.tenant_id, pairs)
    used: dict[str, Payment] = {one.id: one for one in new}
    for one in new:
        if (one.customer_id, one.currency) in owing and one.unapplied_minor:
            await pay_open_invoices(ctx, one)
            used[one.id] = await get_payment(ctx, one.id)
    return used


async def _known(ctx: Ctx, payment: Payment) -> Payment:
    known = await _find(ctx, payment.provider, payment.provider_payment_id)
    if _identity(known) != _identity(payment):
        raise PaymentChanged(field="provider_payment_id", given=payment.provider_payment_id[:200])
    return known


def _identity(payment: Payment) -> tuple[str, int, str]:
    return (payment.customer_id, payment.amount_minor, payment.currency)


def _posting(payment: Payment) -> Posting:
    granted = payment.purpose is Purpose.GRANT
    return Posting(
        Source(SourceKind.GRANT if granted else SourceKind.PAYMENT, payment.id),
        f"{payment.provider} {payment.provider_payment_id}",
        rules.payment_entries(payment),
    )


async def _tell_recorded(ctx: Ctx, payment: Payment) -> None:
    audit.record(
        ctx,
        action="ledger.payment_recorded",
        subject=payment.id,
        data={
            "customer_id": payment.customer_id,
            "provider": payment.provider,
            "provider_payment_id": payment.provider_payment_id,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
        },
    )
    event = PaymentRecorded(
        payment_id=payment.id,
        customer_id=payment.customer_id,
        provider=payment.provider,
        provider_payment_id=payment.provider_payment_id,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        received_at=payment.received_at,
    )
    await ctx.bus.emit(ctx, event)


async def pay_open_invoices(ctx: Ctx, payment: Payment) -> None:
    """Settle the customer's open invoices, the one that the payment is earmarked for first."""
    due = await invoice_store.list_open(
        ctx.tx, ctx.tenant_id, customer_id=payment.customer_id, currency=payment.currency
    )
    for invoice in sorted(due, key=lambda one: not rules.is_for(one, payment)):
        settled = await settling.settle(ctx, invoice)
        if settled != invoice:
            await invoice_store.save_state(ctx.tx, ctx.tenant_id, settled)
            await settling.announce_paid(ctx, settled)


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that a provider gave back, by the provider's names."""

    provider: str
    provider_refund_id: str
    provider_payment_id: str
    amount: Money


async def record_refund(ctx: Ctx, refund: Refund) -> Payment:
    """Book money that went back, once per provider and its id; return the payment as it now is.

    Credit that no invoice has used goes first. What an invoice had used goes to the refund account:
    the invoice stays paid until a credit note corrects it. Emits `refund_recorded`.

    Raises:
        PaymentNotFound: the payment is not known (yet: a webhook may overtake another).
        RefundExceedsPayment: more than was paid and not yet refunded.
        PaymentChanged: the refund is known with another amount, or the currency differs.
    """
    ctx.require(SCOPE_WRITE)
    if refund.amount.amount_minor <= 0:
        raise AmountNotPositive(field="amount")
    payment = await _find(ctx, refund.provider, refund.provider_payment_id)
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, payment.customer_id)
    payment = await get_payment(ctx, payment.id)
    if payment.currency != refund.amount.currency:
        raise PaymentChanged(field="currency", given=refund.amount.currency)
    if await _refund_known(ctx, refund, payment):
        return payment
    return await _give_back(ctx, refund, payment)


async def _refund_known(ctx: Ctx, refund: Refund, payment: Payment) -> bool:
    known = await store.find_refund(
        ctx.tx,
        ctx.tenant_id,
        provider=refund.provider,
        provider_refund_id=refund.provider_refund_id,
    )
    if known is not None and known != (payment.id, refund.amount.amount_minor):
        raise PaymentChanged(field="provider_refund_id", given=refund.provider_refund_id[:200])
    return known is not None


async def _give_back(ctx: Ctx, refund: Refund, payment: Payment) -> Payment:
    amount_minor = refund.amount.amount_minor
    entries = rules.refund_entries(payment, amount_minor)
    from_credit_minor = rules.refund_from_credit(payment, amount_minor)
    refund_id = ctx.ids.new("rfd")
    await store.add_refund(
        ctx.tx,
        ctx.tenant_id,
        refund_id=refund_id,
        payment_id=payment.id,
        provider=refund.provider,
        provider_refund_id=refund.provider_refund_id,
        amount_minor=amount_minor,
        from_credit_minor=from_credit_minor,
        at=ctx.now(),
    )
    source = Source(SourceKind.REFUND, refund_id)
    await journal.post(ctx, Posting(source, f"refund of {payment.id}", entries))
    await _tell_refund(ctx, refund, payment)
    return replace(
        payment,
        refunded_minor=payment.refunded_minor + amount_minor,
        unapplied_minor=payment.unapplied_minor - from_credit_minor,
    )


async def _tell_refund(ctx: Ctx, refund: Refund, payment: Payment) -> None:
    audit.record(
        ctx,
        action="ledger.refund_recorded",
        subject=payment.id,
        data={
            "provider_refund_id": refund.provider_refund_id,
            "amount_minor": refund.amount.amount_minor,
            "currency": payment.currency,
        },
    )
    event = RefundRecorded(
        payment_id=payment.id,
        customer_id=payment.customer_id,
        provider=refund.provider,
        provider_refund_id=refund.provider_refund_id,
        currency=payment.currency,
        amount_minor=refund.amount.amount_minor,
    )
    await ctx.bus.emit(ctx, event)


async def settlements(ctx: Ctx, invoice_id: str) -> list[Settled]:
    """Return which payments have paid how much of an invoice, the oldest payment first."""
    ctx.require(SCOPE_READ)
    used = await store.list_settled(ctx.tx, ctx.tenant_id, invoice_id=invoice_id)
    payments = await store.find_all(ctx.tx, ctx.tenant_id, [one.payment_id for one in used])
    return [Settled(payments[one.payment_id], one.amount_minor) for one in used]


async def _find(ctx: Ctx, provider: str, provider_payment_id: str) -> Payment:
    found = await store.find_by_provider(
        ctx.tx, ctx.tenant_id, provider=provider, provider_payment_id=provider_payment_id
    )
    if found is None:
        raise PaymentNotFound(field="provider_payment_id", given=provider_payment_id[:200])
    return found


async def find_payment(ctx: Ctx, provider: str, provider_payment_id: str) -> Payment:
    """Return a payment by its provider's id. Raises `PaymentNotFound`."""
    ctx.require(SCOPE_READ)
    return await _find(ctx, provider, provider_payment_id)


async def get_payment(ctx: Ctx, payment_id: str) -> Payment:
    """Return a payment. Raises `PaymentNotFound`."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, payment_id)
    if found is None:
        raise PaymentNotFound(field="payment_id", given=payment_id[:64])
    return found
