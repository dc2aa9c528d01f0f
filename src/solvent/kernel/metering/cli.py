"""How is usage defined, sent, imported, listed and measured at a terminal?"""

from __future__ import annotations

import csv
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from solvent.kernel.metering import service
from solvent.kernel.metering.errors import PeriodMalformed
from solvent.kernel.metering.json_form import show_event, show_measure
from solvent.kernel.metering.model import (
    Aggregation,
    Late,
    MeterSpec,
    Period,
    Recorded,
    StoredEvent,
    UsageEvent,
)
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
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX

IMPORT_EVENTS_MAX = 1_000_000
COLUMNS = ("at", "customer", "meter", "value", "id", "received_at")

USAGE_HELP = "Send, import, list and measure usage."

usage = typer.Typer(help=USAGE_HELP, no_args_is_help=True)
meter = typer.Typer(help="Define and list what is measured.", no_args_is_help=True)

CustomerOption = Annotated[str, typer.Option("--customer", "-c", help="The customer.")]
MeterOption = Annotated[str, typer.Option("--meter", "-m", help="The key of the meter.")]


class DryRunOver(Exception):
    """A dry run's transaction ends with nothing kept."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self.recorded = recorded


@usage.command()
def send(
    customer: CustomerOption,
    meter: MeterOption,
    value: Annotated[str | None, typer.Argument(help="How much; for unique: which.")] = None,
    id: Annotated[str | None, typer.Option(help="The event's id, which counts once.")] = None,
    at: Annotated[str | None, typer.Option(help="When, RFC 3339; now if left out.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Record one usage event."""
    moment = parse_time(at, field="--at") if at else None

    async def use_case(ctx: Ctx) -> Recorded:
        event = UsageEvent(
            id=id or ctx.ids.new("use"),
            customer_ref=customer,
            meter_key=meter,
            at=moment or ctx.now(),
            value=value,
        )
        return await service.record_one(ctx, event)

    _show_recorded(_record(tenant, use_case, dry_run=dry_run), dry_run=dry_run)


def _record(
    tenant: str | None, use_case: Callable[[Ctx], Awaitable[Recorded]], *, dry_run: bool
) -> Recorded:
    async def rehearse(ctx: Ctx) -> Recorded:
        raise DryRunOver(await use_case(ctx))

    try:
        return run_in_tenant(tenant, rehearse if dry_run else use_case)
    except DryRunOver as over:
        return over.recorded


def _show_recorded(told: Recorded, *, dry_run: bool) -> None:
    if dry_run:
        typer.echo("dry run: nothing was kept", err=True)
    show_facts(
        [
            ("accepted", told.accepted),
            ("duplicates", told.duplicates),
            ("uncounted", told.uncounted),
        ]
    )


@usage.command("list")
def list_usage(
    meter: Annotated[str | None, typer.Option("--meter", "-m", help="Of one meter.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", "-c", help="Of one.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List usage events in the order in which they arrived."""

    async def use_case(ctx: Ctx) -> list[StoredEvent]:
        return await service.list_events(ctx, limit=limit, meter_key=meter, customer_ref=customer)

    events = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([show_event(event).model_dump(mode="json") for event in events])
    else:
        show_table(COLUMNS, map(_cells, events), empty="No usage yet.")


@usage.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where the CSV goes; - prints it.")] = Path("-"),
    meter: Annotated[str | None, typer.Option("--meter", "-m", help="Of one meter.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", "-c", help="Of one.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Write all usage events as CSV, in the order in which they arrived."""

    async def use_case(ctx: Ctx) -> int:
        with _sink(file) as out:
            rows = csv.writer(out)
            rows.writerow(COLUMNS)
            after = count = 0
            while page := await service.list_events(
                ctx, after=after, limit=PAGE_SIZE_MAX, meter_key=meter, customer_ref=customer
            ):
                rows.writerows(map(_cells, page))
                after, count = page[-1].seq, count + len(page)
            return count

    typer.echo(f"{run_in_tenant(tenant, use_case)} events written", err=True)


@contextmanager
def _sink(file: Path) -> Generator[TextIO]:
    if str(file) == "-":
        yield sys.stdout
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        yield out


def _cells(event: StoredEvent) -> tuple[str, ...]:
    shown = show_event(event)
    times = format_time(event.at), format_time(event.received_at)
    return (times[0], shown.customer, shown.meter, shown.value or "", shown.id, times[1])


@usage.command()
def measure(
    customer: CustomerOption,
    meter: MeterOption,
    start: Annotated[str, typer.Option(help="From when, RFC 3339.")],
    end: Annotated[str, typer.Option(help="To before when, RFC 3339.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a customer's use of a meter in a period, from the raw events."""
    moments = parse_time(start, field="--start"), parse_time(end, field="--end")
    if moments[1] <= moments[0]:
        raise PeriodMalformed(field="--end")

    async def use_case(ctx: Ctx) -> dict[str, object]:
        period = Period(*moments)
        found = await service.measure(ctx, meter, customer_ref=customer, period=period)
        return show_measure(found).model_dump(mode="json")

    told = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(told)
    else:
        show_facts(told.items())


@meter.command()
def define(
    key: Annotated[str, typer.Argument(help="The meter's key, for example log_gb.")],
    aggregation: Annotated[Aggregation, typer.Option(help="How events make one quantity.")],
    name: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    unit: Annotated[str, typer.Option(help="What is counted, for example GB.")] = "",
    value_property: Annotated[str | None, typer.Option(help="The property to read.")] = None,
    counts_from: Annotated[str | None, typer.Option(help="Since when, RFC 3339; now.")] = None,
    carries: Annotated[
        bool, typer.Option("--carries", help="It never begins anew, as seats that are held.")
    ] = False,
    known: Annotated[
        list[str] | None,
        typer.Option("--property", help="A property that events may have; any, if none is named."),
    ] = None,
    late: Annotated[Late, typer.Option(help="What becomes of what comes late.")] = Late.REOPEN,
    accept_days: Annotated[
        int | None, typer.Option(help="How old usage may be; as old as you like.")
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Define a meter; what it measures is fixed by its first event."""
    spec = MeterSpec(
        key=key,
        name=name or key,
        aggregation=aggregation,
        unit=unit,
        value_property=value_property,
        counts_from=parse_time(counts_from, field="--counts-from") if counts_from else None,
        carries=carries,
        known_properties=tuple(known) if known else None,
        late=late,
        accept_days=accept_days,
    )

    async def use_case(ctx: Ctx) -> str:
        return (await service.define_meter(ctx, spec)).key

    typer.echo(f"meter {run_in_tenant(tenant, use_case)} is defined")


@meter.command("list")
def list_meters(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the meters."""

    async def use_case(ctx: Ctx) -> list[tuple[str, ...]]:
        return [
            (one.key, one.name, one.aggregation.value, one.unit, one.value_property or "value")
            for one in await service.list_meters(ctx, limit=PAGE_SIZE_MAX)
        ]

    rows = run_in_tenant(tenant, use_case)
    columns = ("key", "name", "aggregation", "unit", "reads")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="No meters yet: solvent meter define --help")


def usage_commands() -> typer.Typer:
    """Return `solvent usage` anew: each wiring adds to it what must know other modules."""
    made = typer.Typer(help=USAGE_HELP, no_args_is_help=True)
    made.registered_commands.extend(usage.registered_commands)
    return made
