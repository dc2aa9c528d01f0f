"""What do entitlements tell guards everywhere?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """A subscription that lets its customer in before `until`; null is without end."""

    product: str
    plan: str
    status: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """A feature that is held before `until`."""

    kind: Literal["switch"] = "switch"
    on_outage: Literal["open", "closed"]
    product: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaState:
    """A feature of which `used` of `limit` is gone until `resets_at`; plain decimal texts."""

    kind: Literal["quota"] = "quota"
    on_outage: Literal["open", "closed"]
    product: str
    until: datetime | None
    limit: str | None
    used: str
    overage: bool
    resets_at: datetime | None


FeatureState: TypeAlias = SwitchState | QuotaState


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementChanged:
    """What a customer may use is another now; carries all of it, so that order does not matter.

    A guard applies it only if `revision` is greater than the one it holds.
    """

    NAME: ClassVar[str] = "entitlements.entitlement_changed.v1"

    customer: str
    customer_id: str
    revision: int
    access: tuple[AccessState, ...]
    features: Mapping[str, FeatureState]
