"""How does money go back to a customer, once, whole or in part?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeAlias

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditTo, Payment, Purpose
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.log import get_logger
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import (
    NotRefundable,
    RefundChanged,
    RefundMalformed,
    RefundNotFound,
    RefundTooLarge,
)
from solvent.systems.payments.collection.limits import (
    LEASE_S,
    PENDING_WAIT_S,
    QUIET_S,
    REASON_CHARS_MAX,
)
from solvent.systems.payments.collection.model import Refund, RefundState
from solvent.systems.payments.collection.rules.schedule import wait_for_outcome
from solvent.systems.payments.collection.service.begin import find_invoice
from solvent.systems.payments.collection.store import refunds as store
from solvent.systems.payments.collection.store.asked import REFUNDS
from solvent.systems.payments.errors import GatewayFailed, GatewayRefused
from solvent.systems.payments.model import Provider, Standing
from solvent.systems.payments.ports import ChargeGateway, Refunded, RefundRequest
from solvent.systems.payments.service.accounts import SCOPE_READ, SCOPE_WRITE, api_key
from solvent.systems.payments.service.money import Payback, book_refunds
from solvent.systems.payments.store import standing as standing_store

log = get_logger(__name__)

Told: TypeAlias = Refunded
LEASE = timedelta(seconds=LEASE_S)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go back: of a payment, or of the payment of an invoice.

    Without an amount it is all that is left. `credit` has a credit note take the whole invoice
    back as soon as the money is on its way.
    """

    source: str
    reason: str
    payment_id: str | None = None
    invoice: str | None = None
    amount_minor: int | None = None
    credit: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund to be asked for, or to be looked at where the provider has it."""

    refund: Refund
    request: RefundRequest
    key: str
    api_key: str = field(repr=False)


async def preview(ctx: Ctx, wish: Wish) -> Refund:
    """Return the refund that a wish would ask for; saves nothing and asks nobody.

    Needs `payments:write`; raises as `write`.
    """
    ctx.require(SCOPE_WRITE)
    _check(wish)
    payment, invoice_id = await _payment(ctx, wish)
    await store.lock_payment(ctx.tx, ctx.tenant_id, payment.id)
    known = await store.find_by_source(ctx.tx, ctx.tenant_id, wish.source)
    if known is not None:
        return _same(known, wish, payment)
    payment = await ledger.get_payment(ctx, payment.id)
    return Refund(
        id=ctx.ids.new("rfd"),
        source=wish.source,
        payment_id=payment.id,
        provider=_provider(payment),
        payment_ref=await _reference(ctx, payment),
        amount_minor=await _amount(ctx, wish, payment),
        currency=payment.currency,
        reason=wish.reason,
        state=RefundState.ASKED,
        written_at=ctx.now(),
        invoice_id=invoice_id if wish.credit else None,
    )


async def write(ctx: Ctx, wish: Wish) -> Refund:
    """Write a refund that is to be asked for, once per source; needs `payments:write`.

    Raises:
        RefundMalformed: names the field.
        PaymentNotFound, InvoiceNotFound: there is no such thing.
        NotRefundable: it did not come through a connected provider.
        RefundTooLarge: more than is left, refunds under way counted.
        RefundChanged: the source has refunded something else.
    """
    refund = await preview(ctx, wish)
    if not await store.insert(ctx.tx, ctx.tenant_id, refund, lease=LEASE):
        return refund
    data = {
        "payment_id": refund.payment_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.reason,
    }
    audit.record(ctx, action="payments.refund_asked", subject=refund.id, data=data)
    return refund


def _check(wish: Wish) -> None:
    if (wish.payment_id is None) == (wish.invoice is None):
        raise RefundMalformed("name a payment or an invoice", field="payment")
    if wish.amount_minor is not None and wish.amount_minor <= 0:
        raise RefundMalformed("expected an amount above zero", field="amount_minor")
    if not 0 < len(wish.reason) <= REASON_CHARS_MAX or not wish.reason.isprintable():
        message = f"expected 1 to {REASON_CHARS_MAX} printable characters"
        raise RefundMalformed(message, field="reason")
    if wish.credit and (wish.invoice is None or wish.amount_minor is not None):
        message = "a credit note takes back an invoice whole: name the invoice, and no amount"
        raise RefundMalformed(message, field="credit")


def _same(known: Refund, wish: Wish, payment: Payment) -> Refund:
    asked = wish.amount_minor in (None, known.amount_minor)
    if known.payment_id != payment.id or not asked:
        raise RefundChanged(field="source", given=wish.source[:64])
    return known


async def _payment(ctx: Ctx, wish: Wish) -> tuple[Payment, str | None]:
    """Return the payment that is meant: of an invoice the one that paid the most of it."""
    if wish.payment_id is not None:
        return await ledger.get_payment(ctx, wish.payment_id), None
    invoice = await find_invoice(ctx, wish.invoice or "")
    used = [
        one
        for one in await ledger.settlements(ctx, invoice.id)
        if one.payment.provider in {provider.value for provider in Provider}
    ]
    if not used:
        raise NotRefundable(field="invoice")
    most = max(used, key=lambda one: one.amount_minor)
    return most.payment, invoice.id


def _provider(payment: Payment) -> Provider:
    if payment.purpose is Purpose.GRANT:
        raise NotRefundable(field="payment")
    try:
        return Provider(payment.provider)
    except ValueError:
        raise NotRefundable(field="payment") from None


async def _reference(ctx: Ctx, payment: Payment) -> str:
    """Return the name under which the provider refunds: Stripe's invoices are paid by intents."""
    alias = await standing_store.find_alias_of(
        ctx.tx,
        ctx.tenant_id,
        provider=_provider(payment),
        payment_id=payment.provider_payment_id,
    )
    return alias or payment.provider_payment_id


