"""What do the stored events of a provider change here: customers, subscriptions, payments?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from solvent.contracts.payments import DisputeSeen as DisputeTold
from solvent.contracts.payments import PaymentFailed, PurchaseCompleted
from solvent.contracts.payments import RefundSeen as RefundTold
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import ProviderPriceUnknown
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import PaymentNotFound
from solvent.kernel.ledger.service.payments import Refund
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status as KernelStatus
from solvent.kernel.subscriptions.model import Subscription, SubscriptionFacts
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import EmailInvalid, NameInvalid
from solvent.kernel.tenants.model import CUSTOMER_PREFIX, Customer
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.ids import is_id
from solvent.kit.money import Money
from solvent.systems.payments import store
from solvent.systems.payments.errors import EventMalformed, PlanUnknown
from solvent.systems.payments.limits import (
    CUSTOMER_WAIT_S,
    EVENTS_PER_SUBSCRIPTION_MAX,
    WAITING_BATCH,
)
from solvent.systems.payments.model import (
    Buyer,
    CheckoutCompleted,
    DisputeSeen,
    Event,
    EventState,
    InboxEvent,
    PaymentSeen,
    Provider,
    ProviderSubscription,
    RefundSeen,
    StoredEvent,
)
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.fold import fold, in_order


@dataclass(frozen=True, slots=True)
class _Read:
    """A stored event and what it says."""

    info: InboxEvent
    event: Event

    @property
    def open(self) -> bool:
        """Return whether work on it is still to be done."""
        return self.info.state in (EventState.RECEIVED, EventState.FAILED)


async def apply(ctx: Ctx, keys: Sequence[tuple[str, str]]) -> None:
    """Do what stored events, given by (provider, event id), call for; once each in effect.

    What cannot be applied as things stand (no plan for a price, an event of no documented shape) is
    marked failed with its reason, and does not hold up the others. Anything unforeseen raises, so
    that the caller's transaction rolls back and the events are tried again.
    """
    alone: list[_Read] = []
    subscriptions_touched: set[tuple[Provider, str]] = set()
    for stored in await store.read_events(ctx.tx, ctx.tenant_id, keys):
        if stored.info.state not in (EventState.RECEIVED, EventState.FAILED):
            continue
        if stored.info.subscription_ref:
            subscriptions_touched.add((stored.info.provider, stored.info.subscription_ref))
        else:
            alone += await _read(ctx, [stored])
    for provider, reference in sorted(subscriptions_touched):
        await apply_subscription(ctx, provider, reference)
    await _attempt_all(ctx, [(one, partial(_apply_alone, ctx, one.event)) for one in alone])


async def adopt_waiting(ctx: Ctx) -> None:
    """Apply the subscriptions that have waited long enough to hear whose they are."""
    for provider, reference in await store.list_waiting(ctx.tx, ctx.tenant_id, limit=WAITING_BATCH):
        await apply_subscription(ctx, provider, reference)


async def apply_subscription(ctx: Ctx, provider: Provider, reference: str) -> None:
    """Fold all events of a provider's subscription and make ours equal to the result."""
    waited = await store.lock_subscription(ctx.tx, ctx.tenant_id, provider, reference)
    stored = await store.read_events_of(
        ctx.tx,
        ctx.tenant_id,
        provider=provider,
        subscription_ref=reference,
        limit=EVENTS_PER_SUBSCRIPTION_MAX,
    )
    known = await _read(ctx, stored)
    folded = fold(reference, [one.event for one in known])
    if folded is None:
        return
    if await _must_wait(ctx, folded, known, waited):
        await store.note_waiting(ctx.tx, ctx.tenant_id, provider, reference)
        return
    await _carry_out(ctx, folded, [one for one in known if one.open])


async def _must_wait(
    ctx: Ctx, folded: ProviderSubscription, known: Iterable[_Read], waited: timedelta | None
) -> bool:
    """Return whether to wait for the checkout that may name the customer.

    Providers send it in no order: taken for its own, the provider's name of the customer would
    make a second customer of one person. No checkout at all (made by hand): it is taken in the end.
    """
    long_enough = waited is not None and waited > timedelta(seconds=CUSTOMER_WAIT_S)
    if folded.buyer.customer_ref or long_enough:
        return False
    if any(isinstance(one.event.fact, CheckoutCompleted) for one in known):
        return False
    return await _mapped(ctx, folded.provider, folded.buyer) is None


