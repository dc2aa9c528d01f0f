"""What is a subscription, and what did a provider say about one?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from solvent.kernel.metering.model import Period

SubscriptionId = NewType("SubscriptionId", str)


class Status(StrEnum):
    """Where a subscription stands."""

    PENDING = "pending"
    """Asked for, not yet confirmed by a first payment; no access."""
    TRIALING = "trialing"
    """Tried for nothing until the trial's end."""
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """A payment is owed; access lasts for the grace."""
    PAUSED = "paused"
    """Nobody uses it and nothing is charged until it is resumed."""
    CANCELED = "canceled"
    """Ended by a decision; never comes back."""
    EXPIRED = "expired"
    """Ended by time running out; never comes back."""


TERMINAL = frozenset({Status.CANCELED, Status.EXPIRED})
GRANTING = frozenset({Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})


@dataclass(frozen=True, slots=True)
class PlanRef:
    """A version of a plan."""

    plan_key: str
    version: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which one version of a plan is charged for so many seats.

    Trials and pauses are in none.
    """

    plan: PlanRef
    period: Period
    quantity: int = 1

    @property
    def seconds(self) -> int:
        """Return the stretch's length in whole seconds."""
        return self.period.duration // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class FeePeriod:
    """What a fee for a whole period is for, where the period itself may be only a part of it."""

    whole: Period
    index: int
    """How many periods after the subscription's anchor."""


@dataclass(frozen=True, slots=True)
class Addon:
    """Something that a subscription has beside its plan, for a time: `[starts_at, ends_at)`."""

    id: str
    subscription_id: str
    plan: PlanRef
    quantity: int
    starts_at: datetime
    ends_at: datetime | None
    """None: with its subscription."""
    created_at: datetime


class PlannedKind(StrEnum):
    """What is planned for a subscription."""

    CHANGE_PLAN = "change_plan"
    CHANGE_QUANTITY = "change_quantity"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A change that a subscription's own time will make, once.

    `plan` is of a change of plan; `quantity` of one of seats, or of both; `resume_at` of a pause.
    """

    id: str
    kind: PlannedKind
    at: datetime
    plan: PlanRef | None = None
    quantity: int | None = None
    resume_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One customer's hold on one plan. All times are UTC and whole seconds."""

    id: SubscriptionId
    customer_id: str
    product_key: str
    plan_key: str
    plan_version: int
    status: Status
    current: bool
    """Whether it is the one that counts for its customer and product; never a terminal one."""
    period: Period
    anchor_at: datetime
    """The moment that all period boundaries are counted from; it never drifts."""
    time_zone: str
    """In whose wall clock boundaries keep their hour."""
    plan_expires_at: datetime
    """When access ends, grace included; access is up to, and not at, this second."""
    auto_renew: bool
    created_at: datetime
    trial_end_at: datetime | None = None
    paid_through: datetime | None = None
    """The end of the last period that is known to be paid for, or needs no payment in advance."""
    cancel_at: datetime | None = None
    paused_at: datetime | None = None
    resume_at: datetime | None = None
    ended_at: datetime | None = None
    next_plan: PlanRef | None = None
    """The plan that the next period begins with."""
    provider: str | None = None
    provider_subscription_id: str | None = None
    provider_order: int = 0
    """The `order` of the facts it was last made equal to."""
    charged_from: datetime | None = None
    """Since when the present plan version and quantity are being charged; None while none is."""
    quantity: int = 1
    """How many seats it has; one where the plan sells none."""
    planned: tuple[PlannedChange, ...] = ()
    """What its time is to do, the soonest first, beside `next_plan`, `cancel_at`, `resume_at`."""

    @property
    def plan(self) -> PlanRef:
        """Return the version of the plan that is held."""
        return PlanRef(self.plan_key, self.plan_version)

    @property
    def terminal(self) -> bool:
        """Return whether it has ended for good."""
        return self.status in TERMINAL

    @property
    def awaits_card(self) -> bool:
        """Return whether its trial is over, and it waits for a card to go on."""
        tried = self.trial_end_at is not None and self.trial_end_at <= self.period.start
        return self.status is Status.PENDING and tried

    @property
    def provider_managed(self) -> bool:
        """Return whether a payment provider decides when it renews and ends."""
        return self.provider is not None

    def grants_access(self, at: datetime) -> bool:
        """Return whether it lets its customer in at this moment."""
        return self.status in GRANTING and at < self.plan_expires_at


class When(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    PERIOD_END = "period_end"
    AUTO = "auto"
    """What makes it dearer now, what makes it cheaper at the period's end."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a change of plan would make of a subscription.

    The fees are those of a whole period, before discounts and tax, without usage and add-ons.
    """

    held: Subscription
    after: Subscription
    plan: PlanRef
    quantity: int
    when: When
    ended: Period | None
    """The part of the running period that the change would end; None where it goes on."""
    fee_before_minor: int
    fee_after_minor: int
    takes_effect_at: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """What is known of a provider's subscription, folded from all its events.

    `order` grows with the fold (for example the number of events folded): facts of a lower order
    than those already held are ignored, so that two workers may finish in either sequence. The
    plan is told by `provider_price_id` or else by `plan_key`. `paid_through` is the end of the last
    period known to be paid; None lets the status tell it. `canceled` says that it was running:
    one that ended before its first payment is told as `expired`, and nothing of it is charged.
    """

    provider: str
    provider_subscription_id: str
    customer_id: str
    status: Status
    period_start: datetime
    period_end: datetime
    order: int
    provider_price_id: str | None = None
    plan_key: str | None = None
    anchor_at: datetime | None = None
    trial_end_at: datetime | None = None
    paid_through: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    created_at: datetime | None = None
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Charged:
    """A stretch in which one version of a plan was charged, of any subscription.

    `until` None: it goes on.
    """

    customer_id: str
    subscription_id: str
    plan: PlanRef
    quantity: int
    since: datetime
    until: datetime | None
    beside: str | None = None
    """Of an add-on, the plan that it goes with."""


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """A trial that is over, by its time or by a cancellation, and whether it led to a charge."""

    subscription_id: str
    customer_id: str
    plan: PlanRef
    at: datetime
    converted: bool
