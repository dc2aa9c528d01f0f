"""How is what a customer may use asked and shown at a terminal?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import pydantic_core
import typer

from solvent.kernel.entitlements import service
from solvent.kernel.entitlements.errors import QuantityMalformed
from solvent.kernel.entitlements.events import EntitlementChanged, QuotaState
from solvent.kernel.entitlements.model import Decision, Record, Wish
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
from solvent.kit.money import plain_number

entitlement = typer.Typer(help="Check, show and use up what customers may.", no_args_is_help=True)

CustomerArgument = Annotated[str, typer.Argument(help="Your own name of the customer, or the id.")]
QuantityOption = Annotated[str, typer.Option("--quantity", "-q", help="How much of a quota.")]


class DryRunOver(Exception):
    """A dry run's transaction ends with nothing kept."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


@entitlement.command()
def check(
    customer: CustomerArgument,
    feature: Annotated[str | None, typer.Option("--feature", "-f", help="A feature.")] = None,
    product: Annotated[str | None, typer.Option("--product", "-p", help="A product.")] = None,
    quantity: QuantityOption = "1",
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a customer may have something now; exit 1 if not."""
    wish = Wish(feature=feature, product=product, quantity=_number(quantity))

    async def use_case(ctx: Ctx) -> Decision:
        return await service.check(ctx, customer, wish)

    _show_decision(run_in_tenant(tenant, use_case), as_json=as_json)


@entitlement.command()
def consume(
    customer: CustomerArgument,
    feature: Annotated[str, typer.Option("--feature", "-f", help="The quota.")],
    quantity: QuantityOption = "1",
    key: Annotated[str | None, typer.Option(help="The same key consumes once.")] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Use up a quantity of a quota if it is left; exit 1 if not."""
    wish = Wish(feature=feature, quantity=_number(quantity))

    async def use_case(ctx: Ctx) -> Decision:
        decision = await service.consume(ctx, customer, wish, key=key)
        if dry_run:
            raise DryRunOver(decision)
        return decision

    try:
        decision = run_in_tenant(tenant, use_case)
    except DryRunOver as over:
        typer.echo("dry run: nothing was kept", err=True)
        decision = over.decision
    _show_decision(decision, as_json=as_json)


@entitlement.command()
def show(
    customer: CustomerArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show all that a customer may use now, as guards hold it."""

    async def use_case(ctx: Ctx) -> Record:
        return await service.get_record(ctx, customer)

    told = service.describe(run_in_tenant(tenant, use_case))
    if as_json:
        show_json(pydantic_core.to_jsonable_python(told))
    else:
        _show_record(told)


def _show_record(told: EntitlementChanged) -> None:
    facts = [("customer", f"{told.customer} ({told.customer_id})"), ("revision", told.revision)]
    show_facts(facts)
    show_table(
        ("product", "plan", "status", "until"),
        [
            (one.product, one.plan, one.status, format_time(one.until) if one.until else "-")
            for one in told.access
        ],
        empty="No current subscription.",
    )
    show_table(
        ("feature", "used", "limit", "of"),
        [
            (key, one.used, one.limit or "any", one.product)
            if isinstance(one, QuotaState)
            else (key, "-", "-", one.product)
            for key, one in told.features.items()
        ],
        empty="No features.",
    )


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise QuantityMalformed(field="--quantity", given=text[:64]) from None


def _show_decision(decision: Decision, *, as_json: bool) -> None:
    remaining = decision.remaining
    facts = {
        "allowed": decision.allowed,
        "code": decision.code.value,
        "reason": decision.reason,
        "until": format_time(decision.until) if decision.until else None,
        "remaining": None if remaining is None else plain_number(remaining),
    }
    if as_json:
        show_json(facts)
    else:
        show_facts([(name, value) for name, value in facts.items() if value is not None])
    if not decision.allowed:
        raise typer.Exit(EXIT_FAILED)
