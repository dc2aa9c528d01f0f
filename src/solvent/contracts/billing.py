"""What does the billing system tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PeriodClosed:
    """A period of a subscription is over and invoiced; nothing more will be charged for it."""

    NAME: ClassVar[str] = "billing.period_closed.v1"

    subscription_id: str
    customer_id: str
    period_start: datetime
    period_end: datetime
    invoice_id: str
    number: int
    currency: str
    total_minor: int
    due_minor: int


@dataclass(frozen=True, slots=True)
class AccountParked:
    """Something about an account is not as it should be: it is charged nothing until released."""

    NAME: ClassVar[str] = "billing.account_parked.v1"

    customer_id: str
    subscription_id: str
    invoice_id: str | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AccountReleased:
    """Somebody has looked at a parked account and lets it be charged again."""

    NAME: ClassVar[str] = "billing.account_released.v1"

    customer_id: str
    reason: str
