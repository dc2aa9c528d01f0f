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
