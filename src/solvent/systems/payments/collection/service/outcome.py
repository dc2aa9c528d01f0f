"""What follows when it is known how an attempt ended, whoever told it?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from solvent.contracts.payments import CollectionFailed
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import InvoiceNotFound, PaymentChanged
from solvent.kit.ctx import Ctx
from solvent.kit.log import get_logger
from solvent.systems.payments.collection.limits import PENDING_WAIT_S
from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Collection,
    CollectionState,
    Decline,
    NextStep,
    Purpose,
)
from solvent.systems.payments.collection.rules.declines import classify
from solvent.systems.payments.collection.rules.schedule import after_failure
from solvent.systems.payments.collection.service import begin, dunning, top_ups, upgrades
from solvent.systems.payments.collection.service.payer import due_minor
from solvent.systems.payments.collection.service.policy import get_policy
from solvent.systems.payments.collection.store import attempts as attempt_store
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.collection.store.asked import ATTEMPTS
from solvent.systems.payments.model import Provider, Standing
from solvent.systems.payments.ports import Charged
from solvent.systems.payments.store import standing as standing_store

log = get_logger(__name__)

NO_METHOD = "no_method"


async def settle(ctx: Ctx, attempt_id: str, told: Charged, *, at: datetime) -> bool:
    """Write how an attempt stands, and do what follows from it, once; `at` is when it was paid.

    The answer, the webhook and the poller may all tell it, in any order: what is known already
    changes nothing, money is booked by the provider's own id, and a success is never taken back.
    Returns whether the attempt is one of this tenant's.
    """
    attempt = await attempt_store.find(ctx.tx, ctx.tenant_id, attempt_id)
    held = await store.lock(ctx.tx, ctx.tenant_id, attempt.collection_id) if attempt else None
    attempt = await attempt_store.find(ctx.tx, ctx.tenant_id, attempt_id)
    if attempt is None or held is None:
        return False
    if told.standing is Standing.SUCCEEDED:
        await _succeeded(ctx, held, attempt, told, at=at)
    elif attempt.state.under_way:
        await _not_paid(ctx, held, attempt, told)
    return True


async def _not_paid(ctx: Ctx, held: Collection, attempt: Attempt, told: Charged) -> None:
    link = attempt.kind is AttemptKind.LINK
    match told.standing:
        case Standing.DECLINED if not link:
            await _declined(ctx, held, attempt, told)
        case Standing.WITHDRAWN:
            await _withdrawn(ctx, held, attempt)
        case Standing.DECLINED | Standing.PENDING:
            # On a page the customer may try another card: a decline there ends nothing.
            await ATTEMPTS.put_off(
                ctx.tx,
                ctx.tenant_id,
                attempt.id,
                state=AttemptState.PENDING,
                wait=timedelta(seconds=PENDING_WAIT_S),
                message=told.message,
                reference=None if link else told.payment_ref,
            )
        case _:
            return


async def _succeeded(
    ctx: Ctx, held: Collection, attempt: Attempt, told: Charged, *, at: datetime
) -> None:
    """Book the money, once by the provider's id of it, and close what it paid."""
    known = attempt.state is AttemptState.SUCCEEDED and attempt.payment_ref == told.payment_ref
    if known or told.payment_ref is None:
        return
    if attempt.state is AttemptState.SUCCEEDED:
        data = {"first": attempt.payment_ref, "second": told.payment_ref}
        audit.record(ctx, action="payments.charged_twice", subject=attempt.id, data=data)
    else:
        done = replace(
            attempt,
            state=AttemptState.SUCCEEDED,
            payment_ref=told.payment_ref,
            received_minor=told.amount.amount_minor,
            decline=None,
            code=None,
            message=None,
            settled_at=ctx.now(),
        )
        await attempt_store.settle(ctx.tx, ctx.tenant_id, done)
    if (told.amount.amount_minor, told.amount.currency) != (attempt.amount_minor, held.currency):
        data = {"asked_minor": attempt.amount_minor, "got_minor": told.amount.amount_minor}
        audit.record(ctx, action="payments.amount_differed", subject=attempt.id, data=data)
    await _book(ctx, held, attempt, told, at=at)
    await _note_payer(ctx, held, attempt, told)
    await _paid(ctx, held)


async def _note_payer(ctx: Ctx, held: Collection, attempt: Attempt, told: Charged) -> None:
    """Keep who paid on a page, so that what they owe next can be charged there."""
    if told.provider_customer_id is None or attempt.provider_customer_id is not None:
        return
    name = (attempt.provider, told.provider_customer_id)
    known = await standing_store.find_customers(ctx.tx, ctx.tenant_id, [name])
    if not known:
        await standing_store.save_customers(ctx.tx, ctx.tenant_id, {name: held.customer_id})


