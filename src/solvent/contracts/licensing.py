"""What does the licensing system tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LicenseIssued:
    """A license came to be: sold, given, or begun as a trial."""

    NAME: ClassVar[str] = "licensing.license_issued.v1"

    license_id: str
    policy_key: str
    product: str
    customer_id: str | None
    trial: bool
    expires_at: datetime | None
    subscription_id: str | None
    purchase: str | None


@dataclass(frozen=True, slots=True)
class LicenseChanged:
    """A license has another state, policy or end than before."""

    NAME: ClassVar[str] = "licensing.license_changed.v1"

    license_id: str
    policy_key: str
    product: str
    customer_id: str | None
    before: str
    after: str
    reason: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MachineActivated:
    """A machine, or a person, took a slot of a license."""

    NAME: ClassVar[str] = "licensing.machine_activated.v1"

    license_id: str
    activation_id: str
    product: str
    customer_id: str | None
    name: str | None
    platform: str | None
    tool_version: str | None


@dataclass(frozen=True, slots=True)
class MachineDeactivated:
    """A machine, or a person, gave its slot back, or will have when its last file has expired."""

    NAME: ClassVar[str] = "licensing.machine_deactivated.v1"

    license_id: str
    activation_id: str
    product: str
    customer_id: str | None
    proven: bool
    file_until: datetime | None


@dataclass(frozen=True, slots=True)
class UsageReported:
    """A machine told that it used more of a meter than it had told before.

    `quantity` is what is new, `total` all that it has told of `period`: what the license's file
    calls its end, in seconds since 1970, or `never`.
    """

    NAME: ClassVar[str] = "licensing.usage_reported.v1"

    license_id: str
    activation_id: str
    product: str
    customer_id: str | None
    meter_key: str
    quantity: int
    total: int
    period: str
    told_at: datetime
