"""How does Stripe's own client take money for us, and give it back?"""

# The client is heavy (30 MB) and is loaded with this module, which is imported at the first call.

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import stripe

from solvent.kit.money import Money
from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.gateways.stripe_client import client_of, told_of_money
from solvent.systems.payments.limits import LISTED_MAX, LISTED_PAGE
from solvent.systems.payments.model import Buyer, CheckoutSession, Provider, Standing
from solvent.systems.payments.ports import (
    Charged,
    ChargeRequest,
    Listed,
    Refunded,
    RefundRequest,
)
from solvent.systems.payments.rules import stripe as reading
from solvent.systems.payments.rules.reading import Doc

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams, RefundCreateParams, RefundRetrieveParams
    from stripe.params.checkout import SessionCreateParams

T = TypeVar("T")

CLOCK_DRIFT = timedelta(minutes=5)
REFUND = "solvent_refund"
SESSION_PREFIX = "cs_"
REFUNDS = {
    "succeeded": Standing.SUCCEEDED,
    "pending": Standing.PENDING,
    "requires_action": Standing.PENDING,
    "failed": Standing.DECLINED,
    "canceled": Standing.DECLINED,
}
EVENT_TYPES_MAX = 20


@dataclass(frozen=True, slots=True)
class StripeCharges:
    """Implements `ChargeGateway` and `EventLog` on `stripe.StripeClient`."""

    api_key: str
    api_base: str

    def find_method(self, request: ChargeRequest) -> str | None:
        """Return the customer's default payment method, else the newest that is attached."""
        if not request.provider_customer_id:
            return None
        client, customer_id = self._client(), request.provider_customer_id
        found = _asked(lambda: client.v1.customers.retrieve(customer_id))
        if getattr(found, "deleted", False):
            return None
        settings = found.invoice_settings
        default = settings.default_payment_method if settings else None
        if default:
            return default if isinstance(default, str) else default.id
        held = _asked(lambda: client.v1.customers.payment_methods.list(customer_id, {"limit": 1}))
        return held.data[0].id if held.data else None

    def charge(self, request: ChargeRequest, *, idempotency_key: str) -> Charged:
        """Make and confirm a payment intent, off session; a decline is an answer."""
        client, params = self._client(), _intent(request)
        try:
            made = client.v1.payment_intents.create(params, {"idempotency_key": idempotency_key})
        except stripe.CardError as declined:
            return _declined(declined, request)
        except stripe.StripeError as fault:
            raise told_of_money(fault) from fault
        return _charged(made)

    def find_charge(self, request: ChargeRequest, *, since: datetime) -> Charged | None:
        """Return the payment intent that carries the attempt, among the customer's since."""
        begun = int((since - CLOCK_DRIFT).timestamp())
        wanted: dict[str, Any] = {"created": {"gte": begun}}
        if request.provider_customer_id:
            wanted["customer"] = request.provider_customer_id
        for intent in self._pages("/v1/payment_intents", wanted):
            seen = reading.charge_seen(Doc(intent))
            if seen is not None and seen.attempt_id == request.attempt_id:
                return Charged(seen.standing, seen.id, seen.money, seen.code)
        return None

    def read_charge(self, payment_ref: str) -> Charged:
        """Return how a payment intent, or a payment link's session, stands."""
        client = self._client()
        if payment_ref.startswith(SESSION_PREFIX):
            return _session(_asked(lambda: client.v1.checkout.sessions.retrieve(payment_ref)))
        return _charged(_asked(lambda: client.v1.payment_intents.retrieve(payment_ref)))

    def withdraw_charge(self, payment_ref: str) -> Charged:
        """Cancel a payment intent, or let a session expire, unless it has been paid meanwhile."""
        client = self._client()
        try:
            if payment_ref.startswith(SESSION_PREFIX):
                return _session(client.v1.checkout.sessions.expire(payment_ref))
            return _charged(client.v1.payment_intents.cancel(payment_ref))
        except stripe.InvalidRequestError:
            return self.read_charge(payment_ref)
        except stripe.StripeError as fault:
            raise told_of_money(fault) from fault

    def create_payment_link(
        self, request: ChargeRequest, *, return_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """Return a checkout over this one amount; the card is kept for what comes later."""
        client, params = self._client(), _link(request, return_url)
        options: stripe.RequestOptions = {"idempotency_key": idempotency_key}
        made = _asked(lambda: client.v1.checkout.sessions.create(params, options))
        if not made.url:
            raise GatewayUnavailable("Stripe made a session without an address")
        expires_at = datetime.fromtimestamp(made.expires_at, UTC)
        return CheckoutSession(made.id, Provider.STRIPE, made.url, expires_at)

    def refund(
        self, request: RefundRequest, *, idempotency_key: str, tried_at: datetime | None
    ) -> Refunded:
        """Give back a payment intent's money; one asked for before is looked for by its name."""
        client, params = self._client(), _refund(request)
        if tried_at is not None and (known := self._find_refund(request)):
            return known
        options: stripe.RequestOptions = {"idempotency_key": idempotency_key}
        made = _asked(lambda: client.v1.refunds.create(params, options))
        return _refunded(_doc(made))

    def _find_refund(self, request: RefundRequest) -> Refunded | None:
        wanted = {"payment_intent": request.payment_ref, "expand": ["data.charge"]}
        for one in self._pages("/v1/refunds", wanted):
            doc = Doc(one)
            metadata = doc.maybe_doc("metadata") or Doc({})
            if metadata.maybe_text(REFUND) == request.refund_id:
                return _refunded(doc)
        return None

    def read_refund(self, refund_ref: str) -> Refunded:
        """Return how a refund stands."""
        client = self._client()
        wanted: RefundRetrieveParams = {"expand": ["charge"]}
        return _refunded(_doc(_asked(lambda: client.v1.refunds.retrieve(refund_ref, wanted))))

    def list_events(self, types: Sequence[str], *, since: datetime) -> Iterator[bytes]:
        """Yield events, some types at a time: Stripe takes 20 in one question, for 30 days."""
        for start in range(0, len(types), EVENT_TYPES_MAX):
            wanted = {
                "types": list(types[start : start + EVENT_TYPES_MAX]),
                "created": {"gte": int(since.timestamp())},
            }
            for event in self._pages("/v1/events", wanted):
                yield json.dumps(event).encode()

    def list_payments(self, *, since: datetime) -> Iterator[Listed]:
        """Yield the payment intents that succeeded, with what was given back of them."""
        wanted = {
            "created": {"gte": int(since.timestamp())},
            "expand": ["data.latest_charge"],
        }
        for intent in self._pages("/v1/payment_intents", wanted):
            if intent["status"] == "succeeded":
                yield _listed(Doc(intent))

    def list_subscriptions(self, *, since: datetime) -> Iterator[bytes]:
        """Yield subscriptions of every status as events that say how they stand now."""
        wanted = {"status": "all", "created": {"gte": int(since.timestamp())}}
        for one in self._pages("/v1/subscriptions", wanted):
            yield json.dumps(one).encode()

    def _pages(self, path: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list in Stripe's own JSON, page after page."""
        client, after = self._client(), {}
        for _ in range(LISTED_MAX // LISTED_PAGE):
            asked: dict[str, Any] = wanted | {"limit": LISTED_PAGE} | after
            answer = _asked(lambda asked=asked: client.raw_request("get", path, **asked))
            page = cast("dict[str, Any]", answer.data)
            yield from page["data"]
            if not page.get("has_more") or not page["data"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def _client(self) -> stripe.StripeClient:
        return client_of(self.api_key, self.api_base)


def _asked(call: Callable[[], T]) -> T:
    """Call, and tell the client's errors as ours."""
    try:
        return call()
    except stripe.StripeError as fault:
        raise told_of_money(fault) from fault


def _counted(amount: Money) -> int:
    counted = reading.counted(amount)
    if counted is None:
        message = f"Stripe has no amount for {amount.amount_minor} minor units of {amount.currency}"
        raise GatewayRefused(message, provider_code="invalid_amount")
    return counted


def _carried(request: ChargeRequest) -> dict[str, str]:
    return {
        reading.ATTEMPT: request.attempt_id,
        reading.SUBJECT: request.subject_id,
        "customer": request.customer_ref,
    }


def _intent(request: ChargeRequest) -> PaymentIntentCreateParams:
    params: PaymentIntentCreateParams = {
        "amount": _counted(request.amount),
        "currency": request.amount.currency.lower(),
        "confirm": True,
        "off_session": True,
        "description": request.description,
        "metadata": _carried(request),
    }
    if request.provider_customer_id:
        params["customer"] = request.provider_customer_id
    if request.method_id:
        params["payment_method"] = request.method_id
    return params


def _link(request: ChargeRequest, return_url: str) -> SessionCreateParams:
    price: Any = {
        "currency": request.amount.currency.lower(),
        "unit_amount": _counted(request.amount),
        "product_data": {"name": request.description},
    }
    params: SessionCreateParams = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": return_url,
        "client_reference_id": request.customer_ref,
        "metadata": _carried(request),
        "payment_intent_data": {
            "metadata": _carried(request),
            "setup_future_usage": "off_session",
        },
    }
    if request.provider_customer_id:
        params["customer"] = request.provider_customer_id
    else:
        params["customer_creation"] = "always"
    return params


def _refund(request: RefundRequest) -> RefundCreateParams:
    return {
        "payment_intent": request.payment_ref,
        "amount": _counted(request.amount),
        "metadata": {REFUND: request.refund_id, "reason": request.reason},
        "expand": ["charge"],
    }


def _declined(declined: stripe.CardError, request: ChargeRequest) -> Charged:
    """Return a decline; Stripe names the intent that it made in the error."""
    told = cast("dict[str, Any] | None", declined.json_body)
    error = Doc(told or {}).maybe_doc("error") or Doc({})
    intent = error.maybe_doc("payment_intent") or Doc({})
    code = error.maybe_text("decline_code") or error.maybe_text("code") or declined.code
    message = str(declined.user_message or "")[:300] or None
    reference = intent.maybe_id("id")
    return Charged(Standing.DECLINED, reference, request.amount, code, message)


def _doc(found: stripe.StripeObject) -> Doc:
    return Doc(json.loads(str(found)))


def _charged(intent: stripe.PaymentIntent) -> Charged:
    doc = _doc(intent)
    standing = reading.INTENTS.get(doc.text("status"), Standing.PENDING)
    error = doc.maybe_doc("last_payment_error") or Doc({})
    paid = standing is Standing.SUCCEEDED
    return Charged(
        standing,
        doc.id("id"),
        reading.money(doc, "amount_received" if paid else "amount"),
        error.maybe_text("decline_code") or error.maybe_text("code"),
        error.maybe_text("message"),
        doc.maybe_id("customer"),
    )


def _session(session: stripe.checkout.Session) -> Charged:
    doc = _doc(session)
    seen = reading.session_seen(doc)
    standing = seen.standing if seen else Standing.PENDING
    return Charged(
        standing,
        seen.id if seen else None,
        reading.money(doc, "amount_total"),
        provider_customer_id=seen.provider_customer_id if seen else None,
    )


def _refunded(doc: Doc) -> Refunded:
    charge = doc.fields.get("charge")
    total = reading.money(Doc(charge), "amount_refunded") if isinstance(charge, dict) else None
    standing = REFUNDS.get(doc.maybe_text("status") or "pending", Standing.PENDING)
    amount = reading.money(doc, "amount")
    return Refunded(standing, doc.id("id"), amount, total, doc.maybe_text("failure_reason"))


def _listed(intent: Doc) -> Listed:
    charge = intent.fields.get("latest_charge")
    amount = reading.money(intent, "amount_received")
    back = reading.money(Doc(charge), "amount_refunded") if isinstance(charge, dict) else None
    seen = reading.charge_seen(intent)
    return Listed(
        Provider.STRIPE,
        intent.id("id"),
        amount,
        back or Money(0, amount.currency),
        intent.epoch("created"),
        Buyer(intent.maybe_id("customer")),
        seen.attempt_id if seen else None,
        seen.subject_id if seen else None,
    )
