"""How does a subscription look as JSON?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from solvent.kernel.subscriptions.model import (
    Addon,
    PlannedChange,
    PlannedKind,
    PlanRef,
    Status,
    Subscription,
)
from solvent.kernel.subscriptions.rules.changing import all_planned


class PlanRefShown(BaseModel):
    """A version of a plan."""

    plan: str
    version: int


class PlannedChangeShown(BaseModel):
    """A change that is still ahead; what its kind does not use is null."""

    id: str
    kind: PlannedKind
    at: datetime
    plan: str | None
    version: int | None
    quantity: int | None
    resume_at: datetime | None


class AddonShown(BaseModel):
    """An add-on of a subscription; `ends_at` null: it ends with the subscription."""

    id: str
    subscription_id: str
    plan: str
    plan_version: int
    quantity: int
    starts_at: datetime
    ends_at: datetime | None
    created_at: datetime


class SubscriptionShown(BaseModel):
    """A subscription; all times are UTC."""

    id: str
    customer_id: str
    product: str
    plan: str
    plan_version: int
    quantity: int
    status: Status
    current: bool
    period_start: datetime
    period_end: datetime
    time_zone: str
    plan_expires_at: datetime
    auto_renew: bool
    trial_end_at: datetime | None
    paid_through: datetime | None
    cancel_at: datetime | None
    paused_at: datetime | None
    resume_at: datetime | None
    ended_at: datetime | None
    next_plan: PlanRefShown | None
    planned: list[PlannedChangeShown]
    provider: str | None
    provider_subscription_id: str | None
    created_at: datetime


def show_subscription(one: Subscription) -> SubscriptionShown:
    """Return a subscription's JSON form."""
    return SubscriptionShown(
        id=one.id,
        customer_id=one.customer_id,
        product=one.product_key,
        plan=one.plan_key,
        plan_version=one.plan_version,
        quantity=one.quantity,
        status=one.status,
        current=one.current,
        period_start=one.period.start,
        period_end=one.period.end,
        time_zone=one.time_zone,
        plan_expires_at=one.plan_expires_at,
        auto_renew=one.auto_renew,
        trial_end_at=one.trial_end_at,
        paid_through=one.paid_through,
        cancel_at=one.cancel_at,
        paused_at=one.paused_at,
        resume_at=one.resume_at,
        ended_at=one.ended_at,
        next_plan=_show_ref(one.next_plan),
        planned=[show_planned(planned) for planned in all_planned(one)],
        provider=one.provider,
        provider_subscription_id=one.provider_subscription_id,
        created_at=one.created_at,
    )


def show_planned(one: PlannedChange) -> PlannedChangeShown:
    """Return a planned change's JSON form."""
    return PlannedChangeShown(
        id=one.id,
        kind=one.kind,
        at=one.at,
        plan=one.plan.plan_key if one.plan else None,
        version=one.plan.version if one.plan else None,
        quantity=one.quantity,
        resume_at=one.resume_at,
    )


def show_addon(one: Addon) -> AddonShown:
    """Return an add-on's JSON form."""
    return AddonShown(
        id=one.id,
        subscription_id=one.subscription_id,
        plan=one.plan.plan_key,
        plan_version=one.plan.version,
        quantity=one.quantity,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        created_at=one.created_at,
    )


def _show_ref(ref: PlanRef | None) -> PlanRefShown | None:
    return None if ref is None else PlanRefShown(plan=ref.plan_key, version=ref.version)
