"""What do all events of one provider subscription, in whatever order they came, amount to?

The state is a pure function of the set of events: they are put into one total order (the
provider's time, then what kind of event, then the period it speaks of, then its id) and folded. So
a late event finds its place, a repeated one changes nothing, and what has ended stays ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from solvent.systems.payments.model import (
    Buyer,
    CheckoutCompleted,
    Event,
    PaymentSeen,
    ProviderSubscription,
    Span,
    Status,
    SubscriptionSeen,
)

RANKS: Mapping[str, int] = {
    "created": 0,
    "completed": 1,
    "payment_failed": 2,
    "paid": 3,
    "trialing": 4,
    "activated": 4,
    "updated": 5,
    "past_due": 6,
    "paused": 6,
    "resumed": 7,
    "deleted": 9,
    "canceled": 9,
}
"""Which of two events of the same instant comes first, by the last word of its type."""

RANK_OTHER = 5
NOBODY = Buyer()
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _State:
    buyer: Buyer = NOBODY
    checkout_ref: str | None = None
    status: Status | None = None
    price_ids: tuple[str, ...] = ()
    seats: tuple[tuple[str, int], ...] = ()
    period: Span | None = None
    paid_through: datetime | None = None
    started_at: datetime | None = None
    trial_ends_at: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def over(self) -> bool:
        return self.status is not None and self.status.terminal


def fold(subscription_id: str, events: Iterable[Event]) -> ProviderSubscription | None:
    """Return the state of a provider subscription, or None while no event tells one.

    Promises: the same answer for every order and repetition of the same events.
    """
    ordered = in_order(events)
    state = _State()
    for event in ordered:
        state = _apply(state, event)
    if state.status is None:
        return None
    last = ordered[-1]
    return ProviderSubscription(
        provider=last.provider,
        id=subscription_id,
        buyer=replace(state.buyer, customer_ref=state.checkout_ref or state.buyer.customer_ref),
        status=state.status,
        price_ids=state.price_ids,
        period=state.period,
        paid_through=state.paid_through,
        started_at=state.started_at or ordered[0].envelope.occurred_at,
        trial_ends_at=state.trial_ends_at,
        cancel_at=state.cancel_at,
        ended_at=state.ended_at,
        event_count=len(ordered),
        last_event_id=last.envelope.id,
        seats=state.seats,
    )


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return the distinct events in the one total order that any process would put them in."""
    distinct = {event.envelope.id: event for event in events}
    return sorted(distinct.values(), key=_place)


def _place(event: Event) -> tuple[datetime, int, datetime, str]:
    period = getattr(event.fact, "period", None)
    end = period.end if isinstance(period, Span) else LONG_AGO
    word = event.envelope.type.rpartition(".")[2]
    return event.envelope.occurred_at, RANKS.get(word, RANK_OTHER), end, event.envelope.id


def _apply(state: _State, event: Event) -> _State:
    match event.fact:
        case SubscriptionSeen() as seen:
            return _seen(state, seen, at=event.envelope.occurred_at)
        case CheckoutCompleted() as checkout:
            merged = replace(state, buyer=_merge(state.buyer, checkout.buyer))
            return replace(merged, checkout_ref=checkout.buyer.customer_ref or state.checkout_ref)
        case PaymentSeen(succeeded=True) as payment:
            return _paid(replace(state, buyer=_merge(state.buyer, payment.buyer)), payment)
        case PaymentSeen() as payment:
            return _failed(replace(state, buyer=_merge(state.buyer, payment.buyer)), payment)
        case _:
            return state


def _seen(state: _State, seen: SubscriptionSeen, *, at: datetime) -> _State:
    buyer = _merge(state.buyer, seen.buyer)
    if state.over and not seen.status.terminal:
        return replace(state, buyer=buyer)
    return replace(
        state,
        buyer=buyer,
        status=seen.status,
        price_ids=seen.price_ids or state.price_ids,
        seats=seen.seats or state.seats,
        period=seen.period or state.period,
        started_at=_earlier(state.started_at, seen.started_at),
        trial_ends_at=seen.trial_ends_at,
        cancel_at=seen.cancel_at,
        ended_at=(seen.ended_at or at) if seen.status.terminal else None,
    )


def _paid(state: _State, payment: PaymentSeen) -> _State:
    """Take what a payment proves: its period is paid for, so an owing subscription owes no more."""
    if state.over:
        return state
    period = _later(state.period, payment.period)
    settles = payment.period is None or (period and period.end == payment.period.end)
    owing = state.status in (None, Status.PENDING, Status.PAST_DUE)
    paid_through = payment.period.end if payment.period else None
    return replace(
        state,
        status=Status.ACTIVE if owing and settles else state.status,
        price_ids=state.price_ids or payment.price_ids,
        period=period,
        paid_through=max(filter(None, (state.paid_through, paid_through)), default=None),
    )


def _failed(state: _State, payment: PaymentSeen) -> _State:
    """Take what a failed attempt proves: a new period that nobody has paid for."""
    if state.status is None:
        return replace(
            state, status=Status.PENDING, price_ids=payment.price_ids, period=payment.period
        )
    due_from = payment.period.start if payment.period else None
    renewal = due_from and state.paid_through and due_from >= state.paid_through
    owes = state.status is Status.ACTIVE and renewal
    return replace(state, status=Status.PAST_DUE if owes else state.status)


def _merge(known: Buyer, told: Buyer) -> Buyer:
    return Buyer(
        told.provider_customer_id or known.provider_customer_id,
        told.customer_ref or known.customer_ref,
        told.email or known.email,
        told.name or known.name,
    )


def _earlier(left: datetime | None, right: datetime | None) -> datetime | None:
    return min(filter(None, (left, right)), default=None)


def _later(left: Span | None, right: Span | None) -> Span | None:
    return max(
        (span for span in (left, right) if span),
        key=lambda span: (span.end, span.start),
        default=None,
    )
