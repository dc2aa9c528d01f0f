"""What would Paddle answer to checkouts, charges, refunds and lists? For tests, on loopback.

One account in memory, in the shapes of Paddle Billing's API version 1, as far as we ask for them.
Paddle knows no idempotency keys: what is asked twice is done twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from solvent.kit.clock import Clock, SystemClock, format_time
from solvent.systems.payments.loopback import HELD_S, Answer, Call, LoopbackServer

Json = dict[str, Any]

PADDLE_KEY = "pdl_sdbx_apikey_emulator_0123456789"
CHECKOUT = "https://pay.example.com/?_ptxn="
PORTAL = "https://customer-portal.paddle.com/"


@dataclass(slots=True)
class PaddleEmulator:
    """Paddle's API for one account; use it in a `with`."""

    clock: Clock = field(default_factory=SystemClock)
    calls: list[Call] = field(default_factory=list[Call])
    failures: list[tuple[int, Json]] = field(default_factory=list["tuple[int, Json]"])
    """Outcomes to give, in order, before anything works."""
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is not set, requests are worked on at once and their answers held back."""
    lost: int = 0
    """So many requests are done and answered with a 502, as if the connection was cut."""
    declines: str | None = None
    """Why the card of every subscription is declined; None: it works."""
    prices: dict[str, Json] = field(default_factory=dict[str, Json])
    subscriptions: dict[str, Json] = field(default_factory=dict[str, Json])
    transactions: dict[str, Json] = field(default_factory=dict[str, Json])
    adjustments: dict[str, Json] = field(default_factory=dict[str, Json])
    events: list[Json] = field(default_factory=list[Json])
    _number: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _server: LoopbackServer | None = None

    def __post_init__(self) -> None:
        """Hold no answer back."""
        self.answering.set()

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
        """Return what is answered to a request, when answers are given."""
        with self._lock:
            self.calls.append(call)
            told = self._perform(call)
        self.answering.wait(HELD_S)
        return told

    def _perform(self, call: Call) -> Answer:
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
                return self._sell(call.body)
            case ("PATCH", "transactions", id_) if id_ in self.transactions:
                return self._cancel(self.transactions[id_])
            case ("POST", "adjustments"):
                return self._adjust(call.body)
            case ("POST", "customers", id_, "portal-sessions"):
                return self._open_portal(id_)
            case _:
                return _refuse(404, "not_found")

    def _read(self, parts: list[str], query: Mapping[str, str]) -> Answer:
        if len(parts) > 1:
            found = self.transactions.get(parts[1])
            return Answer(200, _one(found)) if found else _refuse(404, "entity_not_found")
        lists: Mapping[str, Iterable[Json]] = {
            "transactions": self.transactions.values(),
            "adjustments": self.adjustments.values(),
            "events": self.events,
            "subscriptions": self.subscriptions.values(),
        }
        if parts[0] not in lists:
            return _refuse(404, "not_found")
        found = [one for one in lists[parts[0]] if _fits(one, query)]
        return _list(found if query.get("order_by") == "id[ASC]" else found[::-1])

    def add_price(self, id: str, *, amount: int = 2900, currency: str = "USD") -> None:
        """Let the catalogue have a monthly price."""
        unit_price = {"amount": str(amount), "currency_code": currency}
        monthly = {"interval": "month", "frequency": 1}
        given = {"description": id, "unit_price": unit_price, "billing_cycle": monthly}
        self.prices[id] = _price(id, "standard", given, at=self._now())

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
        made = self._transaction(body | {"customer_id": held["customer_id"]})
        made |= {"subscription_id": id_, "origin": "subscription_charge"}
        self._complete(made)
        return Answer(200, _one(held))

    def _sell(self, body: Json) -> Answer:
        for item in body["items"]:
            if "price" not in item and item["price_id"] not in self.prices:
                return _refuse(400, "bad_request", f"No price {item['price_id']}.")
        made = self._transaction(body)
        made["checkout"] = {"url": CHECKOUT + made["id"]}
        return Answer(201, _one(made))

    def _open_portal(self, customer_id: str) -> Answer:
        id_ = self._id("cpls")
        urls = {"general": {"overview": PORTAL + id_}, "subscriptions": list[Json]()}
        made = {"id": id_, "customer_id": customer_id, "urls": urls, "created_at": self._now()}
        return Answer(201, _one(made))

    def _transaction(self, body: Json) -> Json:
        """Return a new transaction; its items have a known price, or one of their own."""
        now = self._now()
        items: list[Json] = [
            {"price": self._price_of(one), "quantity": one["quantity"], "proration": None}
            for one in body["items"]
        ]
        lines = [_line(self._id("txnitm"), one, at=now) for one in items]
        total = sum(int(line["totals"]["total"]) for line in lines)
        currency = items[0]["price"]["unit_price"]["currency_code"]
        made: Json = {
            "id": self._id("txn"),
            "status": "ready" if body.get("customer_id") else "draft",
            "origin": "api",
            "collection_mode": "automatic",
            "customer_id": body.get("customer_id"),
            "subscription_id": None,
            "custom_data": body.get("custom_data"),
            "currency_code": currency,
            "billing_period": None,
            "items": items,
            "details": {
                "totals": _totals(total) | _settled(total, currency),
                "tax_rates_used": [],
                "line_items": lines,
            },
            "payments": [],
            "created_at": now,
            "updated_at": now,
        }
        self.transactions[made["id"]] = made
        return made

    def _price_of(self, item: Json) -> Json:
        if "price" in item:
            return _price(self._id("pri"), "custom", item["price"], at=self._now())
        return self.prices[item["price_id"]]

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


def _price(id: str, kind: str, given: Json, *, at: str) -> Json:
    """Return a price as it is shown: with all its fields, those given and Paddle's defaults."""
    none = ("name", "billing_cycle", "trial_period", "custom_data", "import_meta")
    made: Json = {
        **dict.fromkeys(none),
        "id": id,
        "product_id": f"pro_{id.removeprefix('pri_')}",
        "type": kind,
        "tax_mode": "account_setting",
        "unit_price_overrides": [],
        "quantity": {"minimum": 1, "maximum": 100},
        "status": "active",
        "created_at": at,
        "updated_at": at,
    }
    return made | {name: told for name, told in given.items() if name != "product"}


