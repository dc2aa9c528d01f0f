"""How are members managed at a terminal?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import Member, Role
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx

LIST_MAX = 500

app = typer.Typer(help="The business's people.", no_args_is_help=True)


@app.command("add")
def add(
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    tenant: TenantOption = None,
    role: Annotated[Role, typer.Option(help="What they are to the business.")] = Role.DEVELOPER,
    name: Annotated[str | None, typer.Option(help="Their name.")] = None,
) -> None:
    """Add a member."""

    async def use_case(ctx: Ctx) -> Member:
        return await service.add_member(ctx, email=email, role=role, name=name)

    member = run_in_tenant(tenant, use_case)
    typer.echo(f"{member.id}  {member.email}  {member.role}")


@app.command("list")
def list_members(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List members in the order in which they came."""

    async def use_case(ctx: Ctx) -> list[Member]:
        return await service.list_members(ctx, limit=LIST_MAX)

    members = run_in_tenant(tenant, use_case)
    rows = [(m.id, m.email, m.name, m.role.value, format_time(m.created_at)) for m in members]
    columns = ("id", "email", "name", "role", "created_at")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows)


@app.command("remove")
def remove(
    member_id: Annotated[str, typer.Argument(help="Id of the member, mem_…")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Remove a member; their sessions end."""

    async def use_case(ctx: Ctx) -> None:
        await service.remove_member(ctx, member_id)

    run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{member_id} is removed")
