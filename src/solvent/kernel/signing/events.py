"""What does the key ring tell the other modules?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class KeyMade:
    """A key came into the ring as its active one: the first of its kind, or by rotation."""

    NAME: ClassVar[str] = "signing.key_made.v1"

    kid: str
    ring: str
    algorithm: str
    replaces: str | None


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """A key was revoked: what it signed is believed no more."""

    NAME: ClassVar[str] = "signing.key_revoked.v1"

    kid: str
    ring: str
    algorithm: str
    reason: str
