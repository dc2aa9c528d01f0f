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
class Holding:
    """What a customer has before `until_ms`: access to a product, or a feature of their plan.

    Args:
        product: the product that it belongs to; None where it belongs to none or to several.
        until_ms: when it ends, in epoch ms.
        yes: the answer while it holds.
        remaining: what a quota still holds; None where nothing is counted or the overage is sold.
        on_outage: the fail mode of a feature.
    """

    product: str | None
    until_ms: float
    yes: Decision
    remaining: Decimal | None = None
    on_outage: FailMode = "closed"


@dataclass(frozen=True, slots=True)
class Record:
    """What one customer may use, at one revision."""

    customer: str
    customer_id: str
    revision: int
    access: Holding | None
    """Any access at all: that which lasts longest."""
    products: Mapping[str, Holding]
    features: Mapping[str, Holding]


Moment = tuple[float, float]
"""Solvent's time now in epoch ms, as exactly as it is known from here: at least, at most."""


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


def decide(  # noqa: PLR0917 -- called on every check, and keywords cost a tenth of it
    record: Record | None,
    moment: Moment,
    feature: str | None = None,
    product: str | None = None,
    quantity: Quantity = 1,
) -> Decision | None:
    """Answer from the record, or None where the moment is too near to an end to tell."""
    if record is None or record.access is None:
        return _NO_SUBSCRIPTION
    if feature is not None:
        held = record.features.get(feature)
        if held is None or (product is not None and held.product != product):
            return _decide_missing(record, moment, feature, product)
    elif product is not None:
        held = record.products.get(product)
        if held is None:
            return _NO_SUBSCRIPTION
    else:
        held = record.access
    if moment[1] >= held.until_ms:
        return _decide_ended(held, moment)
    if held.remaining is not None and quantity > held.remaining:
        return _exhausted(held, feature)
    return held.yes


def _decide_missing(
    record: Record, moment: Moment, feature: str, product: str | None
) -> Decision | None:
    """Say the first thing that is wrong: no access at all comes before a feature it lacks."""
    access = decide(record, moment, None, product)
    if access is None or not access.allowed:
        return access
    return Decision(
        allowed=False,
        code="feature_missing",
        reason=f"The customer's plan does not include {feature!r}.",
        source="snapshot",
    )


def _decide_ended(held: Holding, moment: Moment) -> Decision | None:
    if moment[0] < held.until_ms:
        return None
    return Decision(
        allowed=False,
        code="expired",
        reason="The customer's access has ended.",
        source="snapshot",
        until=held.yes.until,
    )


def _exhausted(held: Holding, feature: str | None) -> Decision:
    return Decision(
        allowed=False,
        code="quota_exhausted",
        reason=f"The plan's quota of {feature!r} is used up.",
        source="snapshot",
        until=held.yes.until,
        remaining=held.remaining,
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
