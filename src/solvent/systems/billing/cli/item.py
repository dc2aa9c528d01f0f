"""How does an operator charge something once at the terminal?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Item
from solvent.kernel.tenants import service as tenants
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
from solvent.kit.money import Money, parse_amount
from solvent.systems.billing import rules
from solvent.systems.billing.json_form import show_item

app = typer.Typer(help="Charge something once, on the next invoice.", no_args_is_help=True)

CustomerArgument = Annotated[str, typer.Argument(help="The customer, by id or own reference.")]


@app.command()
def add(
    customer: CustomerArgument,
    amount: Annotated[str, typer.Argument(help="What one costs, in the major unit: 150.00.")],
    currency: Annotated[str, typer.Argument(help="Of which currency: USD.")],
    description: Annotated[str, typer.Option(help="What the invoice says.")],
    quantity: Annotated[str, typer.Option(help="How many.")] = "1",
    source: Annotated[str | None, typer.Option(help="Your own name of it; counts once.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Only on an invoice of this.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Charge a customer once."""
    unit = Money(parse_amount(amount, currency, field="amount"), currency)
    many = _number(quantity)

    async def act(ctx: Ctx) -> Item:
        return await ledger.add_item(
            ctx,
            customer=customer,
            unit=unit,
            description=description,
            source=source or ctx.ids.new("src"),
            quantity=many,
            subscription_id=subscription,
        )

    one = run_in_tenant(tenant, act, dry_run=dry_run)
    show_facts([("item", one.id), ("amount", rules.money(one.amount_minor, one.currency))])


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"--quantity: expected a number, not {text!r:.40}") from None


@app.command("list")
def list_items(
    customer: CustomerArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List what waits for a customer's next invoice."""

    async def look(ctx: Ctx) -> list[Item]:
        buyer = await tenants.get_customer(ctx, customer)
        return await ledger.list_items(ctx, buyer.id)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_item(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (
            one.description,
            rules.number(one.quantity),
            rules.money(one.amount_minor, one.currency),
            one.id,
        )
        for one in found
    ]
    show_table(("description", "quantity", "amount", "id"), rows, empty="Nothing waits.")


@app.command()
def remove(
    item: Annotated[str, typer.Argument(help="The item, by id.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take back something that no invoice has yet."""

    async def act(ctx: Ctx) -> None:
        await ledger.remove_item(ctx, item)

    run_in_tenant(tenant, act, dry_run=dry_run)
    typer.echo(f"{item} is taken back")
