"""What is to be collected, when is the next attempt, and what stops it?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.contracts.payments import CollectionEnded
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, InvoiceStatus
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.jobs import enqueue
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import (
    CollectionNotFound,
    CollectionUnderWay,
    NothingDue,
    PayerUnknown,
)
from solvent.systems.payments.collection.limits import REASON_CHARS_MAX
from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Collection,
    CollectionState,
    NextStep,
    Purpose,
)
from solvent.systems.payments.collection.service.payer import (
    Payer,
    due_minor,
    find_payer,
    first_able,
)
from solvent.systems.payments.collection.service.policy import get_policy
from solvent.systems.payments.collection.store import attempts as attempt_store
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service.accounts import SCOPE_WRITE

JOB_STEP = "payments.collection_step"


async def begin_invoice(ctx: Ctx, invoice_id: str) -> Collection | None:
    """Begin to collect what is due on an invoice that became final, once; its attempt is written.

    None where nothing is due, the policy does not say so, or no provider knows the customer: such
    a one is sent a link or an invoice by hand.
    """
    if not (await get_policy(ctx)).automatic:
        return None
    invoice = await ledger.get_invoice(ctx, invoice_id)
    made = await _of_invoice(ctx, invoice)
    return await write_attempt(ctx, made) if made else None


async def _of_invoice(
    ctx: Ctx, invoice: Invoice, *, by_hand: Provider | None = None
) -> Collection | None:
    said = invoice.draft
    if invoice.status is not InvoiceStatus.FINAL or invoice.due_minor <= 0:
        return None
    payer = await find_payer(ctx, said.customer_id, said.subscription_id)
    provider = payer.provider if payer else by_hand
    if provider is None:
        return None
    one = Collection(
        id=ctx.ids.new("col"),
        purpose=Purpose.INVOICE,
        subject_id=invoice.id,
        customer_id=said.customer_id,
        subscription_id=said.subscription_id,
        provider=provider,
        currency=said.currency,
        amount_minor=None,
        state=CollectionState.WAITING,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    return await store.lock(ctx.tx, ctx.tenant_id, one.id) if await _new(ctx, one) else None


async def _new(ctx: Ctx, one: Collection) -> bool:
    return await store.insert(ctx.tx, ctx.tenant_id, one)


async def begin_amount(
    ctx: Ctx,
    purpose: Purpose,
    subject_id: str,
    *,
    customer_id: str,
    subscription_id: str | None,
    amount: Money,
) -> Collection:
    """Begin to collect an amount that was agreed, once per subject.

    Raises:
        PayerUnknown: no connected provider with an API key knows the customer.
    """
    payer = await find_payer(ctx, customer_id, subscription_id)
    if payer is None:
        raise PayerUnknown(field="customer")
    one = Collection(
        id=ctx.ids.new("col"),
        purpose=purpose,
        subject_id=subject_id,
        customer_id=customer_id,
        subscription_id=subscription_id,
        provider=payer.provider,
        currency=amount.currency,
        amount_minor=amount.amount_minor,
        state=CollectionState.WAITING,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    if not await _new(ctx, one):
        known = await store.find_of(ctx.tx, ctx.tenant_id, purpose, subject_id)
        return known or one
    return await write_attempt(ctx, one)


async def must_be_payable(ctx: Ctx, customer_id: str) -> None:
    """Pass if a customer can be charged somewhere; raises PayerUnknown."""
    if await find_payer(ctx, customer_id, None) is None:
        raise PayerUnknown(field="customer")


async def collection_of_invoice(ctx: Ctx, invoice: Invoice) -> Collection:
    """Return the collection of an invoice, made where there is none, without an attempt yet.

    Raises:
        NothingDue: the invoice is not final, or paid.
        PayerUnknown: no provider is connected with an API key.
    """
    known = await store.find_of(ctx.tx, ctx.tenant_id, Purpose.INVOICE, invoice.id)
    if known is not None:
        return known
    if invoice.status is not InvoiceStatus.FINAL or invoice.due_minor <= 0:
        raise NothingDue(field="invoice")
    made = await _of_invoice(ctx, invoice, by_hand=await first_able(ctx))
    if made is None:
        raise PayerUnknown(field="customer")
    return made


async def write_attempt(
    ctx: Ctx,
    held: Collection,
    *,
    kind: AttemptKind = AttemptKind.CHARGE,
    return_url: str | None = None,
) -> Collection:
    """Write the next attempt of a locked collection; the collector asks for it after the commit.

    A link stands beside what the collection waits for; a charge is what it is about from now on.
    """
    payer = await find_payer(ctx, held.customer_id, held.subscription_id)
    charge = kind is AttemptKind.CHARGE
    after = replace(
        held,
        provider=payer.provider if payer else held.provider,
        state=CollectionState.COLLECTING if charge else held.state,
        attempts=held.attempts + 1,
        next_at=None if charge else held.next_at,
        next_step=None if charge else held.next_step,
        updated_at=ctx.now(),
    )
    attempt = await _attempt(ctx, after, payer, kind)
    attempt = replace(attempt, return_url=return_url)
    await attempt_store.insert(ctx.tx, ctx.tenant_id, attempt)
    await store.save(ctx.tx, ctx.tenant_id, after)
    return after


async def _attempt(ctx: Ctx, held: Collection, payer: Payer | None, kind: AttemptKind) -> Attempt:
    return Attempt(
        id=ctx.ids.new("att"),
        collection_id=held.id,
        number=held.attempts,
        kind=kind,
        provider=held.provider,
        provider_customer_id=payer.provider_customer_id if payer else None,
        subscription_ref=payer.subscription_ref if payer else None,
        method_id=None,
        amount_minor=await due_minor(ctx, held),
        currency=held.currency,
        state=AttemptState.ASKED,
        written_at=ctx.now(),
    )


async def schedule(ctx: Ctx, held: Collection) -> None:
    """Have a waiting collection's next step taken when its time has come in the tenant's clock."""
    if held.next_at is None:
        return
    key = f"{held.id}:{held.attempts}:{held.next_step}"
    payload = {"collection_id": held.id}
    await enqueue(ctx, JOB_STEP, payload, run_at=held.next_at, unique_key=key)


async def take_step(ctx: Ctx, collection_id: str) -> Collection | None:
    """Return a locked collection whose next step is due; None where nothing is.

    However late and however often it is asked for: what waits for a later moment is left alone.
    """
    held = await store.lock(ctx.tx, ctx.tenant_id, collection_id)
    if held is None or held.state is not CollectionState.WAITING or held.next_at is None:
        return None
    return held if held.next_at <= ctx.now() else None


async def retry(ctx: Ctx, held: Collection) -> Collection:
    """Begin the next attempt of a locked collection, or close it where nothing is due any more.

    A link that is open is taken back first, so that nobody pays by both; the charge follows.
    """
    if await due_minor(ctx, held) <= 0:
        return await close_settled(ctx, held)
    link = await _under_way(ctx, held)
    if link is None:
        return await write_attempt(ctx, held)
    after = replace(
        held,
        state=CollectionState.COLLECTING,
        next_at=None,
        next_step=None,
        updated_at=ctx.now(),
    )
    await store.save(ctx.tx, ctx.tenant_id, after)
    await attempt_store.look_now(ctx.tx, ctx.tenant_id, link.id)
    return after


async def _under_way(ctx: Ctx, held: Collection) -> Attempt | None:
    found = await attempt_store.list_of(ctx.tx, ctx.tenant_id, held.id)
    return next((one for one in found if one.state.under_way), None)


async def collect_now(ctx: Ctx, reference: str) -> Collection:
    """Try now to collect an invoice, whatever it waits for; needs `payments:write`.

    Raises:
        CollectionNotFound, InvoiceNotFound: there is no such thing.
        CollectionUnderWay: an attempt's outcome is not known yet.
        NothingDue, PayerUnknown: there is nothing to collect, or nobody to charge.
    """
    ctx.require(SCOPE_WRITE)
    held = await locked(ctx, reference)
    if held.state is CollectionState.COLLECTING:
        raise CollectionUnderWay(field="collection")
    if await due_minor(ctx, held) <= 0:
        raise NothingDue(field="collection")
    data = {"subject_id": held.subject_id}
    audit.record(ctx, action="payments.collection_tried", subject=held.id, data=data)
    return await retry(ctx, held)


async def locked(ctx: Ctx, reference: str) -> Collection:
    """Return a collection by its id, or by its invoice's id or number, locked.

    Raises:
        CollectionNotFound, InvoiceNotFound, NothingDue, PayerUnknown.
    """
    held = await _find(ctx, reference)
    found = await store.lock(ctx.tx, ctx.tenant_id, held.id)
    return found or held


async def _find(ctx: Ctx, reference: str) -> Collection:
    if is_id(reference, prefix="col"):
        found = await store.find(ctx.tx, ctx.tenant_id, reference)
        if found is None:
            raise CollectionNotFound(field="collection", given=reference[:64])
        return found
    return await collection_of_invoice(ctx, await find_invoice(ctx, reference))


async def find_invoice(ctx: Ctx, reference: str) -> Invoice:
    """Return an invoice by its id or number, `inv_…`, `INV-000042` or `42`.

    Raises:
        CollectionNotFound: it is neither. InvoiceNotFound: there is none.
    """
    if reference.startswith("inv_"):
        return await ledger.get_invoice(ctx, reference)
    digits = reference.upper().removeprefix("INV-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:  # noqa: PLR2004 - bigint
        raise CollectionNotFound(field="collection", given=reference[:64])
    return await ledger.find_invoice(ctx, int(digits))


async def stop(ctx: Ctx, reference: str, *, reason: str) -> Collection:
    """Try nothing more by itself; what a provider has been asked for is still waited for.

    Needs `payments:write`. Raises CollectionNotFound and as `locked`.
    """
    ctx.require(SCOPE_WRITE)
    held = await locked(ctx, reference)
    return await stop_held(ctx, held, reason=reason)


async def stop_held(ctx: Ctx, held: Collection, *, reason: str) -> Collection:
    """Stop a locked collection; an attempt that nobody was asked for is withdrawn unasked."""
    if held.state.over:
        return held
    await stop_attempts(ctx, held)
    return await close(ctx, held, CollectionState.STOPPED, reason=reason)


async def stop_attempts(ctx: Ctx, held: Collection) -> None:
    """Withdraw what nobody was asked for; have the rest looked at."""
    for one in await attempt_store.list_of(ctx.tx, ctx.tenant_id, held.id):
        if one.state.under_way and one.asked_at is None and one.payment_ref is None:
            await withdraw_unasked(ctx, one)
        elif one.state.under_way:
            await attempt_store.look_now(ctx.tx, ctx.tenant_id, one.id)


async def withdraw_unasked(ctx: Ctx, attempt: Attempt) -> None:
    """Write that an attempt was never asked for and will not be."""
    done = replace(attempt, state=AttemptState.WITHDRAWN, settled_at=ctx.now())
    await attempt_store.settle(ctx.tx, ctx.tenant_id, done)


async def close_settled(ctx: Ctx, held: Collection) -> Collection:
    """Close a locked collection on which nothing is due any more: paid, or taken back."""
    paid = True
    if held.purpose is Purpose.INVOICE:
        invoice = await ledger.get_invoice(ctx, held.subject_id)
        paid = invoice.status is InvoiceStatus.PAID
    state = CollectionState.PAID if paid else CollectionState.STOPPED
    return await close(ctx, held, state, reason=None if paid else "invoice_voided")


async def close(
    ctx: Ctx,
    held: Collection,
    state: CollectionState,
    *,
    reason: str | None,
    final_step: str | None = None,
) -> Collection:
    """Write that nothing more is tried by itself. Emits `payments.collection_ended.v1`."""
    after = replace(
        held,
        state=state,
        next_at=None,
        next_step=None,
        reason=(reason or "")[:REASON_CHARS_MAX] or None,
        final_step=final_step,
        updated_at=ctx.now(),
    )
    await store.save(ctx.tx, ctx.tenant_id, after)
    data = {"state": state.value, "reason": after.reason, "subject_id": held.subject_id}
    audit.record(ctx, action="payments.collection_ended", subject=held.id, data=data)
    event = CollectionEnded(
        collection_id=held.id,
        purpose=held.purpose,
        subject_id=held.subject_id,
        customer_id=held.customer_id,
        subscription_id=held.subscription_id,
        state=state,
        failures=held.failures,
        reason=after.reason,
        final_step=final_step,
    )
    await ctx.bus.emit(ctx, event)
    return after


async def wait_for(
    ctx: Ctx, held: Collection, step: NextStep | None, at: datetime | None
) -> Collection:
    """Let a locked collection wait for a step, or for somebody."""
    after = replace(
        held, state=CollectionState.WAITING, next_step=step, next_at=at, updated_at=ctx.now()
    )
    await store.save(ctx.tx, ctx.tenant_id, after)
    await schedule(ctx, after)
    return after
