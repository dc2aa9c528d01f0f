"""How does an operator make and redeem coupons at the terminal?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Coupon, Discount
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import parse_amount, plain_number
from solvent.systems.billing import rules
from solvent.systems.billing.json_form import show_coupon

app = typer.Typer(help="Make, list and redeem coupons.", no_args_is_help=True)

CodeArgument = Annotated[str, typer.Argument(help="The coupon's code.")]
SubscriptionArgument = Annotated[str, typer.Argument(help="The subscription, by id.")]


@app.command()
def make(
    code: CodeArgument,
    name: Annotated[str, typer.Option(help="What invoices call it.")],
    percent: Annotated[str | None, typer.Option(help="The share it takes off, to 100.")] = None,
    amount: Annotated[str | None, typer.Option(help="Or an amount: 5.00.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of which currency: USD.")] = None,
    periods: Annotated[int | None, typer.Option(help="For how many periods; for ever.")] = None,
    plan: Annotated[list[str] | None, typer.Option(help="Only for this plan.")] = None,
    redemptions_max: Annotated[int | None, typer.Option(help="How many may have it.")] = None,
    redeem_by: Annotated[str | None, typer.Option(help="Until when, RFC 3339.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Make a coupon."""
    amount_minor = parse_amount(amount, currency or "", field="--amount") if amount else None
    off = Discount(code, name, _percent(percent), amount_minor)
    until = parse_time(redeem_by, field="--redeem-by") if redeem_by else None

    async def act(ctx: Ctx) -> Coupon:
        return await ledger.make_coupon(
            ctx,
            off,
            currency=currency,
            periods=periods,
            plan_keys=tuple(plan or ()),
            redemptions_max=redemptions_max,
            redeem_by=until,
        )

    _show(run_in_tenant(tenant, act, dry_run=dry_run))


def _percent(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        message = f"--percent: expected a number, not {text!r:.40}"
        raise typer.BadParameter(message) from None


def _show(one: Coupon) -> None:
    show_facts([("coupon", one.discount.code), ("takes off", _off(one)), ("for", _for(one))])


def _off(one: Coupon) -> str:
    if one.discount.percent is not None:
        return f"{plain_number(one.discount.percent)} %"
    return rules.money(one.discount.amount_minor or 0, one.currency or "USD")


def _for(one: Coupon) -> str:
    return "ever" if one.periods is None else f"{one.periods} periods"


@app.command("list")
def list_coupons(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List coupons by their codes."""

    async def look(ctx: Ctx) -> list[Coupon]:
        return await ledger.list_coupons(ctx, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_coupon(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (
            one.discount.code,
            _off(one),
            _for(one),
            f"{one.redeemed}{f' of {one.redemptions_max}' if one.redemptions_max else ''}",
            "closed" if one.closed else "open",
        )
        for one in found
    ]
    columns = ("code", "takes off", "for", "redeemed", "state")
    show_table(columns, rows, empty="No coupons yet. Make one: solvent coupon make --help")


@app.command()
def close(code: CodeArgument, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Let nobody redeem a coupon any more; who has it keeps it."""

    async def act(ctx: Ctx) -> Coupon:
        return await ledger.close_coupon(ctx, code)

    _show(run_in_tenant(tenant, act, dry_run=dry_run))


@app.command()
def redeem(
    code: CodeArgument,
    subscription: SubscriptionArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give a subscription a coupon, from its next invoice."""

    async def act(ctx: Ctx) -> Coupon:
        return (await ledger.redeem_coupon(ctx, code, subscription)).coupon

    _show(run_in_tenant(tenant, act, dry_run=dry_run))


@app.command()
def end(
    code: CodeArgument,
    subscription: SubscriptionArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Let a coupon take nothing more off a subscription."""

    async def act(ctx: Ctx) -> None:
        await ledger.end_redemption(ctx, code, subscription)

    run_in_tenant(tenant, act, dry_run=dry_run)
    typer.echo(f"coupon {code.upper()} has ended for {subscription}")
