"""Is what is kept what history gives, and how is it made so?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import AccountKind
from solvent.kernel.ledger.service import history as ledger_history
from solvent.kernel.subscriptions.service import history
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.revenue.limits import CUSTOMERS_AT_ONCE, DIFFERENCES_MAX, DOCUMENTS_AT_ONCE
from solvent.systems.revenue.model import Line, Movement, Rebuilt, Reversal
from solvent.systems.revenue.service import note
from solvent.systems.revenue.service.follow import Worths, find_missing
from solvent.systems.revenue.service.note import Further, Noted
from solvent.systems.revenue.service.scopes import SCOPE_READ, SCOPE_WRITE
from solvent.systems.revenue.store import lines as line_store
from solvent.systems.revenue.store import movements as movement_store


@dataclass(slots=True)
class _Findings:
    """What was looked at, and where it differs."""

    customers: int = 0
    movements: int = 0
    lines: int = 0
    listed: list[str] = field(default_factory=list[str])
    more: int = 0

    def differ(self, told: Iterable[str]) -> None:
        for one in told:
            if len(self.listed) < DIFFERENCES_MAX:
                self.listed.append(one)
            else:
                self.more += 1

    def result(self) -> Rebuilt:
        return Rebuilt(self.customers, self.movements, self.lines, tuple(self.listed), self.more)


async def verify(ctx: Ctx) -> Rebuilt:
    """Derive everything again from subscriptions and the ledger, compare, and change nothing.

    The sums of lines are held against the ledger's accounts of revenue and refunds as well.
    """
    ctx.require(SCOPE_READ)
    findings = _Findings()
    async for missing in _missing_movements(ctx, findings):
        findings.differ(_tell_movement(one) for one in missing)
    async for noted in _documents(ctx):
        await _compare(ctx, noted, findings)
    findings.differ(await _off_the_books(ctx))
    return findings.result()


async def rebuild(ctx: Ctx) -> Rebuilt:
    """Derive everything again and add what is missing; rows that are kept stay as they are.

    The differences are those that there were. Audited.
    """
    ctx.require(SCOPE_WRITE)
    await movement_store.lock_all(ctx.tx, ctx.tenant_id)
    findings = _Findings()
    async for missing in _missing_movements(ctx, findings):
        await movement_store.insert(ctx.tx, ctx.tenant_id, missing)
        findings.differ(_tell_movement(one) for one in missing)
    async for noted in _documents(ctx):
        await _compare(ctx, noted, findings)
        await note.keep(ctx, noted)
    told = findings.result()
    data = {"movements": told.movements, "differences": len(told.differences) + told.more}
    audit.record(ctx, action="revenue.rebuilt", subject=ctx.tenant_id, data=data)
    return told


async def _missing_movements(ctx: Ctx, findings: _Findings) -> AsyncIterator[list[Movement]]:
    worths: Worths = {}
    after = ""
    while ids := await history.list_subscribers(ctx, after=after, limit=CUSTOMERS_AT_ONCE):
        after = ids[-1]
        findings.customers += len(ids)
        kept = await movement_store.of_customers(ctx.tx, ctx.tenant_id, ids)
        findings.movements += len(kept)
        yield await find_missing(ctx, ids, kept, worths)


async def _documents(ctx: Ctx) -> AsyncIterator[Noted]:
    """Yield what all documents of the ledger earn and take back, many at a time."""
    batch, count = Noted(), 0
    async for noted in _each_document(ctx):
        batch.add(noted)
        count += 1
        if count % DOCUMENTS_AT_ONCE == 0:
            yield batch
            batch = Noted()
    yield batch


async def _each_document(ctx: Ctx) -> AsyncIterator[Noted]:
    further = Further()
    async for ids in _pages(ctx, ledger_history.list_invoice_ids):
        for invoice in await ledger_history.invoices_of(ctx, ids):
            yield await note.of_invoice(ctx, invoice, further)
    async for ids in _pages(ctx, ledger_history.list_purchase_ids):
        for payment_id in ids:
            yield note.of_purchase(await ledger.get_payment(ctx, payment_id))
    before: str | None = None
    while notes := await ledger.list_credit_notes(ctx, after=before, limit=PAGE_SIZE_MAX):
        before = notes[-1].id
        for one in notes:
            yield await note.of_credit_note(ctx, one, further)
    after = ""
    while refunds := await ledger_history.list_given_back(ctx, after=after, limit=PAGE_SIZE_MAX):
        after = refunds[-1].refund_id
        for refund in refunds:
            yield await note.of_refund(ctx, refund, further)


class _ListIds(Protocol):
    def __call__(self, ctx: Ctx, /, *, after: str, limit: int) -> Awaitable[list[str]]: ...


async def _pages(ctx: Ctx, page: _ListIds) -> AsyncIterator[list[str]]:
    after = ""
    while ids := await page(ctx, after=after, limit=PAGE_SIZE_MAX):
        after = ids[-1]
        yield ids


async def _compare(ctx: Ctx, noted: Noted, findings: _Findings) -> None:
    """Note which lines and reversals are not kept, are kept otherwise, or have no document."""
    ids = sorted({line.document_id for line in noted.lines})
    lines = await line_store.of_documents(ctx.tx, ctx.tenant_id, ids)
    reversals = await line_store.reversals_of(ctx.tx, ctx.tenant_id, ids)
    findings.lines += len({(line.document_id, line.line) for line in noted.lines})
    kept_lines, kept_reversals = set(lines), set(reversals)
    findings.differ(_tell_line(one) for one in noted.lines if one not in kept_lines)
    findings.differ(_tell_reversal(one) for one in noted.reversals if one not in kept_reversals)


async def _off_the_books(ctx: Ctx) -> list[str]:
    """Return where lines and the ledger's accounts do not agree."""
    totals = await line_store.totals(ctx.tx, ctx.tenant_id)
    earned = {currency: billed for currency, (billed, _) in totals.items()}
    booked = {
        one.currency: -one.amount_minor
        for one in await ledger.balances(ctx)
        if one.account.kind is AccountKind.REVENUE
    }
    return [
        f"lines come to {earned.get(currency, 0)} {currency}, revenue is booked as"
        f" {booked.get(currency, 0)}"
        for currency in sorted(earned.keys() | booked.keys())
        if earned.get(currency, 0) != booked.get(currency, 0)
    ]


def _tell_movement(one: Movement) -> str:
    plan = f"{one.plan_key}@{one.plan_version}"
    return (
        f"{one.subscription_id} {format_time(one.at)} {plan}:"
        f" {one.delta_minor:+} {one.currency} a month is missing"
    )


def _tell_line(one: Line) -> str:
    return f"{one.document_id} line {one.line}: {one.amount_minor} {one.currency} is not kept so"


def _tell_reversal(one: Reversal) -> str:
    return (
        f"{one.document_id} line {one.line}: {one.amount_minor} taken back by {one.source_id}"
        " is not kept so"
    )
