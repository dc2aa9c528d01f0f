"""How is a catalogue checked, applied and shown at a terminal?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solvent.kernel.catalogue import service
from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.json_form import show_diff, show_plan, show_product
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Change,
    ChangeKind,
    Diff,
    PlanVersion,
    Price,
    PriceModel,
    Product,
)
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.catalogue.source import TEXT_BYTES_MAX
from solvent.kit.cli import (
    EXIT_USAGE,
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money, exponent, format_money, format_rate, plain_number

catalogue = typer.Typer(help="Check, apply and show what is sold.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The catalogue, TOML (or .json).")]

_SIGNS = {
    ChangeKind.CREATED: "+",
    ChangeKind.CHANGED: "~",
    ChangeKind.UNCHANGED: "=",
    ChangeKind.ARCHIVED: "-",
}


@catalogue.command()
def check(file: FileArgument) -> None:
    """Read a catalogue file and tell everything that is wrong with it; needs no server."""
    spec = _read(file)
    typer.echo(
        f"{file}: ok: {len(spec.products)} products, {len(spec.plans)} plans, "
        f"{len(spec.meters)} meters"
    )


@catalogue.command()
def apply(
    file: FileArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the catalogue equal to a file: a changed plan gets a new version."""
    spec = _read(file)

    async def use_case(ctx: Ctx) -> Diff:
        return await service.apply(ctx, spec, dry_run=dry_run)

    diff = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(show_diff(diff).model_dump(mode="json"))
    else:
        typer.echo("\n".join(describe(diff)))


@catalogue.command()
def show(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show the products, and the latest version of each plan with its prices."""

    async def use_case(ctx: Ctx) -> tuple[list[Product], list[PlanVersion]]:
        return await service.list_products(ctx), await service.list_plans(ctx)

    products, plans = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(
            {
                "products": [show_product(one).model_dump(mode="json") for one in products],
                "plans": [show_plan(one).model_dump(mode="json") for one in plans],
            }
        )
        return
    columns = ("product", "plan", "version", "every", "prices", "features", "state")
    show_table(columns, map(_row, plans), empty="Nothing yet: solvent catalogue apply --help")


def _read(file: Path) -> CatalogueSpec:
    """Return what the file specifies, or tell each problem on a line of its own and exit 2."""
    try:
        with file.open("rb") as source:
            content = source.read(TEXT_BYTES_MAX + 1)
    except OSError as fault:
        reason = fault.strerror or "cannot be read"
        raise typer.BadParameter(f"{file}: {reason}", param_hint="FILE") from None
    try:
        return parse(content, file=str(file), json_text=file.suffix == ".json")
    except CatalogueInvalid as refused:
        for problem in refused.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(EXIT_USAGE) from None


def describe(diff: Diff) -> list[str]:
    """Return the changes for people: a line each, what differs below it, and a summary."""
    lines: list[str] = []
    for change in diff.changes:
        lines.append(f"{_SIGNS[change.kind]} {change.subject} {change.key}{_version(change)}")
        lines += [f"    {line}" for line in change.detail]
    counts = [
        f"{sum(change.kind is kind for change in diff.changes)} {kind.value}" for kind in ChangeKind
    ]
    return [*lines, ", ".join(counts) + (" (dry run: nothing was kept)" if diff.dry_run else "")]


def _version(change: Change) -> str:
    if change.version is None:
        return ""
    return f" (version {change.version}{', new' if change.new_version else ''})"


def _row(one: PlanVersion) -> tuple[str, ...]:
    every = one.interval.value
    if one.interval_count > 1:
        every = f"{one.interval_count} {every}s"
    return (
        one.product_key,
        one.plan_key,
        str(one.version),
        every,
        "; ".join(_told(price, one.currency) for price in one.prices),
        ", ".join(feature.key for feature in one.features),
        "archived" if one.archived else "sold",
    )


def _told(price: Price, currency: str) -> str:
    amount = format_money(Money(price.amount_minor, currency))
    match price.model:
        case PriceModel.FLAT:
            return f"{price.key}: {amount}{' per seat' if price.per_seat else ''}"
        case PriceModel.PACKAGE:
            return f"{price.key}: {amount} per {plain_number(price.package_size)}"
        case PriceModel.PER_UNIT:
            unit = "seat" if price.per_seat else "unit"
            return f"{price.key}: {format_rate(price.unit_rate, currency)} per {unit}"
        case PriceModel.GRADUATED | PriceModel.VOLUME | PriceModel.GRADUATED_PERCENTAGE:
            return f"{price.key}: {price.model.value}, {len(price.tiers)} tiers"
        case PriceModel.PERCENTAGE | PriceModel.DYNAMIC:
            percent = plain_number(price.unit_rate.scaleb(2 - exponent(currency)))
            return f"{price.key}: {percent} % of what is metered"
