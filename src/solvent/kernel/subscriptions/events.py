"""What has happened to a subscription that others act upon?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class SubscriptionChanged:
    """A subscription was made, or its state, plan, period or access is another now."""

    NAME: ClassVar[str] = "subscriptions.subscription_changed.v1"

    subscription_id: str
    customer_id: str
    customer_ref: str
    product_key: str
    before: str | None
    """The status before; None for a new subscription."""
    after: str
    plan_key: str
    plan_version: int
    current: bool
    period_start: datetime
    period_end: datetime
    plan_expires_at: datetime


@dataclass(frozen=True, slots=True)
class HeldAddon:
    """An add-on that a subscription has now; `ends_at` None: with the subscription."""

    addon_id: str
    plan_key: str
    plan_version: int
    quantity: int
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriptionChangedV2:
    """As version 1, emitted beside it, with how many seats and which add-ons there are now."""

    NAME: ClassVar[str] = "subscriptions.subscription_changed.v2"

    subscription_id: str
    customer_id: str
    customer_ref: str
    product_key: str
    before: str | None
    """The status before; None for a new subscription."""
    after: str
    plan_key: str
    plan_version: int
    quantity: int
    addons: tuple[HeldAddon, ...]
    current: bool
    period_start: datetime
    period_end: datetime
    plan_expires_at: datetime


@dataclass(frozen=True, slots=True)
class PeriodEnded:
    """A period of a subscription is over; exactly one such event for each period, in order."""

    NAME: ClassVar[str] = "subscriptions.period_ended.v1"

    subscription_id: str
    customer_id: str
    period_start: datetime
    period_end: datetime
    charged_seconds: int
    """For how many seconds a plan was charged: 0 for a trial or a pause of the whole period."""
