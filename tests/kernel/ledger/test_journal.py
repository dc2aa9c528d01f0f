"""Can the books be unbalanced, changed or damaged without anybody noticing?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from solvent.app.supervisor.engines import Engines
from solvent.kernel.ledger import service
from solvent.kernel.ledger.errors import SourceReused, TransactionNotFound, TransactionUnbalanced
from solvent.kernel.ledger.model import (
    Account,
    AccountKind,
    Entry,
    Posting,
    Source,
    SourceKind,
    Transaction,
)
from solvent.kernel.ledger.store import journal as store
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Actor, Ctx
from solvent.kit.errors import Denied
from solvent.systems.billing.testing import Shop

CASH, REVENUE = Account(AccountKind.CASH), Account(AccountKind.REVENUE)


def posting(amount_minor: int = 100, *, id: str = "a") -> Posting:
    entries = (Entry(CASH, amount_minor, "USD"), Entry(REVENUE, -amount_minor, "USD"))
    return Posting(Source(SourceKind.ADJUSTMENT, id), "an adjustment", entries)


def post(given: Posting) -> Callable[[Ctx], Awaitable[Transaction]]:
    return lambda ctx: service.post(ctx, given)


def sql(statement: str) -> Callable[[Ctx], Awaitable[int]]:
    return lambda ctx: ctx.tx.execute(statement)


async def test_source_posted_once(shop: Shop) -> None:
    posted = await asyncio.gather(*(shop.do(post(posting())) for _ in range(6)))
    assert len({one.id for one in posted}) == 1
    with pytest.raises(SourceReused):
        await shop.do(post(posting(101)))
    (cash, _) = await shop.do(service.balances)
    assert cash.amount_minor == 100


async def test_a_reversal_undoes_a_transaction_once(shop: Shop) -> None:
    first = await shop.do(post(posting()))
    undone = [
        await shop.do(lambda ctx: service.reverse(ctx, first.id, reason="wrong")) for _ in range(2)
    ]
    assert undone[0].id == undone[1].id
    assert undone[0].reverses_id == first.id
    assert [one.amount_minor for one in await shop.do(service.balances)] == [0, 0]
    with pytest.raises(TransactionNotFound):
        await shop.do(lambda ctx: service.reverse(ctx, "txn_none", reason="wrong"))


async def test_transactions_sum_to_zero(shop: Shop, engines: Engines) -> None:
    transaction = await shop.do(post(posting()))
    head = (
        "insert into ledger_transaction (tenant_id, id, source_kind, source_id, description, at)"
        f" values ('{shop.tenant_id}', 'txn_x', 'adjustment', 'x', '', now())"
    )
    entry = (
        "insert into ledger_entry (tenant_id, transaction_id, position, account_kind,"
        f" amount_minor, currency) values ('{shop.tenant_id}', '%s', %d, 'cash', %d, '%s')"
    )

    async def write(*statements: str) -> None:
        async with shop.open() as ctx:
            for statement in statements:
                await ctx.tx.execute(statement)

    for wrong in (
        (head,),  # no entries
        (head, entry % ("txn_x", 1, 5, "USD")),
        (head, entry % ("txn_x", 1, 5, "USD"), entry % ("txn_x", 2, -5, "EUR")),
        (entry % (transaction.id, 3, 1, "USD"),),  # one more to an old one
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="does not sum to zero"):
            await write(*wrong)
    # A database whose triggers somebody switched off: noticed when the transaction is read.
    await as_owner(
        engines, "set session_replication_role = replica", entry % (transaction.id, 3, 1, "USD")
    )
    async with shop.open() as ctx:
        with pytest.raises(TransactionUnbalanced):
            await store.transaction(ctx.tx, ctx.tenant_id, transaction.id)
    report = await shop.do(service.verify)
    assert "ledger.transaction_unbalanced" in {one.code for one in report.problems}


async def as_owner(engines: Engines, *statements: str) -> None:
    """Run statements as the owner of the tables, whom nothing binds."""
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_ledger_is_append_only(
    shop: Shop, held: Subscription, first: Period, engines: Engines
) -> None:
    await shop.pay(held, 2900)
    await shop.bill(held.id, first)
    tables = {
        "ledger_transaction": "description = ''",
        "ledger_entry": "amount_minor = 0",
        "ledger_settlement": "amount_minor = 1",
        "ledger_refund": "amount_minor = 1",
    }
    for table, change in tables.items():
        for statement in (f"update {table} set {change}", f"delete from {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await shop.do(sql(statement))
    for statement in (
        f"update ledger_entry set amount_minor = 0 where tenant_id = '{shop.tenant_id}'",
        f"delete from ledger_transaction where tenant_id = '{shop.tenant_id}'",
        f"delete from ledger_settlement where tenant_id = '{shop.tenant_id}'",
        f"delete from ledger_invoice where tenant_id = '{shop.tenant_id}'",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(engines, statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await shop.do(sql("delete from ledger_invoice"))


DAMAGES = {
    "ledger.document_changed": "update ledger_invoice set document = document || ' '",
    "ledger.number_gap": "update ledger_counter set last_number = last_number + 1",
    "ledger.invoice_not_posted": "update ledger_invoice set total_minor = total_minor + 1",
    "ledger.settlement_mismatch": "update ledger_invoice set paid_minor = paid_minor - 1",
    "ledger.payment_mismatch": "update ledger_payment set unapplied_minor = unapplied_minor + 1",
    "ledger.balance_mismatch": "update ledger_payment set unapplied_minor = unapplied_minor + 1",
    "ledger.transaction_empty": "delete from ledger_entry",
    "ledger.document_malformed": "update ledger_invoice set document = '{}'",
    "ledger.lines_do_not_add_up": (
        "update ledger_invoice set document = replace(document, '\"net_minor\":13900',"
        " '\"net_minor\":13901')"
    ),
}


@pytest.mark.parametrize("code, damage", DAMAGES.items(), ids=DAMAGES)
async def test_verification_names_what_is_wrong(
    shop: Shop, held: Subscription, first: Period, engines: Engines, code: str, damage: str
) -> None:
    await shop.pay(held, 2900)
    invoice = await shop.bill(held.id, first)
    assert invoice.paid_minor == 2900
    sound = await shop.do(service.verify)
    assert (sound.sound, sound.invoices, sound.payments) == (True, 1, 1)
    here = f"{damage} where tenant_id = '{shop.tenant_id}'"
    await as_owner(engines, "set session_replication_role = replica", here)
    report = await shop.do(service.verify)
    assert not report.sound
    assert code in {one.code for one in report.problems}


async def test_two_invoices_that_charge_one_second_are_named(
    shop: Shop, held: Subscription, first: Period, engines: Engines
) -> None:
    earlier = await shop.bill(held.id, first)
    await shop.move_clock(first.end + timedelta(days=32))
    later = await shop.bill(held.id, (await shop.renew(held.id))[1])
    assert (await shop.do(service.verify)).sound
    longer = "update ledger_invoice set period_end = period_end + interval '1 second'"
    await as_owner(
        engines, "set session_replication_role = replica", f"{longer} where id = '{earlier.id}'"
    )
    (problem,) = (await shop.do(service.verify)).problems
    assert (problem.code, problem.subject) == ("ledger.periods_overlap", later.id)


async def test_verification_of_empty_books_is_sound(shop: Shop) -> None:
    report = await shop.do(service.verify)
    assert (report.sound, report.transactions, report.invoices) == (True, 0, 0)


async def test_money_needs_a_scope(shop: Shop, held: Subscription, first: Period) -> None:
    async with shop.open() as ctx:
        nobody = replace(ctx, actor=Actor("key", "k", frozenset({"metering:read"})))
        for refused in (
            service.balances(nobody),
            service.verify(nobody),
            service.post(nobody, posting()),
            service.list_invoices(nobody),
            service.draw_invoice(nobody, held.id, first),
            service.preview_invoice(nobody, held.id),
        ):
            with pytest.raises(Denied):
                await refused


async def test_a_year_of_periods_after_a_long_sleep(shop: Shop, held: Subscription) -> None:
    """Down for three months: each period once, in order, and nothing more when asked again."""
    await shop.move_clock(held.period.start + timedelta(days=95))
    periods = await shop.renew(held.id)
    assert len(periods) == 3
    assert await shop.renew(held.id) == periods
    drawn = [await shop.bill(held.id, period) for period in periods]
    assert [one.number for one in drawn] == [1, 2, 3]
    assert all(one.draft.period_end == other.draft.period_start for one, other in pairwise(drawn))
