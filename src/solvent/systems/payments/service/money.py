"""What do the events of a provider book, and whom do they tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from solvent.contracts.payments import ChargeSeen as ChargeTold
from solvent.contracts.payments import MethodChanged, PaymentFailed, PurchaseCompleted
from solvent.contracts.payments import RefundSeen as RefundTold
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.service import Refund
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money
from solvent.systems.payments.model import (
    AliasSeen,
    ChargeSeen,
    CheckoutCompleted,
    DisputeSeen,
    Event,
    MethodSeen,
    PaymentSeen,
    Provider,
    RefundSeen,
)
from solvent.systems.payments.service import customers, disputes
from solvent.systems.payments.store import purchases as purchases_store
from solvent.systems.payments.store import refunds as refunds_store
from solvent.systems.payments.store import standing as standing_store


@dataclass(frozen=True, slots=True)
class Paid:
    """An event of a subscription, with who pays for it and what we hold of it (None: nothing)."""

    event: Event
    payer_id: str
    held: Subscription | None = None


async def on_subscriptions(ctx: Ctx, told: Sequence[Paid]) -> list[str | None]:
    """Book the money that events of subscriptions tell of; the rest is in the fold.

    Returns a remark on each. Of one that is refused the caller undoes the others.
    """
    receipts = [receipt for one in told if (receipt := _receipt(one))]
    if receipts:
        await ledger.record_payments(ctx, receipts)
    return [await _remark(ctx, one) for one in told]


def _receipt(paid: Paid) -> ledger.Receipt | None:
    """Return the money that arrived by an event."""
    seen = paid.event.fact
    if not isinstance(seen, PaymentSeen) or not seen.succeeded or seen.money.amount_minor <= 0:
        return None
    return ledger.Receipt(
        provider=paid.event.provider,
        provider_payment_id=seen.id,
        customer_id=paid.payer_id,
        amount=seen.money,
        received_at=paid.event.envelope.occurred_at,
        subscription_id=paid.held.id if paid.held else None,
        covers_from=seen.period.start if paid.held and seen.period else None,
    )


async def _remark(ctx: Ctx, paid: Paid) -> str | None:
    match paid.event.fact:
        case PaymentSeen(succeeded=True) as seen:
            return "nothing_paid" if seen.money.amount_minor <= 0 else None
        case PaymentSeen() as seen:
            return await _tell_failure(ctx, paid.event, seen, paid.payer_id, held=paid.held)
        case ChargeSeen() as seen:
            return await _tell_charge(ctx, paid.event, seen)
        case _:
            return None


async def _tell_charge(ctx: Ctx, event: Event, seen: ChargeSeen) -> None:
    """Tell whoever asked for the charge how it stands; that books it, in this transaction."""
    told = ChargeTold(
        provider=event.provider,
        payment_id=seen.id,
        attempt_id=seen.attempt_id,
        subject_id=seen.subject_id,
        standing=seen.standing,
        amount_minor=seen.money.amount_minor,
        currency=seen.money.currency,
        code=seen.code,
        provider_customer_id=seen.provider_customer_id,
        occurred_at=event.envelope.occurred_at,
    )
    await ctx.bus.emit(ctx, told)


async def _tell_method(ctx: Ctx, event: Event, seen: MethodSeen) -> str | None:
    known = await customers.find_known(ctx, [customers.Told(event.provider, seen.buyer)])
    if not known:
        return "nobody_known"
    [customer_id] = known.values()
    told = MethodChanged(event.provider, customer_id, seen.id, event.envelope.occurred_at)
    await ctx.bus.emit(ctx, told)
    return None


async def _tell_failure(
    ctx: Ctx, event: Event, seen: PaymentSeen, payer_id: str, *, held: Subscription | None
) -> str | None:
    failed = PaymentFailed(
        provider=event.provider,
        payment_id=seen.id,
        customer_id=payer_id,
        subscription_id=held.id if held else None,
        amount_minor=seen.money.amount_minor,
        currency=seen.money.currency,
        reason=seen.reason,
        occurred_at=event.envelope.occurred_at,
    )
    await ctx.bus.emit(ctx, failed)
    return None


async def on_its_own(ctx: Ctx, event: Event) -> str | None:
    """Apply an event that is about no subscription; return a remark on what came of it."""
    match event.fact:
        case CheckoutCompleted() as checkout:
            return await _purchase(ctx, event, checkout)
        case PaymentSeen() as seen:
            customer = await customers.resolve(ctx, event.provider, seen.buyer)
            return (await on_subscriptions(ctx, [Paid(event, customer.id)]))[0]
        case RefundSeen() as seen:
            return await _refund(ctx, event, seen)
        case AliasSeen() as seen:
            await standing_store.save_alias(
                ctx.tx,
                ctx.tenant_id,
                provider=event.provider,
                alias=seen.alias,
                payment_id=seen.payment_id,
            )
            return None
        case DisputeSeen() as seen:
            return await disputes.note(ctx, event, seen)
        case ChargeSeen() as seen:
            return await _tell_charge(ctx, event, seen)
        case MethodSeen() as seen:
            return await _tell_method(ctx, event, seen)
        case _:
            return "nothing_told"


async def _purchase(ctx: Ctx, event: Event, checkout: CheckoutCompleted) -> str | None:
    """Book a one-time payment and tell whoever fulfils it; each checkout once."""
    customer = await customers.resolve(ctx, event.provider, checkout.buyer)
    if checkout.paid is None:
        return "not_paid"
    if checkout.paid.amount_minor > 0:
        await ledger.record_purchase(
            ctx,
            provider=event.provider,
            provider_payment_id=checkout.payment_id,
            customer_id=customer.id,
            amount=checkout.paid,
            received_at=event.envelope.occurred_at,
        )
    first = await purchases_store.note(
        ctx.tx,
        ctx.tenant_id,
        provider=event.provider,
        checkout_id=checkout.id,
        payment_id=checkout.payment_id,
        at=ctx.now(),
    )
    if not first:
        return "told_before"
    done = PurchaseCompleted(
        provider=event.provider,
        checkout_id=checkout.id,
        payment_id=checkout.payment_id,
        customer_id=customer.id,
        customer_ref=customer.external_ref,
        plan_key=checkout.plan_key,
        amount_minor=checkout.paid.amount_minor,
        currency=checkout.paid.currency,
        occurred_at=event.envelope.occurred_at,
    )
    await ctx.bus.emit(ctx, done)
    return None


async def _refund(ctx: Ctx, event: Event, seen: RefundSeen) -> str | None:
    if seen.payment_id is None or seen.returned.amount_minor <= 0:
        await _tell_refund(ctx, event, seen)
        return "no_payment_named"
    named = await standing_store.find_alias(
        ctx.tx, ctx.tenant_id, provider=event.provider, alias=seen.payment_id
    )
    payment_id = named or seen.payment_id
    if seen.total is not None:
        return await _refund_up_to(ctx, event, seen, Payback(event.provider, payment_id))
    refund = Refund(event.provider, seen.id, payment_id, seen.returned)
    await ledger.record_refund(ctx, refund)
    await _tell_refund(ctx, event, seen)
    return None


async def _refund_up_to(ctx: Ctx, event: Event, seen: RefundSeen, of: Payback) -> str | None:
    """Book what a sum of refunds says that is not booked yet, in whatever order sums are told."""
    total = seen.total or seen.returned
    booked_minor = await book_refunds(ctx, of, total)
    if not booked_minor:
        return "booked_before"
    returned = Money(booked_minor, total.currency)
    await _tell_refund(ctx, event, replace(seen, returned=returned))
    return None


@dataclass(frozen=True, slots=True)
class Payback:
    """A payment whose refunds come to a sum, by the provider's name that the ledger knows."""

    provider: Provider
    payment_id: str


