"""How does an operator look at a tenant's books at the terminal?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from solvent.kernel.ledger import service
from solvent.kernel.ledger.model import Balance, Report
from solvent.kernel.tenants import service as tenants
from solvent.kit.cli import (
    EXIT_FAILED,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_json,
    show_table,
)
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money, format_money

app = typer.Typer(help="Prove the books and read balances.", no_args_is_help=True)


@app.command("verify")
def verify(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Check that every transaction sums to zero and that invoices, payments and balances agree."""
    report = run_in_tenant(tenant, service.verify)
    if as_json:
        show_json(asdict(report) | {"sound": report.sound})
    else:
        _show(report)
    if not report.sound:
        raise typer.Exit(EXIT_FAILED)


def _show(report: Report) -> None:
    for problem in report.problems:
        typer.echo(f"{problem.code}  {problem.subject}: {problem.detail}", err=True)
    verdict = "ledger: ok" if report.sound else f"ledger: {len(report.problems)} problems"
    typer.echo(
        f"{verdict} ({report.transactions} transactions, {report.invoices} invoices, "
        f"{report.payments} payments)"
    )


@app.command("balance")
def balance(
    customer: Annotated[
        str | None, typer.Argument(help="Customer, by id or own reference; all accounts without.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each account comes to; debits are positive, credits negative."""

    async def look(ctx: Ctx) -> list[Balance]:
        if customer is None:
            return await service.balances(ctx)
        found = await tenants.get_customer(ctx, customer)
        return await service.balances(ctx, customer_id=found.id)

    rows = [
        (str(one.account), format_money(Money(one.amount_minor, one.currency)))
        for one in run_in_tenant(tenant, look)
    ]
    if as_json:
        show_json([{"account": account, "balance": amount} for account, amount in rows])
    else:
        show_table(("account", "balance"), rows)
