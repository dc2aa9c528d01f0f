"""How does Paddle's own client take money for us, and give it back?

Paddle has no idempotency keys and charges a subscription, not a card. Each charge carries our name
in its custom data, each refund in its reason; what may have been done is looked for by it first.
"""

# The client is heavy and is loaded with this module, which is imported at the first call.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from paddle_billing import Client

from solvent.kit.clock import format_time
from solvent.kit.money import Money
from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.gateways.paddle_client import client_of, told_of_money
from solvent.systems.payments.limits import LISTED_MAX
from solvent.systems.payments.model import Buyer, CheckoutSession, Provider, Standing
from solvent.systems.payments.ports import (
    Charged,
    ChargeRequest,
    Listed,
    Refunded,
    RefundRequest,
)
from solvent.systems.payments.rules import paddle as reading
from solvent.systems.payments.rules.reading import Doc
from solvent.systems.payments.rules.stripe import ATTEMPT, SUBJECT

Json: TypeAlias = "dict[str, Any]"

PAGE = 200
CLOCK_DRIFT = timedelta(minutes=5)
DECLINED = "payment_declined"
NO_METHOD = "no_method"
REFUNDS: Mapping[str, Standing] = {
    "pending_approval": Standing.PENDING,
    "approved": Standing.SUCCEEDED,
    "rejected": Standing.DECLINED,
    "reversed": Standing.DECLINED,
}


