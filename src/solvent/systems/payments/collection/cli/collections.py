"""How does an operator look after what is being collected, at the terminal?"""

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
from solvent.systems.payments.collection.json_form import (
    show_attempt,
    show_collection,
    show_story,
)
from solvent.systems.payments.collection.model import Attempt, Collection, CollectionState
from solvent.systems.payments.collection.service import begin, links, read
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.collection.service.read import Story

app = typer.Typer(help="See and steer how invoices are collected.", no_args_is_help=True)

ReferenceArgument = Annotated[
    str, typer.Argument(help="The collection, or its invoice by id or number.")
]


@app.command("list")
def list_collections(
    state: Annotated[CollectionState | None, typer.Option(help="Only of this state.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only of this customer.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is or was collected, newest first."""

    async def look(ctx: Ctx) -> list[Collection]:
        return await read.list_collections(ctx, state=state, customer=customer, limit=limit)

    found = run_in_tenant(tenant, look)
    if as_json:
        show_json([show_collection(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.purpose, one.subject_id, one.state, one.failures, _next(one)) for one in found
    ]
    empty = "Nothing is collected yet: solvent dunning set --help"
    show_table(("id", "purpose", "of", "state", "failures", "next"), rows, empty=empty)


@app.command()
def show(
    reference: ReferenceArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show a collection with all its attempts."""

    async def look(ctx: Ctx) -> Story:
        return await read.get_story(ctx, reference)

    _show(run_in_tenant(tenant, look), as_json=as_json)


@app.command()
def collect(
    reference: ReferenceArgument, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Try now to collect, whatever it waits for; a running worker makes the attempt."""

    async def act(ctx: Ctx) -> Story:
        held = await begin.collect_now(ctx, reference)
        return await read.get_story(ctx, held.id)

    story = run_in_tenant(tenant, act, dry_run=dry_run)
    _show(story, as_json=False)


@app.command()
def stop(
    reference: ReferenceArgument,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "by_hand",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Try nothing more by itself."""

    async def act(ctx: Ctx) -> Collection:
        return await begin.stop(ctx, reference, reason=reason)

    _show_head(run_in_tenant(tenant, act, dry_run=dry_run))


@app.command()
def link(
    reference: ReferenceArgument,
    return_url: Annotated[str, typer.Option(help="Where the customer comes back to.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a page of the provider on which the customer pays what is due, once."""

    async def before(ctx: Ctx) -> Attempt:
        return await links.prepare_link(ctx, reference, return_url=return_url)

    async def ask(collector: Collector, tenant_id: TenantId, attempt: Attempt) -> None:
        if attempt.url is None:
            await collector.carry_out(tenant_id, attempt.id)

    async def after(ctx: Ctx, attempt: Attempt) -> Attempt:
        return await links.made_link(ctx, attempt.id)

    made = ask_around(tenant, before, ask, after)
    if as_json:
        show_json(show_attempt(made).model_dump(mode="json"))
    else:
        typer.echo(made.url)


@app.command()
def look(
    reference: ReferenceArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Ask the provider now how an open attempt stands."""

    async def before(ctx: Ctx) -> Story:
        return await read.get_story(ctx, reference)

    async def ask(collector: Collector, tenant_id: TenantId, story: Story) -> None:
        if story.under_way is not None:
            await collector.carry_out(tenant_id, story.under_way.id)

    async def after(ctx: Ctx, story: Story) -> Story:
        return await read.get_story(ctx, story.collection.id)

    _show(ask_around(tenant, before, ask, after), as_json=as_json)


def _next(one: Collection) -> str:
    return f"{one.next_step} {format_time(one.next_at)}" if one.next_at else ""


def _show(story: Story, *, as_json: bool) -> None:
    if as_json:
        show_json(show_story(story.collection, story.attempts).model_dump(mode="json"))
        return
    _show_head(story.collection)
    rows = [
        (
            one.number,
            one.kind,
            one.state,
            format_money(Money(one.amount_minor, one.currency)),
            one.code or "",
            one.payment_ref or "",
            one.url or "",
        )
        for one in story.attempts
    ]
    show_table(("attempt", "kind", "state", "amount", "code", "payment", "page"), rows)


def _show_head(one: Collection) -> None:
    show_facts(
        [
            ("collection", one.id),
            ("of", f"{one.purpose} {one.subject_id}"),
            ("state", one.state),
            ("failures", one.failures),
            ("declined", one.decline or "no"),
            ("next", _next(one) or "nothing by itself"),
            ("reason", one.reason or ""),
        ]
    )
