"""What are a provider's account, its events, and the facts that the events tell?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from solvent.kit.ids import TenantId
from solvent.kit.money import Money


class Provider(StrEnum):
    """Who takes the money."""

    STRIPE = "stripe"
    PADDLE = "paddle"


class Refusal(StrEnum):
    """Why a webhook was not accepted; stable, in answers, audit records and metrics."""

    SIGNATURE_MISSING = "signature_missing"
    HEADER_MALFORMED = "header_malformed"
    SCHEME_UNSUPPORTED = "scheme_unsupported"
    SIGNATURE_MISMATCH = "signature_mismatch"
    TIMESTAMP_STALE = "timestamp_stale"
    TIMESTAMP_FUTURE = "timestamp_future"
    BODY_MALFORMED = "body_malformed"
    BODY_TOO_LARGE = "body_too_large"
    EVENT_CHANGED = "event_changed"


class EventState(StrEnum):
    """How far the work on a stored event has come."""

    RECEIVED = "received"
    """Durable; the work on it has not been done yet, or waits to hear who the customer is."""
    APPLIED = "applied"
    IGNORED = "ignored"
    """Of a type, or a mode, that changes nothing here."""
    FAILED = "failed"
    """It cannot be applied as things stand; the reason says why, `replay` tries again."""


class Status(StrEnum):
    """What a provider's subscription amounts to, in the kernel's words."""

    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Return whether nothing can follow: both providers make a new subscription instead."""
        return self in (Status.CANCELED, Status.EXPIRED)


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One secret that the provider may sign with, valid until `not_after` (None: no end)."""

    id: str
    value: bytes
    not_after: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Return whether signatures under this secret still count."""
        return self.not_after is None or now < self.not_after

    def __repr__(self) -> str:
        """Keep the secret out of traces and logs."""
        return f"SigningSecret({self.id!r})"


@dataclass(frozen=True, slots=True)
class Verified:
    """A webhook whose signature and time hold."""

    secret_id: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every event says of itself, whatever its type."""

    id: str
    type: str
    occurred_at: datetime
    api_version: str
    live: bool | None
    """Stripe's livemode; Paddle's events do not say."""

    subscription_ref: str | None
    """The provider's subscription that the event is about, if any."""

    digest: bytes
    """SHA-256 of what the event says, without what differs from delivery to delivery."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays, as far as one event tells."""

    provider_customer_id: str | None = None
    customer_ref: str | None = None
    """The tenant's own name of the customer, where the checkout carried it."""

    email: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """A provider's subscription as one of its events shows it."""

    id: str
    buyer: Buyer
    status: Status
    price_ids: tuple[str, ...]
    period: Span | None
    started_at: datetime | None = None
    trial_ends_at: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    seats: tuple[tuple[str, int], ...] = ()
    """How many of each price the subscription has."""


@dataclass(frozen=True, slots=True)
class CheckoutCompleted:
    """A buyer finished a checkout: the one event that always knows the tenant's customer."""

    id: str
    buyer: Buyer
    subscription_id: str | None
    payment_id: str
    paid: Money | None
    """What was paid at once; a subscription's money is told by its invoices instead."""

    plan_key: str | None
    """What was bought, where the checkout was made here and says so."""


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """Money arrived, or an attempt to take it failed."""

    id: str
    buyer: Buyer
    subscription_id: str | None
    succeeded: bool
    money: Money
    price_ids: tuple[str, ...]
    period: Span | None
    reason: str | None = None


class Standing(StrEnum):
    """How a charge that was asked for here stands at the provider."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PENDING = "pending"
    """It waits: for a bank, or for the customer."""
    WITHDRAWN = "withdrawn"
    """It was taken back or has run out, and nobody can pay it any more."""


@dataclass(frozen=True, slots=True)
class ChargeSeen:
    """A charge that was asked for here, and says so, as an event tells of it."""

    id: str
    attempt_id: str
    subject_id: str | None
    """What it was to pay for: an invoice, a top-up."""
    standing: Standing
    money: Money
    code: str | None
    provider_customer_id: str | None = None
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class MethodSeen:
    """A customer has another card or account on file than before."""

    id: str
    buyer: Buyer


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """Money of a payment went back: `returned` under this id, once.

    Where the provider tells it, `total` is what all refunds of the payment come to.
    """

    id: str
    payment_id: str | None
    returned: Money
    total: Money | None = None


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """The buyer's bank takes a payment back, or has decided about it."""

    id: str
    payment_id: str | None
    disputed: Money
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class AliasSeen:
    """A payment has another name too: Stripe's refunds name the intent, its invoices do not."""

    alias: str
    payment_id: str


Fact: TypeAlias = (
    SubscriptionSeen
    | CheckoutCompleted
    | PaymentSeen
    | ChargeSeen
    | MethodSeen
    | RefundSeen
    | DisputeSeen
    | AliasSeen
)


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event: who sent it, when it happened, and the fact it tells (None: not of use)."""

    provider: Provider
    envelope: Envelope
    fact: Fact | None


@dataclass(frozen=True, slots=True)
class ProviderSubscription:
    """What all events of one provider subscription, together, say about it."""

    provider: Provider
    id: str
    buyer: Buyer
    status: Status
    price_ids: tuple[str, ...]
    period: Span | None
    paid_through: datetime | None
    """The end of the last period that an event says is paid."""

    started_at: datetime
    trial_ends_at: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    event_count: int
    """How many distinct events were folded: grows with knowledge, so it orders two folds."""

    last_event_id: str
    seats: tuple[tuple[str, int], ...] = ()

    @property
    def sellable(self) -> bool:
        """Return whether enough is known to give access: a price and the time it is paid for."""
        return bool(self.price_ids) and self.period is not None


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A signing secret by its name: when it came, and until when it counts."""

    id: str
    created_at: datetime
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant's account at a provider, as it may be shown: no secret is in it."""

    id: str
    provider: Provider
    window_s: int
    has_api_key: bool
    secrets: tuple[SecretInfo, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tenant's webhooks of one provider arrive, with what they are checked against."""

    tenant_id: TenantId
    provider: Provider
    live: bool
    window_s: int
    secrets: tuple[SigningSecret, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified webhook on its way into the inbox."""

    provider: Provider
    envelope: Envelope
    body: bytes
    secret_id: str
    received_at: datetime
    state: EventState
    reason: str | None = None

    @property
    def key(self) -> tuple[Provider, str]:
        """Return the name under which the provider will repeat it."""
        return self.provider, self.envelope.id


class Admission(StrEnum):
    """What the inbox made of an arrival."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """A stored event with how far the work on it has come."""

    id: str
    provider: Provider
    provider_event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    subscription_ref: str | None
    state: EventState
    reason: str | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A stored event with the bytes that were signed, to be worked on."""

    info: InboxEvent
    body: bytes


class ErrandKind(StrEnum):
    """What a provider is asked to make."""

    CHECKOUT = "checkout"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A page of the provider on which a customer can pay."""

    id: str
    provider: Provider
    url: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class PortalLink:
    """A page of the provider on which a customer sees and changes what they have bought."""

    provider: Provider
    url: str


class DisputeOutcome(StrEnum):
    """Who keeps the money."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A bank's taking back of a payment, as it was last told of."""

    provider: Provider
    id: str
    payment_ref: str | None
    amount_minor: int
    currency: str
    status: str
    reason: str
    outcome: DisputeOutcome
    booked_minor: int
    """What a lost one has taken out of the books: what had not gone back before."""
    seen_at: datetime