@dataclass(frozen=True, slots=True)
class PaddleCharges:
    """Implements `ChargeGateway` and `EventLog` on `paddle_billing.Client`."""

    api_key: str
    api_base: str

    def find_method(self, request: ChargeRequest) -> str | None:
        """Return the subscription that would be charged: Paddle keeps the card to itself."""
        return request.subscription_ref

    def charge(self, request: ChargeRequest, *, idempotency_key: str) -> Charged:
        """Charge a subscription once, now; if the card is declined nothing is changed there."""
        if request.subscription_ref is None:
            return Charged(Standing.DECLINED, None, request.amount, NO_METHOD)
        body = {
            "effective_from": "immediately",
            "items": [{"price": _price(request), "quantity": 1}],
            "on_payment_failure": "prevent_change",
        }
        path = f"/subscriptions/{request.subscription_ref}/charge"
        try:
            self._send("POST", path, body, key=idempotency_key)
        except GatewayRefused as refused:
            if DECLINED not in str(refused.detail.get("provider_code")):
                raise
            return Charged(Standing.DECLINED, None, request.amount, "declined", str(refused))
        made = self.find_charge(request, since=None)
        if made is None:
            raise GatewayUnavailable("Paddle took a charge and does not list it yet")
        return made

    def find_charge(self, request: ChargeRequest, *, since: datetime | None) -> Charged | None:
        """Return the transaction that carries the attempt, among the newest, or those since."""
        asked: Json = {"order_by": "id[DESC]"}
        if request.subscription_ref:
            asked["subscription_id"] = request.subscription_ref
        elif request.provider_customer_id:
            asked["customer_id"] = request.provider_customer_id
        if since is not None:
            asked["created_at[GTE]"] = format_time(since - CLOCK_DRIFT)
        for one in self._pages("/transactions", asked, pages=1 if since is None else None):
            seen = reading.charge_seen(Doc(one))
            if seen is not None and seen.attempt_id == request.attempt_id:
                return Charged(seen.standing, seen.id, seen.money, seen.code)
        return None

    def read_charge(self, payment_ref: str) -> Charged:
        """Return how a transaction stands."""
        return _charged(self._send("GET", f"/transactions/{payment_ref}")["data"])

    def withdraw_charge(self, payment_ref: str) -> Charged:
        """Cancel a transaction, unless it has been paid or declined for good meanwhile."""
        try:
            path = f"/transactions/{payment_ref}"
            return _charged(self._send("PATCH", path, {"status": "canceled"})["data"])
        except GatewayRefused:
            return self.read_charge(payment_ref)

    def create_payment_link(
        self, request: ChargeRequest, *, return_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """Return a transaction's checkout, on the page that the account names for it."""
        del return_url
        body: Json = {
            "items": [{"price": _price(request), "quantity": 1}],
            "custom_data": _carried(request),
        }
        if request.provider_customer_id:
            body["customer_id"] = request.provider_customer_id
        made = self._send("POST", "/transactions", body, key=idempotency_key)["data"]
        checkout: Json = made.get("checkout") or {}
        if not checkout.get("url"):
            raise GatewayUnavailable("Paddle made a transaction without a checkout address")
        return CheckoutSession(made["id"], Provider.PADDLE, checkout["url"], None)

    def refund(
        self, request: RefundRequest, *, idempotency_key: str, tried_at: datetime | None
    ) -> Refunded:
        """Ask for an adjustment, which Paddle approves later; one asked for before is found."""
        if tried_at is not None and (known := self._find_refund(request)):
            return known
        body: Json = {
            "action": "refund",
            "transaction_id": request.payment_ref,
            "reason": f"{request.reason} [{request.refund_id}]",
            "type": "full" if request.whole else "partial",
        }
        if not request.whole:
            body["items"] = self._shares(request)
        made = self._send("POST", "/adjustments", body, key=idempotency_key)
        return _refunded(made["data"])

    def read_refund(self, refund_ref: str) -> Refunded:
        """Return how an adjustment stands."""
        for one in self._pages("/adjustments", {"id": refund_ref}):
            return _refunded(one)
        raise GatewayUnavailable("Paddle does not list this adjustment")

    def list_events(self, types: Sequence[str], *, since: datetime) -> Iterator[bytes]:
        """Yield events of these types, newest first, down to the moment."""
        wanted = frozenset(types)
        for event in self._pages("/events", {"order_by": "id[DESC]"}):
            if Doc(event).moment("occurred_at") < since:
                return
            if event["event_type"] in wanted:
                yield json.dumps(event).encode()

    def list_payments(self, *, since: datetime) -> Iterator[Listed]:
        """Yield completed transactions with what was given back of them."""
        asked = {
            "status": "completed",
            "created_at[GTE]": format_time(since),
            "include": "adjustments_totals",
        }
        for one in self._pages("/transactions", asked):
            yield _listed(Doc(one))

    def list_subscriptions(self, *, since: datetime) -> Iterator[bytes]:
        """Yield subscriptions of every status that began since, in Paddle's own JSON."""
        for one in self._pages("/subscriptions", {}):
            if Doc(one).moment("created_at") >= since:
                yield json.dumps(one).encode()

    def _find_refund(self, request: RefundRequest) -> Refunded | None:
        for one in self._pages("/adjustments", {"transaction_id": request.payment_ref}):
            if f"[{request.refund_id}]" in str(one.get("reason")):
                return _refunded(one)
        return None

    def _shares(self, request: RefundRequest) -> list[Json]:
        """Return the amount spread over the transaction's items, the first ones first."""
        found = self._send("GET", f"/transactions/{request.payment_ref}")["data"]
        left, shares = request.amount.amount_minor, list[Json]()
        for line in found["details"]["line_items"]:
            share = min(left, int(line["totals"]["total"]))
            if share > 0:
                shares.append({"item_id": line["id"], "type": "partial", "amount": str(share)})
                left -= share
        if left:
            message = "Paddle: the items of the transaction come to less than the refund"
            raise GatewayRefused(message, provider_code="invalid_amount")
        return shares

    def _pages(
        self, path: str, asked: Mapping[str, Any], *, pages: int | None = None
    ) -> Iterator[Json]:
        """Yield the objects of a list, page after page."""
        parameters = {"per_page": str(PAGE), **asked}
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        address: str | None = f"{path}?{query}".replace("+", "%2B")
        for _ in range(pages or LISTED_MAX // PAGE):
            if address is None:
                return
            answer = self._send("GET", address)
            yield from answer["data"]
            pagination = answer.get("meta", {}).get("pagination", {})
            address = pagination.get("next") if pagination.get("has_more") else None

    def _send(self, method: str, path: str, body: Json | None = None, *, key: str = "") -> Json:
        client = self._client(key)
        if method == "GET":
            return told_of_money(lambda: client.get_raw(path).json())
        if method == "PATCH":
            return told_of_money(lambda: client.patch_raw(path, body).json())
        return told_of_money(lambda: client.post_raw(path, body).json())

    def _client(self, idempotency_key: str) -> Client:
        return client_of(self.api_key, self.api_base, key=idempotency_key)


def _carried(request: ChargeRequest) -> dict[str, str]:
    return {
        ATTEMPT: request.attempt_id,
        SUBJECT: request.subject_id,
        "customer": request.customer_ref,
    }


def _price(request: ChargeRequest) -> Json:
    """Return a price for this one charge; what the customer pays is the amount, tax within it."""
    amount = request.amount
    return {
        "name": request.description,
        "description": request.description,
        "product": {"name": request.description, "tax_category": "standard"},
        "tax_mode": "internal",
        "unit_price": {"amount": str(amount.amount_minor), "currency_code": amount.currency},
        "custom_data": _carried(request),
    }


def _charged(transaction: Json) -> Charged:
    doc = Doc(transaction)
    totals = doc.doc("details").doc("totals")
    standing = reading.TRANSACTIONS.get(doc.text("status"), Standing.PENDING)
    amount = totals.money("grand_total", currency="currency_code")
    code, payer = reading.error_of(doc), doc.maybe_id("customer_id")
    return Charged(standing, doc.id("id"), amount, code, provider_customer_id=payer)


def _refunded(adjustment: Json) -> Refunded:
    doc = Doc(adjustment)
    standing = REFUNDS.get(doc.text("status"), Standing.PENDING)
    amount = doc.doc("totals").money("total", currency="currency_code")
    return Refunded(standing, doc.id("id"), amount)


def _listed(transaction: Doc) -> Listed:
    amount = transaction.doc("details").doc("totals").money("grand_total", currency="currency_code")
    back = transaction.dig("adjustments_totals", "breakdown")
    seen = reading.charge_seen(transaction)
    return Listed(
        Provider.PADDLE,
        transaction.id("id"),
        amount,
        Money(back.whole("refund") if back else 0, amount.currency),
        transaction.moment("created_at"),
        Buyer(transaction.maybe_id("customer_id")),
        seen.attempt_id if seen else None,
        seen.subject_id if seen else None,
    )
