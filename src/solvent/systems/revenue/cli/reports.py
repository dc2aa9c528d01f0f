"""How does a founder see numbers at the terminal?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Annotated

import typer

from solvent.kit.cli import JsonOption, TenantOption, run_in_tenant, show_json, show_table
from solvent.systems.revenue import service
from solvent.systems.revenue.cli.given import (
    EMPTY,
    ByOption,
    CurrencyOption,
    CustomerOption,
    FromOption,
    PlanOption,
    ToOption,
    ask_of,
    drawn,
    money,
    number,
    percent,
)
from solvent.systems.revenue.model import (
    Cohort,
    Fall,
    Kind,
    LineOf,
    PlanLevel,
    Ratios,
    Row,
    Step,
)
from solvent.systems.revenue.rules.figures import ratio, stability
from solvent.systems.revenue.rules.plot import bar, sparkline
from solvent.systems.revenue.service import Ask, Retention
from solvent.systems.revenue.shapes import (
    show_cohort,
    show_fall,
    show_plan_level,
    show_retention,
    show_row,
)

BAR_WIDTH = 16
PLANS_SHOWN = 12
MOVES = (Kind.NEW, Kind.EXPANSION, Kind.CONTRACTION, Kind.CHURN, Kind.REACTIVATION)


def mrr(
    since: FromOption = None,
    until: ToOption = None,
    by: ByOption = Step.MONTH,
    currency: CurrencyOption = None,
    customer: CustomerOption = None,
    plans: Annotated[bool, typer.Option("--plans", help="What each plan came to.")] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what MRR was, what moved it, and what it came to; the last 12 months without --from."""
    ask = ask_of(since, until, by=by, currency=currency, customer=customer)
    if plans:
        _show_plans(run_in_tenant(tenant, lambda ctx: service.mrr_by_plan(ctx, ask)), as_json)
        return
    rows = run_in_tenant(tenant, lambda ctx: service.mrr(ctx, ask))
    if as_json:
        show_json([show_row(row).model_dump(mode="json") for row in rows])
        return
    if since is None:
        rows = [row for row in rows if row.span.start >= _beginning(rows)]
    columns = ("when", "opening", *(kind.value for kind in MOVES), "MRR", "ARR", "customers")
    show_table(columns, [_row_cells(row) for row in rows], empty=EMPTY)
    _plot(_closings(rows))


def _beginning(rows: Sequence[Row]) -> date:
    """Return the day from which on there is something to be seen."""
    return min((row.span.start for row in rows if row.opening_minor or row.moved), default=date.max)


def _row_cells(row: Row) -> Sequence[object]:
    def shown(amount_minor: int) -> str:
        return money(amount_minor, row.currency) if amount_minor else ""

    return (
        row.span.label,
        money(row.opening_minor, row.currency),
        *(shown(row.moved.get(kind, 0)) for kind in MOVES),
        money(row.closing_minor, row.currency),
        money(row.closing_minor * 12, row.currency),
        row.customers,
    )


def _closings(rows: Sequence[Row]) -> dict[str, list[int]]:
    grouped = groupby(rows, key=attrgetter("currency"))
    return {currency: [row.closing_minor for row in found] for currency, found in grouped}


def _plot(values: dict[str, list[int]]) -> None:
    """Draw a line for each currency."""
    for currency, levels in values.items():
        first, last = money(levels[0], currency), money(levels[-1], currency)
        for line in drawn(f"\n{sparkline(levels)}  {first} to {last}"):
            typer.echo(line)


def _show_plans(found: Sequence[PlanLevel], as_json: bool) -> None:
    if as_json:
        show_json([show_plan_level(one).model_dump(mode="json") for one in found])
        return
    greatest = max((one.levels_minor[-1] for one in found), default=0)
    rows = [
        (
            one.plan_key,
            one.spans[-1].label,
            money(one.levels_minor[-1], one.currency),
            *drawn(bar(one.levels_minor[-1], greatest, width=BAR_WIDTH)),
            *drawn(sparkline(one.levels_minor)),
        )
        for one in found
    ]
    columns = ("plan", "at the end of", "MRR", *drawn(""), *drawn("over time"))
    show_table(columns, rows, empty=EMPTY)


