"""How do numbers leave as a table, complete and in the units they are counted in?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeAlias

from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.revenue.errors import SpanTooLong
from solvent.systems.revenue.limits import EXPORT_ROWS_MAX
from solvent.systems.revenue.model import Kind, LineOf
from solvent.systems.revenue.rules.csv_form import Cell, lines_of
from solvent.systems.revenue.service.listing import Listed, list_movements
from solvent.systems.revenue.service.recognition import list_shares, recognition
from solvent.systems.revenue.service.report import Ask, cohorts, mrr, retention, scope_of

KINDS = tuple(kind for kind in Kind if kind is not Kind.UNCHANGED)


class What(StrEnum):
    """Which table is to leave."""

    MRR = "mrr"
    MOVEMENTS = "movements"
    RETENTION = "retention"
    COHORTS = "cohorts"
    RECOGNITION = "recognition"
    LINES = "lines"
    """What each line of an invoice earned in each span."""


async def export(ctx: Ctx, what: What, ask: Ask) -> str:
    """Return a table as CSV (RFC 4180), amounts in minor units, shares as fractions.

    Raises:
        As `report.mrr`; SpanTooLong: there are more than 500,000 rows.
    """
    header, rows = await TABLES[what](ctx, ask)
    if len(rows) > EXPORT_ROWS_MAX:
        raise SpanTooLong(field="to", rows_max=EXPORT_ROWS_MAX)
    return "".join(lines_of(header, rows))


Table: TypeAlias = tuple[str, Sequence[Sequence[Cell]]]


async def _mrr(ctx: Ctx, ask: Ask) -> Table:
    header = (
        "span,currency,opening_minor,new_minor,expansion_minor,contraction_minor,churn_minor,"
        "reactivation_minor,closing_minor,customers"
    )
    rows = [
        (
            row.span.label,
            row.currency,
            row.opening_minor,
            *(row.moved.get(kind, 0) for kind in KINDS),
            row.closing_minor,
            row.customers,
        )
        for row in await mrr(ctx, ask)
    ]
    return header, rows


async def _movements(ctx: Ctx, ask: Ask) -> Table:
    header = (
        "day,at,customer,customer_id,subscription_id,plan,plan_version,currency,delta_minor,kind,"
        "correction,noted_at"
    )
    rows = [_movement_row(one) async for one in every_movement(ctx, ask)]
    return header, rows


async def every_movement(ctx: Ctx, ask: Ask) -> AsyncIterator[Listed]:
    """Yield all movements of a time, page by page, up to one more than may leave."""
    place, count = None, 0
    while found := await list_movements(ctx, ask, after=place, limit=PAGE_SIZE_MAX):
        place = found[-1].told.movement.place
        for one in found:
            yield one
        count += len(found)
        if count > EXPORT_ROWS_MAX:
            return


def _movement_row(one: Listed) -> Sequence[Cell]:
    row = one.told.movement
    return (
        one.told.day,
        row.at,
        one.customer_ref,
        row.customer_id,
        row.subscription_id,
        row.plan_key,
        row.plan_version,
        row.currency,
        row.delta_minor,
        one.told.kind.value,
        row.seq,
        row.noted_at,
    )


async def _retention(ctx: Ctx, ask: Ask) -> Table:
    header = (
        "span,currency,mrr_minor,arr_minor,customers,customers_before,customers_lost,"
        "customer_churn,gross_churn,net_churn,grr,nrr,arpu_minor,quick_ratio,ltv_minor,"
        "trials_ended,trials_converted,trial_conversion"
    )
    rows = [
        (
            one.row.span.label,
            one.row.currency,
            one.row.closing_minor,
            one.arr_minor,
            one.row.customers,
            one.kept.customers,
            one.kept.lost,
            one.customer_churn,
            one.gross_churn,
            one.net_churn,
            one.grr,
            one.nrr,
            one.arpu_minor,
            one.quick_ratio,
            one.ltv_minor,
            one.trials.ended,
            one.trials.converted,
            one.trial_conversion,
        )
        for found in await retention(ctx, ask)
        for one in found.ratios
    ]
    return header, rows


async def _cohorts(ctx: Ctx, ask: Ask) -> Table:
    header = "cohort,currency,age,customers,mrr_minor,customers_started,mrr_started_minor"
    rows = [
        (
            one.month.label,
            one.currency,
            age,
            left,
            left_minor,
            one.customers,
            one.started_minor,
        )
        for one in await cohorts(ctx, ask)
        for age, (left, left_minor) in enumerate(zip(one.left, one.left_minor, strict=True))
    ]
    return header, rows


async def _recognition(ctx: Ctx, ask: Ask) -> Table:
    header = (
        "span,currency,opening_deferred_minor,opening_unbilled_minor,billed_minor,earned_minor,"
        "deferred_minor,unbilled_minor,fee_minor,usage_minor,item_minor,purchase_minor"
    )
    rows = [
        (
            fall.span.label,
            fall.currency,
            fall.opening_deferred_minor,
            fall.opening_unbilled_minor,
            fall.billed_minor,
            fall.earned_minor,
            fall.deferred_minor,
            fall.unbilled_minor,
            *(fall.by_kind.get(of, 0) for of in LineOf),
        )
        for fall in await recognition(ctx, ask)
    ]
    return header, rows


async def _lines(ctx: Ctx, ask: Ask) -> Table:
    header = (
        "span,document_id,line,of,customer_id,subscription_id,plan,currency,amount_minor,since,"
        "until,billed_at,earned_minor,left_minor"
    )
    rows: list[Sequence[Cell]] = []
    for span in (await scope_of(ctx, ask)).spans:
        within = replace(ask, since=span.start, until=span.end)
        for share in await list_shares(ctx, within, limit=EXPORT_ROWS_MAX):
            line = share.earning.line
            rows.append(
                (
                    span.label,
                    line.document_id,
                    line.line,
                    line.of.value,
                    line.customer_id,
                    line.subscription_id,
                    line.plan_key,
                    line.currency,
                    line.amount_minor,
                    line.since,
                    line.until,
                    line.billed_at,
                    share.earned_minor,
                    share.left_minor,
                )
            )
    return header, rows


TABLES = {
    What.MRR: _mrr,
    What.MOVEMENTS: _movements,
    What.RETENTION: _retention,
    What.COHORTS: _cohorts,
    What.RECOGNITION: _recognition,
    What.LINES: _lines,
}
