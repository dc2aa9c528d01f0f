"""How does a founder tell what currencies are worth?"""

from __future__ import annotations

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
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.kit.money import plain_number
from solvent.systems.revenue import service
from solvent.systems.revenue.errors import RateMalformed
from solvent.systems.revenue.model import Rate
from solvent.systems.revenue.shapes import show_rate

app = typer.Typer(help="Tell what one currency is worth in another.", no_args_is_help=True)

BaseArgument = Annotated[str, typer.Argument(help="From this currency, as USD.")]
QuoteArgument = Annotated[str, typer.Argument(help="Into this one, as EUR.")]
DayArgument = Annotated[str, typer.Argument(help="From this day on, as 2026-11-23.")]


@app.command("set")
def set_rate(
    base: BaseArgument,
    quote: QuoteArgument,
    day: DayArgument,
    rate: Annotated[str, typer.Argument(help="What one unit is, as 0.93.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a rate; it holds until the next one, for at most 31 days."""
    told = service.parse_rate(base, quote, day, rate)
    made = run_in_tenant(tenant, lambda ctx: service.set_rate(ctx, told))
    if as_json:
        show_json(show_rate(made).model_dump(mode="json"))
    else:
        typer.echo(f"1 {made.base} is {plain_number(made.rate)} {made.quote} from {made.day} on")


@app.command("list")
def list_rates(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List all rates by currencies and day."""
    rates = run_in_tenant(tenant, _all)
    if as_json:
        show_json([show_rate(one).model_dump(mode="json") for one in rates])
        return
    rows = [(one.base, one.quote, str(one.day), plain_number(one.rate)) for one in rates]
    empty = "No rates yet: solvent revenue rate set USD EUR 2026-11-23 0.93"
    show_table(("from", "into", "from day", "rate"), rows, empty=empty)


async def _all(ctx: Ctx) -> list[Rate]:
    found: list[Rate] = []
    while page := await service.list_rates(
        ctx,
        after=(found[-1].base, found[-1].quote, found[-1].day) if found else None,
        limit=PAGE_SIZE_MAX,
    ):
        found += page
    return found


@app.command("import")
def import_rates(
    file: Annotated[Path, typer.Argument(help="TOML: [USD.EUR] of 2026-11-23 = 0.93.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell all rates of a file at once, or, if one is refused, none."""
    try:
        text = file.read_bytes()
    except OSError as fault:
        raise RateMalformed(f"cannot be read: {fault.strerror}", field=str(file)[:200]) from None
    rates = service.parse_rates(text)
    made = run_in_tenant(tenant, lambda ctx: service.set_rates(ctx, rates), dry_run=dry_run)
    if as_json:
        show_json([show_rate(one).model_dump(mode="json") for one in made])
    else:
        typer.echo(f"{len(made)} rates")


@app.command("remove")
def remove_rate(
    base: BaseArgument, quote: QuoteArgument, day: DayArgument, tenant: TenantOption = None
) -> None:
    """Forget a rate."""
    told = service.parse_rate(base, quote, day, "1")
    run_in_tenant(tenant, lambda ctx: service.remove_rate(ctx, base, quote, told.day))
    typer.echo(f"{base}/{quote} {told.day} is forgotten")
