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


@dataclass(frozen=True, slots=True)
class ChargeSeen:
    """A charge that was asked for here stands so at its provider, whoever told it.

    `standing` is succeeded, declined, pending or withdrawn.
    """

    NAME: ClassVar[str] = "payments.charge_seen.v1"

    provider: str
    payment_id: str
    attempt_id: str
    subject_id: str | None
    """The invoice, or what else it was to pay for."""
    standing: str
    amount_minor: int
    currency: str
    code: str | None
    provider_customer_id: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class MethodChanged:
    """A customer has another card or account on file at a provider than before."""

    NAME: ClassVar[str] = "payments.method_changed.v1"

    provider: str
    customer_id: str
    method_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class CollectionFailed:
    """An attempt to collect something failed, and this comes next.

    `decline` is soft, hard, action, no_method or refused: what would help is time, another card,
    the customer's presence, any card at all, or a look at the request. `next_step` is retry or
    give_up, at `next_at` of the tenant's time; both are None where nothing comes by itself.
    """

    NAME: ClassVar[str] = "payments.collection_failed.v1"

    collection_id: str
    purpose: str
    subject_id: str
    customer_id: str
    subscription_id: str | None
    attempt: int
    failures: int
    amount_minor: int
    currency: str
    decline: str
    code: str | None
    next_step: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class CollectionEnded:
    """Nothing more is tried by itself: it was paid, stopped or given up.

    `final_step` says what became of the subscription that was given up: cancel, pause or leave.
    """

    NAME: ClassVar[str] = "payments.collection_ended.v1"

    collection_id: str
    purpose: str
    subject_id: str
    customer_id: str
    subscription_id: str | None
    state: str
    failures: int
    reason: str | None
    final_step: str | None


@dataclass(frozen=True, slots=True)
class TopUpPaused:
    """A rule that keeps a customer's credit above a threshold acts no more until it is resumed."""

    NAME: ClassVar[str] = "payments.top_up_paused.v1"

    customer_id: str
    currency: str
    reason: str
