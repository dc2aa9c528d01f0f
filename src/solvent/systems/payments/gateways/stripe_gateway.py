"""How does Stripe's own client make checkout sessions and portal links for us?"""

# The client is heavy (30 MB) and is loaded with this module, which is imported at the first call.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import stripe

from solvent.systems.payments.errors import (
    GatewayFailed,
    GatewayRefused,
    GatewayUnavailable,
)
from solvent.systems.payments.limits import GATEWAY_TIMEOUT_S
from solvent.systems.payments.model import CheckoutSession, PortalLink, Provider
from solvent.systems.payments.ports import CheckoutRequest, PortalRequest

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams as PortalParams
    from stripe.params.checkout import SessionCreateParams as CheckoutParams

T = TypeVar("T")

KEY_TRIES = 3
"""A saved failure under a key is left behind by taking its next number, at most this often."""

_BUSY = (stripe.APIConnectionError, stripe.RateLimitError)
_KEY_IN_USE = 409
"""Stripe still works on a request under this key, or lost a lock; the same again may succeed."""


@dataclass(frozen=True, slots=True)
class StripeGateway:
    """Implements `PaymentGateway` on `stripe.StripeClient`."""

    api_key: str
    api_base: str

    def create_checkout_session(
        self, request: CheckoutRequest, *, idempotency_key: str, tried_at: datetime | None = None
    ) -> CheckoutSession:
        """Return a subscription checkout; it and its subscription carry the customer's name."""
        del tried_at  # Stripe itself answers a repeated key with what it made
        client, params = self._client(), _checkout(request)

        def create(key: str) -> stripe.checkout.Session:
            return client.v1.checkout.sessions.create(params, {"idempotency_key": key})

        session = _once(create, idempotency_key)
        if not session.url:
            raise GatewayUnavailable("Stripe made a session without an address")
        expires_at = datetime.fromtimestamp(session.expires_at, UTC)
        return CheckoutSession(session.id, Provider.STRIPE, session.url, expires_at)

    def create_portal_link(self, request: PortalRequest, *, idempotency_key: str) -> PortalLink:
        """Return a session of Stripe's billing portal."""
        client = self._client()
        params: PortalParams = {"customer": request.provider_customer_id}
        if request.return_url:
            params["return_url"] = request.return_url

        def create(key: str) -> stripe.billing_portal.Session:
            return client.v1.billing_portal.sessions.create(params, {"idempotency_key": key})

        return PortalLink(Provider.STRIPE, _once(create, idempotency_key).url)

    def _client(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            self.api_key,
            base_addresses={"api": self.api_base},
            max_network_retries=1,
            http_client=stripe.RequestsClient(timeout=GATEWAY_TIMEOUT_S),
        )


def _checkout(request: CheckoutRequest) -> CheckoutParams:
    metadata = {"customer": request.customer_ref, "plan": request.plan_key}
    params: CheckoutParams = {
        "mode": "subscription",
        "line_items": [{"price": request.price_id, "quantity": request.quantity}],
        "success_url": request.success_url,
        "client_reference_id": request.customer_ref,
        "metadata": metadata,
        "subscription_data": {"metadata": metadata},
    }
    if request.cancel_url:
        params["cancel_url"] = request.cancel_url
    if request.provider_customer_id:
        params["customer"] = request.provider_customer_id
    elif request.email:
        params["customer_email"] = request.email
    return params


def _once(call: Callable[[str], T], key: str) -> T:
    """Call under the key; an error that Stripe had saved under it is left behind with the key.

    Stripe answers a repeated key with the first outcome for 24 hours, failures of its own included,
    so the same key again would never succeed.

    Raises:
        GatewayRefused, GatewayUnavailable.
        GatewayFailed: failures are saved under all keys that this one stands for.
    """
    saved: stripe.StripeError | None = None
    for number in range(KEY_TRIES):
        try:
            return call(f"{key}:{number}" if number else key)
        except stripe.StripeError as fault:
            if not _was_saved(fault):
                raise _told(fault) from fault
            saved = fault
    told = _told(saved) if saved else GatewayUnavailable()
    raise (told if isinstance(told, GatewayRefused) else GatewayFailed(told.message)) from saved


def _was_saved(fault: stripe.StripeError) -> bool:
    headers = fault.headers or {}
    return str(headers.get("idempotent-replayed", "")).lower() == "true"


def _told(fault: stripe.StripeError) -> GatewayRefused | GatewayUnavailable:
    status = fault.http_status or 0
    message = f"Stripe: {fault.user_message or type(fault).__name__}"[:300]
    away = status >= 500 or status in {0, _KEY_IN_USE}  # noqa: PLR2004 - HTTP
    if isinstance(fault, _BUSY) or away:
        return GatewayUnavailable(message, provider=Provider.STRIPE.value)
    return GatewayRefused(message, provider=Provider.STRIPE.value, provider_code=fault.code)
