"""What are endpoints, secrets, messages, deliveries and attempts?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SignatureScheme(StrEnum):
    """How a message is signed: `v1` by a shared secret, `v1a` by a private key (Ed25519)."""

    V1 = "v1"
    V1A = "v1a"


class State(StrEnum):
    """Whether a message has reached an endpoint; `failed` is after the last attempt."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Outcome(StrEnum):
    """What came of an attempt; only `delivered` is a success."""

    DELIVERED = "delivered"
    STATUS = "status"
    GONE = "gone"
    TIMEOUT = "timeout"
    NO_ADDRESS = "no_address"
    BLOCKED = "address_blocked"
    UNREACHABLE = "unreachable"
    PROTOCOL = "protocol_error"


class Which(StrEnum):
    """Which messages a replay sends again: those that never arrived, or all."""

    MISSED = "missed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A secret without what is secret in it; a `v1a` key's public half may be known."""

    id: str
    scheme: SignatureScheme
    public_key: str | None
    created_at: datetime
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages of some types go.

    `order_wait_s` null: in any order; else in their order, and one that fails holds the others up
    for so long. `failing_since` is null while the last attempt succeeded.
    """

    id: str
    url: str
    description: str
    event_types: tuple[str, ...]
    order_wait_s: int | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    failures: int
    resume_at: datetime | None
    created_at: datetime
    updated_at: datetime
    secrets: tuple[SecretInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint with a secret that was just made, shown this once."""

    endpoint: Endpoint
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is sent; `body` is what every attempt signs."""

    id: str
    event_id: str
    type: str
    occurred_at: datetime
    created_at: datetime
    body: bytes
    endpoint_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to an endpoint; `attempts` of the schedule are done."""

    endpoint_id: str
    message_id: str
    type: str
    state: State
    attempts: int
    created_at: datetime
    first_at: datetime | None
    next_at: datetime | None
    aside_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; `told` is the begin of its answer, or why there was none."""

    id: str
    endpoint_id: str
    message_id: str
    number: int
    at: datetime
    duration_ms: int
    outcome: Outcome
    status: int | None
    told: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request, before anything is decided about it."""

    outcome: Outcome
    status: int | None = None
    told: str = ""
    retry_after: str | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that is to be attempted now, with all that this takes."""

    delivery: Delivery
    endpoint: Endpoint
    body: bytes


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay sends again, or would."""

    messages: int
    first_id: str | None
    last_id: str | None
