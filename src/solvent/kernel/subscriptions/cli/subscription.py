"""How are subscriptions made, shown and changed at a terminal?"""

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
from solvent.kernel.subscriptions.json_form import show_planned, show_subscription
from solvent.kernel.subscriptions.model import PlannedChange, Status, Subscription, When
from solvent.kernel.subscriptions.rules.changing import all_planned
from solvent.kernel.tenants import service as tenants
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    LimitOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE

subscription = typer.Typer(help="Make, show and change subscriptions.", no_args_is_help=True)

PLANNED_COLUMNS = ("id", "what", "at", "to")
COLUMNS = ("id", "customer", "product", "plan", "status", "current", "period_end", "access_until")


@subscription.command("list")
def list_subscriptions(
    customer: Annotated[
        str | None, typer.Option("--customer", "-c", help="Of one: id or reference.")
    ] = None,
    status: Annotated[Status | None, typer.Option(help="In one state.")] = None,
    limit: LimitOption = PAGE_SIZE,
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
def create(
    customer: Annotated[str, typer.Argument(help="The customer: id or reference.")],
    plan: Annotated[str, typer.Argument(help="The plan's key.")],
    version: VersionOption = None,
    quantity: QuantityOption = None,
    trial_days: Annotated[int | None, typer.Option(help="By default the plan's.", min=0)] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Subscribe a customer to a plan that Solvent itself renews."""

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.create(
            ctx, customer, plan, version=version, trial_days=trial_days, quantity=quantity
        )

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command()
def cancel(
    id: IdArgument,
    at: AtOption = When.NOW.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a subscription now, at its period's end, or at a moment."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.cancel(ctx, id, at=when)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command("change-plan")
def change_plan(
    id: IdArgument,
    plan: Annotated[str, typer.Argument(help="The key of the plan to move to.")],
    version: VersionOption = None,
    quantity: QuantityOption = None,
    at: AutoOption = When.AUTO.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move a subscription to another plan of its product, now or later."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.change_plan(
            ctx, id, plan, version=version, when=when, quantity=quantity
        )

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command("change-quantity")
def change_quantity(
    id: IdArgument,
    quantity: Annotated[int, typer.Argument(help="How many seats.", min=1)],
    at: AutoOption = When.AUTO.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a subscription another number of seats, now or later."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.change_quantity(ctx, id, quantity, when=when)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command("change-time-zone")
def change_time_zone(
    id: IdArgument,
    time_zone: Annotated[str, typer.Argument(help="For example Europe/Paris.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count the boundaries after the present period in another zone."""

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.change_time_zone(ctx, id, time_zone)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command()
def pause(
    id: IdArgument,
    at: AtOption = When.NOW.value,
    resume_at: Annotated[
        str | None, typer.Option(help="When it goes on by itself (RFC 3339).")
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stop access and charges, now or later."""
    until = parse_time(resume_at, field="--resume-at") if resume_at else None
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.pause(ctx, id, at=when, resume_at=until)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command()
def resume(
    id: IdArgument,
    at: AtOption = When.NOW.value,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a paused subscription go on, now or later."""
    when = parse_when(at)

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.resume(ctx, id, at=when)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@subscription.command("note-card")
def note_card(
    customer: Annotated[str, typer.Argument(help="The customer: id or reference.")],
    on_file: Annotated[bool, typer.Option("--on-file/--none", help="Whether there is one.")] = True,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Say that a customer has a card on file: trials that wait for one begin."""

    async def use_case(ctx: Ctx) -> list[Subscription]:
        return await service.note_card(ctx, customer, on_file=on_file)

    begun = run_in_tenant(tenant, use_case, dry_run=dry_run)
    show_table(COLUMNS, map(_row, begun), empty="Noted; no trial was waiting.")


@subscription.command()
def planned(id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List what is to become of a subscription, the soonest first."""

    async def use_case(ctx: Ctx) -> tuple[PlannedChange, ...]:
        return await service.list_planned(ctx, id)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_planned(one).model_dump(mode="json") for one in found])
    else:
        rows = [(one.id, one.kind.value, format_time(one.at), _aim(one)) for one in found]
        show_table(PLANNED_COLUMNS, rows, empty="Nothing is planned.")


def _aim(one: PlannedChange) -> str:
    told = [f"{one.plan.plan_key}@{one.plan.version}"] if one.plan else []
    told += [f"{one.quantity} seats"] if one.quantity else []
    told += [f"until {format_time(one.resume_at)}"] if one.resume_at else []
    return ", ".join(told) or "-"


@subscription.command()
def withdraw(
    id: IdArgument,
    change: Annotated[str, typer.Argument(help="The planned change, as `planned` lists it.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take back a change that has not yet come true, a cancellation too."""

    async def use_case(ctx: Ctx) -> Subscription:
        return await service.withdraw(ctx, id, change)

    _show(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


def _show(one: Subscription, *, as_json: bool) -> None:
    told = show_subscription(one).model_dump(mode="json")
    if as_json:
        show_json(told)
        return
    told["next_plan"] = (
        f"{one.next_plan.plan_key}@{one.next_plan.version}" if one.next_plan else None
    )
    told["planned"] = "; ".join(f"{p.kind.value} {format_time(p.at)}" for p in all_planned(one))
    show_facts((name, "-" if value in {None, ""} else value) for name, value in told.items())
