"""How do transactions reach the database, and come back as the balanced things they were?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


async def lock_customer(tx: Tx, tenant_id: TenantId, *customer_ids: str) -> None:
    """Wait until nobody else moves these customers' money, and keep them out until commit."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended(name, $2)) from unnest($1::text[]) as name",
        sorted({f"{tenant_id}/{customer_id}" for customer_id in customer_ids}),
        _LOCK_CUSTOMER,
    )


async def insert_transactions(
    tx: Tx, tenant_id: TenantId, transactions: Sequence[Transaction]
) -> set[str]:
    """Write transactions with their entries; return their ids, save where a source has one."""
    rows = await tx.fetchmany(
        """insert into ledger_transaction
               (tenant_id, id, source_kind, source_id, description, at, reverses_id)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, source_kind, source_id) do nothing returning id""",
        [
            (
                tenant_id,
                one.id,
                one.source.kind.value,
                one.source.id,
                one.description,
                one.at,
                one.reverses_id,
            )
            for one in transactions
        ],
    )
    written = {row["id"] for row in rows}
    await _insert_entries(tx, tenant_id, [one for one in transactions if one.id in written])
    return written


async def _insert_entries(tx: Tx, tenant_id: TenantId, transactions: Sequence[Transaction]) -> None:
    rows = [
        (
            transaction.id,
            position,
            entry.account.kind.value,
            entry.account.customer_id,
            entry.amount_minor,
            entry.currency,
        )
        for transaction in transactions
        for position, entry in enumerate(transaction.entries, start=1)
    ]
    if rows:
        await tx.execute(
            """insert into ledger_entry
                   (tenant_id, transaction_id, position, account_kind, customer_id, amount_minor,
                    currency)
               select $1, * from unnest($2::text[], $3::integer[], $4::text[], $5::text[],
                   $6::bigint[], $7::text[])""",
            tenant_id,
            *(list(column) for column in zip(*rows, strict=True)),
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
