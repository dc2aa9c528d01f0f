"""How does an operator see what was sent, and send it again?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from solvent.kit.cli import (
    JsonOption,
    LimitOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import SystemClock, format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX
from solvent.systems.webhooks import service
from solvent.systems.webhooks.cli.endpoints import EndpointArgument
from solvent.systems.webhooks.model import (
    Attempt,
    Delivery,
    Message,
    Replayed,
    State,
    Which,
)
from solvent.systems.webhooks.shapes import (
    show_attempt,
    show_delivery,
    show_message,
    show_replayed,
    show_whole,
)


def types(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the events that an endpoint can ask for."""

    async def use_case(ctx: Ctx) -> list[str]:
        return service.list_types(ctx)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(found)
    else:
        typer.echo("\n".join(found))


def messages(
    endpoint: Annotated[str | None, typer.Option(help="What goes to this endpoint.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state there.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages, the newest first."""
    if endpoint:
        if event_type:
            raise typer.BadParameter("give --endpoint or --type, not both", param_hint="--type")
        _list_deliveries(endpoint, state, limit, tenant, as_json=as_json)
        return
    if state:
        raise typer.BadParameter("a state is one at an --endpoint", param_hint="--state")
    found = run_in_tenant(
        tenant, lambda ctx: service.list_messages(ctx, event_type=event_type, limit=limit)
    )
    if as_json:
        show_json([show_message(one).model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.type, format_time(one.created_at)) for one in found]
    show_table(("message", "type", "created"), rows, empty="No messages yet.")


def message(
    message_id: Annotated[str, typer.Argument(help="Message, msg_….", metavar="MESSAGE")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a message: its body, where it goes, and each attempt."""

    async def use_case(ctx: Ctx) -> tuple[Message, list[Delivery], list[Attempt]]:
        return (
            await service.get_message(ctx, message_id),
            await service.deliveries_of(ctx, message_id),
            await service.attempts_of(ctx, message_id, limit=PAGE_SIZE_MAX),
        )

    found, deliveries, attempts = run_in_tenant(tenant, use_case)
    if as_json:
        told = [show_attempt(one).model_dump(mode="json") for one in attempts]
        show_json(show_whole(found, deliveries).model_dump(mode="json") | {"attempts": told})
        return
    show_facts([("message", found.id), ("type", found.type), ("body", found.body.decode())])
    typer.echo()
    _show_deliveries(deliveries)
    typer.echo()
    rows = [
        (one.endpoint_id, one.number, format_time(one.at), _outcome(one), one.told[:80])
        for one in attempts
    ]
    show_table(("endpoint", "attempt", "at", "outcome", "told"), rows, empty="No attempts yet.")


def send_test(
    endpoint: EndpointArgument,
    note: Annotated[str, typer.Option(help="A word that it carries.")] = "",
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test event to an endpoint."""
    made = run_in_tenant(tenant, lambda ctx: service.send_test(ctx, endpoint, note=note))
    if as_json:
        show_json(show_message(made).model_dump(mode="json"))
    else:
        typer.echo(f"{made.id} is on its way: solvent webhook message {made.id}")


def replay(
    endpoint: EndpointArgument,
    message_id: Annotated[
        str | None, typer.Option("--message", help="This message alone, msg_….")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From here on (RFC 3339); a day ago without.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="To here; now without.")] = None,
    which: Annotated[
        Which, typer.Option("--which", help="Those that never arrived, or all.")
    ] = Which.MISSED,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be sent, and send nothing.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an endpoint one message, or those of a time, again."""
    if message_id:
        if since or until or dry_run:
            raise typer.BadParameter("--message goes alone", param_hint="--message")
        _replay_one(endpoint, message_id, tenant, as_json=as_json)
        return
    begin, end = _time_of(since, until)
    replayed = run_in_tenant(
        tenant,
        lambda ctx: service.replay_range(
            ctx, endpoint, since=begin, until=end, which=which, dry_run=dry_run
        ),
    )
    if as_json:
        show_json(show_replayed(replayed, dry_run=dry_run).model_dump(mode="json"))
    else:
        _tell_replayed(replayed, dry_run=dry_run)


def _time_of(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    end = parse_time(until, field="--until") if until else SystemClock().now()
    begin = parse_time(since, field="--since") if since else end - timedelta(days=1)
    return begin.astimezone(UTC), end


def _tell_replayed(replayed: Replayed, *, dry_run: bool) -> None:
    verb = "would be sent again" if dry_run else "are sent again"
    which = f": {replayed.first_id} … {replayed.last_id}" if replayed.messages else ""
    typer.echo(f"{replayed.messages} messages {verb}{which}")


def _replay_one(endpoint: str, message_id: str, tenant: str | None, *, as_json: bool) -> None:
    sent = run_in_tenant(
        tenant, lambda ctx: service.replay_message(ctx, message_id, endpoint_id=endpoint)
    )
    if as_json:
        show_json(show_delivery(sent).model_dump(mode="json"))
    else:
        typer.echo(f"{sent.message_id} is sent to {sent.endpoint_id} again")


def _list_deliveries(
    endpoint: str, state: State | None, limit: int, tenant: str | None, *, as_json: bool
) -> None:
    found = run_in_tenant(
        tenant, lambda ctx: service.deliveries_to(ctx, endpoint, state=state, limit=limit)
    )
    if as_json:
        show_json([show_delivery(one).model_dump(mode="json") for one in found])
    else:
        _show_deliveries(found)


def _show_deliveries(found: list[Delivery]) -> None:
    rows = [
        (
            one.message_id,
            one.endpoint_id,
            one.type,
            one.state.value,
            one.attempts,
            format_time(one.next_at) if one.next_at else "",
        )
        for one in found
    ]
    columns = ("message", "endpoint", "type", "state", "attempts", "next")
    show_table(columns, rows, empty="Nothing goes there.")


def _outcome(attempt: Attempt) -> str:
    return f"{attempt.outcome.value} {attempt.status or ''}".strip()


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (types, messages, message, replay):
        app.command()(command)
    app.command("test")(send_test)
