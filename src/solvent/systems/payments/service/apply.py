"""What do the stored events of a provider change here: customers, subscriptions, payments?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias

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
    TOGETHER_MAX,
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
    Span,
    StoredEvent,
)
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.fold import fold, in_order
from solvent.systems.payments.service import customers, money
from solvent.systems.payments.store import inbox as inbox_store
from solvent.systems.payments.store import standing as standing_store

log = get_logger(__name__)

Name: TypeAlias = tuple[Provider, str]
"""A provider and its id of a subscription."""

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


@dataclass(frozen=True, slots=True)
class _Folded:
    """What the events of a provider's subscription amount to."""

    state: ProviderSubscription
    known: Sequence[_Read]
    waited: timedelta | None

    @property
    def name(self) -> Name:
        return self.state.provider, self.state.id

    @property
    def told(self) -> customers.Told:
        return customers.Told(self.state.provider, self.state.buyer)

    @property
    def still_open(self) -> list[_Read]:
        return [one for one in self.known if one.open]

    @property
    def nameless(self) -> bool:
        """Return whether nothing has told the customer, and a checkout still may."""
        long_enough = self.waited is not None and self.waited > timedelta(seconds=CUSTOMER_WAIT_S)
        if self.state.buyer.customer_ref or long_enough:
            return False
        return not any(isinstance(one.event.fact, CheckoutCompleted) for one in self.known)


async def apply(ctx: Ctx, keys: Sequence[tuple[str, str]]) -> None:
    """Do what stored events, given by (provider, event id), call for; once each in effect.

    What cannot be applied as things stand (no plan for a price, an event of no documented shape, a
    bug of ours) is marked failed with its reason and does not hold up the others.

    Raises:
        Unavailable, or what the driver raises where the same may work later: the caller's
        transaction rolls back, and all of it is tried again.
    """
    alone: list[_Read] = []
    subscriptions_touched: set[Name] = set()
    for stored in await inbox_store.read_events(ctx.tx, ctx.tenant_id, keys):
        if stored.info.state not in OPEN:
            continue
        if stored.info.subscription_ref:
            subscriptions_touched.add((stored.info.provider, stored.info.subscription_ref))
        else:
            alone += await _read(ctx, [stored])
    await _apply_all(ctx, sorted(subscriptions_touched))
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
    names = await standing_store.list_waiting(ctx.tx, ctx.tenant_id, limit=WAITING_BATCH)
    await _apply_all(ctx, names)


async def _apply_all(ctx: Ctx, names: Sequence[Name]) -> None:
    """Apply subscriptions, many at once; where that fails each by itself, to keep it apart."""
    for start in range(0, len(names), TOGETHER_MAX):
        some = names[start : start + TOGETHER_MAX]
        try:
            async with _apart(ctx):
                await _apply_together(ctx, some)
        except Unavailable:
            raise
        except SolventError:
            await _apply_each(ctx, some)


async def _apply_each(ctx: Ctx, names: Sequence[Name]) -> None:
    for name in names:
        try:
            async with _apart(ctx):
                await _apply_together(ctx, [name])
        except Unforeseen as bug:
            stored = (await _read_all(ctx, [name]))[name]
            await _fail(ctx, [one.info for one in stored if one.info.state in OPEN], bug)


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


async def _apply_together(ctx: Ctx, names: Sequence[Name]) -> None:
    """Fold all events of each provider's subscription and make ours equal to the result.

    Raises:
        SolventError: one of several is refused; one that is alone is marked failed instead.
    """
    waited = await standing_store.lock_subscriptions(ctx.tx, ctx.tenant_id, names)
    stored = await _read_all(ctx, names)
    folds: list[_Folded] = []
    for name in names:
        known = await _read(ctx, stored[name])
        folded = fold(name[1], [one.event for one in known])
        if folded is not None:
            folds.append(_Folded(folded, known, waited[name]))
    waiting = await _who_must_wait(ctx, folds)
    if waiting:
        await standing_store.note_waiting(ctx.tx, ctx.tenant_id, waiting)
    if ready := [one for one in folds if one.name not in waiting]:
        await _carry_out(ctx, ready)


async def _read_all(ctx: Ctx, names: Sequence[Name]) -> dict[Name, list[StoredEvent]]:
    stored = await inbox_store.read_events_of(
        ctx.tx, ctx.tenant_id, names, limit=EVENTS_PER_SUBSCRIPTION_MAX
    )
    for (provider, reference), events in stored.items():
        if len(events) == EVENTS_PER_SUBSCRIPTION_MAX:
            log.error("subscription_too_long", provider=provider.value, reference=reference)
    return stored


async def _who_must_wait(ctx: Ctx, folds: Sequence[_Folded]) -> set[Name]:
    """Return which subscriptions are to wait for the checkout that may name their customer.

    Providers send it in no order: taken for its own, the provider's name of the customer would
    make a second customer of one person. No checkout at all (made by hand): it is taken in the end.
    """
    nameless = [one for one in folds if one.nameless]
    if not nameless:
        return set()
    known = set(await customers.find_known(ctx, [one.told for one in nameless]))
    known |= {one.told.name for one in folds if one.state.buyer.customer_ref and one.told.name}
    return {one.name for one in nameless if one.told.name not in known}


