"""What would the APIs of Stripe and Paddle answer? For tests, over real HTTP on one loopback port.

Stripe's half is the emulator of `solvent dev stripe`; of Paddle's API there are the addresses that
we call: transactions, made and listed, and portal sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from solvent.systems.payments.loopback import Answer, Call, LoopbackServer
from solvent.systems.payments.stripe_emulator.desk import HELD_S, Made
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY, StripeEmulator

__all__ = ["PADDLE_KEY", "STRIPE_KEY", "ProviderEmulator"]

Json = dict[str, Any]

PADDLE_KEY = "pdl_sdbx_apikey_emulator_0123456789"
MOMENT = "2026-01-15T10:00:00.000000Z"


class ProviderEmulator:
    """Both providers' APIs; use it in a `with`."""

    def __init__(self) -> None:
        self.stripe = StripeEmulator()
        self.calls: list[Call] = self.stripe.calls
        self.failures: list[Made] = self.stripe.failures
        """Outcomes to give, in order, before anything works; Stripe saves them under their keys."""
        self.answering: threading.Event = self.stripe.answering
        """While it is not set, requests are worked on at once and their answers held back."""
        self._made: list[Json] = []
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None

    @property
    def url(self) -> str:
        """Return the base address for both providers."""
        if self._server is None:
            raise RuntimeError("the emulator is not running")
        return self._server.url

    def __enter__(self) -> ProviderEmulator:  # noqa: PYI034 - typing.Self is not worth a name
        """Start to listen on a free port."""
        self.stripe.__enter__()
        self._server = LoopbackServer(self.answer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stripe.__exit__(kind, fault, trace)
        if self._server:
            self._server.close()

    def answer(self, call: Call) -> Answer:
        """Return what the provider answers whose address it is."""
        if call.path.startswith("/v1/"):
            return self.stripe.answer(call)
        with self._lock:
            self.calls.append(call)
            told = Answer(*self._paddle(call))
        self.answering.wait(HELD_S)
        return told

    def _paddle(self, call: Call) -> Made:
        """List the transactions made, newest last, or make what is asked for; no key is known."""
        if call.headers.get("authorization") != f"Bearer {PADDLE_KEY}":
            return 401, _error("authentication_error", "Invalid API key.")
        if call.method == "GET":
            page = {"per_page": 200, "next": "", "has_more": False, "estimated_total": 0}
            return 200, {"data": list(self._made), "meta": {"pagination": page}}
        status, told = self._make(call)
        if call.path.startswith("/transactions") and "data" in told:
            self._made.append(told["data"])
        return status, told

    def _make(self, call: Call) -> Made:
        if self.failures:
            return self.failures.pop(0)
        number = len(self.calls)
        for (before, after), make in _PATHS.items():
            if call.path.startswith(before) and call.path.endswith(after):
                return make(call, number)
        return 404, _error("not_found", "Unrecognized request URL.")


def _paddle_transaction(call: Call, number: int) -> Made:
    price_id = call.body["items"][0]["price_id"]
    if not price_id.startswith("pri_"):
        return 400, _error("bad_request", f"No price {price_id}.")
    transaction_id = f"txn_{number:026d}"
    none = dict.fromkeys(("fee", "earnings"), None)
    zeros = ("subtotal", "discount", "tax", "total", "credit", "balance", "grand_total")
    totals = dict.fromkeys((*zeros, "credit_to_balance", "grand_total_tax"), "0")
    return 201, {
        "data": {
            "id": transaction_id,
            "status": "draft",
            "customer_id": call.body.get("customer_id"),
            "custom_data": call.body.get("custom_data"),
            "currency_code": "USD",
            "origin": "api",
            "collection_mode": "automatic",
            "items": [],
            "payments": [],
            "details": {
                "totals": totals | none | {"currency_code": "USD"},
                "tax_rates_used": [],
                "line_items": [],
            },
            "checkout": {"url": f"https://pay.example.com/?_ptxn={transaction_id}"},
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
        "meta": {"request_id": "emulated"},
    }


def _paddle_portal(call: Call, number: int) -> Made:
    customer_id = call.path.split("/")[2]
    link = f"https://customer-portal.paddle.com/cpl_{number}"
    return 201, {
        "data": {
            "id": f"cpls_{number}",
            "customer_id": customer_id,
            "urls": {"general": {"overview": link}, "subscriptions": []},
            "created_at": MOMENT,
        },
        "meta": {"request_id": "emulated"},
    }


_PATHS: Mapping[tuple[str, str], Callable[[Call, int], Made]] = {
    ("/transactions", ""): _paddle_transaction,
    ("/customers/", "/portal-sessions"): _paddle_portal,
}


def _error(kind: str, message: str) -> Json:
    told = {"type": "request_error", "code": kind, "detail": message, "documentation_url": ""}
    return {"error": told, "meta": {"request_id": "emulated"}}
