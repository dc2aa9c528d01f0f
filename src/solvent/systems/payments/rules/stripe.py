"""What does a Stripe event say, in the shapes of its API versions old and new?

Since 2025-03-31 the period stands on the subscription's items, and an invoice names its
subscription under `parent`; before, both stood on the object itself. The newer wins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from solvent.kit.money import Money
from solvent.systems.payments.model import (
    AliasSeen,
    Buyer,
    ChargeSeen,
    CheckoutCompleted,
    DisputeSeen,
    Envelope,
    Fact,
    MethodSeen,
    PaymentSeen,
    RefundSeen,
    Span,
    Standing,
    Status,
    SubscriptionSeen,
)
from solvent.systems.payments.rules.reading import Doc, digest

STATUSES: Mapping[str, Status] = {
    "incomplete": Status.PENDING,
    "incomplete_expired": Status.EXPIRED,
    "trialing": Status.TRIALING,
    "active": Status.ACTIVE,
    "past_due": Status.PAST_DUE,
    # Stripe has given up collecting but keeps the subscription: no access until somebody pays.
    "unpaid": Status.PAUSED,
    "paused": Status.PAUSED,
    "canceled": Status.CANCELED,
}

MINOR_PER_UNIT: Mapping[str, int] = {"ISK": 100, "UGX": 100}
"""Currencies without decimals that Stripe nevertheless writes in hundredths."""

UNIT_PER_MINOR: Mapping[str, int] = {"MGA": 100}
"""Currencies with decimals (ISO 4217) that Stripe writes without."""


def envelope(doc: Doc) -> Envelope:
    """Return what the event says of itself; raises EventMalformed."""
    content = {name: doc.fields.get(name) for name in ("id", "type", "created", "data")}
    return Envelope(
        id=doc.id("id"),
        type=doc.text("type"),
        occurred_at=doc.epoch("created"),
        api_version=doc.maybe_text("api_version") or "",
        live=doc.flag("livemode"),
        subscription_ref=_subject(doc.text("type"), doc.doc("data").doc("object")),
        digest=digest(content),
    )


def fact(doc: Doc) -> Fact | None:
    """Return the fact the event tells, or None for a type that nothing here depends on.

    Raises:
        EventMalformed: a type that matters is not in any shape that Stripe documents.
    """
    read = READERS.get(doc.text("type"))
    return read(doc.doc("data")) if read else None


def _subject(kind: str, subject: Doc) -> str | None:
    if kind.startswith("customer.subscription."):
        return subject.id("id")
    return _subscription_of(subject) if kind in READERS else None


def _subscription_of(subject: Doc) -> str | None:
    parent = subject.dig("parent", "subscription_details")
    if found := (parent and parent.maybe_id("subscription")) or subject.maybe_id("subscription"):
        return found
    lines = (
        line.dig("parent", "subscription_item_details") or line for line in subject.items("lines")
    )
    return next((found for line in lines if (found := line.maybe_id("subscription"))), None)


def _subscription(data: Doc) -> SubscriptionSeen:
    subject = data.doc("object")
    status = STATUSES.get(subject.text("status"))
    period = _period(subject)
    ends = period.end if period and subject.flag("cancel_at_period_end") else None
    return SubscriptionSeen(
        id=subject.id("id"),
        buyer=Buyer(subject.maybe_id("customer"), named(subject.maybe_doc("metadata"))),
        status=status or subject.wrong("status", "one of " + ", ".join(STATUSES)),
        price_ids=_unique(
            item.maybe_id("price") or item.maybe_id("plan") for item in subject.items("items")
        ),
        period=period,
        started_at=subject.maybe_epoch("start_date") or subject.maybe_epoch("created"),
        trial_ends_at=subject.maybe_epoch("trial_end"),
        cancel_at=subject.maybe_epoch("cancel_at") or ends,
        ended_at=subject.maybe_epoch("ended_at"),
        seats=tuple(
            (price_id, item.seats("quantity"))
            for item in subject.items("items")
            if (price_id := item.maybe_id("price") or item.maybe_id("plan"))
        ),
    )


def _deleted(data: Doc) -> SubscriptionSeen:
    """Read the last state; whatever status it carries, a deleted subscription has ended."""
    seen = _subscription(data)
    return dataclasses.replace(
        seen,
        status=seen.status if seen.status.terminal else Status.CANCELED,
        cancel_at=None,
        ended_at=seen.ended_at or data.doc("object").maybe_epoch("canceled_at"),
    )


ATTEMPT, SUBJECT = "solvent_attempt", "solvent_subject"
"""The names in metadata and custom data under which a charge says that it was asked for here."""

INTENTS: Mapping[str, Standing] = {
    "succeeded": Standing.SUCCEEDED,
    "canceled": Standing.WITHDRAWN,
    "processing": Standing.PENDING,
    "requires_action": Standing.PENDING,
    "requires_capture": Standing.PENDING,
    "requires_confirmation": Standing.PENDING,
    "requires_payment_method": Standing.DECLINED,
}


def charge_seen(intent: Doc) -> ChargeSeen | None:
    """Return what a payment intent says of a charge of ours; None for one that is not."""
    metadata = intent.maybe_doc("metadata") or Doc({})
    attempt_id = metadata.maybe_text(ATTEMPT)
    if attempt_id is None:
        return None
    standing = INTENTS.get(intent.text("status"))
    error = intent.maybe_doc("last_payment_error") or Doc({})
    paid = standing is Standing.SUCCEEDED
    return ChargeSeen(
        id=intent.id("id"),
        attempt_id=attempt_id,
        subject_id=metadata.maybe_text(SUBJECT),
        standing=standing or intent.wrong("status", "one of " + ", ".join(INTENTS)),
        money=money(intent, "amount_received" if paid else "amount"),
        code=error.maybe_text("decline_code") or error.maybe_text("code"),
        provider_customer_id=intent.maybe_id("customer"),
    )


def _intent(data: Doc) -> ChargeSeen | None:
    return charge_seen(data.doc("object"))


def session_seen(session: Doc) -> ChargeSeen | None:
    """Return what the page of a payment link says of a charge of ours; None for another page."""
    metadata = session.maybe_doc("metadata") or Doc({})
    attempt_id = metadata.maybe_text(ATTEMPT)
    if attempt_id is None:
        return None
    paid = session.maybe_text("payment_status") == "paid"
    gone = session.maybe_text("status") == "expired"
    standing = Standing.WITHDRAWN if gone else Standing.PENDING
    return ChargeSeen(
        id=session.maybe_id("payment_intent") or session.id("id"),
        attempt_id=attempt_id,
        subject_id=metadata.maybe_text(SUBJECT),
        standing=Standing.SUCCEEDED if paid else standing,
        money=money(session, "amount_total"),
        code=None,
        provider_customer_id=session.maybe_id("customer"),
    )


def _expired(data: Doc) -> ChargeSeen | None:
    return session_seen(data.doc("object"))


def _method(data: Doc) -> MethodSeen | None:
    subject = data.doc("object")
    customer = subject.maybe_id("customer")
    return MethodSeen(subject.id("id"), Buyer(customer)) if customer else None


def _customer(data: Doc) -> MethodSeen | None:
    """Read that a customer has another default: what else changed of them is of no use."""
    before = data.maybe_doc("previous_attributes") or Doc({})
    told = before.maybe_doc("invoice_settings") or Doc({})
    if "default_payment_method" not in told.fields and "default_source" not in before.fields:
        return None
    settings = data.doc("object").maybe_doc("invoice_settings") or Doc({})
    customer_id = data.doc("object").id("id")
    return MethodSeen(settings.maybe_id("default_payment_method") or "", Buyer(customer_id))


def _checkout(data: Doc) -> CheckoutCompleted | ChargeSeen:
    subject = data.doc("object")
    if ours := session_seen(subject):
        return ours
    metadata = subject.maybe_doc("metadata") or Doc({})
    details = subject.maybe_doc("customer_details") or Doc({})
    reference = subject.maybe_text("client_reference_id")
    at_once = (
        subject.maybe_text("mode") == "payment" and subject.maybe_text("payment_status") == "paid"
    )
    return CheckoutCompleted(
        id=subject.id("id"),
        buyer=Buyer(
            provider_customer_id=subject.maybe_id("customer"),
            customer_ref=reference or named(metadata),
            email=details.maybe_text("email") or subject.maybe_text("customer_email"),
            name=details.maybe_text("name"),
        ),
        subscription_id=subject.maybe_id("subscription"),
        payment_id=subject.maybe_id("payment_intent") or subject.id("id"),
        paid=money(subject, "amount_total") if at_once else None,
        plan_key=metadata.maybe_text("plan"),
    )


def _invoice_paid(data: Doc) -> PaymentSeen:
    return _invoice(data.doc("object"), succeeded=True, amount="amount_paid")


def _invoice_failed(data: Doc) -> PaymentSeen:
    return _invoice(data.doc("object"), succeeded=False, amount="amount_due")


def _invoice(subject: Doc, *, succeeded: bool, amount: str) -> PaymentSeen:
    lines = list(subject.items("lines"))
    spans = [
        _span(period, "start", "end") for line in lines if (period := line.maybe_doc("period"))
    ]
    error = subject.maybe_doc("last_finalization_error")
    return PaymentSeen(
        id=subject.id("id"),
        buyer=Buyer(
            provider_customer_id=subject.maybe_id("customer"),
            customer_ref=_invoice_customer(subject),
            email=subject.maybe_text("customer_email"),
            name=subject.maybe_text("customer_name"),
        ),
        subscription_id=_subscription_of(subject),
        succeeded=succeeded,
        money=money(subject, amount),
        price_ids=_unique(_line_price(line) for line in lines),
        period=_latest(spans),
        reason=error.maybe_text("code") if error else None,
    )


def _invoice_customer(subject: Doc) -> str | None:
    return (
        named(subject.dig("parent", "subscription_details", "metadata"))
        or named(subject.dig("subscription_details", "metadata"))
        or named(subject.maybe_doc("metadata"))
    )


def _line_price(line: Doc) -> str | None:
    newer = line.dig("pricing", "price_details")
    return (newer and newer.maybe_id("price")) or line.maybe_id("price") or line.maybe_id("plan")


def _refund(data: Doc) -> RefundSeen:
    """Read what this refund added: the charge tells only the sum of all its refunds so far."""
    charge = data.doc("object")
    total = money(charge, "amount_refunded")
    told = data.maybe_doc("previous_attributes") or Doc({})
    known = told.fields.get("amount_refunded") is not None
    before = (
        money(Doc(charge.fields | told.fields, told.path), "amount_refunded") if known else None
    )
    return RefundSeen(
        id=f"{charge.id('id')}:{total.amount_minor}",
        payment_id=charge.maybe_id("invoice") or charge.maybe_id("payment_intent"),
        returned=total - before if before else total,
        total=total,
    )


def _alias(data: Doc) -> AliasSeen:
    """Read which payment intent paid an invoice: nothing else tells it since 2025-03-31."""
    subject = data.doc("object")
    payment = subject.doc("payment")
    alias = payment.maybe_id("payment_intent") or payment.maybe_id("charge")
    alias = alias or payment.wrong("payment_intent", "a payment intent or a charge")
    return AliasSeen(alias, subject.id("invoice"))


def _dispute(data: Doc) -> DisputeSeen:
    subject = data.doc("object")
    return DisputeSeen(
        id=subject.id("id"),
        payment_id=subject.maybe_id("payment_intent") or subject.maybe_id("charge"),
        disputed=money(subject, "amount"),
        status=subject.text("status"),
        reason=subject.maybe_text("reason") or "",
    )


READERS: Mapping[str, Callable[[Doc], Fact | None]] = {
    "checkout.session.completed": _checkout,
    "checkout.session.async_payment_succeeded": _checkout,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "customer.subscription.deleted": _deleted,
    "invoice.paid": _invoice_paid,
    "invoice.payment_failed": _invoice_failed,
    "invoice_payment.paid": _alias,
    "charge.refunded": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "checkout.session.expired": _expired,
    "payment_intent.succeeded": _intent,
    "payment_intent.payment_failed": _intent,
    "payment_intent.canceled": _intent,
    "payment_intent.processing": _intent,
    "payment_method.attached": _method,
    "customer.updated": _customer,
}


def money(doc: Doc, name: str) -> Money:
    """Return an amount in ISO 4217 minor units; three currencies Stripe counts in its own way.

    Raises:
        EventMalformed: not an amount, or one that its currency cannot hold.
    """
    stated = doc.money(name)
    amount = stated.amount_minor * UNIT_PER_MINOR.get(stated.currency, 1)
    whole, rest = divmod(amount, MINOR_PER_UNIT.get(stated.currency, 1))
    if rest:
        doc.wrong(name, f"an amount in hundredths of {stated.currency} that is whole")
    return Money(whole, stated.currency)


def counted(amount: Money) -> int | None:
    """Return an amount as Stripe counts its currency; None where it cannot say it."""
    whole, rest = divmod(amount.amount_minor, UNIT_PER_MINOR.get(amount.currency, 1))
    return None if rest else whole * MINOR_PER_UNIT.get(amount.currency, 1)


def named(metadata: Doc | None) -> str | None:
    """Return the tenant's own name of the customer from metadata that a checkout was given."""
    return metadata.maybe_text("customer") if metadata else None


def _period(subject: Doc) -> Span | None:
    items = [_current(item) for item in subject.items("items")]
    return _latest(items) or _current(subject)


def _current(doc: Doc) -> Span | None:
    return _span(doc, "current_period_start", "current_period_end")


def _span(doc: Doc, first: str, last: str) -> Span | None:
    start: datetime | None = doc.maybe_epoch(first)
    end = doc.maybe_epoch(last)
    if start is None or end is None:
        return None
    return Span(start, end) if start <= end else doc.wrong(last, f"a time not before {first}")


def _latest(spans: Iterable[Span | None]) -> Span | None:
    return max(
        (span for span in spans if span), key=lambda span: (span.end, span.start), default=None
    )


def _unique(ids: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for found in ids if found))