async def _carry_out(ctx: Ctx, folds: Sequence[_Folded]) -> None:
    """Make our subscriptions equal to the folds, then book what their open events tell of money."""
    try:
        async with ctx.tx.savepoint():
            prices = await _known_prices(ctx, folds)
            owners = await customers.resolve_all(ctx, [one.told for one in folds])
            held = await _sync(ctx, folds, owners, prices)
    except SolventError as refused:
        if isinstance(refused, Unavailable) or len(folds) > 1:
            raise
        [one] = folds
        await standing_store.note_heard(ctx.tx, ctx.tenant_id, *one.name)
        await _fail(ctx, [it.info for it in one.still_open], refused)
        return
    ids = [(one.state, it.id if (it := held.get(one.name)) else None) for one in folds]
    await standing_store.note_folds(ctx.tx, ctx.tenant_id, ids)
    work: list[tuple[_Read, money.Paid]] = []
    for one, owner in zip(folds, owners, strict=True):
        ours = held.get(one.name)
        payer_id = ours.customer_id if ours else owner.id
        _note_kept(ctx, ours, told=owner.id)
        work += [(it, money.Paid(it.event, payer_id, ours)) for it in _by_time(one.still_open)]
    await _book(ctx, work)


def _note_kept(ctx: Ctx, held: Subscription | None, *, told: str) -> None:
    """Record a customer told too late: subscription and payments stay with whom they have."""
    if held is None or held.customer_id == told:
        return
    data = {"customer_id": held.customer_id, "told": told}
    audit.record(ctx, action="payments.customer_kept", subject=held.id, data=data)


async def _book(ctx: Ctx, work: Sequence[tuple[_Read, money.Paid]]) -> None:
    """Book what events tell of money, all at once; if one is refused, each by itself."""

    async def all_at_once() -> list[str | None]:
        async with ctx.tx.savepoint():
            return await money.on_subscriptions(ctx, [paid for _, paid in work])

    async def by_itself(paid: money.Paid) -> str | None:
        return (await money.on_subscriptions(ctx, [paid]))[0]

    try:
        remarks = await all_at_once()
    except Unavailable:
        raise
    except SolventError:
        await _attempt_all(ctx, [(one, partial(by_itself, paid)) for one, paid in work])
    else:
        await _settle(ctx, zip((one for one, _ in work), remarks, strict=True))


async def _attempt_all(
    ctx: Ctx, work: Sequence[tuple[_Read, Callable[[], Awaitable[str | None]]]]
) -> None:
    """Do the work that each event calls for and note what came of it."""
    done: list[tuple[_Read, str | None]] = []
    for one, do in work:
        try:
            done.append((one, await do()))
        except Unavailable:
            raise
        except SolventError as refused:
            await _fail(ctx, [one.info], refused)
    await _settle(ctx, done)


async def _settle(ctx: Ctx, done: Iterable[tuple[_Read, str | None]]) -> None:
    """Note events as applied, each with the remark on what came of it."""
    by_remark: dict[str | None, list[str]] = {}
    for one, remark in done:
        by_remark.setdefault(remark, []).append(one.info.id)
    for remark, ids in by_remark.items():
        await inbox_store.settle_events(
            ctx.tx, ctx.tenant_id, ids, state=EventState.APPLIED, at=ctx.now(), reason=remark
        )


def _by_time(events: Sequence[_Read]) -> list[_Read]:
    by_id = {one.info.provider_event_id: one for one in events}
    return [by_id[event.envelope.id] for event in in_order(one.event for one in events)]


async def _known_prices(ctx: Ctx, folds: Iterable[_Folded]) -> dict[Name, str]:
    """Return of each subscription the first of its prices that a plan was sold under."""
    sold: dict[tuple[Provider, tuple[str, ...]], str] = {}
    for one in folds:
        state = one.state
        if state.sellable and (state.provider, state.price_ids) not in sold:
            sold[state.provider, state.price_ids] = await _known_price(ctx, state)
    return {
        one.name: sold[one.state.provider, one.state.price_ids]
        for one in folds
        if one.state.sellable
    }


async def _known_price(ctx: Ctx, folded: ProviderSubscription) -> str:
    for price_id in folded.price_ids:
        try:
            await catalogue.find_by_provider_price(ctx, folded.provider, price_id)
        except ProviderPriceUnknown:
            continue
        return price_id
    message = f"no plan of the catalogue names {folded.provider} {' or '.join(folded.price_ids)}"
    raise PlanUnknown(message, field="provider_prices")


async def _sync(
    ctx: Ctx, folds: Sequence[_Folded], owners: Sequence[Customer], prices: Mapping[Name, str]
) -> dict[Name, Subscription]:
    """Return our subscriptions of those of which enough is known to give access."""
    told = {
        one.name: _facts(one.state, owner, one.state.period, prices[one.name])
        for one, owner in zip(folds, owners, strict=True)
        if one.state.period and one.name in prices
    }
    if not told:
        return {}
    held = await subscriptions.sync_all(ctx, list(told.values()))
    return dict(zip(told, held, strict=True))


def _facts(
    folded: ProviderSubscription, owner: Customer, period: Span, price_id: str
) -> SubscriptionFacts:
    return SubscriptionFacts(
        provider=folded.provider,
        provider_subscription_id=folded.id,
        customer_id=owner.id,
        status=KernelStatus(folded.status),
        period_start=period.start,
        period_end=period.end,
        order=folded.event_count,
        provider_price_id=price_id,
        trial_end_at=folded.trial_ends_at,
        paid_through=folded.paid_through,
        cancel_at=folded.cancel_at,
        ended_at=folded.ended_at,
        created_at=folded.started_at,
        quantity=dict(folded.seats).get(price_id, 1),
    )


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
