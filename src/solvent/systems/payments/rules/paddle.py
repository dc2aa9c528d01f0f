"""What does a Paddle Billing event say?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from solvent.systems.payments.model import (
    Buyer,
    ChargeSeen,
    DisputeSeen,
    Envelope,
    Fact,
    PaymentSeen,
    RefundSeen,
    Span,
    Standing,
    Status,
    SubscriptionSeen,
)
from solvent.systems.payments.rules.reading import Doc, digest
from solvent.systems.payments.rules.stripe import ATTEMPT, SUBJECT

STATUSES: Mapping[str, Status] = {
    "trialing": Status.TRIALING,
    "active": Status.ACTIVE,
    "past_due": Status.PAST_DUE,
    "paused": Status.PAUSED,
    "canceled": Status.CANCELED,
}


def envelope(doc: Doc) -> Envelope:
    """Return what the event says of itself; raises EventMalformed.

    `notification_id` is left out of the digest: a delivery repeated by hand has another one.
    """
    content = {
        name: doc.fields.get(name) for name in ("event_id", "event_type", "occurred_at", "data")
    }
    kind, subject = doc.text("event_type"), doc.doc("data")
    about = kind.startswith("subscription.") and subject.id("id")
    return Envelope(
        id=doc.id("event_id"),
        type=kind,
        occurred_at=doc.moment("occurred_at"),
        api_version="",
        live=None,
        subscription_ref=about
        or (subject.maybe_id("subscription_id") if kind in READERS else None),
        digest=digest(content),
    )


def fact(doc: Doc) -> Fact | None:
    """Return the fact the event tells, or None for a type that nothing here depends on.

    Raises:
        EventMalformed: a type that matters is not in the shape that Paddle documents.
    """
    read = READERS.get(doc.text("event_type"))
    return read(doc.doc("data")) if read else None


def _subscription(subject: Doc) -> SubscriptionSeen:
    status = STATUSES.get(subject.text("status"))
    return SubscriptionSeen(
        id=subject.id("id"),
        buyer=_buyer(subject),
        status=status or subject.wrong("status", "one of " + ", ".join(STATUSES)),
        price_ids=_prices(subject),
        period=_span(subject.maybe_doc("current_billing_period")),
        started_at=subject.maybe_moment("started_at") or subject.maybe_moment("created_at"),
        trial_ends_at=subject.maybe_moment("next_billed_at") if status is Status.TRIALING else None,
        cancel_at=_scheduled_end(subject),
        ended_at=subject.maybe_moment("canceled_at"),
        seats=tuple(
            (price.id("id"), item.seats("quantity"))
            for item in subject.items("items")
            if (price := item.maybe_doc("price"))
        ),
    )


def _scheduled_end(subject: Doc) -> datetime | None:
    change = subject.maybe_doc("scheduled_change")
    ends = change is not None and change.maybe_text("action") == "cancel"
    return change.maybe_moment("effective_at") if change and ends else None


TRANSACTIONS: Mapping[str, Standing] = {
    "draft": Standing.PENDING,
    "ready": Standing.PENDING,
    "billed": Standing.PENDING,
    "paid": Standing.SUCCEEDED,
    "completed": Standing.SUCCEEDED,
    "canceled": Standing.WITHDRAWN,
    "past_due": Standing.DECLINED,
}


def charge_seen(subject: Doc) -> ChargeSeen | None:
    """Return what a transaction says of a charge of ours; None for one that is not.

    A charge on a subscription carries our name on its price, a transaction of its own carries it
    itself.
    """
    custom = _custom(subject)
    attempt_id = custom.maybe_text(ATTEMPT)
    if attempt_id is None:
        return None
    standing = TRANSACTIONS.get(subject.text("status"))
    totals = subject.doc("details").doc("totals")
    return ChargeSeen(
        id=subject.id("id"),
        attempt_id=attempt_id,
        subject_id=custom.maybe_text(SUBJECT),
        standing=standing or subject.wrong("status", "one of " + ", ".join(TRANSACTIONS)),
        money=totals.money("grand_total", currency="currency_code"),
        code=error_of(subject),
        provider_customer_id=subject.maybe_id("customer_id"),
        subscription_id=subject.maybe_id("subscription_id"),
    )


def _custom(subject: Doc) -> Doc:
    """Return the custom data that names an attempt, of the transaction or of one of its prices."""
    prices = [price for item in subject.items("items") if (price := item.maybe_doc("price"))]
    for holder in (subject, *prices):
        custom = holder.maybe_doc("custom_data")
        if custom and ATTEMPT in custom.fields:
            return custom
    return Doc({})


def error_of(subject: Doc) -> str | None:
    """Return why the newest attempt to pay a transaction failed."""
    errors = [attempt.maybe_text("error_code") for attempt in subject.items("payments")]
    return next((error for error in errors if error), None)


def _paid(subject: Doc) -> Fact:
    return charge_seen(subject) or _transaction(subject, succeeded=True)


def _failed(subject: Doc) -> Fact:
    return charge_seen(subject) or _transaction(subject, succeeded=False)


def _transaction(subject: Doc, *, succeeded: bool) -> PaymentSeen:
    totals = subject.doc("details").doc("totals")
    return PaymentSeen(
        id=subject.id("id"),
        buyer=_buyer(subject),
        subscription_id=subject.maybe_id("subscription_id"),
        succeeded=succeeded,
        money=totals.money("grand_total", currency="currency_code"),
        price_ids=_prices(subject),
        period=_span(subject.maybe_doc("billing_period")),
        reason=error_of(subject),
    )


def _adjustment(subject: Doc) -> Fact | None:
    returned = subject.doc("totals").money("total", currency="currency_code")
    action = subject.text("action")
    if action == "refund" and subject.maybe_text("status") == "approved":
        return RefundSeen(subject.id("id"), subject.id("transaction_id"), returned)
    if action.startswith("chargeback"):
        payment, status = subject.id("transaction_id"), subject.text("status")
        return DisputeSeen(subject.id("id"), payment, returned, status, action)
    return None


READERS: Mapping[str, Callable[[Doc], Fact | None]] = {
    "subscription.created": _subscription,
    "subscription.trialing": _subscription,
    "subscription.activated": _subscription,
    "subscription.updated": _subscription,
    "subscription.past_due": _subscription,
    "subscription.paused": _subscription,
    "subscription.resumed": _subscription,
    "subscription.canceled": _subscription,
    "transaction.completed": _paid,
    "transaction.payment_failed": _failed,
    "adjustment.created": _adjustment,
    "adjustment.updated": _adjustment,
}


def _buyer(subject: Doc) -> Buyer:
    custom = subject.maybe_doc("custom_data")
    return Buyer(subject.maybe_id("customer_id"), custom.maybe_text("customer") if custom else None)


def _prices(subject: Doc) -> tuple[str, ...]:
    """Return the prices, those that recur first: a one-time extra never names the plan."""
    prices = [price for item in subject.items("items") if (price := item.maybe_doc("price"))]
    recurring = _ids(price for price in prices if price.maybe_doc("billing_cycle"))
    return tuple(dict.fromkeys((*recurring, *_ids(prices))))


def _ids(docs: Iterable[Doc]) -> list[str]:
    return [doc.id("id") for doc in docs]


def _span(doc: Doc | None) -> Span | None:
    if doc is None:
        return None
    start, end = doc.moment("starts_at"), doc.moment("ends_at")
    return Span(start, end) if start <= end else doc.wrong("ends_at", "a time not before starts_at")
