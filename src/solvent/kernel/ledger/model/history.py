"""What lasts, and what went back?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.ledger.model.invoice import Discount


@dataclass(frozen=True, slots=True)
class LastingDiscount:
    """A coupon for ever that a subscription has, or had until a moment."""

    subscription_id: str
    discount: Discount
    currency: str | None
    plan_keys: tuple[str, ...]
    """The plans that it is for; none: for all."""
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Money that went back although invoices had used it, and what each had used by then."""

    refund_id: str
    payment_id: str
    purchase: bool
    """Whether it had been paid for something sold once, outside of invoices."""
    currency: str
    amount_minor: int
    at: datetime
    used: tuple[tuple[str, int], ...]
    """Invoice and amount in minor units."""
