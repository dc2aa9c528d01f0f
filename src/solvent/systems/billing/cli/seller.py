"""How does an operator state who sells at the terminal?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from solvent.kernel.ledger import document
from solvent.kernel.ledger.model import LegalEntity
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
)
from solvent.kit.ctx import Ctx
from solvent.systems.billing import printing
from solvent.systems.billing.errors import SellerUnknown
from solvent.systems.billing.taxes import rules, service
from solvent.systems.billing.taxes.model import Paper, Regime, Seller

T = TypeVar("T", LegalEntity, Paper, Seller)

app = typer.Typer(help="State who sells, and how invoices look.", no_args_is_help=True)


@app.command("show")
def show(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show who sells."""
    _show(run_in_tenant(tenant, service.get_seller), as_json=as_json)


@app.command("set")
def set_seller(
    name: Annotated[str | None, typer.Option(help="The legal name.")] = None,
    country: Annotated[str | None, typer.Option(help="Its country, as DE.")] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="A line of the address; up to three.")
    ] = None,
    postal_code: Annotated[str | None, typer.Option(help="The postal code.")] = None,
    city: Annotated[str | None, typer.Option(help="The city.")] = None,
    tax_id: Annotated[str | None, typer.Option(help="The VAT id, as DE136695976.")] = None,
    tax_number: Annotated[
        str | None, typer.Option(help="Another number at the tax office.")
    ] = None,
    registration: Annotated[
        str | None, typer.Option(help="The number in the register of companies.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Where buyers write to.")] = None,
    regime: Annotated[Regime | None, typer.Option(help="How it is taxed.")] = None,
    exempt_reason: Annotated[
        str | None, typer.Option(help="What a small business says on its invoices.")
    ] = None,
    tax_included: Annotated[
        bool | None, typer.Option(help="Whether prices contain the tax.")
    ] = None,
    one_stop_shop: Annotated[
        bool | None,
        typer.Option(help="Whether consumers elsewhere in the EU pay their country's rate."),
    ] = None,
    footer: Annotated[str | None, typer.Option(help="A closing line on documents.")] = None,
    accent: Annotated[str | None, typer.Option(help="A color, as #1f4e79.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """State who sells, from the next invoice on; what is left out stays as it is."""
    party: dict[str, object] = {
        "name": name,
        "country": country,
        "lines": tuple(line) if line else None,
        "postal_code": postal_code,
        "city": city,
        "tax_id": tax_id,
        "tax_number": tax_number,
        "registration": registration,
        "email": email,
    }
    terms: dict[str, object] = {
        "regime": regime,
        "exempt_reason": exempt_reason,
        "tax_included": tax_included,
        "one_stop_shop": one_stop_shop,
    }
    paper: dict[str, object] = {"footer": footer, "accent": accent}

    async def act(ctx: Ctx) -> Seller:
        try:
            known = await service.get_seller(ctx)
        except SellerUnknown:
            known = Seller(LegalEntity(""))
        entity = _with(known.entity, party)
        stated = replace(_with(known, terms), entity=entity, paper=_with(known.paper, paper))
        return await service.set_seller(ctx, stated)

    _show(run_in_tenant(tenant, act, dry_run=dry_run), as_json=as_json)


@app.command("logo")
def set_logo(
    picture: Annotated[
        Path | None, typer.Argument(help="An SVG or PNG of at most 200 kB; none: take it off.")
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Put a picture on documents from the next invoice on, or take it off."""
    if picture is not None and not picture.is_file():
        raise typer.BadParameter(f"PICTURE: there is no file {str(picture)[:200]}")
    content = picture.read_bytes() if picture else None

    async def act(ctx: Ctx) -> Seller:
        return await printing.set_logo(ctx, content)

    _show(run_in_tenant(tenant, act, dry_run=dry_run), as_json=False)


def _with(known: T, told: Mapping[str, object]) -> T:
    """Return a record with those of its fields that were told."""
    return replace(known, **{name: value for name, value in told.items() if value is not None})


def _show(seller: Seller, *, as_json: bool) -> None:
    if as_json:
        show_json(document.to_plain(seller))
        return
    paper: Paper = seller.paper
    show_facts(
        [
            ("seller", seller.entity.name),
            ("address", ", ".join(rules.told_of(seller.entity))),
            ("regime", seller.regime.value.replace("_", " ")),
            ("says", seller.exempt_reason or "-"),
            ("prices contain tax", "yes" if seller.tax_included else "no"),
            ("one-stop shop", "yes" if seller.one_stop_shop else "no"),
            ("footer", paper.footer or "-"),
            ("accent", paper.accent or "-"),
            ("logo", paper.logo or "-"),
        ]
    )
