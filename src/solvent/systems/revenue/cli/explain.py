"""How does a founder see what is behind a number, and take it along?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from solvent.kit.cli import (
    EXIT_FAILED,
    JsonOption,
    LimitOption,
    TenantOption,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.revenue import service
from solvent.systems.revenue.cli.given import (
    EMPTY,
    ByOption,
    CurrencyOption,
    CustomerOption,
    FromOption,
    PlanOption,
    SpanArgument,
    ToOption,
    ask_of,
    ask_within,
    money,
)
from solvent.systems.revenue.model import Kind, Row, Share, Step
from solvent.systems.revenue.rules.spans import span_named
from solvent.systems.revenue.service import Listed, What
from solvent.systems.revenue.shapes import show_movement, show_row, show_share


def movements(
    since: FromOption = None,
    until: ToOption = None,
    customer: CustomerOption = None,
    plan: PlanOption = None,
    kind: Annotated[Kind | None, typer.Option(help="Only of this kind.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the movements of MRR in the order of time."""
    ask = ask_of(since, until, customer=customer)
    found = run_in_tenant(
        tenant,
        lambda ctx: service.list_movements(ctx, ask, plan_key=plan, kind=kind, limit=limit + 1),
    )
    if as_json:
        show_json([show_movement(one).model_dump(mode="json") for one in found[:limit]])
        return
    _show_movements(found[:limit])
    if len(found) > limit:
        typer.echo(f"there are more than {limit}: ask for more with --limit, or export", err=True)


def _show_movements(found: Sequence[Listed]) -> None:
    rows = [
        (
            str(one.told.day),
            one.told.kind.value,
            money(one.told.movement.delta_minor, one.told.movement.currency),
            one.customer_ref,
            f"{one.told.movement.plan_key}@{one.told.movement.plan_version}",
            one.told.movement.subscription_id,
            format_time(one.told.movement.at),
        )
        for one in found
    ]
    columns = ("day", "kind", "MRR", "customer", "plan", "subscription", "at")
    show_table(columns, rows, empty="Nothing moved.")


@dataclass(frozen=True, slots=True)
class _Behind:
    """What is behind the numbers of a month or day."""

    rows: Sequence[Row]
    movements: Sequence[Listed]
    shares: Sequence[Share]


def explain(
    when: SpanArgument,
    customer: CustomerOption = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the subscriptions and the lines of invoices behind a month's or a day's numbers."""
    ask = ask_within(span_named(when, field="WHEN"), currency="each", customer=customer)

    async def use_case(ctx: Ctx) -> _Behind:
        return _Behind(
            await service.mrr(ctx, ask),
            await service.list_movements(ctx, ask, limit=limit + 1),
            await service.list_shares(ctx, ask, limit=limit + 1),
        )

    behind = run_in_tenant(tenant, use_case)
    if as_json:
        _explain_as_json(behind, limit)
        return
    for row in behind.rows:
        typer.echo(_sentence(row))
    if not behind.rows:
        typer.echo(EMPTY, err=True)
    typer.echo("\nWhat moved MRR:")
    _show_movements(behind.movements[:limit])
    typer.echo("\nWhat was earned:")
    _show_shares(behind.shares[:limit])
    if max(len(behind.movements), len(behind.shares)) > limit:
        typer.echo(f"each list shows its first {limit}: ask for more with --limit", err=True)


def _explain_as_json(behind: _Behind, limit: int) -> None:
    show_json(
        {
            "mrr": [show_row(row).model_dump(mode="json") for row in behind.rows],
            "movements": [
                show_movement(one).model_dump(mode="json") for one in behind.movements[:limit]
            ],
            "lines": [show_share(one).model_dump(mode="json") for one in behind.shares[:limit]],
        }
    )


def _sentence(row: Row) -> str:
    """Return a row as arithmetic: 100.00 + 20.00 new - 5.00 churn = 115.00."""
    parts = [
        f"{'+' if moved > 0 else '-'} {money(abs(moved), row.currency)} {kind.value}"
        for kind, moved in sorted(row.moved.items())
        if moved
    ]
    opening, closing = (money(one, row.currency) for one in (row.opening_minor, row.closing_minor))
    told = " ".join([opening, *parts, "=", closing])
    return f"{row.span.label}: {told}, customers: {row.customers}"


def _show_shares(found: Sequence[Share]) -> None:
    rows = [
        (
            money(one.earned_minor, one.earning.line.currency),
            money(one.left_minor, one.earning.line.currency),
            money(one.earning.line.amount_minor, one.earning.line.currency),
            one.earning.line.of.value,
            one.earning.line.document_id,
            one.earning.line.line,
            one.earning.line.plan_key or "",
            format_time(one.earning.line.since),
            format_time(one.earning.line.until),
        )
        for one in found
    ]
    columns = ("earned", "left", "of", "for", "document", "line", "plan", "from", "until")
    show_table(columns, rows, empty="Nothing was earned.")


def export(
    what: Annotated[What, typer.Argument(help="Which table.")],
    since: FromOption = None,
    until: ToOption = None,
    by: ByOption = Step.MONTH,
    currency: CurrencyOption = None,
    customer: CustomerOption = None,
    out: Annotated[Path | None, typer.Option(help="A new file; without one, to the pipe.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Write a table as CSV (RFC 4180), complete: amounts in minor units."""
    if out and out.exists():
        typer.echo(f"--out: there is a file {out} already", err=True)
        raise typer.Exit(EXIT_FAILED)
    ask = ask_of(since, until, by=by, currency=currency, customer=customer)
    text = run_in_tenant(tenant, lambda ctx: service.export(ctx, what, ask))
    if out:
        out.write_bytes(text.encode())
        typer.echo(str(out))
    else:
        typer.echo(text, nl=False)


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (movements, explain, export):
        app.command()(command)
