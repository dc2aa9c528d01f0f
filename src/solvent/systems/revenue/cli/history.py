"""How does an operator prove that the numbers are what history gives, and set the policy?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kit.cli import (
    EXIT_FAILED,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
)
from solvent.kit.ctx import Ctx
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Policy, Rebuilt
from solvent.systems.revenue.shapes import show_policy, show_rebuilt

NO_CURRENCY = "each"


def rebuild(
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare, change nothing; exit 1 if anything differs.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive all numbers again from subscriptions and the ledger; add what is missing."""
    found = run_in_tenant(tenant, service.verify if verify else service.rebuild)
    if as_json:
        show_json(show_rebuilt(found).model_dump(mode="json"))
    else:
        _tell(found, verify=verify)
    if verify and not found.same:
        raise typer.Exit(EXIT_FAILED)


def _tell(found: Rebuilt, *, verify: bool) -> None:
    looked = (
        f"{found.customers} customers, {found.movements} movements, {found.lines} lines of revenue"
    )
    if found.same:
        typer.echo(f"{looked}: what is kept is what history gives")
        return
    for one in found.differences:
        typer.echo(one)
    if found.more:
        typer.echo(f"and {found.more} more")
    ending = "solvent revenue rebuild adds what is missing" if verify else "added"
    typer.echo(f"{looked}; {len(found.differences) + found.more} rows differed: {ending}", err=True)


def policy(
    time_zone: Annotated[
        str | None, typer.Option(help="In whose days to count, as Europe/Paris.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="What to report in, as EUR; `each`: every one by itself.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show in whose days and in which currency the business counts, or say it."""

    async def use_case(ctx: Ctx) -> Policy:
        held = await service.get_policy(ctx)
        if time_zone is None and currency is None:
            return held
        kept = held.currency if currency is None else currency
        wanted = Policy(time_zone or held.time_zone, None if kept == NO_CURRENCY else kept)
        return await service.set_policy(ctx, wanted)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(show_policy(found).model_dump(mode="json"))
        return
    show_facts(
        [("days in", found.time_zone), ("reported in", found.currency or "each currency by itself")]
    )


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (rebuild, policy):
        app.command()(command)
