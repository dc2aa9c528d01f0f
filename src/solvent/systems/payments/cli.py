"""How does an operator connect payment providers and look after their events at a terminal?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from solvent.kit.cli import (
    Door,
    DryRunOption,
    JsonOption,
    LimitOption,
    TenantOption,
    run_at_door,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time, parse_time
from solvent.kit.config import read_bounded
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.metered import cli as meters
from solvent.systems.payments.model import Account, EventState, InboxEvent, Provider
from solvent.systems.payments.service import accounts, events
from solvent.systems.payments.service.reconcile import Poller, Report
from solvent.systems.payments.settings import PaymentsSection

SECRET_CHARS_MAX = 1_024

HELP = "Connect Stripe and Paddle, and look after what they tell."

app = typer.Typer(help=HELP, no_args_is_help=True)
app.add_typer(meters.app, name="meters")

ProviderArgument = Annotated[Provider, typer.Argument(help="stripe or paddle.")]
SecretOption = Annotated[
    str | None,
    typer.Option(
        envvar="SOLVENT_WEBHOOK_SECRET",
        help="Signing secret of the webhook endpoint (whsec_… or pdl_ntfset_…).",
        show_default=False,
        show_envvar=True,
    ),
]
SecretFileOption = Annotated[
    Path | None, typer.Option(help="File with the signing secret, instead.", show_default=False)
]


@app.command()
def connect(
    provider: ProviderArgument,
    webhook_secret: SecretOption = None,
    webhook_secret_file: SecretFileOption = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="SOLVENT_PROVIDER_API_KEY",
            help="API key, for checkouts and portal links.",
            show_default=False,
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="File with the API key, instead.", show_default=False)
    ] = None,
    window_s: Annotated[
        int | None,
        typer.Option(help="Paddle only: how old a signature may be, 5 to 300.", show_default=False),
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Connect a provider's account, or change what is given of it."""
    secret = _secret(webhook_secret, webhook_secret_file)
    key = _secret(api_key, api_key_file)

    async def use_case(ctx: Ctx) -> Account:
        return await accounts.connect(
            ctx, provider, webhook_secret=secret, api_key=key, window_s=window_s
        )

    account = run_in_tenant(tenant, use_case)
    _show_account(account, as_json=as_json)
    _hint(account)


