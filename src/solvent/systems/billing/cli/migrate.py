"""How does an operator move many subscriptions to another version of a plan?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kernel.subscriptions.model import When
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.billing import rules as paper
from solvent.systems.billing.errors import MigrationMalformed
from solvent.systems.billing.migrations import rules, service
from solvent.systems.billing.migrations.json_form import show_migration, show_migration_item
from solvent.systems.billing.migrations.model import (
    Aim,
    Foresight,
    ItemState,
    Migration,
    MigrationItem,
)

app = typer.Typer(
    help="Move many subscriptions to another version of a plan.", invoke_without_command=True
)

IdArgument = Annotated[str, typer.Argument(help="The migration, mig_….", metavar="ID")]
COLUMNS = ("subscription", "customer", "state", "now", "before", "after", "from", "detail")
SUMS = ("state", "subscriptions", "now", "before", "after")


@app.callback()
def migrate(
    context: typer.Context,
    source: Annotated[str | None, typer.Option("--from", help="As pro@1.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="As pro@2.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="As country=DE; also customer, status, created_before."),
    ] = None,
    at: Annotated[When, typer.Option(help="now or period_end.")] = When.PERIOD_END,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move all subscriptions of a version of a plan to another; try it with --dry-run first."""
    if context.invoked_subcommand is not None:
        return
    if source is None or target is None:
        raise MigrationMalformed("expected a version of a plan, as pro@2", field="--from, --to")
    aim = Aim(
        rules.parse_plan(source, field="--from"),
        rules.parse_plan(target, field="--to"),
        at,
        rules.parse_where(where or ()),
    )
    if dry_run:
        _show_foresight(run_in_tenant(tenant, lambda ctx: _foresee(ctx, aim)), as_json=as_json)
    else:
        _show(run_in_tenant(tenant, lambda ctx: service.start(ctx, aim)), as_json=as_json)


async def _foresee(ctx: Ctx, aim: Aim) -> Foresight:
    """Look at all that the migration means, page by page."""
    found = await service.foresee(ctx, aim)
    items = [*found.items]
    while found.after is not None:
        found = await service.foresee(ctx, aim, after=found.after)
        items += found.items
    return Foresight(tuple(items), found.currency, found.matching, None)


def _show_foresight(one: Foresight, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "items": [show_migration_item(item).model_dump(mode="json") for item in one.items],
                "currency": one.currency,
                "matching": one.matching,
            }
        )
        return
    show_table(COLUMNS, [_row(item, one.currency) for item in one.items], empty="No subscriptions.")
    sums = rules.tallied(one.items)
    show_table(
        SUMS,
        [
            (
                state.value,
                str(tally.count),
                paper.money(tally.now_minor, one.currency),
                paper.money(tally.fee_before_minor, one.currency),
                paper.money(tally.fee_after_minor, one.currency),
            )
            for state, tally in sums.items()
        ],
        empty="Nothing would change.",
    )
    typer.echo("dry run: nothing was kept", err=True)


def _row(one: MigrationItem, currency: str) -> tuple[str, ...]:
    return (
        one.subscription_id,
        one.customer_id,
        one.state.value,
        paper.money(one.now_minor, currency),
        paper.money(one.fee_before_minor, currency),
        paper.money(one.fee_after_minor, currency),
        format_time(one.takes_effect_at) if one.takes_effect_at else "-",
        one.detail or "-",
    )


@app.command()
def status(id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show a migration and how far it is."""
    _show(run_in_tenant(tenant, lambda ctx: service.get_migration(ctx, id)), as_json=as_json)


@app.command("list")
def list_migrations(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the newest migrations."""
    found = run_in_tenant(tenant, lambda ctx: service.list_migrations(ctx, limit=PAGE_SIZE_MAX))
    if as_json:
        show_json([show_migration(one).model_dump(mode="json") for one in found])
        return
    rows = [(one.id, _way(one), one.state.value, _progress(one)) for one in found]
    show_table(("id", "way", "state", "looked at"), rows, empty="No migrations.")


@app.command()
def items(
    id: IdArgument,
    state: Annotated[ItemState | None, typer.Option(help="In one state.")] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what became of the subscriptions of a migration, at most 200 of a state."""

    async def use_case(ctx: Ctx) -> tuple[Migration, list[MigrationItem]]:
        one = await service.get_migration(ctx, id)
        return one, await service.list_items(ctx, id, state=state, limit=PAGE_SIZE_MAX)

    one, found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_migration_item(item).model_dump(mode="json") for item in found])
    else:
        show_table(COLUMNS, [_row(item, one.currency) for item in found], empty="None yet.")


@app.command()
def undo(id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Stop a migration and take back what is only planned."""
    _show(run_in_tenant(tenant, lambda ctx: service.undo(ctx, id)), as_json=as_json)


def _way(one: Migration) -> str:
    source, target = one.aim.source, one.aim.target
    return f"{source.plan_key}@{source.version} -> {target.plan_key}@{target.version}"


def _progress(one: Migration) -> str:
    return f"{one.looked_at} of {one.matching}"


def _show(one: Migration, *, as_json: bool) -> None:
    if as_json:
        show_json(show_migration(one).model_dump(mode="json"))
        return
    facts = [
        ("migration", one.id),
        ("way", _way(one)),
        ("when", one.aim.when.value),
        ("state", one.state.value),
        ("looked at", _progress(one)),
    ]
    facts += [(state.value, str(tally.count)) for state, tally in one.tallies.items()]
    show_facts(facts)
