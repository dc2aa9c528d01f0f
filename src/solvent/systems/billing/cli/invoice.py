"""How does an operator list, print and prove invoices at the terminal?"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from solvent.kernel.ledger import document
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import (
    Invoice,
    InvoiceDraft,
    InvoiceStatus,
    LineEvent,
    Rebuilt,
)
from solvent.kernel.tenants import service as tenants
from solvent.kit.cli import (
    EXIT_FAILED,
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import plain_number
from solvent.systems.billing import parking, printing, rules, service
from solvent.systems.billing.cli.files import write
from solvent.systems.billing.model import ChargedEvents

app = typer.Typer(help="List, print and prove invoices.", no_args_is_help=True)

InvoiceArgument = Annotated[str, typer.Argument(help="Invoice, by id or number (INV-000042, 42).")]


@app.command("list")
def list_invoices(
    customer: Annotated[
        str | None, typer.Option(help="Only of this customer, by id or own reference.")
    ] = None,
    status: Annotated[InvoiceStatus | None, typer.Option(help="Only of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List invoices, the newest first."""

    async def look(ctx: Ctx) -> list[Invoice]:
        customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
        return await ledger.list_invoices(ctx, customer_id=customer_id, status=status, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([_plain(invoice) for invoice in found])
        return
    columns = ("number", "status", "customer", "period", "total", "due", "id")
    show_table(columns, [_row(invoice) for invoice in found], empty="No invoices yet.")


def _row(invoice: Invoice) -> tuple[str, ...]:
    said = invoice.draft
    return (
        invoice.reference,
        invoice.status.value,
        said.customer_id,
        f"{format_time(said.period_start)}/{format_time(said.period_end)}",
        rules.money(said.total_minor, said.currency),
        rules.money(invoice.due_minor, said.currency),
        invoice.id,
    )


def _plain(invoice: Invoice) -> document.Plain:
    facts = document.to_plain(invoice)
    if isinstance(facts, dict):
        facts |= {"reference": invoice.reference, "due_minor": invoice.due_minor}
    return facts


@app.command("show")
def show(
    invoice: InvoiceArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show an invoice with the explanation of each line."""

    async def look(ctx: Ctx) -> Invoice:
        return await service.find_invoice(ctx, invoice)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json(_plain(found))
        return
    show_facts(
        [
            ("invoice", f"{found.reference} ({found.id})"),
            ("status", found.status.value),
            ("digest", found.digest),
            ("paid", rules.money(found.paid_minor, found.draft.currency)),
            ("due", rules.money(found.due_minor, found.draft.currency)),
        ]
    )
    show_draft(found.draft, zone=found.parties.time_zone if found.parties else "UTC")


def show_draft(said: InvoiceDraft, *, zone: str) -> None:
    """Show what an invoice says, with the explanation of each line."""
    show_facts(
        [
            ("customer", said.customer_id),
            ("plan", f"{said.plan_key} version {said.plan_version}"),
            ("period", f"{format_time(said.period_start)}/{format_time(said.period_end)}"),
        ]
    )
    for line in said.lines:
        amount = rules.money(line.amount_minor, said.currency)
        typer.echo(f"\n{line.description}: {rules.number(line.quantity)}, {amount}")
        for tier in line.tiers:
            each = rules.rate(tier.rate_minor, said.currency)
            typer.echo(f"    {rules.bounds(tier)}: {rules.number(tier.quantity)} at {each}")
        for sentence in rules.explain(said, line, zone_name=zone):
            typer.echo(f"    {sentence}")
    typer.echo(f"\ntotal {rules.money(said.total_minor, said.currency)}")


@app.command("events")
def events(
    invoice: InvoiceArgument,
    line: Annotated[
        int | None, typer.Option(min=1, help="Only of this line, counted from 1.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the usage events that each line charges; exit with 1 where any is missing."""

    async def look(ctx: Ctx) -> list[ChargedEvents]:
        found = await service.find_invoice(ctx, invoice)
        return await service.list_charged_events(ctx, found, line=line)

    charged = run_in_tenant(tenant, look)
    if as_json:
        show_json([_charged(one) for one in charged])
    else:
        columns = ("line", "event", "at", "counted as", "what")
        show_table(columns, [row for one in charged for row in _events(one)], empty="No events.")
        for one in charged:
            verdict = "all that it counts" if one.complete else "NOT those that it counts"
            told = f"line {one.place}, {one.line.description}: {len(one.events):,} events"
            typer.echo(f"{told}, {verdict}", err=True)
    if not all(one.complete for one in charged):
        raise typer.Exit(EXIT_FAILED)


def _events(one: ChargedEvents) -> list[tuple[object, ...]]:
    return [
        (one.place, event.event_id, format_time(event.at), _counted(event) or "", event.what)
        for event in one.events
    ]


def _charged(one: ChargedEvents) -> dict[str, object]:
    return {
        "line": one.place,
        "description": one.line.description,
        "evidence": asdict(one.line.evidence) if one.line.evidence else None,
        "complete": one.complete,
        "events": [
            {
                "event_id": event.event_id,
                "at": format_time(event.at),
                "counted": _counted(event),
                "what": event.what,
            }
            for event in one.events
        ],
    }


def _counted(event: LineEvent) -> str | None:
    counted = event.counted
    return plain_number(counted) if isinstance(counted, Decimal) else counted


@app.command("pdf")
def pdf(
    invoice: InvoiceArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; its number.pdf without.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Write an invoice as a PDF and print the file's name."""

    async def render(ctx: Ctx) -> tuple[str, bytes]:
        found = await service.find_invoice(ctx, invoice)
        return found.reference, await printing.print_invoice(ctx, found)

    reference, data = run_in_tenant(tenant, render)
    typer.echo(str(write(out or Path(f"{reference}.pdf"), data, force=force)))


@app.command("xml")
def xml(
    invoice: InvoiceArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; its number.xml without.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Write an invoice as XML by EN 16931 (Factur-X, ZUGFeRD), or say why it cannot be one."""

    async def render(ctx: Ctx) -> tuple[str, bytes]:
        found = await service.find_invoice(ctx, invoice)
        return found.reference, printing.invoice_xml(found)

    reference, data = run_in_tenant(tenant, render)
    typer.echo(str(write(out or Path(f"{reference}.xml"), data, force=force)))


@app.command("rebuild")
def rebuild(
    invoice: Annotated[
        str | None, typer.Argument(help="Invoice, by id or number; every one without.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Exit with 1 if any differs by a byte.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive invoices again from events and prices, and compare them byte for byte."""

    async def again(ctx: Ctx) -> list[Rebuilt]:
        if invoice is None:
            return [one async for one in service.rebuild_all(ctx)]
        found = await service.find_invoice(ctx, invoice)
        return [await ledger.rebuild_invoice(ctx, found.id)]

    rebuilt = run_in_tenant(tenant, again)
    if as_json:
        show_json([asdict(one) | {"identical": one.identical} for one in rebuilt])
    else:
        _show_rebuilt(rebuilt)
    if verify and not all(one.identical for one in rebuilt):
        raise typer.Exit(EXIT_FAILED)


def _show_rebuilt(rebuilt: list[Rebuilt]) -> None:
    for one in rebuilt:
        verdict = "identical" if one.identical else "DIFFERS"
        late = f"  ({one.late_events} late events, not charged)" if one.late_events else ""
        typer.echo(f"{one.reference}  {one.rebuilt_digest}  {verdict}{late}")
        for difference in one.differences:
            typer.echo(f"    {difference}")
    same = sum(one.identical for one in rebuilt)
    typer.echo(f"{same} of {len(rebuilt)} invoices derived again to the same bytes")


@app.command("preview")
def preview(
    subscription: Annotated[str, typer.Argument(help="Subscription, by id.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the running period's invoice would say by now; nothing is saved."""

    async def look(ctx: Ctx) -> InvoiceDraft:
        return await service.preview_invoice(ctx, subscription)

    said = run_in_tenant(tenant, look)
    if as_json:
        show_json(document.to_plain(said))
    else:
        show_draft(said, zone="UTC")


@app.command("parked")
def list_parked(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List accounts that are charged nothing until somebody has looked."""
    found = run_in_tenant(tenant, parking.list_parked)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    rows = [
        (one.customer_id, one.reason, one.detail, one.invoice_id or "", format_time(one.parked_at))
        for one in found
    ]
    columns = ("customer", "reason", "detail", "draft", "since")
    show_table(columns, rows, empty="No account is parked.")


@app.command("release")
def release(
    customer: Annotated[str, typer.Argument(help="The customer, by id or own reference.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Let a parked account be charged again; its drafts become final in their order."""

    async def act(ctx: Ctx) -> list[Invoice]:
        return await service.release_account(ctx, customer)

    done = run_in_tenant(tenant, act, dry_run=dry_run)
    columns = ("number", "status", "customer", "period", "total", "due", "id")
    show_table(columns, [_row(invoice) for invoice in done], empty="No draft was waiting.")
