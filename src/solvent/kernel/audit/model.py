"""What is an audit record, and what can be wrong with a chain of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from solvent.kit.ids import TenantId

PlainFact: TypeAlias = str | int | bool | list[str] | None
"""What a fact becomes in the record: it comes back from JSON and the database unchanged."""

Fact: TypeAlias = str | int | bool | Decimal | datetime | Sequence[str] | None
"""What a caller may hand in as a fact; a float is no fact, since it has no one text."""

GENESIS_HASH = "0" * 64
"""What the first record of a chain names as its predecessor's hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded, before it has its place in the chain."""

    at: datetime
    actor: str
    action: str
    subject: str
    data: Mapping[str, PlainFact]


@dataclass(frozen=True, slots=True)
class Record:
    """One link of a tenant's chain: an entry, its place, its predecessor's hash and its own."""

    tenant_id: TenantId
    seq: int
    entry: Entry
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a tenant's chain ends; kept beside the records, so that a cut tail is seen."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The ends of a tenant's chain as one statement saw them: the kept head, the last record."""

    head: Head | None
    last_seq: int


class Why(StrEnum):
    """What is wrong at the first bad place of a chain."""

    GAP = "gap"
    BROKEN_LINK = "broken_link"
    HASH_MISMATCH = "hash_mismatch"
    MISSING_HEAD = "missing_head"
    TRUNCATED_TAIL = "truncated_tail"
    BEYOND_HEAD = "beyond_head"
    HEAD_MISMATCH = "head_mismatch"
    BAD_SIGNATURE = "bad_signature"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first bad record of a chain: its number, the kind of damage, a sentence for people."""

    seq: int
    why: Why
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying a chain found; `flaw` is None when every record is as it was written."""

    tenant_id: TenantId
    checked: int
    head: Head | None
    flaw: Flaw | None

    @property
    def ok(self) -> bool:
        """Return whether the whole chain stands."""
        return self.flaw is None


@dataclass(frozen=True, slots=True)
class Signature:
    """A tenant's signature under the head of its chain, and the public key that checks it."""

    kid: str
    algorithm: str
    public_key: str
    value: str