async def _amount(ctx: Ctx, wish: Wish, payment: Payment) -> int:
    under_way_minor = await store.sum_under_way(ctx.tx, ctx.tenant_id, payment.id)
    left_minor = payment.amount_minor - payment.refunded_minor - under_way_minor
    amount_minor = left_minor if wish.amount_minor is None else wish.amount_minor
    if amount_minor > left_minor or left_minor <= 0:
        raise RefundTooLarge(field="amount_minor", left_minor=left_minor)
    return amount_minor


async def next_question(ctx: Ctx, refund_id: str) -> Wanted | None:
    """Return what to ask about a refund now, written down; None where nothing is."""
    refund = await store.lock(ctx.tx, ctx.tenant_id, refund_id)
    if refund is None or refund.state not in (RefundState.ASKED, RefundState.PENDING):
        return None
    if await _too_early(ctx, refund):
        await _put_off(ctx, refund, message=None)
        return None
    payment = await ledger.get_payment(ctx, refund.payment_id)
    key = await api_key(ctx, refund.provider)
    await REFUNDS.note_asking(ctx.tx, ctx.tenant_id, refund.id, lease=LEASE)
    suffix = f":{refund.key_number}" if refund.key_number else ""
    request = RefundRequest(
        refund_id=refund.id,
        payment_ref=refund.payment_ref,
        amount=Money(refund.amount_minor, refund.currency),
        whole=refund.amount_minor == payment.amount_minor,
        reason=refund.reason,
    )
    return Wanted(refund, request, f"{refund.id}{suffix}", key or "")


async def _too_early(ctx: Ctx, refund: Refund) -> bool:
    """Return whether a request to Paddle, which has no keys, may still be on its way."""
    if refund.provider is not Provider.PADDLE or refund.refund_ref is not None:
        return False
    age = await REFUNDS.age_of(ctx.tx, ctx.tenant_id, refund.id)
    return age is not None and age.quiet < timedelta(seconds=QUIET_S)


def put(gateway: ChargeGateway, wanted: Wanted) -> Refunded:
    """Ask a provider, in a thread; raises as the gateway does."""
    refund = wanted.refund
    if refund.refund_ref:
        return gateway.read_refund(refund.refund_ref)
    return gateway.refund(wanted.request, idempotency_key=wanted.key, tried_at=refund.asked_at)


