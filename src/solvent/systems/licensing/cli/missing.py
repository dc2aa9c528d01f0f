"""How does an operator give licenses to those who paid before there was a policy?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import typer

from solvent.kit.cli import (
    Door,
    JsonOption,
    LimitOption,
    TenantOption,
    run_at_door,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.licensing import service
from solvent.systems.licensing.model import Purchase
from solvent.systems.licensing.service import Missing
from solvent.systems.licensing.shapes import show_purchase


def give(tenant: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Give licenses to those who have none, or show who would get one; tell how far it has come."""

    async def use_case(door: Door) -> list[Missing]:
        return [one async for one in _parts(door, tenant, dry_run=dry_run)]

    found = run_at_door(use_case)
    rows = [(one.name, one.policy.key, one.customer_id) for one in found]
    columns = ("of", "policy", "customer")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="Nobody who paid is without a license.")
    if dry_run:
        typer.echo(f"dry run: {len(found)} would get a license, nothing was changed", err=True)
    elif found:
        typer.echo(f"{len(found)} licenses were given", err=True)


async def _parts(door: Door, tenant: str | None, *, dry_run: bool) -> AsyncIterator[Missing]:
    """Work through it all, each part in a transaction of its own."""
    tenant_id = await door.tenant_of(tenant)
    after: str | None = ""
    looked_at = 0
    while after is not None:
        async with door.edge.open(tenant_id, OPERATOR) as ctx:
            if dry_run:
                page = await service.find_missing(ctx, after=after)
            else:
                page, _ = await service.issue_missing(ctx, after=after)
        for one in page.found:
            yield one
        after, looked_at = page.after, looked_at + page.looked_at
        if after is not None and page.looked_at:
            typer.echo(f"looked at {looked_at} …", err=True)


def purchases(
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was bought once and no policy fulfills: `issue POLICY --purchase NAME` does."""

    async def use_case(ctx: Ctx) -> list[Purchase]:
        return await service.list_waiting(ctx, limit=limit)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_purchase(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (one.key, one.plan_key or "", one.customer_id, format_time(one.bought_at)) for one in found
    ]
    show_table(("purchase", "plan", "customer", "bought"), rows, empty="No purchase waits.")


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(purchases)
