"""How do audit records reach the database, and come back from it?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from solvent.kernel.audit import rules
from solvent.kernel.audit.model import Bounds, Entry, Head, PlainFact, Record
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_COLUMNS = "tenant_id, seq, at, actor, action, subject, data, prev_hash, hash"


async def append(tx: Tx, entries: Sequence[tuple[TenantId, Entry]]) -> None:
    """Lay the entries down in the transaction; its COMMIT appends them to its tenant's chain.

    Appending locks the chain's head, so it goes in one message with the commit (`Tx.say_last`).
    """
    if len({tenant_id for tenant_id, _ in entries}) != 1:
        msg = "one transaction records for one tenant"
        raise AssertionError(msg)
    await tx.execute(
        "select set_config('solvent.audit_entries', $1, true)",
        json.dumps([_entry_row(entry, tenant_id) for tenant_id, entry in entries]),
    )
    tx.say_last("select audit_append_entries()")


def _entry_row(entry: Entry, tenant_id: TenantId) -> dict[str, object]:
    opening, closing = rules.canonical_halves(entry, tenant_id)
    return {
        "at": rules.time_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "data": dict(entry.data),
        "opening": opening,
        "closing": closing,
    }


async def bounds(tx: Tx, tenant_id: TenantId) -> Bounds:
    """Return the kept head and the last record's number, both as one statement saw them."""
    row = await tx.fetchrow(
        """
        select (select max(seq) from audit_record where tenant_id = $1) as last_seq, head.seq,
               head.hash
        from (select $1::text as tenant_id) asked
        left join audit_head head using (tenant_id)
        """,
        tenant_id,
    )
    if row is None or row["seq"] is None:
        return Bounds(head=None, last_seq=(row["last_seq"] if row else None) or 0)
    return Bounds(head=Head(row["seq"], row["hash"]), last_seq=row["last_seq"] or 0)


async def page_up(
    tx: Tx, tenant_id: TenantId, *, after_seq: int, last_seq: int, limit: int
) -> list[Record]:
    """Return the next records in the chain's order, up to and with `last_seq`."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from audit_record
        where tenant_id = $1 and seq > $2 and seq <= $3 order by seq limit $4
        """,
        tenant_id,
        after_seq,
        last_seq,
        limit,
    )
    return [_record(row) for row in rows]


async def page_down(
    tx: Tx,
    tenant_id: TenantId,
    *,
    before_seq: int | None,
    subject: str | None,
    action: str | None,
    limit: int,
) -> list[Record]:
    """Return records from the newest down, those before `before_seq` where it is given."""
    rows = await tx.fetch(
        f"""
        select {_COLUMNS} from audit_record
        where tenant_id = $1
          and ($2::bigint is null or seq < $2)
          and ($3::text is null or subject = $3)
          and ($4::text is null or action = $4)
        order by seq desc limit $5
        """,
        tenant_id,
        before_seq,
        subject,
        action,
        limit,
    )
    return [_record(row) for row in rows]


def _record(row: Row) -> Record:
    return Record(
        tenant_id=TenantId(row["tenant_id"]),
        seq=row["seq"],
        entry=Entry(
            at=row["at"],
            actor=row["actor"],
            action=row["action"],
            subject=row["subject"],
            data=cast("dict[str, PlainFact]", row["data"]),
        ),
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )
