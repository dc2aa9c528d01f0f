"""How are revenue's numbers asked for over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from fastapi.responses import Response

from solvent.kit.clock import format_time, parse_time
from solvent.kit.errors import Invalid
from solvent.kit.http import CursorMalformed, Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Kind, LineOf, Place, Step
from solvent.systems.revenue.rules.chart import waterfalls
from solvent.systems.revenue.rules.spans import span_named
from solvent.systems.revenue.service import Ask, Listed, What
from solvent.systems.revenue.shapes import (
    CohortShown,
    EarnedShown,
    FallShown,
    MovementShown,
    MrrShown,
    PlanLevelShown,
    RetentionShown,
    show_cohort,
    show_fall,
    show_movement,
    show_plan_level,
    show_retention,
    show_row,
    show_share,
)

router = Router(tags=["revenue"])

SpanText = Annotated[
    str | None, Query(max_length=16, description="A month, 2026-11, or a day, 2026-11-23.")
]
CurrencyText = Annotated[
    str | None,
    Query(
        max_length=8,
        description="Report in this currency; `each` for every currency by itself. Default: the"
        " policy's.",
    ),
]
CustomerText = Annotated[str | None, Query(max_length=200, description="Id or reference.")]
PlanText = Annotated[str | None, Query(max_length=64)]
EACH = "each"
SVG = "image/svg+xml"
CSV = "text/csv; charset=utf-8; header=present"


def ask_of(
    *,
    since: Annotated[SpanText, Query(alias="from")] = None,
    until: Annotated[SpanText, Query(alias="to")] = None,
    by: Step = Step.MONTH,
    currency: CurrencyText = None,
    customer: CustomerText = None,
) -> Ask:
    """Return what a query asks for; `to` is the last month or day, itself included.

    Raises:
        SpanMalformed: names the field.
    """
    each = currency == EACH
    return Ask(
        since=span_named(since, field="from").start if since else None,
        until=span_named(until, field="to").end if until else None,
        step=by,
        currency=None if each else currency,
        each=each,
        customer=customer,
    )


AskQuery = Annotated[Ask, Depends(ask_of)]


@router.get("/revenue/mrr")
async def get_mrr(ctx: RequestCtx, ask: AskQuery) -> list[MrrShown]:
    """Show what MRR moved by, by month or day and currency; without `from` the last 12 months."""
    return [show_row(row) for row in await service.mrr(ctx, ask)]


@router.get("/revenue/plans")
async def get_mrr_by_plan(ctx: RequestCtx, ask: AskQuery) -> list[PlanLevelShown]:
    """Show what each plan came to at the end of each month or day, in its own currency."""
    return [show_plan_level(one) for one in await service.mrr_by_plan(ctx, ask)]


@router.get("/revenue/movements")
async def list_revenue_movements(
    ctx: RequestCtx,
    page: PageQuery,
    ask: AskQuery,
    *,
    plan: PlanText = None,
    kind: Kind | None = None,
) -> Page[MovementShown]:
    """List the movements behind the numbers in the order of time, in their own currencies."""
    found = await service.list_movements(
        ctx,
        ask,
        plan_key=plan,
        kind=kind,
        after=_place(page.after) if page.after else None,
        limit=page.limit + 1,
    )
    return page_of(found, page, key=_key, render=show_movement)


def _key(one: Listed) -> str:
    at, *rest = one.told.movement.place
    return "/".join([format_time(at), *map(str, rest)])


def _place(text: str) -> Place:
    """Return the place that a cursor holds.

    Raises:
        CursorMalformed: it is none of ours.
    """
    parts = text.split("/")
    try:
        at, subscription_id, plan_key, version, seq = parts
        return Place(
            parse_time(at, field="cursor"), subscription_id, plan_key, int(version), int(seq)
        )
    except (ValueError, Invalid):
        raise CursorMalformed(field="cursor") from None


@router.get("/revenue/retention")
async def get_retention(ctx: RequestCtx, ask: AskQuery) -> list[RetentionShown]:
    """Show churn, retention, ARPU, quick ratio, lifetime value, trials and stability."""
    return [show_retention(one) for one in await service.retention(ctx, ask)]


@router.get("/revenue/cohorts")
async def get_cohorts(ctx: RequestCtx, ask: AskQuery) -> list[CohortShown]:
    """Show who came in each month, and who and what was left at each month's end."""
    return [show_cohort(one) for one in await service.cohorts(ctx, ask)]


@router.get("/revenue/recognition")
async def get_recognition(ctx: RequestCtx, ask: AskQuery, plan: PlanText = None) -> list[FallShown]:
    """Show what was billed and earned, and what is deferred; months ahead show how it is earned."""
    return [show_fall(one) for one in await service.recognition(ctx, ask, plan_key=plan)]


@router.get("/revenue/recognition/lines")
async def list_earned_lines(
    ctx: RequestCtx,
    page: PageQuery,
    ask: AskQuery,
    *,
    plan: PlanText = None,
    kind: LineOf | None = None,
) -> Page[EarnedShown]:
    """List the lines of invoices that earned something in a time, or wait to."""
    after = _line_place(page.after) if page.after else ("", 0)
    found = await service.list_shares(
        ctx, ask, plan_key=plan, of=kind, after=after, limit=page.limit + 1
    )
    return page_of(
        found,
        page,
        key=lambda one: f"{one.earning.line.document_id}/{one.earning.line.line}",
        render=show_share,
    )


def _line_place(text: str) -> tuple[str, int]:
    document_id, _, line = text.rpartition("/")
    if not line.isascii() or not line.isdigit():
        raise CursorMalformed(field="cursor")
    return document_id, min(int(line), 2**31 - 1)


@router.get("/revenue/export/{what}", response_class=Response)
async def export_revenue(ctx: RequestCtx, what: What, ask: AskQuery) -> Response:
    """Download a table as CSV (RFC 4180), complete: amounts in minor units."""
    text = await service.export(ctx, what, ask)
    headers = {"Content-Disposition": f'attachment; filename="{what.value}.csv"'}
    return Response(text.encode(), media_type=CSV, headers=headers)


@router.get("/revenue/waterfall.svg", response_class=Response)
async def draw_waterfall(
    ctx: RequestCtx,
    month: Annotated[str | None, Query(max_length=16, description="As 2026-11.")] = None,
    currency: CurrencyText = None,
) -> Response:
    """Draw what MRR moved by in a month as SVG; this month without one."""
    ask = ask_of(since=month, until=month, currency=currency)
    rows = await service.mrr(ctx, ask)
    picture = waterfalls([row for row in rows if row.span == rows[-1].span])
    return Response(picture.encode(), media_type=SVG)
