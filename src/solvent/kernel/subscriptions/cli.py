"""How are subscriptions listed, shown and ended at a terminal?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.json_form import show_subscription
from solvent.kernel.subscriptions.model import Status, Subscription, When
from solvent.kernel.tenants import service as tenants
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
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX

subscription = typer.Typer(help="List, show and end subscriptions.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="The subscription, sub_….", metavar="ID")]
COLUMNS = ("id", "customer", "product", "plan", "status", "current", "period_end", "access_until")


@subscription.command("list")
def list_subscriptions(
    customer: Annotated[
        str | None, typer.Option("--customer", "-c", help="Of one: id or reference.")
    ] = None,
    status: Annotated[Status | None, typer.Option(help="In one state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX)] = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest subscriptions."""

    async def use_case(ctx: Ctx) -> list[Subscription]:
        customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
        return await service.list_all(ctx, customer_id=customer_id, status=status, limit=limit)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_subscription(one).model_dump(mode="json") for one in found])
    else:
        show_table(COLUMNS, map(_row, found), empty="No subscriptions.")


def _row(one: Subscription) -> tuple[str, ...]:
    return (
        one.id,
        one.customer_id,
        one.product_key,
        f"{one.plan_key}@{one.plan_version}",
        one.status.value,
        "yes" if one.current else "no",
        format_time(one.period.end),
        format_time(one.plan_expires_at),
    )


@subscription.command()
def show(id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show one subscription."""

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.get(ctx, id)

    _show(run_in_tenant(tenant, use_case), as_json=as_json)


@subscription.command()
def cancel(
    id: IdArgument,
    at: Annotated[
        str, typer.Option(help="now, period_end, or a moment (RFC 3339).")
    ] = When.NOW.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a subscription now, at its period's end, or at a moment."""
    named = {when.value: when for when in When}
    moment = named.get(at) or parse_time(at, field="--at")

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.cancel(ctx, id, at=moment)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


def _show(one: Subscription, *, as_json: bool) -> None:
    told = show_subscription(one).model_dump(mode="json")
    if as_json:
        show_json(told)
    else:
        show_facts((name, "-" if value is None else value) for name, value in told.items())
