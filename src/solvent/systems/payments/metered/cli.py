"""How does an operator let Stripe bill usage, and see what it was told?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kit.cli import (
    DryRunOption,
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
from solvent.kit.money import plain_number
from solvent.systems.payments.metered import service
from solvent.systems.payments.metered.model import Metered, MeterEvent, SendState

app = typer.Typer(help="Let Stripe bill usage, by its meters.", no_args_is_help=True)

MeterArgument = Annotated[str, typer.Argument(help="Key of the meter, as in the catalogue.")]


@app.command()
def report(
    meter: MeterArgument,
    event_name: Annotated[str, typer.Option("--as", help="Event name of the meter at Stripe.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Tell Stripe of a meter's usage from the next hour on, as events of this name."""

    async def use_case(ctx: Ctx) -> Metered:
        return await service.report(ctx, meter, event_name=event_name)

    one = run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{one.meter_key} is told as {one.event_name} from {format_time(one.since)} on")


@app.command()
def stop(meter: MeterArgument, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Tell Stripe no more of a meter; what is drafted is still sent."""

    async def use_case(ctx: Ctx) -> None:
        await service.stop(ctx, meter)

    run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{meter} is told no more")


@app.command()
def status(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show each meter that Stripe is told of, and how far that has come."""
    found = run_in_tenant(tenant, service.list_standing)
    if as_json:
        from solvent.systems.payments.metered.shapes import show_standing  # noqa: PLC0415 - heavy

        show_json([show_standing(one).model_dump(mode="json") for one in found])
        return
    columns = ("meter", "as", *(state.value for state in SendState), "told up to", "oldest waiting")
    rows = [
        (
            one.metered.meter_key,
            one.metered.event_name,
            *(one.counts[state] for state in SendState),
            format_time(one.told_up_to) if one.told_up_to else "-",
            format_time(one.oldest_waiting) if one.oldest_waiting else "-",
        )
        for one in found
    ]
    show_table(columns, rows, empty="None yet: solvent payments meters report METER --as NAME")


@app.command("events")
def list_events(
    state: Annotated[SendState | None, typer.Option(help="Only events of this state.")] = None,
    meter: Annotated[str | None, typer.Option(help="Only events of this meter.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what Stripe was or is to be told, the newest first, and what came of it."""

    async def use_case(ctx: Ctx) -> list[MeterEvent]:
        return await service.list_events(ctx, state=state, meter_key=meter, limit=limit)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        from solvent.systems.payments.metered.shapes import show_event  # noqa: PLC0415 - heavy

        show_json([show_event(one).model_dump(mode="json") for one in found])
        return
    columns = ("event", "meter", "customer", "hour", "value", "state", "reason")
    rows = [
        (
            one.id,
            one.meter_key,
            one.customer_ref,
            format_time(one.hour),
            plain_number(one.value),
            one.state,
            one.reason or "",
        )
        for one in found
    ]
    show_table(columns, rows, empty="Nothing was told yet.")


@app.command()
def retry(
    event: Annotated[str | None, typer.Argument(help="An event that was refused.")] = None,
    all_refused: Annotated[bool, typer.Option(help="Every event that was refused.")] = False,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Send again what Stripe refused, say once its meter has been made there."""
    if (event is None) != all_refused:
        raise typer.BadParameter("name one event, or give --all-refused")

    async def use_case(ctx: Ctx) -> int:
        return await service.retry(ctx, event)

    typer.echo(f"{run_in_tenant(tenant, use_case, dry_run=dry_run)} to be sent again")


@app.command()
def resolve(
    event: Annotated[str, typer.Argument(help="An event of which it is unclear.")],
    arrived: Annotated[
        bool, typer.Option("--arrived/--missing", help="Whether Stripe has got it.")
    ],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Say whether Stripe has an event; what is missing is sent again."""

    async def use_case(ctx: Ctx) -> None:
        await service.resolve(ctx, event, arrived=arrived)

    run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{event} {'has arrived' if arrived else 'is sent again'}")
