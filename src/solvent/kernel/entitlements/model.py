"""What are an access, a grant, a record, a decision and a reservation?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from solvent.kernel.catalogue.model import FeatureKind, OnOutage
from solvent.kernel.metering.model import Period
from solvent.kit.money import EXACT

SNAPSHOT_PAGE = 500
RESERVATION_MAX = timedelta(hours=24)
QUANTITY_MAX = Decimal(10) ** 20
QUANTITY_DECIMALS_MAX = 12
KEY_LENGTH_MAX = 180


class Code(StrEnum):
    """Why a check came out as it did."""

    OK = "ok"
    NO_SUBSCRIPTION = "no_subscription"
    EXPIRED = "expired"
    FEATURE_MISSING = "feature_missing"
    QUOTA_EXHAUSTED = "quota_exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A subscription that lets its customer in before `until`; None is without end."""

    product_key: str
    plan_key: str
    status: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A feature that one of the customer's subscriptions grants before `until`.

    A quota allows `limit` (None: any) a period; `used` holds what is consumed and what is held by
    reservations. A switch has no period and no limit.
    """

    feature_key: str
    kind: FeatureKind
    on_outage: OnOutage
    product_key: str
    until: datetime | None
    limit: Decimal | None = None
    overage: bool = False
    meter_key: str | None = None
    period: Period | None = None
    used: Decimal = Decimal(0)

    @property
    def bounded(self) -> bool:
        """Return whether using more can be refused."""
        return self.kind is FeatureKind.QUOTA and self.limit is not None and not self.overage

    @property
    def remaining(self) -> Decimal | None:
        """Return what is left of the limit, at least nothing; None where there is no limit."""
        if self.kind is not FeatureKind.QUOTA or self.limit is None:
            return None
        return max(EXACT.subtract(self.limit, self.used), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that a customer may use, as guards hold it; `revision` grows with every change.

    `stale_at` is the next moment at which time alone may make it another record.
    """

    customer_id: str
    customer_ref: str
    revision: int
    access: tuple[Access, ...]
    features: tuple[Grant, ...]
    stale_at: datetime | None = None

    def feature(self, key: str) -> Grant | None:
        """Return the grant of a feature, if there is one."""
        return next((grant for grant in self.features if grant.feature_key == key), None)

    @property
    def meter_keys(self) -> tuple[str, ...]:
        """Return the meters that tell how much of the quotas is used, by key."""
        return tuple(sorted({grant.meter_key for grant in self.features if grant.meter_key}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller asks to use; neither feature nor product asks for any access at all."""

    feature: str | None = None
    product: str | None = None
    quantity: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to a check; `reason` is a sentence for people, `code` is for programs."""

    allowed: bool
    code: Code
    reason: str
    until: datetime | None = None
    remaining: Decimal | None = None


class ReservationState(StrEnum):
    """Where a reservation stands."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A part of a quota held for work that is under way; it lapses at `expires_at`."""

    id: str
    key: str | None
    customer_id: str
    feature_key: str
    quantity: Decimal
    committed: Decimal
    state: ReservationState
    expires_at: datetime

    def state_at(self, now: datetime) -> ReservationState:
        """Return the state that counts: a hold past its time has expired, tidied or not."""
        if self.state is ReservationState.HELD and now >= self.expires_at:
            return ReservationState.EXPIRED
        return self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of asking for a reservation: the decision, and the hold if it was allowed."""

    decision: Decision
    reservation: Reservation | None
