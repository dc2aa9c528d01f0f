"""How do items that are charged once reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from solvent.kernel.ledger.model import Item
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, item: Item) -> bool:
    """Write an item; False, and nothing written, if its source is known."""
    written = await tx.execute(
        """insert into ledger_item
               (tenant_id, id, customer_id, subscription_id, source, description, quantity,
                unit_minor, amount_minor, currency, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict (tenant_id, source) do nothing""",
        tenant_id,
        item.id,
        item.customer_id,
        item.subscription_id,
        item.source,
        item.description,
        item.quantity,
        item.unit_minor,
        item.amount_minor,
        item.currency,
        item.created_at,
    )
    return bool(written)


async def find_by_source(tx: Tx, tenant_id: TenantId, source: str) -> Item | None:
    """Return the item of a source."""
    row = await tx.fetchrow(
        "select * from ledger_item where tenant_id = $1 and source = $2", tenant_id, source
    )
    return _item(row) if row else None


async def list_waiting_of(
    tx: Tx, tenant_id: TenantId, customer_ids: Collection[str], *, invoice_ids: Collection[str]
) -> list[Item]:
    """Return what waits for an invoice of these customers, or is on one of these already."""
    rows = await tx.fetch(
        """select * from ledger_item
           where tenant_id = $1 and (customer_id = any($2::text[]) and invoice_id is null
                                     or invoice_id = any($3::text[]))
           order by id""",
        tenant_id,
        list(customer_ids),
        list(invoice_ids),
    )
    return [_item(row) for row in rows]


async def list_by_ids(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> list[Item]:
    """Return items in the order of their ids."""
    rows = await tx.fetch(
        "select * from ledger_item where tenant_id = $1 and id = any($2::text[]) order by id",
        tenant_id,
        list(ids),
    )
    return [_item(row) for row in rows]


async def list_waiting(tx: Tx, tenant_id: TenantId, customer_id: str, *, limit: int) -> list[Item]:
    """Return what waits for a customer's next invoice."""
    rows = await tx.fetch(
        """select * from ledger_item
           where tenant_id = $1 and customer_id = $2 and invoice_id is null order by id limit $3""",
        tenant_id,
        customer_id,
        limit,
    )
    return [_item(row) for row in rows]


async def attach(tx: Tx, tenant_id: TenantId, ids: Sequence[str], *, invoice_id: str) -> None:
    """Note on which invoice items are."""
    await tx.execute(
        "update ledger_item set invoice_id = $3 where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
        invoice_id,
    )


async def release(tx: Tx, tenant_id: TenantId, *, invoice_id: str) -> None:
    """Let the items of an invoice wait for another one."""
    await tx.execute(
        "update ledger_item set invoice_id = null where tenant_id = $1 and invoice_id = $2",
        tenant_id,
        invoice_id,
    )


async def remove(tx: Tx, tenant_id: TenantId, item_id: str) -> bool:
    """Take away an item that no invoice has; False if there is none such."""
    gone = await tx.execute(
        "delete from ledger_item where tenant_id = $1 and id = $2 and invoice_id is null",
        tenant_id,
        item_id,
    )
    return bool(gone)


def _item(row: Row) -> Item:
    return Item(
        id=row["id"],
        customer_id=row["customer_id"],
        subscription_id=row["subscription_id"],
        source=row["source"],
        description=row["description"],
        quantity=row["quantity"],
        unit_minor=row["unit_minor"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        created_at=row["created_at"],
        invoice_id=row["invoice_id"],
    )