async def answered(ctx: Ctx, wanted: Wanted, told: Refunded) -> Refund:
    """Write what the provider said, and book what has gone back."""
    refund = await store.lock(ctx.tx, ctx.tenant_id, wanted.refund.id)
    if refund is None or refund.state not in (RefundState.ASKED, RefundState.PENDING):
        return refund or wanted.refund
    match told.standing:
        case Standing.PENDING:
            wait = timedelta(seconds=PENDING_WAIT_S)
            await REFUNDS.put_off(
                ctx.tx,
                ctx.tenant_id,
                refund.id,
                state=RefundState.PENDING,
                wait=wait,
                reference=told.refund_ref,
            )
            return replace(refund, state=RefundState.PENDING, refund_ref=told.refund_ref)
        case Standing.SUCCEEDED:
            return await _made(ctx, refund, told)
        case _:
            return await _close(ctx, refund, RefundState.REFUSED, told)


async def _made(ctx: Ctx, refund: Refund, told: Refunded) -> Refund:
    payment = await ledger.get_payment(ctx, refund.payment_id)
    if told.total is not None:
        of = Payback(refund.provider, payment.provider_payment_id)
        await book_refunds(ctx, of, told.total)
    else:
        booked = ledger.Refund(
            refund.provider, told.refund_ref or refund.id, payment.provider_payment_id, told.amount
        )
        await ledger.record_refund(ctx, booked)
    note_id = await _credit(ctx, refund)
    return await _close(ctx, replace(refund, credit_note_id=note_id), RefundState.MADE, told)


async def _credit(ctx: Ctx, refund: Refund) -> str | None:
    """Take the invoice back by a credit note; one that is refused is told and stops nothing."""
    if refund.invoice_id is None:
        return None
    try:
        async with ctx.tx.savepoint():
            note = await ledger.issue_credit_note(
                ctx,
                refund.invoice_id,
                reason=refund.reason,
                source=refund.id,
                to=CreditTo.REFUNDED,
            )
    except SolventError as refused:
        log.warning("refund_not_credited", refund_id=refund.id, reason=str(refused))
        data = {"invoice_id": refund.invoice_id, "code": refused.code}
        audit.record(ctx, action="payments.refund_not_credited", subject=refund.id, data=data)
        return None
    return note.id


async def _close(ctx: Ctx, refund: Refund, state: RefundState, told: Refunded) -> Refund:
    done = replace(
        refund,
        state=state,
        refund_ref=told.refund_ref or refund.refund_ref,
        message=told.message,
        settled_at=ctx.now(),
    )
    await store.settle(ctx.tx, ctx.tenant_id, done)
    data = {"state": state.value, "refund_ref": done.refund_ref}
    audit.record(ctx, action="payments.refund_settled", subject=refund.id, data=data)
    return done


async def failed(ctx: Ctx, wanted: Wanted, fault: Exception) -> None:
    """Write that a refund got no answer, or a refusal."""
    refund = await store.lock(ctx.tx, ctx.tenant_id, wanted.refund.id)
    if refund is None or refund.state not in (RefundState.ASKED, RefundState.PENDING):
        return
    message = str(fault)[:300]
    if isinstance(fault, GatewayRefused) and refund.refund_ref is None:
        amount = Money(refund.amount_minor, refund.currency)
        told = Refunded(Standing.DECLINED, None, amount, message=message)
        await _close(ctx, refund, RefundState.REFUSED, told)
        return
    if isinstance(fault, GatewayFailed):
        number = wanted.refund.key_number + 1
        await REFUNDS.take_key(ctx.tx, ctx.tenant_id, refund.id, number=number)
    await _put_off(ctx, refund, message=message)


async def _put_off(ctx: Ctx, refund: Refund, *, message: str | None) -> None:
    """Ask again later, each time a little later."""
    wait = wait_for_outcome(refund.provider, refund.tries)
    await REFUNDS.put_off(
        ctx.tx, ctx.tenant_id, refund.id, state=refund.state, wait=wait, message=message
    )


async def list_refunds(
    ctx: Ctx, *, payment_id: str | None = None, after: str | None = None, limit: int = PAGE_SIZE
) -> list[Refund]:
    """Return refunds that were asked for here, the newest first; needs `payments:read`."""
    ctx.require(SCOPE_READ)
    return await store.list_page(
        ctx.tx, ctx.tenant_id, payment_id=payment_id, after=after, limit=limit
    )


async def get_refund(ctx: Ctx, refund_id: str) -> Refund:
    """Return a refund; needs `payments:read`. Raises RefundNotFound."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, refund_id)
    if found is None:
        raise RefundNotFound(field="refund", given=refund_id[:64])
    return found
