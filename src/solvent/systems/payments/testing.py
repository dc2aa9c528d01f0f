"""What would Stripe or Paddle send, signed as they sign it? For tests, demos and emulators.

Bodies are in the shapes of the current API versions (Stripe 2025-03-31 and later: the period on the
items, the invoice's subscription under `parent`; Paddle Billing version 1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from solvent.kit.clock import format_time
from solvent.systems.payments.model import Provider
from solvent.systems.payments.rules.signature import SCHEMES, sign

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it goes over the wire."""

    body: bytes
    headers: dict[str, str]


def deliver(provider: Provider, body: bytes, *, secret: str, at: datetime) -> Delivery:
    """Return the request that this provider would make with this body at this moment."""
    header = sign(provider, body, secret=secret.encode(), at=at)
    return Delivery(body, {"content-type": "application/json", SCHEMES[provider].header: header})


@dataclass(frozen=True, slots=True)
class StripePurchase:
    """One customer buying one monthly plan at Stripe; each method is one event of its life.

    `at` is the moment the event happened; ids of events follow from what they tell, so that the
    same call makes the same event again.
    """

    customer_ref: str | None
    price_id: str
    started_at: datetime
    subscription_id: str = "sub_1QTestSubscription"
    provider_customer_id: str = "cus_QTestCustomer"
    amount_minor: int = 2900
    currency: str = "usd"
    email: str = "ada@example.com"
    period_days: int = 30
    live: bool = False

    def checkout(self, *, at: datetime | None = None) -> bytes:
        """Return `checkout.session.completed`: the buyer finished the checkout."""
        session: Json = {
            "id": f"cs_test_{self.subscription_id}",
            "object": "checkout.session",
            "mode": "subscription",
            "status": "complete",
            "payment_status": "paid",
            "amount_total": self.amount_minor,
            "currency": self.currency,
            "client_reference_id": self.customer_ref,
            "customer": self.provider_customer_id,
            "customer_details": {"email": self.email, "name": None},
            "subscription": self.subscription_id,
            "payment_intent": None,
            "metadata": {},
        }
        return self._event("checkout.session.completed", session, at or self.started_at)

    def created(self, *, status: str = "incomplete", at: datetime | None = None) -> bytes:
        """Return `customer.subscription.created`: Stripe made it, not yet paid."""
        moment = at or self.started_at
        return self._event("customer.subscription.created", self._subscription(status), moment)

    def updated(
        self,
        *,
        status: str = "active",
        period: int = 0,
        at: datetime | None = None,
        **change: object,
    ) -> bytes:
        """Return `customer.subscription.updated`, in its `period`-th period from 0."""
        moment = at or self.started_at + timedelta(seconds=2)
        subscription = self._subscription(status, period) | change
        return self._event("customer.subscription.updated", subscription, moment)

    def deleted(self, *, at: datetime, period: int = 0) -> bytes:
        """Return `customer.subscription.deleted`: it has ended, now."""
        ended = {"ended_at": _s(at), "canceled_at": _s(at)}
        subscription = self._subscription("canceled", period) | ended
        return self._event("customer.subscription.deleted", subscription, at)

    def paid(self, *, period: int = 0, at: datetime | None = None) -> bytes:
        """Return `invoice.paid` for the `period`-th period from 0."""
        return self._event("invoice.paid", self._invoice(period, paid=True), self._due(period, at))

    def payment_failed(self, *, period: int = 0, at: datetime | None = None) -> bytes:
        """Return `invoice.payment_failed` for the `period`-th period from 0."""
        invoice = self._invoice(period, paid=False)
        return self._event("invoice.payment_failed", invoice, self._due(period, at))

    def _due(self, period: int, at: datetime | None) -> datetime:
        return at or self._bounds(period)[0] + timedelta(seconds=1)

    def _bounds(self, period: int) -> tuple[datetime, datetime]:
        length = timedelta(days=self.period_days)
        return self.started_at + period * length, self.started_at + (period + 1) * length

    def _subscription(self, status: str, period: int = 0) -> Json:
        start, end = self._bounds(period)
        item: Json = {
            "id": f"si_{self.subscription_id}",
            "object": "subscription_item",
            "current_period_start": _s(start),
            "current_period_end": _s(end),
            "price": {"id": self.price_id, "object": "price", "currency": self.currency},
            "quantity": 1,
        }
        return {
            "id": self.subscription_id,
            "object": "subscription",
            "status": status,
            "customer": self.provider_customer_id,
            "currency": self.currency,
            "created": _s(self.started_at),
            "start_date": _s(self.started_at),
            "billing_cycle_anchor": _s(self.started_at),
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "ended_at": None,
            "trial_end": None,
            "items": {"object": "list", "data": [item], "has_more": False},
            "metadata": {},
        }

    def _invoice(self, period: int, *, paid: bool) -> Json:
        start, end = self._bounds(period)
        line: Json = {
            "id": f"il_{self.subscription_id}_{period}",
            "object": "line_item",
            "amount": self.amount_minor,
            "currency": self.currency,
            "period": {"start": _s(start), "end": _s(end)},
            "pricing": {"type": "price_details", "price_details": {"price": self.price_id}},
            "parent": {
                "type": "subscription_item_details",
                "subscription_item_details": {"subscription": self.subscription_id},
            },
        }
        return {
            "id": f"in_{self.subscription_id}_{period}",
            "object": "invoice",
            "status": "paid" if paid else "open",
            "customer": self.provider_customer_id,
            "customer_email": self.email,
            "currency": self.currency,
            "amount_due": self.amount_minor,
            "amount_paid": self.amount_minor if paid else 0,
            "attempt_count": 1,
            "billing_reason": "subscription_cycle" if period else "subscription_create",
            "lines": {"object": "list", "data": [line], "has_more": False},
            "parent": {
                "type": "subscription_details",
                "subscription_details": {"subscription": self.subscription_id, "metadata": {}},
            },
            "metadata": {},
        }

    def _event(self, kind: str, subject: Json, at: datetime) -> bytes:
        state = f"{subject.get('status', '')}{subject.get('id')}"
        return _dump(
            {
                "id": f"evt_{kind.replace('.', '_')}_{state}_{_s(at)}",
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": _s(at),
                "type": kind,
                "livemode": self.live,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "data": {"object": subject},
            }
        )


