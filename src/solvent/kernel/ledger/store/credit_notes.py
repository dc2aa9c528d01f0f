"""How do credit notes reach the database, and come back?"""

from __future__ import annotations

from solvent.kernel.ledger import document
from solvent.kernel.ledger.model import CreditNote
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, note: CreditNote, *, text: str) -> None:
    """Store a credit note with the text of its document."""
    await tx.execute(
        """insert into ledger_credit_note
               (tenant_id, id, invoice_id, source, number, document, digest, total_minor,
                off_due_minor, issued_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        tenant_id,
        note.id,
        note.said.invoice_id,
        note.source,
        note.number,
        text,
        note.digest,
        note.said.total_minor,
        note.off_due_minor,
        note.issued_at,
    )


async def find_by_source(tx: Tx, tenant_id: TenantId, source: str) -> CreditNote | None:
    """Return the credit note of a source."""
    row = await tx.fetchrow(
        "select * from ledger_credit_note where tenant_id = $1 and source = $2", tenant_id, source
    )
    return _note(row) if row else None


async def list_for(tx: Tx, tenant_id: TenantId, invoice_id: str) -> list[CreditNote]:
    """Return the credit notes of an invoice, the oldest first."""
    rows = await tx.fetch(
        "select * from ledger_credit_note where tenant_id = $1 and invoice_id = $2 order by number",
        tenant_id,
        invoice_id,
    )
    return [_note(row) for row in rows]


async def list_page(
    tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int
) -> list[CreditNote]:
    """Return credit notes, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        """select * from ledger_credit_note
           where tenant_id = $1 and ($2::text is null or id < $2) order by id desc limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [_note(row) for row in rows]


async def find(tx: Tx, tenant_id: TenantId, note_id: str) -> CreditNote | None:
    """Return a credit note by its id."""
    row = await tx.fetchrow(
        "select * from ledger_credit_note where tenant_id = $1 and id = $2", tenant_id, note_id
    )
    return _note(row) if row else None


async def refunded(tx: Tx, tenant_id: TenantId, invoice_id: str) -> int:
    """Return how much of the money that an invoice used has gone back to the customer."""
    back = await tx.fetchval(
        """select coalesce(sum(amount_minor - from_credit_minor), 0)::bigint from ledger_refund
           where tenant_id = $1 and payment_id in (
               select payment_id from ledger_settlement
               where tenant_id = $1 and invoice_id = $2)""",
        tenant_id,
        invoice_id,
    )
    return int(back)


def _note(row: Row) -> CreditNote:
    return CreditNote(
        id=row["id"],
        number=row["number"],
        said=document.parse_credit(row["document"]),
        source=row["source"],
        digest=row["digest"],
        off_due_minor=row["off_due_minor"],
        issued_at=row["issued_at"],
    )
