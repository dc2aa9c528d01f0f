"""How is Stripe's own client called, and how are its errors told as ours?"""

# The client is heavy (30 MB) and is loaded with this module, which is imported at the first call.

from __future__ import annotations

import stripe

from solvent.systems.payments.errors import GatewayFailed, GatewayRefused, GatewayUnavailable
from solvent.systems.payments.limits import GATEWAY_TIMEOUT_S
from solvent.systems.payments.model import Provider

_BUSY = (stripe.APIConnectionError, stripe.RateLimitError)
_NOT_LET_IN = (stripe.AuthenticationError, stripe.PermissionError)
_KEY_IN_USE = 409
"""Stripe still works on a request under this key, or lost a lock; the same again may succeed."""


def client_of(api_key: str, api_base: str) -> stripe.StripeClient:
    """Return a client of one account; a connection that is cut is tried once more, by its key."""
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base},
        max_network_retries=1,
        http_client=stripe.RequestsClient(timeout=GATEWAY_TIMEOUT_S),
    )


def was_saved(fault: stripe.StripeError) -> bool:
    """Return whether Stripe answered with what it had saved under the key."""
    headers = fault.headers or {}
    return str(headers.get("idempotent-replayed", "")).lower() == "true"


def told(fault: stripe.StripeError) -> GatewayRefused | GatewayUnavailable:
    """Return an error of the client as ours."""
    status = fault.http_status or 0
    message = f"Stripe: {fault.user_message or type(fault).__name__}"[:300]
    away = status >= 500 or status in {0, _KEY_IN_USE}  # noqa: PLR2004 - HTTP
    if isinstance(fault, _BUSY) or away:
        return GatewayUnavailable(message, provider=Provider.STRIPE.value)
    return GatewayRefused(message, provider=Provider.STRIPE.value, provider_code=fault.code)


def told_of_money(fault: stripe.StripeError) -> GatewayRefused | GatewayUnavailable:
    """As `told`, for what moves money: whatever leaves room for doubt is not a refusal.

    A failure saved under a key is told as GatewayFailed: it says nothing of whether it was done. An
    API key that is not let in may be mended; another request under one key means that somebody else
    asks just now.
    """
    if was_saved(fault) and (fault.http_status or 0) >= 500:  # noqa: PLR2004 - HTTP
        return GatewayFailed(told(fault).message)
    if isinstance(fault, (*_NOT_LET_IN, stripe.IdempotencyError)):
        return GatewayUnavailable(told(fault).message, provider=Provider.STRIPE.value)
    return told(fault)