async def book_refunds(ctx: Ctx, of: Payback, total: Money) -> int:
    """Book so much that the payment's refunds come to `total`; return the minor units booked.

    Sums are told by webhooks, by answers and by the poller; only what passes the largest yet is
    booked, so that each unit is booked once. What a lost dispute has taken is not counted here.

    It never passes what was paid: a lost dispute may have taken some of it.

    Raises:
        PaymentNotFound: the payment is not known (yet).
    """
    before_minor = await refunds_store.lock_returned(
        ctx.tx, ctx.tenant_id, provider=of.provider, payment_id=of.payment_id
    )
    more_minor = total.amount_minor - before_minor
    if more_minor <= 0:
        return 0
    payment = await ledger.find_payment(ctx, of.provider, of.payment_id)
    more_minor = min(more_minor, payment.amount_minor - payment.refunded_minor)
    if more_minor > 0:
        id_ = f"{of.payment_id}:{total.amount_minor}"
        refund = Refund(of.provider, id_, of.payment_id, Money(more_minor, total.currency))
        await ledger.record_refund(ctx, refund)
    await refunds_store.note_returned(
        ctx.tx,
        ctx.tenant_id,
        provider=of.provider,
        payment_id=of.payment_id,
        refunded_minor=total.amount_minor,
    )
    return more_minor


async def _tell_refund(ctx: Ctx, event: Event, seen: RefundSeen) -> None:
    told = RefundTold(
        provider=event.provider,
        refund_id=seen.id,
        payment_id=seen.payment_id,
        returned_minor=seen.returned.amount_minor,
        currency=seen.returned.currency,
        occurred_at=event.envelope.occurred_at,
    )
    await ctx.bus.emit(ctx, told)
