"""How is a record hashed, and where does a chain first fail to hold?"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from solvent.kernel.audit.model import (
    GENESIS_HASH,
    Bounds,
    Entry,
    Fact,
    Flaw,
    Head,
    PlainFact,
    Record,
    Why,
)
from solvent.kit.ids import TenantId

FACTS_MAX = 32
TEXT_LENGTH_MAX = 1_000
LIST_LENGTH_MAX = 100
ACTION = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return the text as the database can hold it: no NUL, no lone surrogate, a bounded length."""
    plain = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return plain if len(plain) <= TEXT_LENGTH_MAX else plain[: TEXT_LENGTH_MAX - 1] + "…"


def clean_fact(value: Fact) -> PlainFact:
    """Return a fact in the form that comes back unchanged from JSON and from the database.

    Raises:
        TypeError: it is a float or another type that has no one text; that is the caller's bug.
    """
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean_text(value)
        case Decimal():
            return str(value)
        case datetime():
            return time_text(value)
        case Sequence() if not isinstance(value, (bytes, bytearray)):
            return [clean_text(item) for item in value[:LIST_LENGTH_MAX]]
        case _:
            msg = f"an audit fact cannot be a {type(value).__name__}"
            raise TypeError(msg)


def entry(
    *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Fact]
) -> Entry:
    """Return the entry, its texts cleaned and cut, since a record must never fail on its content.

    Raises:
        ValueError: the action is not `module.what_happened`; that is the caller's bug.
    """
    if not ACTION.match(action):
        msg = f"an audit action reads module.what_happened, not {action!r}"
        raise ValueError(msg)
    facts = sorted(data.items())[:FACTS_MAX]
    return Entry(
        at=at.astimezone(UTC),
        actor=clean_text(actor),
        action=action,
        subject=clean_text(subject),
        data={clean_text(key): clean_fact(value) for key, value in facts},
    )


def time_text(moment: datetime) -> str:
    """Return the one text of a moment: UTC, always six digits of a second, as PostgreSQL keeps."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical_halves(entry: Entry, tenant_id: TenantId) -> tuple[str, str]:
    """Return the canonical JSON of an entry, cut where `prev_hash` and `seq` belong.

    The chain's place is known only under the head's lock, so the database joins the halves and
    hashes them there (`audit_append_entries`), in one message with the commit.
    """
    opening = {
        "action": entry.action,
        "actor": entry.actor,
        "at": time_text(entry.at),
        "data": entry.data,
    }
    closing = {"subject": entry.subject, "tenant": tenant_id}
    return _canonical(opening)[:-1], "," + _canonical(closing)[1:]


def canonical(record: Record) -> str:
    """Return the canonical JSON that a record's hash covers: sorted keys, no spaces, ASCII."""
    opening, closing = canonical_halves(record.entry, record.tenant_id)
    return f'{opening},"prev_hash":"{record.prev_hash}","seq":{record.seq}{closing}'


def record_hash(record: Record) -> str:
    """Return the SHA-256 of a record's canonical JSON, in hex."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


@dataclass(slots=True)
class ChainCheck:
    """Walks a chain page by page and remembers only its last link and its first flaw."""

    checked: int = 0
    last_hash: str = GENESIS_HASH
    flaw: Flaw | None = None

    def feed(self, records: Iterable[Record]) -> Flaw | None:
        """Check the next records in order; return the first flaw so far."""
        for record in records:
            if self.flaw is None:
                self.flaw = self._check(record)
            if self.flaw is None:
                self.checked += 1
                self.last_hash = record.hash
        return self.flaw

    def _check(self, record: Record) -> Flaw | None:
        expected = self.checked + 1
        if record.seq != expected:
            detail = f"record {expected} is missing: the next one found is {record.seq}"
            return Flaw(expected, Why.GAP, detail)
        if record.prev_hash != self.last_hash:
            detail = f"record {record.seq} does not follow from record {record.seq - 1}"
            return Flaw(record.seq, Why.BROKEN_LINK, detail)
        if record_hash(record) != record.hash:
            detail = f"record {record.seq} is not what was written: its hash does not match"
            return Flaw(record.seq, Why.HASH_MISMATCH, detail)
        return None

    def finish(self, bounds: Bounds) -> Flaw | None:
        """Compare the walked chain with its kept ends; return the first flaw of all."""
        self.flaw = self.flaw or self._check_ends(bounds)
        return self.flaw

    def _check_ends(self, bounds: Bounds) -> Flaw | None:
        head, last = bounds.head, self.checked
        if head is None:
            missing = Flaw(last, Why.MISSING_HEAD, f"{bounds.last_seq} records but no head")
            return missing if bounds.last_seq else None
        if last < head.seq:
            detail = f"the head names record {head.seq}, but the records end at {last}"
            return Flaw(last + 1, Why.TRUNCATED_TAIL, detail)
        if bounds.last_seq > head.seq:
            detail = f"record {head.seq + 1} stands beyond the head, which names {head.seq}"
            return Flaw(head.seq + 1, Why.BEYOND_HEAD, detail)
        if self.last_hash != head.hash:
            detail = f"the head's hash is not that of record {head.seq}"
            return Flaw(head.seq, Why.HEAD_MISMATCH, detail)
        return None


def head_message(tenant_id: TenantId, head: Head) -> bytes:
    """Return the bytes that a tenant signs under its chain's head."""
    return _canonical({"hash": head.hash, "seq": head.seq, "tenant": tenant_id}).encode()


def _canonical(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
