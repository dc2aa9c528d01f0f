"""What does metering tell the others?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecorded:
    """New usage events were stored; one event a batch, naming each customer and meter once."""

    NAME: ClassVar[str] = "metering.usage_recorded.v1"

    customer_refs: tuple[str, ...]
    meter_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDefined:
    """A meter was made, changed before its first event, or renamed."""

    NAME: ClassVar[str] = "metering.meter_defined.v1"

    meter_key: str
    name: str
    aggregation: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAmended:
    """A usage event was taken back or put right, or that was undone; `kind` says which."""

    NAME: ClassVar[str] = "metering.usage_amended.v1"

    event_id: str
    overlay_id: str
    kind: str
    customer_ref: str
    meter_key: str
    at: datetime
