"""How does an operator keep customers' rules for topping up, at the terminal?"""

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
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money, format_money, parse_amount
from solvent.systems.payments.collection.json_form import show_rule
from solvent.systems.payments.collection.model import RuleState, TopUpRule
from solvent.systems.payments.collection.service import top_ups

app = typer.Typer(help="Keep customers' credit above a threshold.", no_args_is_help=True)

CustomerArgument = Annotated[str, typer.Argument(help="The customer, by id or own reference.")]
CurrencyArgument = Annotated[str, typer.Argument(help="Of which currency: USD.")]


@app.command("set")
def set_rule(
    customer: CustomerArgument,
    currency: CurrencyArgument,
    below: Annotated[str, typer.Option(help="Charge when credit is below this: 10.00.")],
    amount: Annotated[str, typer.Option(help="How much is charged then: 50.00.")],
    bonus: Annotated[str, typer.Option(help="What is given on top once it is paid.")] = "0",
    monthly_cap: Annotated[
        str | None, typer.Option(help="The most that is charged in a calendar month.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Keep a customer's credit above a threshold from now on."""
    code = currency.upper()
    wish = top_ups.Wish(
        customer=customer,
        currency=code,
        threshold_minor=parse_amount(below, code, field="--below"),
        amount_minor=parse_amount(amount, code, field="--amount"),
        bonus_minor=parse_amount(bonus, code, field="--bonus"),
        monthly_cap_minor=(
            parse_amount(monthly_cap, code, field="--monthly-cap") if monthly_cap else None
        ),
    )

    async def act(ctx: Ctx) -> TopUpRule:
        return await top_ups.set_rule(ctx, wish)

    _show(run_in_tenant(tenant, act, dry_run=dry_run), as_json=as_json)


@app.command("list")
def list_rules(
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the rules, by customer and currency."""

    async def look(ctx: Ctx) -> list[TopUpRule]:
        return await top_ups.list_rules(ctx, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_rule(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (
            one.customer_id,
            _money(one.threshold_minor, one),
            _money(one.amount_minor, one),
            one.state,
            one.reason or "",
        )
        for one in found
    ]
    show_table(("customer", "below", "amount", "state", "reason"), rows)


@app.command()
def pause(
    customer: CustomerArgument, currency: CurrencyArgument, tenant: TenantOption = None
) -> None:
    """Charge nothing by a rule until it is resumed."""
    _change(customer, currency, tenant, RuleState.PAUSED)


@app.command()
def resume(
    customer: CustomerArgument, currency: CurrencyArgument, tenant: TenantOption = None
) -> None:
    """Let a rule act again, at once if the credit is below its threshold."""
    _change(customer, currency, tenant, RuleState.ACTIVE)


@app.command()
def remove(
    customer: CustomerArgument,
    currency: CurrencyArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Forget a rule; a payment under way is still waited for."""

    async def act(ctx: Ctx) -> None:
        await top_ups.remove_rule(ctx, customer, currency)

    run_in_tenant(tenant, act, dry_run=dry_run)
    typer.echo(f"{customer} is not topped up any more")


def _change(customer: str, currency: str, tenant: str | None, state: RuleState) -> None:
    async def act(ctx: Ctx) -> TopUpRule:
        return await top_ups.set_state(ctx, customer, currency, state)

    _show(run_in_tenant(tenant, act), as_json=False)


def _money(amount_minor: int, rule: TopUpRule) -> str:
    return format_money(Money(amount_minor, rule.currency))


def _show(rule: TopUpRule, *, as_json: bool) -> None:
    if as_json:
        show_json(show_rule(rule).model_dump(mode="json"))
        return
    cap = rule.monthly_cap_minor
    show_facts(
        [
            ("customer", rule.customer_id),
            ("below", _money(rule.threshold_minor, rule)),
            ("amount", _money(rule.amount_minor, rule)),
            ("bonus", _money(rule.bonus_minor, rule)),
            ("monthly cap", _money(cap, rule) if cap else "none"),
            ("state", rule.state),
            ("reason", rule.reason or ""),
        ]
    )
