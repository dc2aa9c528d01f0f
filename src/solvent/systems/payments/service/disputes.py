"""What does a bank's taking back of a payment change in the books?

While a dispute is open what the bank has taken is booked as disputed: who keeps it is not decided.
Lost, it is booked as money that went back, as far as it has not gone back already; won, it is cash
again.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime

from solvent.contracts.payments import DisputeSeen as DisputeTold
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import PaymentNotFound
from solvent.kernel.ledger.service import Refund
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money
from solvent.systems.payments.model import Dispute, DisputeOutcome, DisputeSeen, Event
from solvent.systems.payments.rules.disputes import outcome_of, takes_money
from solvent.systems.payments.service.accounts import SCOPE_READ
from solvent.systems.payments.store import refunds as store
from solvent.systems.payments.store import standing as standing_store


async def note(ctx: Ctx, event: Event, seen: DisputeSeen) -> str | None:
    """Write how a dispute stands, book it if it is lost, and tell of it.

    What has been decided stays decided, whatever is told later. Emits `payments.dispute_seen.v1`.
    """
    told = Dispute(
        provider=event.provider,
        id=seen.id,
        payment_ref=seen.payment_id,
        amount_minor=seen.disputed.amount_minor,
        currency=seen.disputed.currency,
        status=seen.status,
        reason=seen.reason,
        outcome=outcome_of(event.provider, seen),
        booked_minor=0,
        seen_at=event.envelope.occurred_at,
    )
    held = await store.lock_dispute(ctx.tx, ctx.tenant_id, told)
    remark = None
    if held.outcome is DisputeOutcome.OPEN:
        if takes_money(event.provider, seen):
            await _hold(ctx, told)
        after, remark = await _decided(ctx, told)
        await store.save_dispute(ctx.tx, ctx.tenant_id, after)
    await _tell(ctx, event, seen)
    return remark


async def settle_lost(ctx: Ctx) -> int:
    """Book lost disputes whose payments were not known when they were told; return how many."""
    settled = 0
    for dispute in await store.list_unbooked(ctx.tx, ctx.tenant_id):
        after, _ = await _decided(ctx, replace(dispute, outcome=DisputeOutcome.LOST))
        await store.save_dispute(ctx.tx, ctx.tenant_id, after)
        settled += after.outcome is DisputeOutcome.LOST
    return settled


async def _decided(ctx: Ctx, told: Dispute) -> tuple[Dispute, str | None]:
    """Return a dispute with what it takes out of the books, which is booked, and a remark.

    One that is lost, of a payment that is not known yet, stays open until it is.
    """
    if told.outcome is not DisputeOutcome.OPEN:
        await ledger.release_disputed(ctx, told.provider, told.id)
    if told.outcome is not DisputeOutcome.LOST:
        return told, None
    payment_id = await _payment_id(ctx, told)
    if payment_id is None:
        return told, "no_payment_named"
    try:
        payment = await ledger.find_payment(ctx, told.provider, payment_id)
    except PaymentNotFound:
        return replace(told, outcome=DisputeOutcome.OPEN), "payment_unknown"
    left_minor = payment.amount_minor - payment.refunded_minor
    amount_minor = min(told.amount_minor, left_minor)
    if amount_minor <= 0:
        return told, "given_back_before"
    amount = Money(amount_minor, told.currency)
    await ledger.record_refund(ctx, Refund(told.provider, told.id, payment_id, amount))
    return replace(told, booked_minor=amount_minor), None


async def _hold(ctx: Ctx, told: Dispute) -> None:
    """Book what the bank has taken; of a payment that is not known there is nothing to book."""
    payment_id = await _payment_id(ctx, told)
    if payment_id is None:
        return
    amount = Money(told.amount_minor, told.currency)
    with contextlib.suppress(PaymentNotFound):
        await ledger.hold_disputed(
            ctx, told.provider, told.id, provider_payment_id=payment_id, amount=amount
        )


async def _payment_id(ctx: Ctx, told: Dispute) -> str | None:
    """Return the name under which the disputed payment is booked."""
    if told.payment_ref is None:
        return None
    named = await standing_store.find_alias(
        ctx.tx, ctx.tenant_id, provider=told.provider, alias=told.payment_ref
    )
    return named or told.payment_ref


async def _tell(ctx: Ctx, event: Event, seen: DisputeSeen) -> None:
    told = DisputeTold(
        provider=event.provider,
        dispute_id=seen.id,
        payment_id=seen.payment_id,
        disputed_minor=seen.disputed.amount_minor,
        currency=seen.disputed.currency,
        status=seen.status,
        reason=seen.reason,
        occurred_at=event.envelope.occurred_at,
    )
    await ctx.bus.emit(ctx, told)
    audit.record(
        ctx,
        action="payments.dispute_seen",
        subject=seen.id,
        data={"status": seen.status, "amount_minor": seen.disputed.amount_minor},
    )


async def list_disputes(
    ctx: Ctx, *, before: datetime | None = None, limit: int = PAGE_SIZE
) -> list[Dispute]:
    """Return disputes, those last heard of first; needs `payments:read`."""
    ctx.require(SCOPE_READ)
    return await store.list_disputes(ctx.tx, ctx.tenant_id, before=before, limit=limit)