@dataclass(frozen=True, slots=True)
class PaddlePurchase:
    """One customer buying one monthly plan at Paddle; each method is one event of its life."""

    customer_ref: str | None
    price_id: str
    started_at: datetime
    subscription_id: str = "sub_01testsubscription00000000"
    provider_customer_id: str = "ctm_01testcustomer000000000000"
    amount_minor: int = 2900
    currency: str = "USD"
    period_days: int = 30

    def created(self, *, at: datetime | None = None) -> bytes:
        """Return `subscription.created`."""
        return self._event(
            "subscription.created", self._subscription("active"), at or self.started_at
        )

    def activated(self, *, at: datetime | None = None) -> bytes:
        """Return `subscription.activated`."""
        moment = at or self.started_at + timedelta(milliseconds=20)
        return self._event("subscription.activated", self._subscription("active"), moment)

    def updated(
        self,
        *,
        status: str = "active",
        period: int = 0,
        at: datetime | None = None,
        **change: object,
    ) -> bytes:
        """Return `subscription.updated`, in its `period`-th period from 0."""
        subscription = self._subscription(status, period) | change
        moment = at or self.started_at + timedelta(seconds=2)
        return self._event("subscription.updated", subscription, moment)

    def past_due(self, *, period: int, at: datetime) -> bytes:
        """Return `subscription.past_due`: the payment for this period failed."""
        return self._event("subscription.past_due", self._subscription("past_due", period), at)

    def canceled(self, *, at: datetime) -> bytes:
        """Return `subscription.canceled`: it has ended, now."""
        change = {
            "current_billing_period": None,
            "canceled_at": format_time(at),
            "next_billed_at": None,
        }
        return self._event("subscription.canceled", self._subscription("canceled") | change, at)

    def completed(self, *, period: int = 0, at: datetime | None = None) -> bytes:
        """Return `transaction.completed` for the `period`-th period from 0."""
        moment = at or self._bounds(period)[0] + timedelta(seconds=1)
        return self._event("transaction.completed", self._transaction("completed", period), moment)

    def payment_failed(self, *, period: int = 0, at: datetime | None = None) -> bytes:
        """Return `transaction.payment_failed` for the `period`-th period from 0."""
        moment = at or self._bounds(period)[0] + timedelta(seconds=1)
        failed = self._transaction("past_due", period)
        failed["payments"] = [{"status": "error", "error_code": "declined"}]
        return self._event("transaction.payment_failed", failed, moment)

    def _bounds(self, period: int) -> tuple[datetime, datetime]:
        length = timedelta(days=self.period_days)
        return self.started_at + period * length, self.started_at + (period + 1) * length

    def _span(self, period: int) -> dict[str, str]:
        start, end = self._bounds(period)
        return {"starts_at": format_time(start), "ends_at": format_time(end)}

    def _price(self) -> Json:
        return {"id": self.price_id, "billing_cycle": {"interval": "month", "frequency": 1}}

    def _custom(self) -> dict[str, str] | None:
        return {"customer": self.customer_ref} if self.customer_ref else None

    def _subscription(self, status: str, period: int = 0) -> Json:
        return {
            "id": self.subscription_id,
            "status": status,
            "customer_id": self.provider_customer_id,
            "currency_code": self.currency,
            "created_at": format_time(self.started_at),
            "started_at": format_time(self.started_at),
            "canceled_at": None,
            "paused_at": None,
            "next_billed_at": self._span(period)["ends_at"],
            "scheduled_change": None,
            "current_billing_period": self._span(period),
            "billing_cycle": {"interval": "month", "frequency": 1},
            "items": [{"price": self._price(), "quantity": 1, "recurring": True}],
            "custom_data": self._custom(),
        }

    def _transaction(self, status: str, period: int) -> Json:
        total = str(self.amount_minor)
        return {
            "id": f"txn_01{self.subscription_id[-12:]}{period}",
            "status": status,
            "customer_id": self.provider_customer_id,
            "subscription_id": self.subscription_id,
            "currency_code": self.currency,
            "billing_period": self._span(period),
            "items": [{"price": self._price(), "quantity": 1}],
            "details": {"totals": {"grand_total": total, "currency_code": self.currency}},
            "payments": [],
            "custom_data": self._custom(),
        }

    def _event(self, kind: str, subject: Json, at: datetime) -> bytes:
        name = f"{kind.replace('.', '_')}_{subject['id']}_{subject['status']}_{int(at.timestamp())}"
        return _dump(
            {
                "event_id": f"evt_{name}",
                "event_type": kind,
                "occurred_at": format_time(at),
                "notification_id": f"ntf_{name}",
                "data": subject,
            }
        )


def _s(moment: datetime) -> int:
    return int(moment.timestamp())


def _dump(value: Json) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()
