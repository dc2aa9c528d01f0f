"""What do the stored events of a provider change here: customers, subscriptions, payments?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import ProviderPriceUnknown
from solvent.kernel.ledger.errors import PaymentNotFound
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status as KernelStatus
from solvent.kernel.subscriptions.model import Subscription, SubscriptionFacts
from solvent.kernel.tenants.model import Customer
from solvent.kit.ctx import Ctx
from solvent.kit.db import TRANSIENT
from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.log import get_logger
from solvent.systems.payments.errors import EventMalformed, PlanUnknown, Unforeseen
from solvent.systems.payments.limits import (
    CUSTOMER_WAIT_S,
    EVENTS_PER_SUBSCRIPTION_MAX,
    REPLAY_BATCH,
    WAITING_BATCH,
)
from solvent.systems.payments.model import (
    CheckoutCompleted,
    Event,
    EventState,
    InboxEvent,
    Provider,
    ProviderSubscription,
    RefundSeen,
    StoredEvent,
)
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.fold import fold, in_order
from solvent.systems.payments.service import customers, money
from solvent.systems.payments.store import inbox as inbox_store
from solvent.systems.payments.store import standing as standing_store

log = get_logger(__name__)

OPEN = (EventState.RECEIVED, EventState.FAILED)
REFUND_TYPES = ("charge.refunded", "adjustment.created", "adjustment.updated")


@dataclass(frozen=True, slots=True)
class _Read:
    """A stored event and what it says."""

    info: InboxEvent
    event: Event

    @property
    def open(self) -> bool:
        """Return whether work on it is still to be done."""
        return self.info.state in OPEN


async def apply(ctx: Ctx, keys: Sequence[tuple[str, str]]) -> None:
    """Do what stored events, given by (provider, event id), call for; once each in effect.

    What cannot be applied as things stand (no plan for a price, an event of no documented shape, a
    bug of ours) is marked failed with its reason and does not hold up the others.

    Raises:
        Unavailable, or what the driver raises where the same may work later: the caller's
        transaction rolls back, and all of it is tried again.
    """
    alone: list[_Read] = []
    subscriptions_touched: set[tuple[Provider, str]] = set()
    for stored in await inbox_store.read_events(ctx.tx, ctx.tenant_id, keys):
        if stored.info.state not in OPEN:
            continue
        if stored.info.subscription_ref:
            subscriptions_touched.add((stored.info.provider, stored.info.subscription_ref))
        else:
            alone += await _read(ctx, [stored])
    for provider, reference in sorted(subscriptions_touched):
        await _apply_apart(ctx, provider, reference)
    await _attempt_all(ctx, [(one, partial(_alone, ctx, one.event)) for one in alone])
    if subscriptions_touched or any(not isinstance(one.event.fact, RefundSeen) for one in alone):
        await _retry_refunds(ctx)


async def _retry_refunds(ctx: Ctx) -> None:
    """Try refunds again that came before their payment, or before its other name."""
    failed = await inbox_store.read_failed(
        ctx.tx, ctx.tenant_id, types=REFUND_TYPES, limit=REPLAY_BATCH
    )
    overtaken = [one for one in failed if PaymentNotFound.code in (one.info.reason or "")]
    known = await _read(ctx, overtaken)
    await _attempt_all(ctx, [(one, partial(_alone, ctx, one.event)) for one in known])


async def adopt_waiting(ctx: Ctx) -> None:
    """Apply the subscriptions that have waited long enough to hear whose they are."""
    for provider, reference in await standing_store.list_waiting(
        ctx.tx, ctx.tenant_id, limit=WAITING_BATCH
    ):
        await _apply_apart(ctx, provider, reference)


@contextlib.asynccontextmanager
async def _apart(ctx: Ctx) -> AsyncGenerator[None]:
    """Keep what goes wrong inside from what is done beside it.

    Raises:
        Unforeseen: a bug; its work is undone. Errors of ours and faults that pass pass through.
    """
    try:
        async with ctx.tx.savepoint():
            yield
    except (SolventError, *TRANSIENT):
        raise
    except Exception as bug:
        log.exception("event_unforeseen")
        raise Unforeseen(f"{type(bug).__name__}: {bug}"[:300]) from bug


async def _alone(ctx: Ctx, event: Event) -> str | None:
    async with _apart(ctx):
        return await money.on_its_own(ctx, event)


async def _apply_apart(ctx: Ctx, provider: Provider, reference: str) -> None:
    try:
        async with _apart(ctx):
            await apply_subscription(ctx, provider, reference)
    except Unforeseen as bug:
        stored = await _read_all(ctx, provider, reference)
        await _fail(ctx, [one.info for one in stored if one.info.state in OPEN], bug)


async def apply_subscription(ctx: Ctx, provider: Provider, reference: str) -> None:
    """Fold all events of a provider's subscription and make ours equal to the result."""
    waited = await standing_store.lock_subscription(ctx.tx, ctx.tenant_id, provider, reference)
    known = await _read(ctx, await _read_all(ctx, provider, reference))
    folded = fold(reference, [one.event for one in known])
    if folded is None:
        return
    if await _must_wait(ctx, folded, known, waited):
        await standing_store.note_waiting(ctx.tx, ctx.tenant_id, provider, reference)
        return
    await _carry_out(ctx, folded, [one for one in known if one.open])


async def _read_all(ctx: Ctx, provider: Provider, reference: str) -> list[StoredEvent]:
    stored = await inbox_store.read_events_of(
        ctx.tx,
        ctx.tenant_id,
        provider=provider,
        subscription_ref=reference,
        limit=EVENTS_PER_SUBSCRIPTION_MAX,
    )
    if len(stored) == EVENTS_PER_SUBSCRIPTION_MAX:
        log.error("subscription_too_long", provider=provider.value, reference=reference)
    return stored


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
    return await customers.find_known(ctx, folded.provider, folded.buyer) is None


async def _carry_out(ctx: Ctx, folded: ProviderSubscription, still_open: Sequence[_Read]) -> None:
    """Make our subscription equal to the fold, then book what its open events tell of money."""
    try:
        async with ctx.tx.savepoint():
            price_id = await _known_price(ctx, folded) if folded.sellable else None
            customer = await customers.resolve(ctx, folded.provider, folded.buyer)
            held = await _sync(ctx, folded, customer, price_id) if price_id else None
    except Unavailable:
        raise
    except SolventError as refused:
        await standing_store.note_heard(ctx.tx, ctx.tenant_id, folded.provider, folded.id)
        await _fail(ctx, [one.info for one in still_open], refused)
        return
    subscription_id = held.id if held else None
    await standing_store.note_fold(ctx.tx, ctx.tenant_id, folded, subscription_id=subscription_id)
    payer_id = held.customer_id if held else customer.id
    if payer_id != customer.id:
        # Told too late: the subscription and its payments stay with whom they were given to.
        data = {"customer_id": payer_id, "told": customer.id}
        audit.record(ctx, action="payments.customer_kept", subject=subscription_id or "", data=data)
    await _attempt_all(
        ctx,
        [
            (one, partial(money.on_subscription, ctx, one.event, payer_id, held))
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
        await inbox_store.settle_events(
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
    await inbox_store.settle_events(
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
