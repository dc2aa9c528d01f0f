"""How does an audit proof read: a file that anybody can check without this server?

JSON lines: a header, every record of the chain in order, and the head with the tenant's signature.
Whoever trusts the tenant's public key needs nothing else: the signature covers the head, the head's
hash covers the last record, and each record's hash covers the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import cast

from solvent.kernel.audit import rules
from solvent.kernel.audit.errors import ProofUnreadable
from solvent.kernel.audit.model import (
    Bounds,
    Entry,
    Flaw,
    Head,
    PlainFact,
    Record,
    Report,
    Signature,
    Why,
)
from solvent.kit.ids import TenantId

VERSION = 1
LINE_LENGTH_MAX = 200_000

_RECORD_TEXTS = ("at", "actor", "action", "subject", "prev_hash", "hash")
_RECORD_NAMES = {"kind", "seq", "data", *_RECORD_TEXTS}
_SIGNATURE_TEXTS = ("kid", "algorithm", "public_key", "value")
_HEAD_NAMES = {"kind", "seq", "hash", "signature"}

Verifies = Callable[[Signature, bytes], bool]


def header_line(tenant_id: TenantId) -> str:
    """Return the first line of a proof."""
    return _line({"kind": "audit_proof", "version": VERSION, "tenant": tenant_id})


def record_line(record: Record) -> str:
    """Return a record as a line: what its hash covers, and the hash."""
    entry = record.entry
    return _line(
        {
            "kind": "record",
            "seq": record.seq,
            "at": rules.time_text(entry.at),
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "data": entry.data,
            "prev_hash": record.prev_hash,
            "hash": record.hash,
        }
    )


def head_line(head: Head, signature: Signature) -> str:
    """Return the last line of a proof."""
    return _line({"kind": "head", **asdict(head), "signature": asdict(signature)})


def verify_lines(
    lines: Iterable[str], *, verifies: Verifies, public_key: str | None = None
) -> Report:
    """Check a proof line by line, holding one line at a time; name the first bad record.

    A `public_key` from elsewhere is the anchor of trust: without one the proof only shows that it
    is whole under the key that it brings along itself.

    Raises:
        ProofUnreadable: the first line is not the header of a proof.
    """
    numbered = enumerate(lines, start=1)
    tenant_id = _tenant(next(numbered, (1, ""))[1])
    check = rules.ChainCheck()
    for number, line in numbered:
        parsed = _parse(line)
        if parsed is None:
            flaw = Flaw(check.checked + 1, Why.UNREADABLE, f"line {number} cannot be read")
            return Report(tenant_id, check.checked, None, flaw)
        if parsed.get("kind") == "head":
            report = _close(check, parsed, tenant_id=tenant_id, verifies=verifies)
            report = _only_by(public_key, parsed, report)
            return _nothing_after(report, (line for _, line in numbered))
        flaw = _feed(check, parsed, tenant_id=tenant_id, number=number)
        if flaw:
            return Report(tenant_id, check.checked, None, flaw)
    flaw = Flaw(check.checked, Why.MISSING_HEAD, "the proof ends without its signed head")
    return Report(tenant_id, check.checked, None, flaw)


def _feed(
    check: rules.ChainCheck, parsed: dict[str, object], *, tenant_id: TenantId, number: int
) -> Flaw | None:
    record = _record(tenant_id, parsed) if parsed.get("kind") == "record" else None
    if record is None:
        return Flaw(check.checked + 1, Why.UNREADABLE, f"line {number} is not a record")
    return check.feed([record])


def _close(
    check: rules.ChainCheck, parsed: dict[str, object], *, tenant_id: TenantId, verifies: Verifies
) -> Report:
    signed = _head(parsed)
    if signed is None:
        flaw = Flaw(check.checked, Why.UNREADABLE, "the head's line is malformed")
        return Report(tenant_id, check.checked, None, flaw)
    head, signature = signed
    flaw = check.finish(Bounds(head=head, last_seq=check.checked))
    if flaw is None and not verifies(signature, rules.head_message(tenant_id, head)):
        flaw = Flaw(head.seq, Why.BAD_SIGNATURE, "the head's signature does not verify")
    return Report(tenant_id, check.checked, head, flaw)


def _only_by(public_key: str | None, parsed: dict[str, object], report: Report) -> Report:
    signed = _head(parsed)
    if report.flaw or signed is None or public_key in {None, signed[1].public_key}:
        return report
    flaw = Flaw(signed[0].seq, Why.BAD_SIGNATURE, "the head is signed by another key")
    return replace(report, flaw=flaw)


def _nothing_after(report: Report, rest: Iterable[str]) -> Report:
    if report.flaw or not any(line.strip() for line in rest):
        return report
    flaw = Flaw(report.checked + 1, Why.BEYOND_HEAD, "there are lines after the signed head")
    return replace(report, flaw=flaw)


def _tenant(line: str) -> TenantId:
    header = _parse(line) or {}
    tenant = header.get("tenant")
    expected = {"kind": "audit_proof", "version": VERSION, "tenant": tenant}
    if header != expected or not isinstance(tenant, str):
        raise ProofUnreadable(field="line 1")
    return TenantId(tenant)


def _parse(line: str) -> dict[str, object] | None:
    if len(line) > LINE_LENGTH_MAX:
        return None
    try:
        value = json.loads(line, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name given twice: two readers could take a different one of them."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _texts(parsed: dict[str, object], names: tuple[str, ...]) -> list[str] | None:
    """Return the values under these names if all are texts."""
    values = [parsed.get(name) for name in names]
    return cast("list[str]", values) if all(isinstance(one, str) for one in values) else None


def _record(tenant_id: TenantId, parsed: dict[str, object]) -> Record | None:
    """Return the record of a line; a name that no hash covers makes it none."""
    seq, data, texts = parsed.get("seq"), parsed.get("data"), _texts(parsed, _RECORD_TEXTS)
    if parsed.keys() != _RECORD_NAMES or type(seq) is not int or texts is None:
        return None
    at, actor, action, subject, prev_hash, own_hash = texts
    moment = _moment(at)
    if moment is None or not isinstance(data, dict):
        return None
    entry = Entry(moment, actor, action, subject, cast("dict[str, PlainFact]", data))
    return Record(tenant_id, seq, entry, prev_hash, own_hash)


def _moment(text: str) -> datetime | None:
    """Return the moment of a text in the one spelling that is hashed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment.utcoffset() is not None
    return moment if aware and rules.time_text(moment) == text else None


def _head(parsed: dict[str, object]) -> tuple[Head, Signature] | None:
    seq, signature, hashes = parsed.get("seq"), parsed.get("signature"), _texts(parsed, ("hash",))
    if parsed.keys() != _HEAD_NAMES or type(seq) is not int or hashes is None:
        return None
    if not isinstance(signature, dict) or signature.keys() != set(_SIGNATURE_TEXTS):
        return None
    texts = _texts(cast("dict[str, object]", signature), _SIGNATURE_TEXTS)
    return (Head(seq, hashes[0]), Signature(*texts)) if texts else None


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
