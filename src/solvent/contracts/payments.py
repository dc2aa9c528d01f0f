"""What does the payments system tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class WebhooksReceived:
    """Genuine events of a provider came into the inbox in one commit; the work is to be done."""

    NAME: ClassVar[str] = "payments.webhooks_received.v1"

    provider: str
    provider_event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PurchaseCompleted:
    """A customer paid once for something that is no subscription.

    Told once for each checkout, by however many events its provider tells of it.
    """

    NAME: ClassVar[str] = "payments.purchase_completed.v1"

    provider: str
    checkout_id: str
    payment_id: str
    customer_id: str
    customer_ref: str
    plan_key: str | None
    """What was bought, where the checkout was made here and says so."""
    amount_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentFailed:
    """An attempt to take a customer's money failed."""

    NAME: ClassVar[str] = "payments.payment_failed.v1"

    provider: str
    payment_id: str
    customer_id: str
    subscription_id: str | None
    amount_minor: int
    currency: str
    reason: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A provider gave money of a payment back: this much under this id, once."""

    NAME: ClassVar[str] = "payments.refund_seen.v1"

    provider: str
    refund_id: str
    payment_id: str | None
    returned_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A buyer's bank takes a payment back, or has decided about it."""

    NAME: ClassVar[str] = "payments.dispute_seen.v1"

    provider: str
    dispute_id: str
    payment_id: str | None
    disputed_minor: int
    currency: str
    status: str
    reason: str
    occurred_at: datetime
