"""What does the payments system need of a payment provider's API?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from solvent.kit.money import Money
from solvent.systems.payments.model import (
    Buyer,
    CheckoutSession,
    PortalLink,
    Provider,
    Standing,
)


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


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What is to be taken from a customer; `attempt_id` is carried to the provider and back."""

    attempt_id: str
    subject_id: str
    customer_ref: str
    provider_customer_id: str | None
    amount: Money
    description: str
    method_id: str | None = None
    subscription_ref: str | None = None
    """Paddle charges a subscription, not a card."""


@dataclass(frozen=True, slots=True)
class Charged:
    """How a charge stands at the provider."""

    standing: Standing
    payment_ref: str | None
    """The provider's id of the payment, under which it is booked and refunded."""
    amount: Money
    code: str | None = None
    message: str | None = None
    provider_customer_id: str | None = None
    """Who paid, where the provider says it: a link may have made them known there."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What is to be given back; `refund_id` is carried to the provider."""

    refund_id: str
    payment_ref: str
    amount: Money
    whole: bool
    """Whether it is all that was paid."""
    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """How a refund stands; `total` is what all refunds of the payment come to, where it is told."""

    standing: Standing
    refund_ref: str | None
    amount: Money
    total: Money | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A payment as a provider lists it."""

    provider: Provider
    payment_ref: str
    amount: Money
    refunded: Money
    created_at: datetime
    buyer: Buyer
    attempt_id: str | None
    """The attempt of ours that it says it is, and what that was to pay for."""
    subject_id: str | None


class ChargeGateway(Protocol):
    """What of a provider's API takes money and gives it back; blocking, so it runs in a thread.

    Each call raises GatewayUnavailable where nobody knows whether it was done (ask again with the
    same key), GatewayFailed where the provider failed and keeps answering so under this key (look
    whether it was done, then take the next key), GatewayRefused where it was not done and the same
    again will not help.
    """

    def find_method(self, request: ChargeRequest) -> str | None:
        """Return what the customer has on file to be charged, the default first; None: nothing."""
        ...

    def charge(self, request: ChargeRequest, *, idempotency_key: str) -> Charged:
        """Take the money from what is on file, without the customer; a decline is an answer."""
        ...

    def find_charge(self, request: ChargeRequest, *, since: datetime) -> Charged | None:
        """Return how the charge that carries this attempt stands; None where there is none."""
        ...

    def read_charge(self, payment_ref: str) -> Charged:
        """Return how a charge, or the page of a payment link, stands."""
        ...

    def withdraw_charge(self, payment_ref: str) -> Charged:
        """Take back what has not been paid, so that nobody can pay it; return how it stands."""
        ...

    def create_payment_link(
        self, request: ChargeRequest, *, return_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """Return a page on which the customer pays this once, and is charged nothing else."""
        ...

    def refund(
        self, request: RefundRequest, *, idempotency_key: str, tried_at: datetime | None
    ) -> Refunded:
        """Give money back; `tried_at` is when the key was first used, if it was."""
        ...

    def read_refund(self, refund_ref: str) -> Refunded:
        """Return how a refund stands."""
        ...


class EventLog(Protocol):
    """What of a provider's API tells what has happened; blocking, so it runs in a thread."""

    def list_events(self, types: Sequence[str], *, since: datetime) -> Iterator[bytes]:
        """Yield the events of these types since, each as its webhook's body would be."""
        ...

    def list_payments(self, *, since: datetime) -> Iterator[Listed]:
        """Yield the payments that succeeded and were made since."""
        ...

    def list_subscriptions(self, *, since: datetime) -> Iterator[bytes]:
        """Yield subscriptions that are or were live, each in an event that says how it stands."""
        ...


class PaymentGateway(ChargeGateway, EventLog, Protocol):
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
