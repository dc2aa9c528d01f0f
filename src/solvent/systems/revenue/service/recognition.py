"""What was billed and earned in each month, what is deferred, and which lines are behind it?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from operator import attrgetter

from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.revenue.limits import LINES_AT_ONCE
from solvent.systems.revenue.model import Alike, Earning, Fall, Line, LineOf, Reversal, Share, Span
from solvent.systems.revenue.rules.documents import counted
from solvent.systems.revenue.rules.earning import Cascade, converted, earning_of, share_in
from solvent.systems.revenue.service.report import Ask, Scope, scope_of
from solvent.systems.revenue.store import lines as store


async def recognition(ctx: Ctx, ask: Ask, *, plan_key: str | None = None) -> list[Fall]:
    """Return what was billed, earned and left in each span, by currency.

    Spans ahead tell how what is deferred today will be earned. Knows what has been invoiced: the
    running period of a fee in arrears is seen once its invoice is final.

    Raises:
        As `report.mrr`.
    """
    scope = await scope_of(ctx, ask)
    cascade = Cascade(scope.spans)
    for alike in await store.alike(
        ctx.tx,
        ctx.tenant_id,
        within=scope.period,
        time_zone=scope.zone.key,
        customer_id=scope.customer_id,
        plan_key=plan_key,
    ):
        cascade.add_alike(_converted(alike, scope))
    async for earning in _each_earning(ctx, scope, plan_key, reversed_only=True):
        cascade.add(earning)
    if scope.rates:
        scope.rates.must_be_whole()
    return [fall for _, falls in sorted(cascade.falls.items()) for fall in falls]


def _converted(alike: Alike, scope: Scope) -> Alike:
    if scope.rates is None:
        return alike
    amount_minor = scope.rates.convert(alike.amount_minor, alike.currency, alike.billed_on)
    return alike._replace(currency=scope.rates.into, amount_minor=amount_minor)


async def list_shares(
    ctx: Ctx,
    ask: Ask,
    *,
    plan_key: str | None = None,
    of: LineOf | None = None,
    after: tuple[str, int] = ("", 0),
    limit: int = PAGE_SIZE,
) -> list[Share]:
    """Return the lines that earned something in a time or wait to, in the order of documents.

    Raises:
        As `report.mrr`.
    """
    scope = await scope_of(ctx, ask)
    span = Span("", scope.spans[0].start, scope.spans[-1].end)
    found: list[Share] = []
    async for earning in _each_earning(ctx, scope, plan_key, after=after):
        share = share_in(earning, span)
        if (share.earned_minor or share.left_minor) and of in {None, earning.line.of}:
            found.append(share)
            if len(found) == limit:
                break
    if scope.rates:
        scope.rates.must_be_whole()
    return found


async def _each_earning(
    ctx: Ctx,
    scope: Scope,
    plan_key: str | None,
    *,
    after: tuple[str, int] = ("", 0),
    reversed_only: bool = False,
) -> AsyncIterator[Earning]:
    """Yield the lines that a report sees, with all that became of them."""
    while lines := await store.touching(
        ctx.tx,
        ctx.tenant_id,
        within=scope.period,
        reversed_only=reversed_only,
        customer_id=scope.customer_id,
        plan_key=plan_key,
        after=after,
        limit=LINES_AT_ONCE,
    ):
        after = lines[-1].document_id, lines[-1].line
        back = await _reversals(ctx, lines)
        for line in lines:
            yield _earning(line, back.get((line.document_id, line.line), []), scope)


async def _reversals(ctx: Ctx, lines: Sequence[Line]) -> dict[tuple[str, int], list[Reversal]]:
    """Return what counts as taken back, by line; a document is judged as a whole."""
    ids = sorted({line.document_id for line in lines})
    every = await store.reversals_of(ctx.tx, ctx.tenant_id, ids)
    found: dict[tuple[str, int], list[Reversal]] = {}
    for _, of_document in groupby(every, key=attrgetter("document_id")):
        for one in counted(of_document):
            found.setdefault((one.document_id, one.line), []).append(one)
    return found


def _earning(line: Line, reversals: Sequence[Reversal], scope: Scope) -> Earning:
    if scope.rates:
        line, reversals = converted(line, reversals, scope.zone, scope.rates)
    return earning_of(line, reversals, scope.zone)