async def _carry_out(ctx: Ctx, folded: ProviderSubscription, still_open: Sequence[_Read]) -> None:
    """Make our subscription equal to the fold, then book what its open events tell of money."""
    try:
        async with ctx.tx.savepoint():
            price_id = await _known_price(ctx, folded) if folded.sellable else None
            customer = await _customer(ctx, folded.provider, folded.buyer)
            held = await _sync(ctx, folded, customer, price_id) if price_id else None
    except Unavailable:
        raise
    except SolventError as refused:
        await _fail(ctx, [one.info for one in still_open], refused)
        return
    subscription_id = held.id if held else None
    await store.note_fold(ctx.tx, ctx.tenant_id, folded, subscription_id=subscription_id)
    payer_id = held.customer_id if held else customer.id
    if payer_id != customer.id:
        # Told too late: the subscription and its payments stay with whom they were given to.
        data = {"customer_id": payer_id, "told": customer.id}
        audit.record(ctx, action="payments.customer_kept", subject=subscription_id or "", data=data)
    await _attempt_all(
        ctx,
        [
            (one, partial(_on_subscription, ctx, one.event, payer_id, held))
            for one in _by_time(still_open)
        ],
    )


async def _attempt_all(
    ctx: Ctx, work: Sequence[tuple[_Read, Callable[[], Awaitable[str | None]]]]
) -> None:
    """Do the work that each event calls for and note what came of it."""
    done: dict[str | None, list[str]] = {}
    for one, do in work:
        try:
            remark = await do()
        except Unavailable:
            raise
        except SolventError as refused:
            await _fail(ctx, [one.info], refused)
        else:
            done.setdefault(remark, []).append(one.info.id)
    for remark, ids in done.items():
        await store.settle_events(
            ctx.tx, ctx.tenant_id, ids, state=EventState.APPLIED, at=ctx.now(), reason=remark
        )


def _by_time(events: Sequence[_Read]) -> list[_Read]:
    by_id = {one.info.provider_event_id: one for one in events}
    return [by_id[event.envelope.id] for event in in_order(one.event for one in events)]


async def _known_price(ctx: Ctx, folded: ProviderSubscription) -> str:
    """Return the first of the subscription's prices that a plan was sold under."""
    for price_id in folded.price_ids:
        try:
            await catalogue.find_by_provider_price(ctx, folded.provider, price_id)
        except ProviderPriceUnknown:
            continue
        return price_id
    message = f"no plan of the catalogue names {folded.provider} {' or '.join(folded.price_ids)}"
    raise PlanUnknown(message, field="provider_prices")


async def _sync(
    ctx: Ctx, folded: ProviderSubscription, customer: Customer, price_id: str
) -> Subscription | None:
    if folded.period is None:
        return None
    facts = SubscriptionFacts(
        provider=folded.provider,
        provider_subscription_id=folded.id,
        customer_id=customer.id,
        status=KernelStatus(folded.status),
        period_start=folded.period.start,
        period_end=folded.period.end,
        order=folded.event_count,
        provider_price_id=price_id,
        trial_end_at=folded.trial_ends_at,
        paid_through=folded.paid_through,
        cancel_at=folded.cancel_at,
        ended_at=folded.ended_at,
        created_at=folded.started_at,
    )
    return await subscriptions.sync(ctx, facts)


# ----------------------------------------------------------------------------------- customers
async def _customer(ctx: Ctx, provider: Provider, buyer: Buyer) -> Customer:
    """Return the tenant's customer who this buyer is; made where there is none."""
    mapped = await _mapped(ctx, provider, buyer)
    if mapped is not None and not buyer.customer_ref:
        return await tenants.get_customer(ctx, mapped)
    reference = buyer.customer_ref or f"{provider}:{buyer.provider_customer_id or 'unknown'}"
    customer = await _ensure(ctx, reference, buyer)
    if buyer.provider_customer_id and mapped != customer.id:
        await store.save_customer(
            ctx.tx,
            ctx.tenant_id,
            provider=provider,
            provider_customer_id=buyer.provider_customer_id,
            customer_id=customer.id,
        )
    return customer


async def _mapped(ctx: Ctx, provider: Provider, buyer: Buyer) -> str | None:
    if not buyer.provider_customer_id:
        return None
    return await store.find_customer(ctx.tx, ctx.tenant_id, provider, buyer.provider_customer_id)