async def _book(
    ctx: Ctx, held: Collection, attempt: Attempt, told: Charged, *, at: datetime
) -> None:
    """Book money for a collection; an invoice's is used for that invoice first."""
    payment_ref, amount = told.payment_ref or "", told.amount
    covers_from, subscription_id = None, None
    if held.purpose is Purpose.UPGRADE:
        # It waits for the invoice of the period that was upgraded, which charges the better plan.
        covers_from, subscription_id = held.created_at, held.subscription_id
    elif held.purpose is Purpose.INVOICE:
        said = (await ledger.get_invoice(ctx, held.subject_id)).draft
        covers_from, subscription_id = said.period_start, said.subscription_id
    try:
        await ledger.record_payment(
            ctx,
            provider=attempt.provider,
            provider_payment_id=payment_ref,
            customer_id=held.customer_id,
            amount=amount,
            received_at=at,
            subscription_id=subscription_id,
            covers_from=covers_from,
        )
    except PaymentChanged:
        # The provider's id is known with another amount or customer: somebody must look.
        log.exception("payment_differs", collection_id=held.id, payment_ref=payment_ref)
        data = {"payment_ref": payment_ref, "amount_minor": amount.amount_minor}
        audit.record(ctx, action="payments.payment_differed", subject=held.id, data=data)


async def _paid(ctx: Ctx, held: Collection) -> None:
    """Do what the money was for; what an invoice still owes is collected at once."""
    if held.purpose is Purpose.TOP_UP:
        await top_ups.on_paid(ctx, held)
    elif held.purpose is Purpose.UPGRADE:
        await upgrades.on_paid(ctx, held)
    elif await due_minor(ctx, held) > 0:
        if not held.state.over:
            await begin.wait_for(ctx, held, NextStep.RETRY, ctx.now())
        return
    if held.state is not CollectionState.PAID:
        await begin.close(ctx, held, CollectionState.PAID, reason=None)
    await dunning.on_paid(ctx, held)


async def _declined(ctx: Ctx, held: Collection, attempt: Attempt, told: Charged) -> None:
    decline = classify(told.code)
    done = replace(
        attempt,
        state=AttemptState.DECLINED,
        payment_ref=told.payment_ref,
        decline=decline,
        code=told.code,
        message=told.message,
        settled_at=ctx.now(),
    )
    await attempt_store.settle(ctx.tx, ctx.tenant_id, done)
    if held.state is not CollectionState.COLLECTING:
        return
    first_at = held.first_failed_at or ctx.now()
    failed = replace(
        held,
        failures=held.failures + 1,
        first_failed_at=first_at,
        decline=decline,
        reason=told.code,
    )
    await _follow(ctx, failed, done, decline)


async def _follow(ctx: Ctx, failed: Collection, attempt: Attempt, decline: Decline) -> None:
    """Decide what comes after a failure, and tell of it."""
    if failed.purpose is not Purpose.INVOICE:
        ended = await begin.close(ctx, failed, CollectionState.GIVEN_UP, reason=attempt.code)
        await _tell(ctx, ended, attempt, decline)
        if failed.purpose is Purpose.TOP_UP:
            await top_ups.on_failed(ctx, ended, decline)
        else:
            await upgrades.on_failed(ctx, ended)
        return
    if await dunning.is_over(ctx, failed):
        ended = await begin.close(ctx, failed, CollectionState.STOPPED, reason="subscription_ended")
        await _tell(ctx, ended, attempt, decline)
        return
    policy = await get_policy(ctx)
    first_at = failed.first_failed_at or ctx.now()
    step = after_failure(policy, decline, first_failed_at=first_at, now=ctx.now())
    kind, at = (step.kind, step.at) if step else (None, None)
    waiting = await begin.wait_for(ctx, failed, kind, at)
    await _tell(ctx, waiting, attempt, decline)
    if decline is not Decline.REFUSED:
        await dunning.on_failed(ctx, waiting)


async def _withdrawn(ctx: Ctx, held: Collection, attempt: Attempt) -> None:
    """Write that nobody can pay an attempt any more; a charge that waited for that follows."""
    done = replace(attempt, state=AttemptState.WITHDRAWN, settled_at=ctx.now())
    await attempt_store.settle(ctx.tx, ctx.tenant_id, done)
    await attempt_store.note_withdrawn(ctx.tx, ctx.tenant_id, attempt.id)
    if held.state is CollectionState.COLLECTING:
        if await due_minor(ctx, held) > 0:
            await begin.write_attempt(ctx, held)
        else:
            await begin.close_settled(ctx, held)


async def _tell(ctx: Ctx, held: Collection, attempt: Attempt, decline: Decline) -> None:
    event = CollectionFailed(
        collection_id=held.id,
        purpose=held.purpose,
        subject_id=held.subject_id,
        customer_id=held.customer_id,
        subscription_id=held.subscription_id,
        attempt=attempt.number,
        failures=held.failures,
        amount_minor=attempt.amount_minor,
        currency=held.currency,
        decline=decline,
        code=attempt.code,
        next_step=held.next_step,
        next_at=held.next_at,
    )
    await ctx.bus.emit(ctx, event)


async def book_stray(
    ctx: Ctx, provider: Provider, subject_id: str | None, told: Charged, *, at: datetime
) -> bool:
    """Book a charge of ours of which nothing is known here, say after a restored backup.

    It is known by the invoice that it names; returns whether there is one.
    """
    if subject_id is None or told.payment_ref is None:
        return False
    try:
        invoice = await ledger.get_invoice(ctx, subject_id)
    except InvoiceNotFound:
        return False
    said = invoice.draft
    await ledger.record_payment(
        ctx,
        provider=provider,
        provider_payment_id=told.payment_ref,
        customer_id=said.customer_id,
        amount=told.amount,
        received_at=at,
        subscription_id=said.subscription_id,
        covers_from=said.period_start,
    )
    return True
