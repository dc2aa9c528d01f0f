"""May this customer pass? The pure rules that turn a record and a moment into an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

Source = Literal["snapshot", "database", "fail_open", "fail_closed", "caller"]
FailMode = Literal["open", "closed"]
Quantity = int | Decimal

NEVER: Final = float("inf")
"""The end of an access that has none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, and where it comes from. It is true where the customer may pass.

    Args:
        allowed: whether the customer may pass.
        code: `ok`, `no_subscription`, `expired`, `feature_missing`, `quota_exhausted`; or, where
            nothing could be asked, `unknown_customer` (the application named none), `bad_request`
            (Solvent does not understand the question) or `outage`.
        reason: the same as a sentence.
        source: who says so: the snapshot in this process, Solvent's database, or the fail mode.
        until: when the access ends (half-open: at this moment it is over); None if it has no end
            or is not known.
        remaining: what is left of a quota, None where there is no limit.
    """

    allowed: bool
    code: str
    reason: str
    source: Source
    until: datetime | None = None
    remaining: Decimal | None = None

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Access:
    """A product that the customer holds, until when."""

    product: str
    plan: str
    status: str
    until_ms: float
    yes: Decision


@dataclass(frozen=True, slots=True)
class Grant:
    """A feature that the customer's plan gives, and what is left of it."""

    key: str
    product: str | None
    on_outage: FailMode
    until_ms: float
    remaining: Decimal | None
    """What the quota still holds; None where nothing is counted or the overage is sold."""
    yes: Decision


@dataclass(frozen=True, slots=True)
class Record:
    """What one customer may use, at one revision."""

    customer: str
    customer_id: str
    revision: int
    access: tuple[Access, ...]
    features: Mapping[str, Grant]
    last_until_ms: float
    """When the last of the accesses ends: before it the customer passes a check of nothing more."""
    yes: Decision


@dataclass(frozen=True, slots=True)
class Moment:
    """Solvent's time now, as exactly as it is known from here: between the two, in epoch ms."""

    earliest_ms: float
    latest_ms: float


_NO_SUBSCRIPTION: Final = Decision(
    allowed=False,
    code="no_subscription",
    reason="The customer has no current subscription.",
    source="snapshot",
)


def checked_quantity(quantity: Quantity) -> Quantity:
    """Return the quantity if it can be used.

    Raises:
        ValueError: it is not a positive int or a finite positive Decimal.
    """
    if type(quantity) is int and quantity > 0:
        return quantity
    if isinstance(quantity, Decimal) and quantity.is_finite() and quantity > 0:
        return quantity
    raise ValueError("quantity: expected a positive int or Decimal")


def plain(quantity: Quantity) -> str:
    """Return the quantity in plain digits, as the API takes it: never `1E-7`."""
    return format(Decimal(quantity), "f")


def decide(
    record: Record | None,
    moment: Moment,
    *,
    feature: str | None,
    product: str | None,
    quantity: Quantity,
) -> Decision | None:
    """Answer from the record, or None where the moment is too near to an end to tell."""
    if record is None or not record.access:
        return _NO_SUBSCRIPTION
    if feature is not None:
        return _decide_feature(record, moment, feature, product, quantity)
    if product is not None:
        return _decide_product(record, moment, product)
    if moment.latest_ms < record.last_until_ms:
        return record.yes
    return _over(moment, record.last_until_ms, record.yes.until)


def _decide_product(record: Record, moment: Moment, product: str) -> Decision | None:
    held = [access for access in record.access if access.product == product]
    if not held:
        return _NO_SUBSCRIPTION
    longest = max(held, key=lambda access: access.until_ms)
    if moment.latest_ms < longest.until_ms:
        return longest.yes
    return _over(moment, longest.until_ms, longest.yes.until)


def _decide_feature(  # noqa: PLR0917 -- called on every check: keywords cost a tenth of it
    record: Record, moment: Moment, feature: str, product: str | None, quantity: Quantity
) -> Decision | None:
    grant = record.features.get(feature)
    if grant is None or (product is not None and grant.product != product):
        return _decide_missing(record, moment, feature, product)
    if moment.latest_ms >= grant.until_ms:
        return _over(moment, grant.until_ms, grant.yes.until)
    if grant.remaining is not None and quantity > grant.remaining:
        return Decision(
            allowed=False,
            code="quota_exhausted",
            reason=f"The plan's quota of {feature!r} is used up.",
            source="snapshot",
            until=grant.yes.until,
            remaining=grant.remaining,
        )
    return grant.yes


def _decide_missing(
    record: Record, moment: Moment, feature: str, product: str | None
) -> Decision | None:
    """Say the first thing that is wrong: no access at all comes before a feature it lacks."""
    access = (
        _decide_product(record, moment, product)
        if product is not None
        else decide(record, moment, feature=None, product=None, quantity=1)
    )
    if access is None or not access.allowed:
        return access
    return Decision(
        allowed=False,
        code="feature_missing",
        reason=f"The customer's plan does not include {feature!r}.",
        source="snapshot",
    )


def _over(moment: Moment, until_ms: float, until: datetime | None) -> Decision | None:
    if moment.earliest_ms < until_ms:
        return None
    return Decision(
        allowed=False,
        code="expired",
        reason="The customer's access has ended.",
        source="snapshot",
        until=until,
    )


def decide_in_outage(
    last_known: Decision | None, *, mode: FailMode, feature: str | None
) -> Decision:
    """Answer by the fail mode where Solvent cannot be asked.

    Open lets in whoever is not known to be refused: a customer who was out when the connection was
    lost stays out, one whose period ends meanwhile stays in (a renewal would not be heard of).
    """
    what = f"feature {feature!r}" if feature is not None else "access"
    if mode == "closed":
        return Decision(
            allowed=False,
            code="outage",
            reason=f"Solvent cannot be asked, and {what} is set to stay closed then.",
            source="fail_closed",
        )
    if last_known is not None and not last_known.allowed:
        return Decision(
            allowed=False,
            code=last_known.code,
            reason=last_known.reason,
            source="fail_open",
            until=last_known.until,
            remaining=last_known.remaining,
        )
    return Decision(
        allowed=True,
        code="outage",
        reason=f"Solvent cannot be asked, and {what} is set to stay open then.",
        source="fail_open",
        until=last_known.until if last_known is not None else None,
    )
