"""How does an operator give money back, and see disputes, at the terminal?"""

from __future__ import annotations

from typing import Annotated

import typer

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
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.ids import TenantId
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money, format_money
from solvent.systems.payments.collection.cli.asking import ask_around
from solvent.systems.payments.collection.json_form import show_dispute, show_refund
from solvent.systems.payments.collection.model import Refund
from solvent.systems.payments.collection.service import refunds
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.model import Dispute
from solvent.systems.payments.service import disputes

app = typer.Typer(help="Give money back.", no_args_is_help=True)
disputes_app = typer.Typer(help="See what customers' banks dispute.", no_args_is_help=True)


@app.command()
def create(
    payment: Annotated[
        str, typer.Argument(help="The payment (pay_…), or an invoice by id or number.")
    ],
    reason: Annotated[str, typer.Option(help="Why; the provider keeps it too.")],
    amount_minor: Annotated[
        int | None, typer.Option(help="How much, in minor units; all that is left without.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Your own name of it; counts once.")] = None,
    credit: Annotated[
        bool, typer.Option("--credit", help="Take the whole invoice back by a credit note.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Give money back, once; a dry run says how much and asks nobody."""
    is_payment = payment.startswith("pay_")

    async def before(ctx: Ctx) -> Refund:
        wish = refunds.Wish(
            source=source or ctx.ids.new("src"),
            reason=reason,
            payment_id=payment if is_payment else None,
            invoice=None if is_payment else payment,
            amount_minor=amount_minor,
            credit=credit,
        )
        return await refunds.write(ctx, wish)

    if dry_run:
        _show(run_in_tenant(tenant, before, dry_run=True), as_json=as_json)
        return

    async def ask(collector: Collector, tenant_id: TenantId, refund: Refund) -> None:
        await collector.give_back(tenant_id, refund.id)

    async def after(ctx: Ctx, refund: Refund) -> Refund:
        return await refunds.get_refund(ctx, refund.id)

    _show(ask_around(tenant, before, ask, after), as_json=as_json)


@app.command("list")
def list_refunds(
    limit: LimitOption = PAGE_SIZE, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List refunds that were asked for here, newest first."""

    async def look(ctx: Ctx) -> list[Refund]:
        return await refunds.list_refunds(ctx, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_refund(one).model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.payment_id, _money(one), one.state, one.reason) for one in found]
    show_table(("id", "payment", "amount", "state", "reason"), rows)


@disputes_app.command("list")
def list_disputes(
    limit: LimitOption = PAGE_SIZE, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List disputes, those last heard of first."""

    async def look(ctx: Ctx) -> list[Dispute]:
        return await disputes.list_disputes(ctx, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_dispute(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.outcome, one.status, one.payment_ref or "", format_time(one.seen_at))
        for one in found
    ]
    show_table(("id", "outcome", "status", "payment", "seen"), rows, empty="No disputes.")


def _money(one: Refund) -> str:
    return format_money(Money(one.amount_minor, one.currency))


def _show(one: Refund, *, as_json: bool) -> None:
    if as_json:
        show_json(show_refund(one).model_dump(mode="json"))
        return
    show_facts(
        [
            ("refund", one.id),
            ("payment", one.payment_id),
            ("amount", _money(one)),
            ("state", one.state),
            ("at the provider", one.refund_ref or "not yet"),
            ("credit note", one.credit_note_id or "none"),
        ]
    )
