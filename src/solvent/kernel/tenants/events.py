"""What do tenants and their customers tell the other modules?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class CustomerCreated:
    """A customer is known to the tenant from now on."""

    NAME: ClassVar[str] = "tenants.customer_created.v1"

    customer_id: str
    external_ref: str


@dataclass(frozen=True, slots=True)
class CustomerUpdated:
    """What is told about a customer has changed; `fields` names what."""

    NAME: ClassVar[str] = "tenants.customer_updated.v1"

    customer_id: str
    external_ref: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CustomerDeleted:
    """A customer without a history is gone."""

    NAME: ClassVar[str] = "tenants.customer_deleted.v1"

    customer_id: str
    external_ref: str


@dataclass(frozen=True, slots=True)
class ClockMoved:
    """The tenant's time was moved, or follows real time again (`now` is None)."""

    NAME: ClassVar[str] = "tenants.test_clock_moved.v1"

    before: datetime
    now: datetime | None
