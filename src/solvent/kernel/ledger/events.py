"""What does the ledger announce once it is true?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class InvoiceFinalized:
    """An invoice got its number; its document never changes from here on."""

    NAME: ClassVar[str] = "ledger.invoice_finalized.v1"

    invoice_id: str
    number: int
    customer_id: str
    subscription_id: str
    period_start: datetime
    period_end: datetime
    currency: str
    total_minor: int
    due_minor: int
    digest: str


@dataclass(frozen=True, slots=True)
class InvoicePaid:
    """Nothing is due on an invoice any more."""

    NAME: ClassVar[str] = "ledger.invoice_paid.v1"

    invoice_id: str
    number: int
    customer_id: str
    subscription_id: str
    currency: str
    total_minor: int
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceVoided:
    """An invoice was taken back by a reversal; its number stays used."""

    NAME: ClassVar[str] = "ledger.invoice_voided.v1"

    invoice_id: str
    number: int | None
    customer_id: str
    subscription_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentRecorded:
    """Money of a customer arrived, once per provider and the provider's id of it."""

    NAME: ClassVar[str] = "ledger.payment_recorded.v1"

    payment_id: str
    customer_id: str
    provider: str
    provider_payment_id: str
    currency: str
    amount_minor: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRecorded:
    """Money went back to a customer."""

    NAME: ClassVar[str] = "ledger.refund_recorded.v1"

    payment_id: str
    customer_id: str
    provider: str
    provider_refund_id: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CreditGranted:
    """A customer was given credit, which invoices use before money."""

    NAME: ClassVar[str] = "ledger.credit_granted.v1"

    grant_id: str
    customer_id: str
    currency: str
    amount_minor: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreditExpired:
    """What was left of a grant has been taken back."""

    NAME: ClassVar[str] = "ledger.credit_expired.v1"

    grant_id: str
    customer_id: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CreditNoteIssued:
    """A part of a final invoice, or all of it, was taken back."""

    NAME: ClassVar[str] = "ledger.credit_note_issued.v1"

    credit_note_id: str
    number: int
    invoice_id: str
    customer_id: str
    currency: str
    total_minor: int


@dataclass(frozen=True, slots=True)
class CouponRedeemed:
    """A subscription has a coupon from the next invoice on."""

    NAME: ClassVar[str] = "ledger.coupon_redeemed.v1"

    code: str
    subscription_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class CouponEnded:
    """A coupon was taken from a subscription; what it has taken off stays so."""

    NAME: ClassVar[str] = "ledger.coupon_ended.v1"

    code: str
    subscription_id: str
    customer_id: str
