"""How does an operator say how invoices are collected, at the terminal?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
)
from solvent.kit.ctx import Ctx
from solvent.systems.payments.collection.json_form import show_policy
from solvent.systems.payments.collection.model import Decline, FinalStep, Policy
from solvent.systems.payments.collection.rules.schedule import written
from solvent.systems.payments.collection.service import policy as service

app = typer.Typer(help="Say how invoices are collected.", no_args_is_help=True)

DAYS = "days after the first failure, by commas; empty: never"


@app.command()
def show(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show how invoices are collected, and when one is given up."""
    _show(run_in_tenant(tenant, service.get_policy), as_json=as_json)


@app.command("set")
def set_policy(
    automatic: Annotated[
        bool | None,
        typer.Option(
            "--automatic/--by-hand", help="Charge what is due as soon as an invoice is final."
        ),
    ] = None,
    soft: Annotated[
        str | None, typer.Option(help=f"Retries where the card may work later: {DAYS}.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help=f"Retries where the customer must act: {DAYS}.")
    ] = None,
    no_method: Annotated[
        str | None, typer.Option(help=f"Retries where no card is on file: {DAYS}.")
    ] = None,
    give_up_days: Annotated[
        int | None, typer.Option(help="The day of the final step, from the first failure.")
    ] = None,
    final: Annotated[
        FinalStep | None, typer.Option(help="What happens to the subscription in the end.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Say how invoices are collected from now on; what is left out stays."""
    days = {Decline.SOFT: soft, Decline.ACTION: action, Decline.NO_METHOD: no_method}
    given = {name: _days(text, name) for name, text in days.items() if text is not None}

    async def act(ctx: Ctx) -> Policy:
        held = await service.get_policy(ctx)
        wanted = Policy(
            automatic=held.automatic if automatic is None else automatic,
            retries={**held.retries, **given},
            give_up_days=held.give_up_days if give_up_days is None else give_up_days,
            final=final or held.final,
        )
        return await service.set_policy(ctx, written(wanted))

    _show(run_in_tenant(tenant, act, dry_run=dry_run), as_json=as_json)


def _days(text: str, name: Decline) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in text.split(",") if one.strip())
    except ValueError:
        message = f"expected whole days by commas, say 1,3,7; got {text[:40]!r}"
        raise typer.BadParameter(message, param_hint=f"--{name.replace('_', '-')}") from None


def _show(policy: Policy, *, as_json: bool) -> None:
    if as_json:
        show_json(show_policy(policy).model_dump(mode="json"))
        return
    facts: list[tuple[str, object]] = [
        ("collected", "as soon as final" if policy.automatic else "by hand only")
    ]
    for name, days in policy.retries.items():
        facts.append((name.value, "on day " + ", ".join(map(str, days)) if days else "no retry"))
    facts += [("given up", f"on day {policy.give_up_days}"), ("then", policy.final.value)]
    show_facts(facts)
