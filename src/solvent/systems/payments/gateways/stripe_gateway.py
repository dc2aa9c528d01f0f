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
from solvent.systems.payments.gateways.stripe_charges import StripeCharges
from solvent.systems.payments.gateways.stripe_client import told, was_saved
from solvent.systems.payments.model import CheckoutSession, PortalLink, Provider
from solvent.systems.payments.ports import CheckoutRequest, PortalRequest

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams as PortalParams
    from stripe.params.checkout import SessionCreateParams as CheckoutParams

T = TypeVar("T")

KEY_TRIES = 3
"""A saved failure under a key is left behind by taking its next number, at most this often."""


@dataclass(frozen=True, slots=True)
class StripeGateway(StripeCharges):
    """Implements `PaymentGateway` on `stripe.StripeClient`."""

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
            if not was_saved(fault):
                raise told(fault) from fault
            saved = fault
    last = told(saved) if saved else GatewayUnavailable()
    raise (last if isinstance(last, GatewayRefused) else GatewayFailed(last.message)) from saved
