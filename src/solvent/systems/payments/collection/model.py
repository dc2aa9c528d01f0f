"""What is collected, by which attempts, under which policy, and what went back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from solvent.systems.payments.model import Provider


class Purpose(StrEnum):
    """What a collection is for."""

    INVOICE = "invoice"
    """What is due on an invoice of ours."""
    TOP_UP = "top_up"
    """Credit that a customer's rule asks for."""
    UPGRADE = "upgrade"
    """What a better plan costs for the rest of the period."""


class CollectionState(StrEnum):
    """How far a collection has come."""

    COLLECTING = "collecting"
    """An attempt is under way."""
    WAITING = "waiting"
    """For the time of its next step, or for the customer."""
    PAID = "paid"
    STOPPED = "stopped"
    """Nothing more is tried: canceled, voided, or stopped by hand."""
    GIVEN_UP = "given_up"
    """The final step of the policy has been taken."""

    @property
    def over(self) -> bool:
        """Return whether nothing more is tried by itself."""
        return self not in (CollectionState.COLLECTING, CollectionState.WAITING)


class AttemptKind(StrEnum):
    """Who acts: we charge what is on file, or the customer pays on a page of the provider."""

    CHARGE = "charge"
    LINK = "link"


class AttemptState(StrEnum):
    """What is known of an attempt."""

    ASKED = "asked"
    """Written down; whether the provider has done it is not known."""
    PENDING = "pending"
    """The provider has it, and waits: for a bank, or for the customer."""
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    """It was never asked for, or was taken back before anybody paid."""

    @property
    def under_way(self) -> bool:
        """Return whether money may still move by it."""
        return self in (AttemptState.ASKED, AttemptState.PENDING)


class Decline(StrEnum):
    """Why money did not come, as far as it says what to do next."""

    SOFT = "soft"
    """The same card may work later."""
    HARD = "hard"
    """This card will never work again."""
    ACTION = "action"
    """The customer must prove to be there: a link."""
    NO_METHOD = "no_method"
    """Nothing is on file that could be charged."""
    REFUSED = "refused"
    """The provider takes no such request; the customer cannot help it."""


class FinalStep(StrEnum):
    """What happens to a subscription that nobody pays for in the end."""

    CANCEL = "cancel"
    PAUSE = "pause"
    LEAVE = "leave"


class NextStep(StrEnum):
    """What comes when a waiting collection's time has come."""

    RETRY = "retry"
    GIVE_UP = "give_up"


DEFAULT_RETRIES: Mapping[Decline, tuple[int, ...]] = MappingProxyType(
    {
        Decline.SOFT: (1, 3, 7, 14),
        Decline.HARD: (),
        Decline.ACTION: (),
        Decline.NO_METHOD: (),
        Decline.REFUSED: (),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a tenant's invoices are collected.

    `retries` says for each class of decline on which days after the first failure it is tried
    again with what is on file; `give_up_days` is when the final step is taken.
    """

    automatic: bool = False
    retries: Mapping[Decline, tuple[int, ...]] = field(default_factory=lambda: DEFAULT_RETRIES)
    give_up_days: int = 21
    final: FinalStep = FinalStep.CANCEL


@dataclass(frozen=True, slots=True)
class Collection:
    """Something that is to be paid, and how far that has come.

    `amount_minor` is fixed for what is no invoice; of an invoice what is due counts.
    """

    id: str
    purpose: Purpose
    subject_id: str
    customer_id: str
    subscription_id: str | None
    provider: Provider
    currency: str
    amount_minor: int | None
    state: CollectionState
    created_at: datetime
    updated_at: datetime
    attempts: int = 0
    failures: int = 0
    first_failed_at: datetime | None = None
    next_at: datetime | None = None
    next_step: NextStep | None = None
    decline: Decline | None = None
    reason: str | None = None
    final_step: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to get a collection paid; real moments are those the provider lives in."""

    id: str
    collection_id: str
    number: int
    kind: AttemptKind
    provider: Provider
    provider_customer_id: str | None
    subscription_ref: str | None
    method_id: str | None
    amount_minor: int
    currency: str
    state: AttemptState
    written_at: datetime
    key_number: int = 0
    asked_at: datetime | None = None
    """When the present key was first used, in real time; None: nobody has been asked."""
    tries: int = 0
    payment_ref: str | None = None
    url: str | None = None
    """The page on which the customer can pay."""
    return_url: str | None = None
    """Where that page leads to afterwards."""
    decline: Decline | None = None
    code: str | None = None
    message: str | None = None
    received_minor: int | None = None
    withdrawn_at: datetime | None = None
    settled_at: datetime | None = None


class RefundState(StrEnum):
    """What is known of a refund that we asked for."""

    ASKED = "asked"
    PENDING = "pending"
    """The provider has it and has not decided, or waits for a bank."""
    MADE = "made"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to be given back, as it was written down before the provider is asked."""

    id: str
    source: str
    payment_id: str
    """The ledger's payment."""
    provider: Provider
    payment_ref: str
    """The provider's payment."""
    amount_minor: int
    currency: str
    reason: str
    state: RefundState
    written_at: datetime
    invoice_id: str | None = None
    """An invoice that a credit note takes back whole once the money is on its way."""
    credit_note_id: str | None = None
    key_number: int = 0
    asked_at: datetime | None = None
    tries: int = 0
    refund_ref: str | None = None
    message: str | None = None
    settled_at: datetime | None = None


class RuleState(StrEnum):
    """Whether a rule acts."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By hand, or because its last payment failed."""


@dataclass(frozen=True, slots=True)
class TopUpRule:
    """A customer's wish that their credit of a currency is kept above a threshold.

    Below it `amount_minor` is charged; on success the payment is their credit, and `bonus_minor`
    is granted on top. At most `monthly_cap_minor` is charged in a calendar month (UTC).
    """

    customer_id: str
    currency: str
    threshold_minor: int
    amount_minor: int
    bonus_minor: int
    monthly_cap_minor: int | None
    state: RuleState
    reason: str | None
    created_at: datetime
    updated_at: datetime


class UpgradeState(StrEnum):
    """What became of an upgrade."""

    WAITING = "waiting"
    """For its payment; the subscription is as it was."""
    APPLIED = "applied"
    FAILED = "failed"
    """It was not paid, or could not be made any more; the subscription is as it was."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A better plan that begins when what it costs for the rest of the period is paid."""

    id: str
    subscription_id: str
    plan_key: str
    plan_version: int
    amount_minor: int
    currency: str
    state: UpgradeState
    created_at: datetime
    reason: str | None = None
