"""How does an operator say what foreign names of customers and events mean?"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.doors import service
from solvent.systems.doors.errors import NameMalformed
from solvent.systems.doors.limits import NAMES_MAX
from solvent.systems.doors.model import Door
from solvent.systems.doors.shapes import show_customer, show_meter_name

door = typer.Typer(help="Say what the names mean that foreign clients use.", no_args_is_help=True)
customer = typer.Typer(help="Names of customers.", no_args_is_help=True)
meter = typer.Typer(help="Names of events, and the meters they are for.", no_args_is_help=True)
door.add_typer(customer, name="customer")
door.add_typer(meter, name="meter")

DoorArgument = Annotated[Door, typer.Argument(help="Whose clients use the name.")]
DoorOption = Annotated[Door | None, typer.Option("--door", help="Only of this door.")]
NameArgument = Annotated[str, typer.Argument(help="The name that they use.")]
EventArgument = Annotated[str, typer.Argument(help="The name of the event that they send.")]
COLUMNS_MIN = 2


@customer.command("set")
def set_customer(
    door: DoorArgument,
    name: NameArgument,
    customer: Annotated[str, typer.Argument(help="The customer, by your own name.")],
    tenant: TenantOption = None,
) -> None:
    """Say which customer a name means, from now on."""
    run_in_tenant(tenant, lambda ctx: service.name_customer(ctx, door, name, customer))
    typer.echo(f"{name} at {door.value} is {customer}")


@customer.command("import")
def import_customers(
    door: DoorArgument,
    file: Annotated[Path, typer.Argument(help="CSV with a name and a customer a line.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Say it for all lines of a file, or for none."""
    names = _read(file)
    run_in_tenant(tenant, lambda ctx: service.name_customers(ctx, door, names), dry_run=dry_run)
    typer.echo(f"{len(names)} names at {door.value}")


def _read(file: Path) -> dict[str, str]:
    """Return the names of a file.

    Raises:
        NameMalformed: names the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            names: dict[str, str] = {}
            for number, row in enumerate(csv.reader(lines), 1):
                if len(row) < COLUMNS_MIN or not row[0] or not row[1] or number > NAMES_MAX:
                    message = "expected a name and a customer, at most 100000 lines"
                    raise NameMalformed(message, field=f"line {number}")
                names[row[0]] = row[1]
            return names
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise NameMalformed(f"cannot be read: {str(wrong)[:200]}", field="file") from None


@customer.command("list")
def list_customers(
    door: DoorArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List names and whom they mean; the first 500."""
    found = run_in_tenant(
        tenant, lambda ctx: service.list_customers(ctx, door, limit=PAGE_SIZE_MAX)
    )
    if as_json:
        show_json([show_customer(one).model_dump(mode="json") for one in found])
    else:
        rows = [(one.name, one.customer_ref) for one in found]
        show_table(("name", "customer"), rows, empty="No names yet: solvent door customer set")


@customer.command("remove")
def remove_customer(door: DoorArgument, name: NameArgument, tenant: TenantOption = None) -> None:
    """Forget what a name means."""
    run_in_tenant(tenant, lambda ctx: service.unname_customer(ctx, door, name))
    typer.echo(f"{name} at {door.value} means nobody in particular")


@meter.command("set")
def set_meter(
    door: DoorArgument,
    event: EventArgument,
    meter: Annotated[str, typer.Argument(help="The key of the meter.")],
    value: Annotated[
        str | None, typer.Option(help="Where its value stands, as $.tokens; as sent without.")
    ] = None,
    dimension: Annotated[
        list[str] | None,
        typer.Option(help="A property to keep, as model=$.model; all, if none is named."),
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Say which meter an event is for."""
    dimensions = _dimensions(dimension) if dimension else None
    run_in_tenant(
        tenant,
        lambda ctx: service.name_meter(
            ctx, door, event, meter, value_path=value, dimensions=dimensions
        ),
    )
    typer.echo(f"{event} at {door.value} is for {meter}")


def _dimensions(given: list[str]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise typer.BadParameter(f"expected name=$.path, not {one}", param_hint="--dimension")
    return {name: path for name, _, path in (one.partition("=") for one in given)}


@meter.command("list")
def list_meters(
    door: DoorOption = None, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List which events are for which meters."""
    found = run_in_tenant(tenant, lambda ctx: service.list_meters(ctx, door))
    if as_json:
        show_json([show_meter_name(one).model_dump(mode="json") for one in found])
        return
    rows = [(one.door.value, one.event, one.meter_key, _value(one.value_path)) for one in found]
    columns = ("door", "event", "meter", "value")
    show_table(columns, rows, empty="None: an event is for the meter whose key is its name.")


def _value(path: str | None) -> str:
    return "as sent" if path is None else path or "none"


@meter.command("remove")
def remove_meter(door: DoorArgument, event: EventArgument, tenant: TenantOption = None) -> None:
    """Forget which meters an event is for."""
    run_in_tenant(tenant, lambda ctx: service.unname_meter(ctx, door, event))
    typer.echo(f"{event} at {door.value} is for the meter of that key, if there is one")