@app.command("rotate-secret")
def rotate_secret(
    provider: ProviderArgument,
    webhook_secret: SecretOption = None,
    webhook_secret_file: SecretFileOption = None,
    overlap_hours: Annotated[
        int, typer.Option(help="How long the other secrets still count, 0 to 168.")
    ] = 24,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Let a new signing secret count from now on, and end the others."""
    secret = _secret(webhook_secret, webhook_secret_file)
    if secret is None:
        raise typer.BadParameter("give --webhook-secret or --webhook-secret-file")

    async def use_case(ctx: Ctx) -> Account:
        return await accounts.rotate_secret(
            ctx, provider, webhook_secret=secret, overlap_hours=overlap_hours
        )

    _show_account(run_in_tenant(tenant, use_case, dry_run=dry_run), as_json=as_json)


@app.command("list")
def list_accounts(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the connected accounts."""
    found = run_in_tenant(tenant, accounts.list_accounts)
    if as_json:
        show_json([_account_json(account) for account in found])
        return
    rows = [
        (one.provider, one.id, len(one.secrets), "yes" if one.has_api_key else "no", one.window_s)
        for one in found
    ]
    empty = "No provider is connected yet: solvent payments connect --help"
    show_table(("provider", "id", "secrets", "api_key", "window_s"), rows, empty=empty)


@app.command()
def disconnect(
    provider: ProviderArgument, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Forget an account with its secrets; what it told stays."""

    async def use_case(ctx: Ctx) -> None:
        await accounts.disconnect(ctx, provider)

    run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{provider} is disconnected")


@app.command()
def inbox(
    state: Annotated[EventState | None, typer.Option(help="Only events of this state.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the events that providers sent, newest first, and what became of them."""

    async def use_case(ctx: Ctx) -> list[InboxEvent]:
        return await events.list_events(ctx, state=state, limit=limit)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([_event_json(event) for event in found])
        return
    rows = [
        (one.id, one.provider, one.type, format_time(one.occurred_at), one.state, one.reason or "")
        for one in found
    ]
    show_table(("id", "provider", "type", "occurred_at", "state", "reason"), rows)


@app.command()
def replay(
    event: Annotated[
        str | None, typer.Argument(help="Our id of the event, or the provider's.")
    ] = None,
    all_failed: Annotated[bool, typer.Option(help="Every failed event, at most 200.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Try failed events again, say after the catalogue got the plan that was missing."""
    if (event is None) != all_failed:
        raise typer.BadParameter("name one event, or give --all-failed")

    async def use_case(ctx: Ctx) -> int:
        if event is None:
            return await events.replay_failed(ctx)
        await events.replay(ctx, event)
        return 1

    typer.echo(f"{run_in_tenant(tenant, use_case)} to be tried again")


@app.command()
def reconcile(
    provider: Annotated[
        Provider | None, typer.Argument(help="stripe or paddle; all that are connected without.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Since when, RFC 3339; where the last look ended without.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Ask providers what webhooks have not told, mend it, and tell every difference."""
    begun = parse_time(since, field="--since") if since else None

    async def act(door: Door) -> list[Report]:
        tenant_id = await door.tenant_of(tenant)
        async with door.edge.open(tenant_id, OPERATOR) as ctx:
            known = [one.provider for one in await accounts.list_accounts(ctx) if one.has_api_key]
        poller = Poller(door.edge, Gateways(door.setting(PaymentsSection)))
        wanted = [provider] if provider else known
        return [await poller.look(tenant_id, one, since=begun, dry_run=dry_run) for one in wanted]

    _show_reports(run_at_door(act), as_json=as_json, dry_run=dry_run)


def _show_reports(found: Sequence[Report], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        compared = f"{one.events} events, {one.payments} payments"
        typer.echo(f"{one.provider} since {format_time(one.since)}: {compared}", err=True)
    rows = [
        (one.provider, it.kind, it.subject, it.detail, "yes" if it.repaired else "no")
        for one in found
        for it in one.differences
    ]
    columns = ("provider", "kind", "subject", "detail", "repaired")
    show_table(columns, rows, empty="Nothing is missing.")
    if dry_run:
        typer.echo("dry run: nothing was kept", err=True)


def _secret(text: str | None, file: Path | None) -> str | None:
    if text and file:
        raise typer.BadParameter("give the secret or its file, not both")
    return read_bounded(file, SECRET_CHARS_MAX).strip() if file else text


def _hint(account: Account) -> None:
    """Say what an account lacks, and how it is given."""
    give = f"solvent payments connect {account.provider}"
    if not account.secrets:
        typer.echo(
            f"No signing secret is known, so every webhook is refused: {give}"
            " --webhook-secret-file FILE",
            err=True,
        )
    if not account.has_api_key:
        typer.echo(
            f"No API key is known, so no checkout can be made: {give} --api-key-file FILE", err=True
        )


def _show_account(account: Account, *, as_json: bool) -> None:
    if as_json:
        show_json(_account_json(account))
        return
    show_facts(
        (
            ("account", account.id),
            ("provider", account.provider),
            ("secrets", len(account.secrets)),
            ("api key", "yes" if account.has_api_key else "no"),
            ("window", f"{account.window_s} s"),
        )
    )


def _account_json(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "provider": account.provider,
        "window_s": account.window_s,
        "has_api_key": account.has_api_key,
        "secrets": [
            {"id": one.id, "created_at": one.created_at, "not_after": one.not_after}
            for one in account.secrets
        ],
    }


def _event_json(event: InboxEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "provider": event.provider,
        "provider_event_id": event.provider_event_id,
        "type": event.type,
        "occurred_at": format_time(event.occurred_at),
        "subscription_ref": event.subscription_ref,
        "state": event.state,
        "reason": event.reason,
    }
