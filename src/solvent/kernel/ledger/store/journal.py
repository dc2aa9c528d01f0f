"""How do transactions reach the database, and come back as the balanced things they were?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from solvent.kernel.ledger.model import (
    Account,
    AccountKind,
    Balance,
    Entry,
    Source,
    SourceKind,
    Transaction,
    TransactionId,
)
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_LOCK_CUSTOMER = 70
"""The seed of the advisory locks: one customer's money moves in one transaction at a time."""


async def lock_customer(tx: Tx, tenant_id: TenantId, customer_id: str) -> None:
    """Wait until nobody else moves this customer's money, and keep them out until commit."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, $2))",
        f"{tenant_id}/{customer_id}",
        _LOCK_CUSTOMER,
    )


async def insert_transaction(tx: Tx, tenant_id: TenantId, transaction: Transaction) -> bool:
    """Write a transaction with its entries; False, and nothing written, if its source has one."""
    written = await tx.execute(
        """insert into ledger_transaction
               (tenant_id, id, source_kind, source_id, description, at, reverses_id)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, source_kind, source_id) do nothing""",
        tenant_id,
        transaction.id,
        transaction.source.kind.value,
        transaction.source.id,
        transaction.description,
        transaction.at,
        transaction.reverses_id,
    )
    if written:
        await _insert_entries(tx, tenant_id, transaction)
    return bool(written)


async def _insert_entries(tx: Tx, tenant_id: TenantId, transaction: Transaction) -> None:
    entries = transaction.entries
    await tx.execute(
        """insert into ledger_entry
               (tenant_id, transaction_id, position, account_kind, customer_id, amount_minor,
                currency)
           select $1, $2, position, account_kind, customer_id, amount_minor, currency
           from unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) with ordinality
               as given (account_kind, customer_id, amount_minor, currency, position)""",
        tenant_id,
        transaction.id,
        [entry.account.kind.value for entry in entries],
        [entry.account.customer_id for entry in entries],
        [entry.amount_minor for entry in entries],
        [entry.currency for entry in entries],
    )


_TRANSACTIONS = """
select head.id, head.source_kind, head.source_id, head.at, head.description, head.reverses_id,
       entry.account_kind, entry.customer_id, entry.amount_minor, entry.currency
from ledger_transaction head
join ledger_entry entry on entry.tenant_id = head.tenant_id and entry.transaction_id = head.id
where head.tenant_id = $1
"""


async def transaction_of(tx: Tx, tenant_id: TenantId, source: Source) -> Transaction | None:
    """Return the transaction that a source caused."""
    rows = await tx.fetch(
        f"{_TRANSACTIONS} and source_kind = $2 and source_id = $3 order by entry.position",
        tenant_id,
        source.kind.value,
        source.id,
    )
    return next(_transactions(rows), None)


async def transaction(tx: Tx, tenant_id: TenantId, transaction_id: str) -> Transaction | None:
    """Return a transaction by its id."""
    rows = await tx.fetch(
        f"{_TRANSACTIONS} and head.id = $2 order by entry.position", tenant_id, transaction_id
    )
    return next(_transactions(rows), None)


def _transactions(rows: list[Row]) -> Iterator[Transaction]:
    for _, group in groupby(rows, key=lambda row: str(row["id"])):
        lines = list(group)
        head = lines[0]
        yield Transaction(
            id=TransactionId(head["id"]),
            source=Source(SourceKind(head["source_kind"]), head["source_id"]),
            at=head["at"],
            description=head["description"],
            entries=tuple(_entry(row) for row in lines),
            reverses_id=head["reverses_id"],
        )


def _entry(row: Row) -> Entry:
    return Entry(_account(row), int(row["amount_minor"]), row["currency"])


def _account(row: Row) -> Account:
    return Account(AccountKind(row["account_kind"]), row["customer_id"])


async def balances(tx: Tx, tenant_id: TenantId, *, customer_id: str | None) -> list[Balance]:
    """Return each account's sum by currency; a customer's accounts only where one is named."""
    rows = await tx.fetch(
        """select account_kind, customer_id, currency, sum(amount_minor)::bigint as amount_minor
           from ledger_entry
           where tenant_id = $1 and ($2::text is null or customer_id = $2)
           group by account_kind, customer_id, currency
           order by account_kind, customer_id nulls first, currency""",
        tenant_id,
        customer_id,
    )
    return [Balance(_account(row), row["currency"], int(row["amount_minor"])) for row in rows]
