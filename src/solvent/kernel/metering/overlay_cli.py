"""How does an operator take usage back, put it right, and let old usage in, at a terminal?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeAlias

import typer

from solvent.kernel.metering import amending, rehearsing, windows
from solvent.kernel.metering.model import Amendment, Overlay, Period, UsageEffect, Window
from solvent.kernel.metering.overlay_form import UsageHistory, show_history
from solvent.kernel.metering.ports import UsageJudge
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

FindJudge: TypeAlias = Callable[[], UsageJudge]
Did: TypeAlias = "Callable[[Ctx], Awaitable[Overlay]]"
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept for ever.")]
EventArgument = Annotated[str, typer.Argument(help="The event, by its id.")]

window = typer.Typer(help="Take usage of a time however old it is.", no_args_is_help=True)


def extend(usage: typer.Typer, judge: FindJudge) -> None:
    """Add what changes recorded usage to `solvent usage`; whom `judge` finds knows invoices."""
    usage.add_typer(window, name="window")
    usage.command("history")(history)

    @usage.command()
    def void(
        event: EventArgument,
        reason: ReasonOption,
        tenant: TenantOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        """Take a usage event back: it counts nowhere from now on."""

        async def act(ctx: Ctx) -> Overlay:
            return await amending.void(ctx, event, reason=reason)

        _run(judge(), act, event_id=event, tenant=tenant, dry_run=dry_run)

    @usage.command()
    def amend(
        event: EventArgument,
        reason: ReasonOption,
        value: Annotated[str | None, typer.Option(help="What it is to count as.")] = None,
        properties: Annotated[
            list[str] | None, typer.Option("--property", help="NAME=VALUE; in place of all.")
        ] = None,
        tenant: TenantOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        """Let a usage event count as another value, or with other properties."""
        amendment = Amendment(value=value, properties=_pairs(properties))

        async def act(ctx: Ctx) -> Overlay:
            return await amending.amend(ctx, event, amendment, reason=reason)

        _run(judge(), act, event_id=event, tenant=tenant, dry_run=dry_run)

    @usage.command()
    def undo(
        overlay: Annotated[str, typer.Argument(help="What was said of an event, by id (ovl_…).")],
        reason: ReasonOption,
        tenant: TenantOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        """Let an event count as before the latest that was said of it."""

        async def act(ctx: Ctx) -> Overlay:
            return await amending.undo(ctx, overlay, reason=reason)

        _run(judge(), act, overlay_id=overlay, tenant=tenant, dry_run=dry_run)


def _pairs(given: Sequence[str] | None) -> dict[str, str] | None:
    if given is None:
        return None
    pairs = [one.partition("=") for one in given]
    if not all(name and sign for name, sign, _ in pairs):
        raise typer.BadParameter("expected NAME=VALUE", param_hint="--property")
    return {name: value for name, _, value in pairs}


def _run(
    judge: UsageJudge,
    act: Did,
    *,
    tenant: str | None,
    dry_run: bool,
    event_id: str | None = None,
    overlay_id: str = "",
) -> None:
    async def use_case(ctx: Ctx) -> tuple[Overlay, list[UsageEffect]]:
        if not dry_run:
            return await act(ctx), []
        if event_id is None:
            ref = (await amending.get_overlay(ctx, overlay_id)).customer_ref
        else:
            ref = (await amending.history(ctx, event_id))[0].customer_ref
        return await rehearsing.rehearse(ctx, judge, lambda: act(ctx), customer_refs=[ref])

    said, effects = run_in_tenant(tenant, use_case, dry_run=dry_run)
    show_facts(
        [
            ("overlay", said.id),
            ("event", said.event_id),
            ("counts as", "nothing" if said.voided else said.unique_value or str(said.value)),
        ]
    )
    if dry_run:
        show_effects(effects)


def show_effects(effects: Sequence[UsageEffect]) -> None:
    """Show which invoices would be changed, and how."""
    columns = ("customer", "invoice", "status", "currency", "before", "after", "outcome")
    rows = [
        (
            one.customer_ref,
            one.reference,
            one.status,
            one.currency,
            one.before_minor,
            one.after_minor,
            one.outcome.value,
        )
        for one in effects
    ]
    typer.echo("")
    show_table(columns, rows, empty="No invoice would be changed.")


def history(event: EventArgument, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show an event as it was recorded, what it counts as now, and all that was said of it."""

    async def look(ctx: Ctx) -> UsageHistory:
        return show_history(*await amending.history(ctx, event))

    told = run_in_tenant(tenant, look)
    if as_json:
        show_json(told.model_dump(mode="json"))
        return
    show_facts(
        [
            ("event", told.event.id),
            ("recorded as", told.event.value),
            ("state", told.state.value),
            ("counts as", told.counted),
        ]
    )
    columns = ("when", "what", "counts as", "why", "by", "id")
    rows = [
        (
            format_time(one.made_at),
            one.kind.value,
            "nothing" if one.voided else one.value,
            one.reason,
            one.actor,
            one.id,
        )
        for one in told.overlays
    ]
    show_table(columns, rows, empty="Nothing was said of it.")


@window.command("open")
def open_window(
    meter: Annotated[str, typer.Argument(help="The key of the meter.")],
    start: Annotated[str, typer.Option(help="From when, RFC 3339.")],
    end: Annotated[str, typer.Option(help="To before when, RFC 3339.")],
    reason: ReasonOption,
    customer: Annotated[str | None, typer.Option(help="Of one customer; of all without.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take usage of a time however old; it corrects nothing before the window is finished."""
    period = Period(*windows.moments(start, end))

    async def act(ctx: Ctx) -> Window:
        return await windows.open_window(ctx, meter, period, reason=reason, customer_ref=customer)

    typer.echo(f"window {run_in_tenant(tenant, act, dry_run=dry_run).id} is open")


@window.command("finish")
def finish_window(
    id: Annotated[str, typer.Argument(help="The window, by id (win_…).")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Close a window: what came through it counts like all other late usage."""

    async def act(ctx: Ctx) -> Window:
        return await windows.finish_window(ctx, id)

    typer.echo(f"window {run_in_tenant(tenant, act, dry_run=dry_run).id} is finished")


@window.command("list")
def list_windows(tenant: TenantOption = None) -> None:
    """List windows, the newest first."""

    async def look(ctx: Ctx) -> list[Window]:
        return await windows.list_windows(ctx, limit=PAGE_SIZE_MAX)

    rows = [
        (
            one.id,
            one.meter_key,
            one.customer_ref or "all",
            format_time(one.period.start),
            format_time(one.period.end),
            "finished" if one.finished_at else "open",
            one.reason,
        )
        for one in run_in_tenant(tenant, look)
    ]
    columns = ("id", "meter", "customer", "start", "end", "state", "reason")
    show_table(columns, rows, empty="No window was opened yet.")
