"""How do policies, licenses and activations look on the wire?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from solvent.systems.licensing.model import Activation, License, Match, Policy, Purchase, Scheme
from solvent.systems.licensing.rules import life, slots
from solvent.systems.licensing.service import MissingPage

FILE_CHARS_MAX = 262_144
FileText = Annotated[str, Field(max_length=FILE_CHARS_MAX)]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]
KeyText = Annotated[str, Field(max_length=512)]
CodeText = Annotated[str, Field(max_length=2_000)]
UsedCounts = Annotated[
    dict[ShortText, Annotated[dict[ShortText, StrictInt], Field(max_length=100)]],
    Field(max_length=50),
]
FeatureValue = StrictBool | StrictInt | Annotated[StrictStr, Field(max_length=200)]


class Told(BaseModel):
    """What a caller sends: no field that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True)


class PolicyBody(Told):
    """The terms on which licenses of one kind are given; see the page on policies."""

    name: ShortText
    product: ShortText
    scheme: Scheme = Scheme.NODE_LOCKED
    limit: StrictInt | None = 1
    overuse_percent: StrictInt = 100
    match: Match = Match.MOST
    days: StrictInt | None = None
    maintenance_days: StrictInt | None = None
    fallback: StrictBool = False
    trial: StrictBool = False
    plan_key: str | None = Field(default=None, max_length=64)
    unnamed_purchases: StrictBool = False
    features: Mapping[str, FeatureValue] = Field(default_factory=dict[str, FeatureValue])
    meters: Mapping[str, StrictInt | None] = Field(default_factory=dict[str, "StrictInt | None"])
    file_days: StrictInt = 30
    lease_s: StrictInt = 600
    spare_files: StrictInt = 1
    encrypt: StrictBool = True
    revocation_max_age_s: StrictInt | None = None

    def policy(self, key: str) -> Policy:
        """Return the policy of this key."""
        return Policy(key=key, **self.model_dump())


class PolicyShown(PolicyBody):
    """A policy as it stands."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str


class LicenseShown(Shown):
    """A license as it stands; its key is never shown again, `key_hint` is its end."""

    id: str
    policy: str
    product: str
    status: str
    reason: str | None
    customer_id: str | None
    name: str | None
    slots: int | None
    overuse_percent: int
    expires_at: datetime | None
    maintenance_until: datetime | None
    key_hint: str | None
    subscription_id: str | None
    purchase: str | None
    created_at: datetime


class LicenseWithKey(LicenseShown):
    """A license with its key: it is shown this once."""

    key: str


class ActivationShown(Shown):
    """A machine, or a person, on a slot of a license."""

    id: str
    license_id: str
    name: str | None
    platform: str | None
    fingerprint: str
    created_at: datetime
    lease_until: datetime | None
    file_until: datetime | None
    ended_at: datetime | None
    proven: bool
    takes_slot: bool


class MissingShown(Shown):
    """Something that is paid for and has no license; `of` is a subscription or a purchase."""

    of: str
    policy: str
    customer_id: str


class MissingPart(Shown):
    """A part of what is missing; `after` is where the next part begins, null at the end."""

    looked_at: int
    missing: list[MissingShown]
    issued: list[LicenseShown]
    after: str | None


class PurchaseWaiting(Shown):
    """Something bought once that no policy fulfills."""

    purchase: str
    payment: str
    customer_id: str
    plan_key: str | None
    bought_at: datetime


class FileShown(Shown):
    """A signed file, or a code to type, for an activation."""

    activation: str
    text: str


def show_policy(policy: Policy) -> PolicyShown:
    """Return a policy as it is shown."""
    return PolicyShown(**asdict(policy))


def show_license(held: License, now: datetime) -> LicenseShown:
    """Return a license as it is shown, with where it stands now."""
    return LicenseShown(
        id=held.id,
        policy=held.policy.key,
        product=held.policy.product,
        status=life.status(held, now).lower(),
        reason=held.reason,
        customer_id=held.customer_id,
        name=held.name,
        slots=held.slots,
        overuse_percent=held.policy.overuse_percent,
        expires_at=held.expires_at,
        maintenance_until=held.maintenance_until,
        key_hint=held.key_hint,
        subscription_id=held.subscription_id,
        purchase=held.purchase,
        created_at=held.created_at,
    )


def show_missing(page: MissingPage, given: Sequence[License], now: datetime) -> MissingPart:
    """Return what was missing, and what was given of it."""
    return MissingPart(
        looked_at=page.looked_at,
        missing=[
            MissingShown(of=one.name, policy=one.policy.key, customer_id=one.customer_id)
            for one in page.found
        ],
        issued=[show_license(one, now) for one in given],
        after=page.after,
    )


def show_purchase(bought: Purchase) -> PurchaseWaiting:
    """Return a purchase as it is shown."""
    return PurchaseWaiting(
        purchase=bought.key,
        payment=bought.payment,
        customer_id=bought.customer_id,
        plan_key=bought.plan_key,
        bought_at=bought.bought_at,
    )


def show_activation(one: Activation, now: datetime) -> ActivationShown:
    """Return an activation as it is shown."""
    return ActivationShown(
        id=one.id,
        license_id=one.license_id,
        name=one.machine.name,
        platform=one.machine.platform,
        fingerprint=one.machine.fingerprint,
        created_at=one.created_at,
        lease_until=one.lease_until,
        file_until=one.file_until,
        ended_at=one.ended_at,
        proven=one.proven,
        takes_slot=slots.takes_slot(one, now),
    )
