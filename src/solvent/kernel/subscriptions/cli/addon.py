"""How does a subscription come by add-ons at a terminal, and lose them?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.cli.options import (
    AtOption,
    AutoOption,
    IdArgument,
    QuantityOption,
    VersionOption,
    parse_when,
)
from solvent.kernel.subscriptions.json_form import show_addon
from solvent.kernel.subscriptions.model import Addon, When
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx

addon = typer.Typer(help="Add extras to subscriptions, and end them.", no_args_is_help=True)

AddonArgument = Annotated[
    str, typer.Argument(help="The add-on, add_…, as `list` tells it.", metavar="ADDON")
]
COLUMNS = ("id", "plan", "quantity", "from", "until")


@addon.command("list")
def list_addons(id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the add-ons that a subscription has, had or is to have."""

    async def use_case(ctx: Ctx) -> list[Addon]:
        return await service.list_addons(ctx, id)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_addon(one).model_dump(mode="json") for one in found])
    else:
        show_table(COLUMNS, map(_row, found), empty="No add-ons.")


def _row(one: Addon) -> tuple[str, ...]:
    return (
        one.id,
        f"{one.plan.plan_key}@{one.plan.version}",
        str(one.quantity),
        format_time(one.starts_at),
        format_time(one.ends_at) if one.ends_at else "-",
    )


@addon.command()
def add(
    id: IdArgument,
    plan: Annotated[str, typer.Argument(help="The key of the add-on's plan.")],
    version: VersionOption = None,
    quantity: QuantityOption = None,
    at: AtOption = When.NOW.value,
    ends_at: Annotated[
        str | None, typer.Option(help="By default with the subscription (RFC 3339).")
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a subscription an add-on, from now or later on."""
    start = parse_when(at)
    until = parse_time(ends_at, field="--ends-at") if ends_at else None

    async def use_case(ctx: Ctx) -> Addon | None:
        return await service.add_addon(
            ctx, id, plan, version=version, quantity=quantity, start=start, ends_at=until
        )

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@addon.command()
def end(
    id: IdArgument,
    addon: AddonArgument,
    at: AtOption = When.NOW.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """End an add-on now or later."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Addon | None:
        return await service.end_addon(ctx, id, addon, at=when)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@addon.command()
def keep(
    id: IdArgument, addon: AddonArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Take back an end that has not yet come."""

    async def use_case(ctx: Ctx) -> Addon | None:
        return await service.keep_addon(ctx, id, addon)

    _show(run_in_tenant(tenant, use_case), as_json=as_json)


@addon.command("change-quantity")
def change_quantity(
    id: IdArgument,
    addon: AddonArgument,
    quantity: Annotated[int, typer.Argument(help="How many.", min=1)],
    at: AutoOption = When.AUTO.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give an add-on another quantity, now or later; it goes on under another id."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Addon | None:
        return await service.change_addon(ctx, id, addon, quantity, when=when)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


def _show(one: Addon | None, *, as_json: bool) -> None:
    if one is None:
        typer.echo("It had not begun, and is gone.")
        return
    told = show_addon(one).model_dump(mode="json")
    if as_json:
        show_json(told)
    else:
        show_facts((name, "-" if value is None else str(value)) for name, value in told.items())
