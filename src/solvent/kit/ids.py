"""What is this thing called, and is that text such a name?"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import NewType, Protocol

from solvent.kit.errors import Invalid

TenantId = NewType("TenantId", str)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o or u, so that ids survive being read aloud."""

BODY_LENGTH = 26
_ID = re.compile(rf"([a-z]{{2,8}})_([{ALPHABET}]{{{BODY_LENGTH}}})\Z")


class IdMalformed(Invalid):
    """This is not an id of the expected kind."""

    code = "kit.id_malformed"


class IdSource(Protocol):
    """Makes names; injected, so that tests may know them beforehand."""

    def new(self, prefix: str) -> str:
        """Return a fresh id `prefix_…`, greater than those made a millisecond or more before."""
        ...


class RandomIds:
    """Ids of 48 bits of time and 80 bits of chance (the layout of a ULID)."""

    def new(self, prefix: str) -> str:
        """Return a fresh id; two never meet in practice (80 random bits a millisecond)."""
        value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
        return f"{prefix}_{_encode(value)}"


@dataclass(slots=True)
class SequentialIds:
    """Ids that count up from one: for tests that want to know them."""

    made: dict[str, int] = field(default_factory=dict[str, int])

    def new(self, prefix: str) -> str:
        """Return the next id of this prefix."""
        self.made[prefix] = self.made.get(prefix, 0) + 1
        return f"{prefix}_{_encode(self.made[prefix])}"


def check_id(text: str, *, prefix: str, field: str) -> str:
    """Return the text if it is a well-formed id of this prefix.

    Raises:
        IdMalformed: it is not; the message says what was expected.
    """
    found = _ID.match(text)
    if not found or found[1] != prefix:
        message = f"expected an id that looks like {prefix}_{'0' * BODY_LENGTH}"
        raise IdMalformed(message, field=field, given=text[:64])
    return text


def is_id(text: str, *, prefix: str) -> bool:
    """Return whether the text is a well-formed id of this prefix."""
    found = _ID.match(text)
    return bool(found and found[1] == prefix)


def random_token(size_bytes: int) -> str:
    """Return an unguessable text of `size_bytes` random bytes in the id alphabet."""
    return _encode(int.from_bytes(os.urandom(size_bytes)), length=-(-size_bytes * 8 // 5))


def _encode(value: int, *, length: int = BODY_LENGTH) -> str:
    digits = [ALPHABET[(value >> shift) & 31] for shift in range(0, length * 5, 5)]
    return "".join(reversed(digits))
