"""How does an operator state tax rates and who customers are to the law at the terminal?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated

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
    show_table,
)
from solvent.kit.ctx import Ctx
from solvent.kit.money import plain_number
from solvent.systems.billing.taxes import eu, ids, rules, service
from solvent.systems.billing.taxes.model import Buyer, TaxRate

app = typer.Typer(help="State tax rates and buyers' tax data.", no_args_is_help=True)

NO_TAX = "none"
CustomerArgument = Annotated[str, typer.Argument(help="The customer, by id or own reference.")]
CountryArgument = Annotated[str, typer.Argument(help="The country, as DE.")]
DayArgument = Annotated[str, typer.Argument(help="From which day on, as 2026-01-01.")]


@app.command("rates")
def list_rates(
    eu_too: Annotated[
        bool, typer.Option("--eu", help="With the standard rates of the EU that we know.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the rates that were stated; those of the EU are known without."""
    stated = run_in_tenant(tenant, service.list_rates)
    known = [one for rates in eu.STANDARD_RATES.values() for one in rates] if eu_too else []
    rows = [(one, "stated") for one in stated] + [(one, "known") for one in known]
    if as_json:
        show_json([_plain(one) | {"source": source} for one, source in rows])
        return
    show_table(
        ("country", "from", "rate", "name", "source"),
        [(*_plain(one).values(), source) for one, source in rows],
        empty="No rate was stated; the standard rates of the EU are known (--eu).",
    )


def _plain(one: TaxRate) -> dict[str, str]:
    rate = NO_TAX if one.rate is None else f"{plain_number(one.rate * 100)} %"
    return {
        "country": one.country,
        "valid_from": one.valid_from.isoformat(),
        "rate": rate,
        "name": one.name,
    }


@app.command("set")
def set_rate(
    country: CountryArgument,
    rate: Annotated[str, typer.Argument(help="A share: 0.19 is 19 %; none: no tax.")],
    valid_from: DayArgument,
    name: Annotated[str, typer.Option(help="What the invoice calls it.")] = "VAT",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """State the rate of a country from a day on."""
    wanted = TaxRate(country.upper(), _day(valid_from), _share(rate), name)

    async def act(ctx: Ctx) -> TaxRate:
        return await service.set_rate(ctx, wanted)

    show_facts(_plain(run_in_tenant(tenant, act, dry_run=dry_run)).items())


@app.command("remove")
def remove_rate(
    country: CountryArgument,
    valid_from: DayArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take back a stated rate; invoices that carry it keep it."""
    day = _day(valid_from)

    async def act(ctx: Ctx) -> None:
        await service.remove_rate(ctx, country.upper(), day)

    run_in_tenant(tenant, act, dry_run=dry_run)
    typer.echo(f"{country.upper()} from {day} is taken back")


@app.command("check")
def check(
    tax_id: Annotated[str, typer.Argument(help="A tax id, as DE136695976.")],
    country: Annotated[str, typer.Option(help="Where it is from, if it does not say.")] = "",
) -> None:
    """Check the form and the check digits of a tax id; no register is asked."""
    found = country.upper() or ids.country_of(tax_id)
    show_facts([("tax id", ids.check_tax_id(tax_id, country=found)), ("country", found or "-")])


@app.command("customer")
def customer(
    who: CustomerArgument,
    name: Annotated[str | None, typer.Option(help="The legal name.")] = None,
    country: Annotated[str | None, typer.Option(help="Its country, as FR.")] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="A line of the address; up to three.")
    ] = None,
    postal_code: Annotated[str | None, typer.Option(help="The postal code.")] = None,
    city: Annotated[str | None, typer.Option(help="The city.")] = None,
    tax_id: Annotated[
        str | None, typer.Option(help="The VAT id, which makes it a business.")
    ] = None,
    exempt_reason: Annotated[
        str | None, typer.Option(help="Why no tax is charged, as the invoice says it.")
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show who a customer is to the law; with options, state it from the next invoice on."""
    told = {
        "name": name,
        "country": country,
        "lines": tuple(line) if line else None,
        "postal_code": postal_code,
        "city": city,
        "tax_id": tax_id,
    }
    wanted = {key: value for key, value in told.items() if value is not None}

    async def act(ctx: Ctx) -> Buyer:
        known = await service.get_buyer(ctx, who)
        if not wanted and exempt_reason is None:
            return known
        entity: LegalEntity = replace(known.entity, **wanted)
        reason = known.exempt_reason if exempt_reason is None else exempt_reason
        return await service.set_buyer(ctx, who, Buyer(entity, reason))

    buyer = run_in_tenant(tenant, act, dry_run=dry_run)
    if as_json:
        show_json(document.to_plain(buyer))
        return
    show_facts(
        [
            ("buyer", buyer.entity.name),
            ("address", ", ".join(rules.told_of(buyer.entity))),
            ("charged no tax for", buyer.exempt_reason or "-"),
        ]
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"FROM: expected a day as 2026-01-01, not {text[:40]!r}") from None


def _share(text: str) -> Decimal | None:
    if text == NO_TAX:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        message = f"RATE: expected a share as 0.19, or {NO_TAX}, not {text[:40]!r}"
        raise typer.BadParameter(message) from None