async def _ensure(ctx: Ctx, reference: str, buyer: Buyer) -> Customer:
    """Return the customer; a name or address that we would not take does not stop a payment."""
    if is_id(reference, prefix=CUSTOMER_PREFIX):
        return await tenants.get_customer(ctx, reference)
    try:
        return await tenants.ensure_customer(ctx, reference, email=buyer.email, name=buyer.name)
    except (EmailInvalid, NameInvalid):
        return await tenants.ensure_customer(ctx, reference)


# ------------------------------------------------------------------------------------ payments
async def _on_subscription(
    ctx: Ctx, event: Event, payer_id: str, held: Subscription | None
) -> str | None:
    """Book the money that an event of a subscription tells of; the rest is in the fold."""
    match event.fact:
        case PaymentSeen(succeeded=True) as seen:
            start = seen.period.start if held and seen.period else None
            return await _book(
                ctx, event, seen.money, payer_id, payment_id=seen.id, held=held, covers_from=start
            )
        case PaymentSeen() as seen:
            return await _tell_failure(ctx, event, seen, payer_id, held=held)
        case _:
            return None


async def _book(
    ctx: Ctx,
    event: Event,
    paid: Money,
    payer_id: str,
    *,
    payment_id: str,
    held: Subscription | None = None,
    covers_from: datetime | None = None,
) -> str | None:
    if paid.amount_minor <= 0:
        return "nothing_paid"
    await ledger.record_payment(
        ctx,
        provider=event.provider,
        provider_payment_id=payment_id,
        customer_id=payer_id,
        amount=paid,
        received_at=event.envelope.occurred_at,
        subscription_id=held.id if held else None,
        covers_from=covers_from,
    )
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


async def _apply_alone(ctx: Ctx, event: Event) -> str | None:
    """Apply an event that is about no subscription; return a remark on what came of it."""
    match event.fact:
        case CheckoutCompleted() as checkout:
            return await _purchase(ctx, event, checkout)
        case PaymentSeen() as seen:
            customer = await _customer(ctx, event.provider, seen.buyer)
            return await _on_subscription(ctx, event, customer.id, None)
        case RefundSeen() as seen:
            return await _refund(ctx, event, seen)
        case DisputeSeen() as seen:
            return await _dispute(ctx, event, seen)
        case _:
            return "nothing_told"


async def _purchase(ctx: Ctx, event: Event, checkout: CheckoutCompleted) -> str | None:
    """Book a one-time payment and tell whoever fulfils it; each checkout once."""
    customer = await _customer(ctx, event.provider, checkout.buyer)
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
    told = RefundTold(
        provider=event.provider,
        refund_id=seen.id,
        payment_id=seen.payment_id,
        returned_minor=seen.returned.amount_minor,
        currency=seen.returned.currency,
        occurred_at=event.envelope.occurred_at,
    )
    remark = await _book_refund(ctx, event.provider, seen)
    await ctx.bus.emit(ctx, told)
    return remark


async def _book_refund(ctx: Ctx, provider: Provider, seen: RefundSeen) -> str | None:
    if seen.payment_id is None or seen.returned.amount_minor <= 0:
        return "no_payment_named"
    try:
        refund = Refund(provider, seen.id, seen.payment_id, seen.returned)
        await ledger.record_refund(ctx, refund)
    except PaymentNotFound:
        return "payment_unknown"
    return None


async def _dispute(ctx: Ctx, event: Event, seen: DisputeSeen) -> str | None:
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
    return None


# ------------------------------------------------------------------------------------- outcome
async def _read(ctx: Ctx, stored: Sequence[StoredEvent]) -> list[_Read]:
    """Return what events say; those that cannot be read are marked failed and left out."""
    known: list[_Read] = []
    for one in stored:
        try:
            known.append(_Read(one.info, reading.read(one.info.provider, one.body)))
        except EventMalformed as malformed:
            if one.info.state is EventState.RECEIVED:
                await _fail(ctx, [one.info], malformed)
    return known


async def _fail(ctx: Ctx, failed: Sequence[InboxEvent], why: SolventError) -> None:
    """Keep events as dead letters with the reason; `replay` tries them again."""
    reason = f"{why.code}: {why}"[:500]
    await store.settle_events(
        ctx.tx,
        ctx.tenant_id,
        [one.id for one in failed],
        state=EventState.FAILED,
        at=ctx.now(),
        reason=reason,
    )
    for one in failed:
        if one.reason != reason:
            audit.record(
                ctx,
                action="payments.event_failed",
                subject=one.provider_event_id,
                data={"provider": one.provider, "type": one.type, "code": why.code},
            )
