"""What are a policy, a license, a machine and its activation, and what does a license file say?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

RING = "licensing"
"""The keys that sign license files and keys, revocation lists and typed codes, and nothing else."""

LICENSE_PREFIX = "lic"
ACTIVATION_PREFIX = "act"

Feature = bool | int | str
"""How much of a feature: all of it, a number, or a text."""


class Scheme(StrEnum):
    """What takes a slot of a license."""

    NODE_LOCKED = "node_locked"
    """A machine, until it is deactivated."""
    FLOATING = "floating"
    """A machine, for as long as its heartbeats come."""
    SEATS = "seats"
    """A named person."""


class Match(StrEnum):
    """How many of a machine's components must be as they were for it to be the same machine."""

    ANY = "any"
    TWO = "two"
    MOST = "most"
    ALL = "all"


class State(StrEnum):
    """What the seller has decided about a license; whether it has expired is told by the time."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The terms on which licenses of one kind are given; `key` is the tenant's name for it.

    `limit` counts machines, leases or seats (None: any number); `overuse_percent` of it is let in.
    """

    key: str
    name: str
    product: str
    scheme: Scheme = Scheme.NODE_LOCKED
    limit: int | None = 1
    overuse_percent: int = 100
    match: Match = Match.MOST
    days: int | None = None
    """How long a license lives from its issue; None: for good, or as long as its subscription."""
    maintenance_days: int | None = None
    """For how long new releases are covered; None: for as long as the license lives."""
    fallback: bool = False
    """Whether what came out while its subscription was paid for may run on after it."""
    trial: bool = False
    plan_key: str | None = None
    """The catalogue's plan that is fulfilled by a license of this policy."""
    unnamed_purchases: bool = False
    """Whether it fulfils what was bought once where the checkout names no plan."""
    features: Mapping[str, Feature] = field(default_factory=dict[str, Feature])
    meters: Mapping[str, int | None] = field(default_factory=dict[str, "int | None"])
    file_days: int = 30
    """How long a file lives: a refund reaches a machine without network no sooner."""
    lease_s: int = 600
    spare_files: int = 1
    """How many files beyond the slots may be alive, left behind by machines that moved on."""
    encrypt: bool = True
    revocation_max_age_s: int | None = None

    @property
    def file_life(self) -> timedelta:
        """Return how long a file of this policy lives at most: a trial's as long as the trial.

        A trial has no license key, by which a second file could be fetched.
        """
        if self.trial and self.days is not None:
            return timedelta(days=self.days)
        if self.scheme is Scheme.FLOATING:
            return timedelta(seconds=self.lease_s)
        return timedelta(days=self.file_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A customer's right to run a product. Its key is known by its digest only."""

    id: str
    policy: Policy
    created_at: datetime
    customer_id: str | None = None
    name: str | None = None
    state: State = State.ACTIVE
    expires_at: datetime | None = None
    """The last second in which it is good; None: it never ends."""
    maintenance_until: datetime | None = None
    """Releases up to this moment are covered; None: all."""
    limit: int | None = None
    """What was bought of the policy's slots; None: what the policy says."""
    key_digest: str | None = None
    key_hint: str | None = None
    subscription_id: str | None = None
    purchase: str | None = None
    """The provider's checkout that it was bought by, `stripe:cs_…`."""
    payment: str | None = None
    """The provider's payment for that, `stripe:pi_…`."""
    reason: str | None = None
    """Why it is not active."""

    @property
    def slots(self) -> int | None:
        """Return how many slots were promised; None is any number."""
        return self.policy.limit if self.limit is None else self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """Something bought once. `key` and `payment` are its provider's names: `stripe:cs_…`."""

    key: str
    payment: str
    customer_id: str
    plan_key: str | None
    bought_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What takes a slot, as it describes itself; a person has a fingerprint too, of their name."""

    fingerprint: str
    components: Mapping[str, str]
    name: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A machine's, or a person's, hold on a slot of a license. A machine has at most one a license.

    `file_until` is the last second of the last file that was made for it; a `proven` one has shown
    that it destroyed that file.
    """

    id: str
    license_id: str
    machine: Machine
    created_at: datetime
    nonce: str | None = None
    lease_until: datetime | None = None
    file_until: datetime | None = None
    ended_at: datetime | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a machine asks for: a file of its license, or of a trial."""

    product: str
    trial: bool
    license_key: str | None
    machine: Machine
    nonce: str
    created_at: datetime
    tool_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a machine shows to prove that it gave up: `secret` is what the nonce was made of."""

    product: str
    activation_id: str
    nonce: str
    secret: str
    deactivated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A license or an activation that is believed no more."""

    id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """All that is believed no more; a greater serial is a newer list."""

    serial: int
    kid: str
    key: str
    issued: datetime
    expiry: datetime | None
    revoked: tuple[Revoked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """What Solvent adds to Keygen's document, under `meta.solvent`."""

    kid: str
    key: str
    product: str
    match: Match
    activation_id: str | None = None
    nonce: str | None = None
    components: Mapping[str, str] = field(default_factory=dict[str, str])
    trial: bool = False
    maintenance_expiry: datetime | None = None
    fallback_version: str | None = None
    meters: Mapping[str, int | None] = field(default_factory=dict[str, "int | None"])
    heartbeat_s: int | None = None
    revocation_max_age_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a license or machine file says; without `extra` it is one of Keygen's own."""

    license_id: str
    issued: datetime
    status: str = "ACTIVE"
    name: str | None = None
    created: datetime | None = None
    license_expiry: datetime | None = None
    file_expiry: datetime | None = None
    entitlements: Mapping[str, Feature] = field(default_factory=dict[str, Feature])
    machine: Machine | None = None
    machine_id: str | None = None
    extra: Extra | None = None

    @property
    def expires_at(self) -> datetime | None:
        """Return the last second in which the file is good; None is never."""
        ends = [end for end in (self.file_expiry, self.license_expiry) if end is not None]
        return min(ends, default=None)
