"""What would the APIs of Stripe and Paddle answer? For tests and demos, over real HTTP on loopback.

Five addresses in the providers' own shapes: Stripe's checkout and portal sessions (form-encoded,
idempotency keys with saved outcomes) and Paddle's transactions, made and listed, and portal
sessions (JSON).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
Made = tuple[int, Json]

STRIPE_KEY = "sk_test_emulator_0123456789"
PADDLE_KEY = "pdl_sdbx_apikey_emulator_0123456789"
MOMENT = "2026-01-15T10:00:00.000000Z"
EXPIRES_S = 1_893_456_000
BODY_MAX = 100_000
HELD_S = 30
"""An answer that is held back and forgotten goes out after this."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the emulator got."""

    path: str
    headers: Mapping[str, str]
    body: Json
    method: str = "POST"


@dataclass(slots=True)
class ProviderEmulator:
    """Both providers' APIs on one loopback port; use it in a `with`."""

    calls: list[Call] = field(default_factory=list[Call])
    failures: list[Made] = field(default_factory=list[Made])
    """Outcomes to give, in order, before anything works; Stripe saves them under their keys."""
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is not set, requests are worked on at once and their answers held back."""
    _made: list[Json] = field(default_factory=list[Json])
    _saved: dict[str, tuple[Json, Made]] = field(default_factory=dict[str, "tuple[Json, Made]"])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Return the base address for both providers."""
        if self._server is None:
            raise RuntimeError("the emulator is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ProviderEmulator:  # noqa: PYI034 - typing.Self is not worth a name
        """Start to listen on a free port."""
        self.answering.set()
        kind = type("Handler", (_Handler,), {"emulator": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.answering.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        """Return status, body and headers for a request."""
        with self._lock:
            self.calls.append(call)
            stripe = call.path.startswith("/v1/")
            expected = STRIPE_KEY if stripe else PADDLE_KEY
            if call.headers.get("authorization") != f"Bearer {expected}":
                return 401, _error(stripe, "authentication_error", "Invalid API key."), {}
            return self._stripe(call) if stripe else (*self._paddle(call), {})

    def _paddle(self, call: Call) -> Made:
        """List the transactions made, newest last, or make what is asked for; no key is known."""
        if call.method == "GET":
            page = {"per_page": 200, "next": "", "has_more": False, "estimated_total": 0}
            return 200, {"data": list(self._made), "meta": {"pagination": page}}
        status, told = self._make(call)
        if call.path.startswith("/transactions") and "data" in told:
            self._made.append(told["data"])
        return status, told

    def _stripe(self, call: Call) -> tuple[int, Json, dict[str, str]]:
        """Answer a repeated key with what was saved under it, as Stripe does for 24 hours."""
        key = call.headers.get("idempotency-key", "")
        if key in self._saved:
            body, made = self._saved[key]
            if body != call.body:
                message = "Keys for idempotent requests can only be used with the same parameters."
                return 400, _error(stripe=True, kind="idempotency_error", message=message), {}
            return *made, {"Idempotent-Replayed": "true"}
        made = self._make(call)
        if key:
            self._saved[key] = (call.body, made)
        return *made, {}

    def _make(self, call: Call) -> Made:
        if self.failures:
            return self.failures.pop(0)
        number = len(self.calls)
        for (before, after), make in _PATHS.items():
            if call.path.startswith(before) and call.path.endswith(after):
                return make(call, number)
        return 404, _error(call.path.startswith("/v1/"), "not_found", "Unrecognized request URL.")


def _stripe_checkout(call: Call, number: int) -> Made:
    wanted = call.body
    if not wanted.get("line_items[0][price]", "").startswith("price_"):
        message = f"No such price: '{wanted.get('line_items[0][price]')}'"
        return 400, _error(stripe=True, kind="invalid_request_error", message=message)
    session_id = f"cs_test_{number}"
    return 200, {
        "id": session_id,
        "object": "checkout.session",
        "mode": wanted["mode"],
        "status": "open",
        "payment_status": "unpaid",
        "client_reference_id": wanted.get("client_reference_id"),
        "customer": wanted.get("customer"),
        "customer_email": wanted.get("customer_email"),
        "expires_at": EXPIRES_S,
        "livemode": False,
        "success_url": wanted["success_url"],
        "url": f"https://checkout.stripe.com/c/pay/{session_id}",
    }


def _stripe_portal(call: Call, number: int) -> Made:
    return 200, {
        "id": f"bps_{number}",
        "object": "billing_portal.session",
        "configuration": "bpc_1",
        "created": EXPIRES_S,
        "customer": call.body["customer"],
        "livemode": False,
        "return_url": call.body.get("return_url"),
        "url": f"https://billing.stripe.com/p/session/test_{number}",
    }


def _paddle_transaction(call: Call, number: int) -> Made:
    price_id = call.body["items"][0]["price_id"]
    if not price_id.startswith("pri_"):
        return 400, _error(stripe=False, kind="bad_request", message=f"No price {price_id}.")
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
    ("/v1/checkout/sessions", ""): _stripe_checkout,
    ("/v1/billing_portal/sessions", ""): _stripe_portal,
    ("/transactions", ""): _paddle_transaction,
    ("/customers/", "/portal-sessions"): _paddle_portal,
}


def _error(stripe: bool, kind: str, message: str) -> Json:  # noqa: FBT001 - which provider
    if stripe:
        return {"error": {"type": kind, "message": message}}
    told = {"type": "request_error", "code": kind, "detail": message, "documentation_url": ""}
    return {"error": told, "meta": {"request_id": "emulated"}}


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the emulator, writes the answer."""

    emulator: ClassVar[ProviderEmulator]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a GET."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer a POST."""
        length = min(int(self.headers.get("content-length") or 0), BODY_MAX)
        raw = self.rfile.read(length).decode()
        is_json = "json" in (self.headers.get("content-type") or "")
        body: Json = (json.loads(raw) if raw else {}) if is_json else dict(parse_qsl(raw))
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(urlsplit(self.path).path, headers, body, self.command)
        status, told, more = self.emulator.answer(call)
        self.emulator.answering.wait(HELD_S)
        data = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **more}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""
