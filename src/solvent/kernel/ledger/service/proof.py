"""Does a tenant's whole ledger add up, and does each invoice still say what it said?"""

from __future__ import annotations

from solvent.kernel.ledger.errors import DocumentMalformed
from solvent.kernel.ledger.model import Invoice, Problem, Report
from solvent.kernel.ledger.service.journal import SCOPE_READ
from solvent.kernel.ledger.store import checks, invoices
from solvent.kit.ctx import Ctx

PAGE = 500


async def verify(ctx: Ctx) -> Report:
    """Check every transaction, invoice, settlement, payment and balance of the tenant.

    All queries of a report see one moment only as far as their transaction does; run it again where
    money moved meanwhile. Changes nothing.
    """
    ctx.require(SCOPE_READ)
    problems: list[Problem] = []
    for check in checks.CHECKS:
        problems += await checks.run(ctx.tx, ctx.tenant_id, check)
    problems += await _check_documents(ctx)
    transactions, drawn, payments = await checks.count(ctx.tx, ctx.tenant_id)
    return Report(transactions, drawn, payments, tuple(problems))


async def _check_documents(ctx: Ctx) -> list[Problem]:
    """Add up the lines of every invoice again."""
    problems: list[Problem] = []
    after: str | None = None
    while True:
        try:
            page = await invoices.list_page(
                ctx.tx,
                ctx.tenant_id,
                customer_id=None,
                subscription_id=None,
                status=None,
                after=after,
                limit=PAGE,
            )
        except DocumentMalformed as malformed:
            return [*problems, Problem(malformed.code, "an invoice", str(malformed))]
        problems += [_off(invoice) for invoice in page if not invoice.draft.adds_up]
        if len(page) < PAGE:
            return problems
        after = page[-1].id


def _off(invoice: Invoice) -> Problem:
    return Problem("ledger.lines_do_not_add_up", invoice.id, "lines, taxes and totals disagree")
