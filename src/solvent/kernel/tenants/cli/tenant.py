"""How are businesses made and listed at a terminal?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import NewBusiness, Tenant
from solvent.kit.cli import JsonOption, run_at_edge, show_facts, show_json, show_table
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Edge

app = typer.Typer(help="Businesses: each is a live tenant and its test twin.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name of the business.")],
    slug: Annotated[
        str | None, typer.Option(help="Its subdomain; made from the name unless given.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="E-mail address of its first owner.")] = None,
    test_clock: Annotated[
        str | None, typer.Option(help="Moment at which the test twin's time stands still.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a business; its keys are printed once and can never be shown again."""
    at: datetime | None = parse_time(test_clock, field="--test-clock") if test_clock else None

    async def use_case(edge: Edge) -> NewBusiness:
        return await service.create_business(
            edge, name=name, slug=slug, owner_email=owner, test_clock_at=at
        )

    made = run_at_edge(use_case)
    if as_json:
        show_json(_as_object(made))
        return
    show_facts(
        [
            ("live tenant", f"{made.live.slug}  {made.live.id}"),
            ("test tenant", f"{made.test.slug}  {made.test.id}"),
            *(("key", issued.text) for issued in made.keys),
        ]
    )
    typer.echo("The keys are shown this once: keep them now.", err=True)


@app.command("list")
def list_tenants(as_json: JsonOption = False) -> None:
    """List the tenants of this deployment."""
    tenants = run_at_edge(service.all_tenants)
    if as_json:
        show_json([_tenant(tenant) for tenant in tenants])
        return
    rows = [(t.slug, t.mode.value, t.name, t.id, format_time(t.created_at)) for t in tenants]
    empty = "No tenants yet: solvent tenant create NAME"
    show_table(("slug", "mode", "name", "id", "created"), rows, empty=empty)


def _as_object(made: NewBusiness) -> dict[str, object]:
    by_start = {issued.key.prefix.rstrip("_"): issued.text for issued in made.keys}
    return {
        "live": _tenant(made.live),
        "test": _tenant(made.test),
        "keys": by_start,
        "owner_id": made.owner.id if made.owner else None,
    }


def _tenant(tenant: Tenant) -> dict[str, str]:
    return {
        "id": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "mode": tenant.mode.value,
        "created_at": format_time(tenant.created_at),
    }
