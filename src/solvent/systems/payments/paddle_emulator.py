"""What would Paddle answer to charges, payment links, refunds and lists? For tests, on loopback.

One account in memory, in the shapes of Paddle Billing's API version 1, as far as collecting money
asks for them. Paddle knows no idempotency keys: what is asked twice is done twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from solvent.kit.clock import Clock, SystemClock, format_time
from solvent.systems.payments.loopback import Answer, Call, LoopbackServer

Json = dict[str, Any]

PADDLE_KEY = "pdl_sdbx_apikey_emulator_0123456789"
CHECKOUT = "https://pay.example.com/?_ptxn="


@dataclass(slots=True)
class PaddleEmulator:
    """Paddle's API for one account; use it in a `with`."""

    clock: Clock = field(default_factory=SystemClock)
    calls: list[Call] = field(default_factory=list[Call])
    failures: list[tuple[int, Json]] = field(default_factory=list["tuple[int, Json]"])
    """Outcomes to give, in order, before anything works."""
    lost: int = 0
    """So many requests are done and answered with a 502, as if the connection was cut."""
    declines: str | None = None
    """Why the card of every subscription is declined; None: it works."""
    subscriptions: dict[str, Json] = field(default_factory=dict[str, Json])
    transactions: dict[str, Json] = field(default_factory=dict[str, Json])
    adjustments: dict[str, Json] = field(default_factory=dict[str, Json])
    events: list[Json] = field(default_factory=list[Json])
    _number: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _server: LoopbackServer | None = None

    def __enter__(self) -> PaddleEmulator:  # noqa: PYI034 - typing.Self is not worth a name
        """Start to listen on a free port."""
        self._server = LoopbackServer(self.answer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        if self._server:
            self._server.close()

    @property
    def url(self) -> str:
        """Return the base address."""
        return self._server.url if self._server else ""

    def answer(self, call: Call) -> Answer:
        """Return what is answered to a request."""
        with self._lock:
            self.calls.append(call)
            if call.headers.get("authorization") != f"Bearer {PADDLE_KEY}":
                return _refuse(403, "authentication_malformed")
            if self.failures:
                return Answer(*self.failures.pop(0))
            told = self._route(call)
            if self.lost and call.method != "GET":
                self.lost -= 1
                return _refuse(502, "bad_gateway")
            return told

    def _route(self, call: Call) -> Answer:
        parts = call.path.strip("/").split("/")
        if call.method == "GET":
            return self._read(parts, dict(parse_qsl(call.text)))
        match (call.method, *parts):
            case ("POST", "subscriptions", id_, "charge"):
                return self._charge(id_, call.body)
            case ("POST", "transactions"):
                made = self._transaction(call.body, "ready")
                made["checkout"] = {"url": CHECKOUT + made["id"]}
                return Answer(201, _one(made))
            case ("PATCH", "transactions", id_) if id_ in self.transactions:
                return self._cancel(self.transactions[id_])
            case ("POST", "adjustments"):
                return self._adjust(call.body)
            case _:
                return _refuse(404, "not_found")

    def _read(self, parts: list[str], query: Mapping[str, str]) -> Answer:
        if len(parts) > 1:
            found = self.transactions.get(parts[1])
            return Answer(200, _one(found)) if found else _refuse(404, "entity_not_found")
        lists: Mapping[str, list[Json]] = {
            "transactions": list(self.transactions.values())[::-1],
            "adjustments": list(self.adjustments.values()),
            "events": self.events[::-1],
            "subscriptions": list(self.subscriptions.values()),
        }
        if parts[0] not in lists:
            return _refuse(404, "not_found")
        return _list([one for one in lists[parts[0]] if _fits(one, query)])

    def subscribe(self, customer_id: str, *, id: str = "sub_01emulated") -> str:
        """Let a customer have a subscription with a card on file; return its id."""
        self.subscriptions[id] = {
            "id": id,
            "status": "active",
            "customer_id": customer_id,
            "created_at": self._now(),
            "items": [],
        }
        return id

    def pay(self, transaction_id: str) -> None:
        """Let the customer pay a transaction on its page."""
        with self._lock:
            self._complete(self.transactions[transaction_id])

    def approve(self, adjustment_id: str) -> None:
        """Let Paddle approve a refund, as it does after a while."""
        with self._lock:
            held = self.adjustments[adjustment_id]
            held["status"] = "approved"
            self._tell("adjustment.updated", held)

    def _charge(self, id_: str, body: Json) -> Answer:
        held = self.subscriptions.get(id_)
        if held is None:
            return _refuse(404, "entity_not_found")
        if self.declines is not None:
            return _refuse(400, "subscription_payment_declined")
        made = self._transaction(body | {"customer_id": held["customer_id"]}, "ready")
        made["subscription_id"] = id_
        self._complete(made)
        return Answer(200, _one(held))

    def _transaction(self, body: Json, status: str) -> Json:
        items = [
            {"price": one["price"] | {"id": self._id("pri")}, "quantity": one["quantity"]}
            for one in body["items"]
        ]
        lines: list[Json] = []
        for one in items:
            amount = int(one["price"]["unit_price"]["amount"]) * one["quantity"]
            lines.append({"id": self._id("txnitm"), "totals": {"total": str(amount)}})
        currency = items[0]["price"]["unit_price"]["currency_code"]
        total = str(sum(int(line["totals"]["total"]) for line in lines))
        made: Json = {
            "id": self._id("txn"),
            "status": status,
            "customer_id": body.get("customer_id"),
            "subscription_id": None,
            "custom_data": body.get("custom_data"),
            "currency_code": currency,
            "billing_period": None,
            "items": items,
            "details": {
                "totals": {"grand_total": total, "currency_code": currency},
                "line_items": lines,
            },
            "payments": [],
            "created_at": self._now(),
        }
        self.transactions[made["id"]] = made
        return made

    def _complete(self, transaction: Json) -> None:
        transaction["status"] = "completed"
        self._tell("transaction.completed", transaction)

    def _cancel(self, transaction: Json) -> Answer:
        if transaction["status"] not in {"draft", "ready"}:
            return _refuse(400, "transaction_immutable")
        transaction["status"] = "canceled"
        return Answer(200, _one(transaction))

    def _adjust(self, body: Json) -> Answer:
        transaction = self.transactions.get(body["transaction_id"])
        if transaction is None:
            return _refuse(404, "entity_not_found")
        totals = transaction["details"]["totals"]
        whole = body["type"] == "full"
        total = (
            int(totals["grand_total"]) if whole else sum(int(it["amount"]) for it in body["items"])
        )
        made: Json = {
            "id": self._id("adj"),
            "action": body["action"],
            "transaction_id": body["transaction_id"],
            "reason": body["reason"],
            "status": "pending_approval",
            "totals": {"total": str(total), "currency_code": totals["currency_code"]},
        }
        self.adjustments[made["id"]] = made
        self._tell("adjustment.created", made)
        return Answer(201, _one(made))

    def _tell(self, kind: str, subject: Json) -> None:
        event: Json = {
            "event_id": self._id("evt"),
            "event_type": kind,
            "occurred_at": self._now(),
            "notification_id": self._id("ntf"),
            "data": {**subject},
        }
        self.events.append(event)

    def _id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._number:026d}"

    def _now(self) -> str:
        return format_time(self.clock.now())


def _fits(one: Json, query: Mapping[str, str]) -> bool:
    named = ("id", "subscription_id", "customer_id", "transaction_id", "status")
    since = query.get("created_at[GTE]", "")
    return all(one.get(name) == query[name] for name in named if name in query) and (
        str(one.get("created_at", since)) >= since
    )


def _one(held: Json) -> Json:
    return {"data": held, "meta": {"request_id": "emulated"}}


def _list(found: list[Json]) -> Answer:
    pagination = {"per_page": 200, "next": "", "has_more": False, "estimated_total": len(found)}
    return Answer(
        200, {"data": found, "meta": {"request_id": "emulated", "pagination": pagination}}
    )


def _refuse(status: int, code: str) -> Answer:
    error = {"type": "request_error", "code": code, "detail": code, "documentation_url": ""}
    return Answer(status, {"error": error, "meta": {"request_id": "emulated"}})