def retention(
    since: FromOption = None,
    until: ToOption = None,
    currency: CurrencyOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who stayed: NRR, GRR, ARPU, quick ratio, lifetime value, trials, stability."""
    ask = ask_of(since, until, currency=currency)
    columns = (
        *("when", "currency", "customers", "NRR", "GRR", "ARPU", "quick ratio", "LTV"),
        *("trials ended", "converted"),
    )
    for one in _show_ratios(ask, tenant, columns, _stayed, as_json=as_json):
        _tell_whole(one)


def _stayed(one: Ratios) -> Sequence[object]:
    currency = one.row.currency
    return (
        one.row.span.label,
        currency,
        one.row.customers,
        percent(one.nrr),
        percent(one.grr),
        money(one.arpu_minor, currency),
        number(one.quick_ratio),
        money(one.ltv_minor, currency),
        one.trials.ended,
        percent(one.trial_conversion),
    )


def churn(
    since: FromOption = None,
    until: ToOption = None,
    currency: CurrencyOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who and what left each month; `movements --kind churn` says who."""
    ask = ask_of(since, until, currency=currency)
    columns = (
        *("when", "customers before", "lost", "customer churn", "contraction", "churn"),
        *("gross", "net"),
    )
    _show_ratios(ask, tenant, columns, _left, as_json=as_json)


def _left(one: Ratios) -> Sequence[object]:
    currency = one.row.currency
    return (
        one.row.span.label,
        one.kept.customers,
        one.kept.lost,
        percent(one.customer_churn),
        money(one.row.moved.get(Kind.CONTRACTION, 0), currency),
        money(one.row.moved.get(Kind.CHURN, 0), currency),
        percent(one.gross_churn),
        percent(one.net_churn),
    )


def _show_ratios(
    ask: Ask,
    tenant: str | None,
    columns: Sequence[str],
    cells: Callable[[Ratios], Sequence[object]],
    *,
    as_json: bool,
) -> list[Retention]:
    """Show a row of each span; return what was shown to people, nothing for programs."""
    found = run_in_tenant(tenant, lambda ctx: service.retention(ctx, ask))
    if as_json:
        show_json([show_retention(one).model_dump(mode="json") for one in found])
        return []
    rows = [cells(each) for one in found for each in one.ratios]
    show_table(columns, rows, empty=EMPTY)
    return found


def _tell_whole(one: Retention) -> None:
    """Say what all spans together come to, for people."""
    whole = one.whole
    typer.echo(
        f"{one.currency}: MRR stability {percent(stability(one.kept))} a month;"
        f" over all: NRR {percent(ratio(whole.closing_minor, whole.opening_minor))},"
        f" GRR {percent(ratio(whole.held_minor, whole.opening_minor))}."
        " LTV is ARPU / churn: a rough size.",
        err=True,
    )


def cohorts(
    since: FromOption = None,
    until: ToOption = None,
    currency: CurrencyOption = None,
    amounts: Annotated[bool, typer.Option("--mrr", help="By MRR rather than by heads.")] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was left of the customers of each month, at its end and at each one after."""
    ask = ask_of(since, until, currency=currency)
    found = run_in_tenant(tenant, lambda ctx: service.cohorts(ctx, ask))
    if as_json:
        show_json([show_cohort(one).model_dump(mode="json") for one in found])
        return
    ages = max((len(one.left) for one in found), default=0)
    columns = ("cohort", "currency", "began", *(str(age) for age in range(ages)))
    cells = [_cohort_cells(one, amounts=amounts, ages=ages) for one in found]
    show_table(columns, cells, empty=EMPTY)


def _cohort_cells(one: Cohort, *, amounts: bool, ages: int) -> Sequence[object]:
    began = money(one.started_minor, one.currency) if amounts else one.customers
    whole = one.started_minor if amounts else one.customers
    left = [percent(ratio(part, whole)) for part in (one.left_minor if amounts else one.left)]
    return (one.month.label, one.currency, began, *left, *[""] * (ages - len(left)))


def recognition(
    since: FromOption = None,
    until: ToOption = None,
    by: ByOption = Step.MONTH,
    currency: CurrencyOption = None,
    customer: CustomerOption = None,
    plan: PlanOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was billed and earned, and what is deferred; --to ahead shows how it is earned."""
    ask = ask_of(since, until, by=by, currency=currency, customer=customer)
    found = run_in_tenant(tenant, lambda ctx: service.recognition(ctx, ask, plan_key=plan))
    if as_json:
        show_json([show_fall(one).model_dump(mode="json") for one in found])
        return
    columns = (
        *("when", "deferred before", "billed", "earned", "of it usage", "deferred", "unbilled"),
        *drawn(""),
    )
    greatest = max((one.earned_minor for one in found), default=0)
    empty = (
        "Nothing was invoiced yet: revenue is earned from final invoices (solvent invoice list)."
    )
    show_table(columns, [_fall_cells(one, greatest) for one in found], empty=empty)


def _fall_cells(one: Fall, greatest: int) -> Sequence[object]:
    amounts = (
        one.opening_deferred_minor,
        one.billed_minor,
        one.earned_minor,
        one.by_kind.get(LineOf.USAGE, 0),
        one.deferred_minor,
        one.unbilled_minor,
    )
    shown = [money(amount, one.currency) for amount in amounts]
    return (one.span.label, *shown, *drawn(bar(one.earned_minor, greatest, width=BAR_WIDTH)))


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (mrr, churn, retention, cohorts, recognition):
        app.command()(command)