def _line(id: str, item: Json, *, at: str) -> Json:
    price, quantity = item["price"], item["quantity"]
    amount = int(price["unit_price"]["amount"])
    return {
        "id": id,
        "price_id": price["id"],
        "quantity": quantity,
        "tax_rate": "0",
        "unit_totals": _totals(amount),
        "totals": _totals(amount * quantity),
        "product": {
            "id": price["product_id"],
            "name": price["description"],
            "tax_category": "standard",
            "status": "active",
            "created_at": at,
            "updated_at": at,
        },
    }


def _totals(amount: int) -> Json:
    """Return what an amount comes to, with no discount and no tax."""
    return {"subtotal": str(amount), "discount": "0", "tax": "0", "total": str(amount)}


def _settled(amount: int, currency: str) -> Json:
    """Return what totals of a whole transaction say besides."""
    zeros = dict.fromkeys(("credit", "credit_to_balance", "grand_total_tax"), "0")
    sums = dict.fromkeys(("balance", "grand_total"), str(amount))
    return {**zeros, **sums, "fee": None, "earnings": None, "currency_code": currency}


def _fits(one: Json, query: Mapping[str, str]) -> bool:
    named = ("id", "subscription_id", "customer_id", "transaction_id", "status")
    since = query.get("created_at[GTE]", "")
    asked = {name: query[name].split(",") for name in named if name in query}
    return all(str(one.get(name)) in values for name, values in asked.items()) and (
        str(one.get("created_at", since)) >= since
    )


def _one(held: Json) -> Json:
    return {"data": held, "meta": {"request_id": "emulated"}}


def _list(found: list[Json]) -> Answer:
    pagination = {"per_page": 200, "next": "", "has_more": False, "estimated_total": len(found)}
    return Answer(
        200, {"data": found, "meta": {"request_id": "emulated", "pagination": pagination}}
    )


def _refuse(status: int, code: str, detail: str = "") -> Answer:
    told = {"type": "request_error", "code": code, "detail": detail or code}
    error = told | {"documentation_url": ""}
    return Answer(status, {"error": error, "meta": {"request_id": "emulated"}})
