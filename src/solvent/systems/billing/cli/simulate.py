"""How does an operator look ahead: what will be charged, and what would have been?"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from solvent.kernel.ledger import document
from solvent.kernel.ledger.model import InvoiceDraft
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.cli import (
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.systems.billing import effects, rules
from solvent.systems.billing.cli.invoice import show_draft
from solvent.systems.billing.effects import LateUsage
from solvent.systems.billing.simulation import rules as spreading
from solvent.systems.billing.simulation import service
from solvent.systems.billing.simulation.form import COLUMNS, rows_of, show_simulation
from solvent.systems.billing.simulation.model import Bin, Simulation
from solvent.systems.billing.simulation.service import Wish

app = typer.Typer(help="See what will be, or would have been, charged.", no_args_is_help=True)

SHOWN_MAX = 20


@app.command("preview")
def preview(
    customer: Annotated[str, typer.Argument(help="The customer, by id or own reference.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a customer's invoices would say by now, line by line; nothing is saved."""

    async def look(ctx: Ctx) -> list[tuple[Subscription, InvoiceDraft]]:
        return await service.preview(ctx, customer)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([document.to_plain(said) for _, said in found])
        return
    for held, said in found:
        typer.echo(f"\nsubscription {held.id}")
        show_draft(said, zone=held.time_zone)
    if not found:
        typer.echo("No subscription is current.", err=True)


@app.command("late")
def late(
    customer: Annotated[str, typer.Argument(help="The customer, by id or own reference.")],
    tenant: TenantOption = None,
) -> None:
    """List usage that came, or was put right, after the invoices that it is for."""

    async def look(ctx: Ctx) -> list[LateUsage]:
        return await effects.late_usage(ctx, customer)

    rows = [
        (
            one.reference,
            one.meter_key,
            one.event.event_id,
            format_time(one.event.at),
            one.event.what,
            f"corrected on {one.corrected_on}" if one.corrected_on else one.outcome.value,
        )
        for one in run_in_tenant(tenant, look)
    ]
    columns = ("invoice", "meter", "event", "at", "what", "outcome")
    show_table(columns, rows, empty="Nothing came late.")


@app.command("simulate")
def simulate(
    plan: Annotated[
        str | None, typer.Option(help="The plan to rate under; that of --of without.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Its version; the latest without.")] = None,
    customer: Annotated[
        str | None, typer.Option(help="Of this customer, by id or own ref.")
    ] = None,
    of: Annotated[str | None, typer.Option(help="Of all periods on this plan.")] = None,
    prices: Annotated[
        Path | None, typer.Option(help="A catalogue with the new prices; it is not applied.")
    ] = None,
    months: Annotated[
        int, typer.Option(min=1, max=service.MONTHS_MAX, help="So many months back.")
    ] = service.MONTHS_A_YEAR,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write each period to this file.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the last months would have cost under a plan or new prices; nothing is saved."""
    wish = Wish(customer, plan, version, of, _read(prices), months)

    async def look(ctx: Ctx) -> Simulation:
        return await service.simulate(ctx, wish)

    told = run_in_tenant(tenant, look)
    if csv_file is not None:
        _write(csv_file, told)
    if as_json:
        show_json(show_simulation(told).model_dump(mode="json"))
        return
    _show(told)


def _read(prices: Path | None) -> bytes | None:
    if prices is None:
        return None
    if not prices.is_file():
        raise typer.BadParameter(f"there is no file {prices}", param_hint="--prices")
    return prices.read_bytes()


def _write(file: Path, told: Simulation) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        sheet = csv.writer(out)
        sheet.writerow(COLUMNS)
        sheet.writerows(rows_of(told))


def _show(told: Simulation) -> None:
    if not told.customers:
        typer.echo("No period was charged in that time.", err=True)
        return
    currency = told.currency
    name = f"version {told.plan_version}" if told.plan_version else "new prices"
    show_facts(
        [
            ("plan", f"{told.plan_key}, {name}"),
            ("since", format_time(told.since)),
            ("was", rules.money(told.was_minor, currency)),
            ("would be", rules.money(told.would_be_minor, currency)),
            ("difference", rules.money(told.would_be_minor - told.was_minor, currency)),
            ("left out", f"{told.skipped} periods in other currencies"),
        ]
    )
    if len(told.customers) == 1:
        _show_periods(told)
    else:
        _show_customers(told)


def _show_periods(told: Simulation) -> None:
    columns = ("period", "invoice", "was", "would be", "difference")
    rows = [
        (
            f"{format_time(one.start)}/{format_time(one.end)}",
            one.reference,
            *_amounts(one.was_minor, one.would_be_minor, told.currency),
        )
        for one in told.customers[0].periods
    ]
    typer.echo(f"\n{told.customers[0].customer_ref}")
    show_table(columns, rows)


def _show_customers(told: Simulation) -> None:
    deltas = [one.delta_minor for one in told.customers]
    typer.echo("\ndifference a customer, so many percent at most:")
    show_facts(
        (f"{one.percent} %", rules.money(one.delta_minor, told.currency))
        for one in spreading.spread(deltas)
    )
    typer.echo("\ncustomers by difference:")
    found = spreading.bins(deltas)
    most = max(one.customers for one in found)
    show_facts(
        (
            _range(one, told.currency),
            f"{spreading.bar(one.customers, most)} {one.customers}",
        )
        for one in found
    )
    columns = ("customer", "periods", "was", "would be", "difference")
    rows = [
        (
            one.customer_ref,
            len(one.periods),
            *_amounts(one.was_minor, one.would_be_minor, told.currency),
        )
        for one in told.customers[:SHOWN_MAX]
    ]
    typer.echo("\nwho would have paid most more:")
    show_table(columns, rows)


def _range(one: Bin, currency: str) -> str:
    first, end = rules.money(one.first_minor, currency), rules.money(one.end_minor, currency)
    return f"{first} to below {end}"


def _amounts(was_minor: int, would_be_minor: int, currency: str) -> tuple[str, str, str]:
    delta_minor = would_be_minor - was_minor
    was, would_be = rules.money(was_minor, currency), rules.money(would_be_minor, currency)
    return was, would_be, rules.money(delta_minor, currency)
