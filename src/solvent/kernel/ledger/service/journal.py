"""How is a transaction posted once, taken back, and summed up?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.ledger import rules
from solvent.kernel.ledger.errors import SourceReused, TransactionNotFound
from solvent.kernel.ledger.model import (
    Balance,
    Posting,
    Source,
    SourceKind,
    Transaction,
    TransactionId,
)
from solvent.kernel.ledger.store import journal as store
from solvent.kit.ctx import Ctx

SCOPE_READ = "ledger:read"
SCOPE_WRITE = "ledger:write"


async def post(ctx: Ctx, posting: Posting) -> Transaction:
    """Write a transaction, once per source: posting the same again returns the first.

    Raises:
        SourceReused: the source has been posted with other entries.
    """
    return (await post_all(ctx, [posting]))[0]


async def post_all(ctx: Ctx, postings: Sequence[Posting]) -> list[Transaction]:
    """As `post`, for many of different sources."""
    ctx.require(SCOPE_WRITE)
    return await _write(ctx, [_transaction(ctx, one, reverses_id=None) for one in postings])


async def reverse(ctx: Ctx, transaction_id: str, *, reason: str) -> Transaction:
    """Take a transaction back by posting its opposite, once; nothing is ever deleted.

    Raises:
        TransactionNotFound: there is no such transaction.
    """
    ctx.require(SCOPE_WRITE)
    found = await store.transaction(ctx.tx, ctx.tenant_id, transaction_id)
    if found is None:
        raise TransactionNotFound(field="transaction_id", given=transaction_id[:64])
    source = Source(SourceKind.REVERSAL, f"{found.source.kind.value}/{found.source.id}")
    posting = Posting(source, reason, rules.reversed_entries(found.entries))
    return (await _write(ctx, [_transaction(ctx, posting, reverses_id=found.id)]))[0]


def _transaction(ctx: Ctx, posting: Posting, *, reverses_id: TransactionId | None) -> Transaction:
    return Transaction(
        id=TransactionId(ctx.ids.new("txn")),
        source=posting.source,
        at=ctx.now(),
        description=posting.description,
        entries=posting.entries,
        reverses_id=reverses_id,
    )


async def _write(ctx: Ctx, transactions: Sequence[Transaction]) -> list[Transaction]:
    written = await store.insert_transactions(ctx.tx, ctx.tenant_id, transactions)
    return [one if one.id in written else await _known(ctx, one) for one in transactions]


async def _known(ctx: Ctx, transaction: Transaction) -> Transaction:
    known = await find_by_source(ctx, transaction.source)
    if known is None or known.entries != transaction.entries:
        raise SourceReused(field="source", given=f"{transaction.source}"[:200])
    return known


async def find_by_source(ctx: Ctx, source: Source) -> Transaction | None:
    """Return the transaction that a source caused, if it caused one."""
    return await store.transaction_of(ctx.tx, ctx.tenant_id, source)


async def balances(ctx: Ctx, *, customer_id: str | None = None) -> list[Balance]:
    """Return what each account of the tenant, or of one customer, comes to."""
    ctx.require(SCOPE_READ)
    return await store.balances(ctx.tx, ctx.tenant_id, customer_id=customer_id)
