"""How does an operator give credit and correct invoices at the terminal?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditNote, CreditPart, CreditTo, Payment
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
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money, parse_amount
from solvent.systems.billing import printing, rules, service
from solvent.systems.billing.cli.files import write
from solvent.systems.billing.json_form import show_grant, show_note

app = typer.Typer(help="Give credit, and correct final invoices.", no_args_is_help=True)

CustomerArgument = Annotated[str, typer.Argument(help="The customer, by id or own reference.")]


@app.command()
def grant(
    customer: CustomerArgument,
    amount: Annotated[str, typer.Argument(help="How much, in the major unit: 25.00.")],
    currency: Annotated[str, typer.Argument(help="Of which currency: USD.")],
    name: Annotated[str, typer.Option(help="What it is called.")],
    source: Annotated[str | None, typer.Option(help="Your own name of it; counts once.")] = None,
    priority: Annotated[int, typer.Option(help="0 is used first, 9 last.")] = 5,
    expires_at: Annotated[str | None, typer.Option(help="When the rest ends, RFC 3339.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give a customer credit; invoices use it before money."""
    given = Money(parse_amount(amount, currency, field="amount"), currency)
    ends = parse_time(expires_at, field="--expires-at") if expires_at else None

    async def act(ctx: Ctx) -> Payment:
        buyer = await tenants.get_customer(ctx, customer)
        return await ledger.grant_credit(
            ctx,
            customer_id=buyer.id,
            amount=given,
            name=name,
            source=source or ctx.ids.new("src"),
            priority=priority,
            expires_at=ends,
        )

    _show_grant(run_in_tenant(tenant, act, dry_run=dry_run))


def _show_grant(one: Payment) -> None:
    show_facts(
        [
            ("grant", one.id),
            ("amount", rules.money(one.amount_minor, one.currency)),
            ("left", rules.money(one.unapplied_minor, one.currency)),
            ("expires", format_time(one.expires_at) if one.expires_at else "never"),
        ]
    )


@app.command("list")
def list_grants(
    customer: CustomerArgument,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the credit that a customer was given."""

    async def look(ctx: Ctx) -> list[Payment]:
        buyer = await tenants.get_customer(ctx, customer)
        return await ledger.list_grants(ctx, buyer.id, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_grant(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (
            one.description,
            rules.money(one.amount_minor, one.currency),
            rules.money(one.unapplied_minor, one.currency),
            str(one.priority),
            format_time(one.expires_at) if one.expires_at else "never",
            one.id,
        )
        for one in found
    ]
    columns = ("name", "amount", "left", "priority", "expires", "id")
    show_table(columns, rows, empty="No credit was given. Give some: solvent credit grant --help")


@app.command("take-back")
def take_back(
    grant: Annotated[str, typer.Argument(help="The grant, by id.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take back what is left of given credit."""

    async def act(ctx: Ctx) -> str:
        found = await ledger.get_grant(ctx, grant)
        return rules.money(await ledger.take_back(ctx, grant), found.currency)

    show_facts([("taken back", run_in_tenant(tenant, act, dry_run=dry_run))])


@app.command("note")
def issue_note(
    invoice: Annotated[str, typer.Argument(help="Invoice, by id or number.")],
    reason: Annotated[str, typer.Option(help="What is said on it.")],
    line: Annotated[
        list[str] | None, typer.Option(help="LINE=MINOR, so much of a line; all if left out.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Your own name of it; counts once.")] = None,
    to: Annotated[CreditTo, typer.Option(help="Where paid money goes.")] = CreditTo.BALANCE,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Correct a final invoice: take back parts of its lines, or all that is left."""
    parts = [_part(one) for one in line] if line else None

    async def act(ctx: Ctx) -> CreditNote:
        found = await service.find_invoice(ctx, invoice)
        return await ledger.issue_credit_note(
            ctx, found.id, reason=reason, source=source or ctx.ids.new("src"), parts=parts, to=to
        )

    note = run_in_tenant(tenant, act, dry_run=dry_run)
    if as_json:
        show_json(show_note(note).model_dump(mode="json"))
        return
    currency = note.said.currency
    show_facts(
        [
            ("credit note", note.reference),
            ("total", rules.money(note.said.total_minor, currency)),
            ("off what is due", rules.money(note.off_due_minor, currency)),
            ("id", note.id),
        ]
    )


@app.command("note-pdf")
def print_note(
    note: Annotated[str, typer.Argument(help="The credit note, by id.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; its number.pdf without.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Write a credit note as a PDF and print the file's name."""

    async def render(ctx: Ctx) -> tuple[str, bytes]:
        found = await ledger.get_credit_note(ctx, note)
        return found.reference, await printing.print_note(ctx, found)

    reference, data = run_in_tenant(tenant, render)
    typer.echo(str(write(out or Path(f"{reference}.pdf"), data, force=force)))


def _part(text: str) -> CreditPart:
    line, _, amount = text.partition("=")
    if not (line.isascii() and line.isdigit() and amount.isascii() and amount.isdigit()):
        message = f"--line: expected LINE=MINOR, as 1=500 for 5.00 of line 1, not {text[:40]!r}"
        raise typer.BadParameter(message)
    return CreditPart(int(line), amount_minor=int(amount))
