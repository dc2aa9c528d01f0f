"""How do collections, attempts, refunds and rules look in JSON?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Collection,
    CollectionState,
    Decline,
    FinalStep,
    NextStep,
    Policy,
    Purpose,
    Refund,
    RefundState,
    RuleState,
    TopUpRule,
)
from solvent.systems.payments.model import Dispute, DisputeOutcome, Provider


class PaymentAttemptShown(BaseModel):
    """One attempt to get something paid; `url` is the page of a payment link."""

    id: str
    number: int
    kind: AttemptKind
    state: AttemptState
    provider: Provider
    amount_minor: int
    currency: str
    payment_ref: str | None
    decline: Decline | None
    code: str | None
    message: str | None
    url: str | None
    written_at: datetime
    settled_at: datetime | None


class CollectionShown(BaseModel):
    """Something that is to be paid, and what comes next; `amount_minor` null: what is due."""

    id: str
    purpose: Purpose
    subject_id: str
    customer_id: str
    subscription_id: str | None
    provider: Provider
    currency: str
    amount_minor: int | None
    state: CollectionState
    attempts: int
    failures: int
    decline: Decline | None
    reason: str | None
    next_step: NextStep | None
    next_at: datetime | None
    final_step: str | None
    created_at: datetime
    updated_at: datetime


class CollectionWithAttempts(CollectionShown):
    """A collection with every attempt, the first one first."""

    history: list[PaymentAttemptShown]


class CollectionPolicyShown(BaseModel):
    """How invoices are collected; `retries` names days after the first failure, by decline."""

    automatic: bool
    retries: dict[Decline, list[int]]
    give_up_days: int
    final: FinalStep


class RefundShown(BaseModel):
    """Money that goes back, and how far that has come."""

    id: str
    payment_id: str
    provider: Provider
    payment_ref: str
    refund_ref: str | None
    amount_minor: int
    currency: str
    reason: str
    state: RefundState
    message: str | None
    credit_note_id: str | None
    written_at: datetime
    settled_at: datetime | None


class DisputeShown(BaseModel):
    """A bank's taking back of a payment; `booked_minor` is what it took out of the books."""

    id: str
    provider: Provider
    payment_ref: str | None
    amount_minor: int
    currency: str
    status: str
    reason: str
    outcome: DisputeOutcome
    booked_minor: int
    seen_at: datetime


class TopUpShown(BaseModel):
    """A rule that keeps a customer's credit above a threshold."""

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


class UpgradeQuote(BaseModel):
    """What a better plan costs for the rest of the period, in minor units."""

    amount_minor: int
    currency: str


class UpgradeShown(UpgradeQuote):
    """An upgrade that begins when it is paid, and the collection that it waits for."""

    id: str
    plan: str
    plan_version: int
    collection: CollectionShown


def show_attempt(one: Attempt) -> PaymentAttemptShown:
    """Return an attempt as it is shown."""
    return PaymentAttemptShown(
        id=one.id,
        number=one.number,
        kind=one.kind,
        state=one.state,
        provider=one.provider,
        amount_minor=one.amount_minor,
        currency=one.currency,
        payment_ref=one.payment_ref,
        decline=one.decline,
        code=one.code,
        message=one.message,
        url=one.url,
        written_at=one.written_at,
        settled_at=one.settled_at,
    )


def show_collection(one: Collection) -> CollectionShown:
    """Return a collection as it is shown."""
    return CollectionShown(
        id=one.id,
        purpose=one.purpose,
        subject_id=one.subject_id,
        customer_id=one.customer_id,
        subscription_id=one.subscription_id,
        provider=one.provider,
        currency=one.currency,
        amount_minor=one.amount_minor,
        state=one.state,
        attempts=one.attempts,
        failures=one.failures,
        decline=one.decline,
        reason=one.reason,
        next_step=one.next_step,
        next_at=one.next_at,
        final_step=one.final_step,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def show_story(one: Collection, attempts: tuple[Attempt, ...]) -> CollectionWithAttempts:
    """Return a collection with its attempts."""
    shown = show_collection(one).model_dump()
    return CollectionWithAttempts(**shown, history=[show_attempt(it) for it in attempts])


def show_policy(policy: Policy) -> CollectionPolicyShown:
    """Return a policy as it is shown, and as it is told."""
    return CollectionPolicyShown(
        automatic=policy.automatic,
        retries={name: list(days) for name, days in policy.retries.items()},
        give_up_days=policy.give_up_days,
        final=policy.final,
    )


def show_refund(one: Refund) -> RefundShown:
    """Return a refund as it is shown."""
    return RefundShown(
        id=one.id,
        payment_id=one.payment_id,
        provider=one.provider,
        payment_ref=one.payment_ref,
        refund_ref=one.refund_ref,
        amount_minor=one.amount_minor,
        currency=one.currency,
        reason=one.reason,
        state=one.state,
        message=one.message,
        credit_note_id=one.credit_note_id,
        written_at=one.written_at,
        settled_at=one.settled_at,
    )


def show_dispute(one: Dispute) -> DisputeShown:
    """Return a dispute as it is shown."""
    return DisputeShown(
        id=one.id,
        provider=one.provider,
        payment_ref=one.payment_ref,
        amount_minor=one.amount_minor,
        currency=one.currency,
        status=one.status,
        reason=one.reason,
        outcome=one.outcome,
        booked_minor=one.booked_minor,
        seen_at=one.seen_at,
    )


def show_rule(one: TopUpRule) -> TopUpShown:
    """Return a rule as it is shown."""
    return TopUpShown(
        customer_id=one.customer_id,
        currency=one.currency,
        threshold_minor=one.threshold_minor,
        amount_minor=one.amount_minor,
        bonus_minor=one.bonus_minor,
        monthly_cap_minor=one.monthly_cap_minor,
        state=one.state,
        reason=one.reason,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )
