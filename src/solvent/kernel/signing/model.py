"""What is a tenant's signing key, and what is a signature made with one?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from solvent.kit.ids import TenantId

KID_PREFIX = "kid"

GENERAL_RING = "general"
"""The ring whose keys only ever sign messages framed with their purpose."""


class Algorithm(StrEnum):
    """How a key signs."""

    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"
    HMAC_SHA256 = "hmac-sha256"


class KeyState(StrEnum):
    """What a key may still do: sign and verify, verify only, nothing."""

    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its private part; `public` is None where the algorithm has no public half."""

    tenant_id: TenantId
    kid: str
    ring: str
    algorithm: Algorithm
    state: KeyState
    public: bytes | None
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key together with its private part as the vault sealed it."""

    key: Key
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A freshly made key's raw halves; the private one goes straight into the vault."""

    private: bytes
    public: bytes | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and the key that made it; `value` is hex, for ECDSA of its DER form."""

    kid: str
    algorithm: Algorithm
    value: str
