"""What does the payments system need of a payment provider's API?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from solvent.systems.payments.model import CheckoutSession, PortalLink


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """What a customer is to buy, and where the provider sends them afterwards."""

    price_id: str
    customer_ref: str
    plan_key: str
    success_url: str
    cancel_url: str | None
    quantity: int
    email: str | None
    provider_customer_id: str | None


@dataclass(frozen=True, slots=True)
class PortalRequest:
    """Whose purchases are to be managed, and where the provider sends them afterwards."""

    provider_customer_id: str
    return_url: str | None


class PaymentGateway(Protocol):
    """One provider's API, as far as we call it; blocking, so it runs in a thread.

    Every call names an idempotency key: repeated with the same key it has one effect.
    """

    def create_checkout_session(
        self, request: CheckoutRequest, *, idempotency_key: str, tried_at: datetime | None = None
    ) -> CheckoutSession:
        """Return a page on which the customer can pay.

        `tried_at` is when the key was first used, if it was: what that made is returned, if it did.

        Raises:
            GatewayRefused: the provider says the request is wrong; the same again will not help.
            GatewayUnavailable: it cannot be reached, or failed; try again.
        """
        ...

    def create_portal_link(self, request: PortalRequest, *, idempotency_key: str) -> PortalLink:
        """Return a page on which the customer manages what they bought; raises as above."""
        ...
