"""How does an operator issue, show, change and export licenses at a terminal?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from solvent.kernel.tenants import service as tenants
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
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX
from solvent.systems.licensing import service
from solvent.systems.licensing.cli import missing
from solvent.systems.licensing.model import Activation, License
from solvent.systems.licensing.rules import life, slots
from solvent.systems.licensing.service import Issued
from solvent.systems.licensing.shapes import show_activation, show_license

app = typer.Typer(help="Give, show and revoke licenses; read license files.", no_args_is_help=True)

LicenseArgument = Annotated[str, typer.Argument(help="License, lic_….")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the customer and the audit log.")]
KEY_NOTE = "the key is shown this once: only its digest is kept"


@app.command()
def issue(
    policy: Annotated[str | None, typer.Argument(help="Key of the policy.")] = None,
    customer: Annotated[str | None, typer.Option(help="Customer, by id or own reference.")] = None,
    name: Annotated[str | None, typer.Option(help="What the license is called.")] = None,
    slots_bought: Annotated[
        int | None, typer.Option("--slots", min=1, help="Slots, instead of the policy's.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Its last second, instead of the policy's (RFC 3339).")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="A key that was sold elsewhere, to take over.")
    ] = None,
    signed_key: Annotated[
        bool, typer.Option("--signed-key", help="A key that can be verified by itself.")
    ] = False,
    purchase: Annotated[
        str | None, typer.Option(help="Purchase that waits for it; see `license purchases`.")
    ] = None,
    all_missing: Annotated[
        bool,
        typer.Option("--missing", help="Give all who paid before their policy was made."),
    ] = False,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a license and print its key; or give all that are missing."""
    if all_missing:
        if any((policy, customer, name, slots_bought, expires, key, signed_key, purchase)):
            raise typer.BadParameter(
                "--missing goes by the policies' plans; give nothing beside it"
            )
        missing.give(tenant, dry_run=dry_run, as_json=as_json)
        return
    if policy is None:
        raise typer.BadParameter("say of which policy, or --missing", param_hint="POLICY")
    expires_at = parse_time(expires, field="--expires") if expires else None

    async def use_case(ctx: Ctx) -> tuple[Issued, datetime]:
        made = await service.issue(
            ctx,
            policy,
            customer=customer,
            name=name,
            limit=slots_bought,
            expires_at=expires_at,
            key=key,
            signed_key=signed_key,
            purchase=purchase,
        )
        return made, ctx.now()

    made, now = run_in_tenant(tenant, use_case, dry_run=dry_run)
    _show_key(made, now, as_json=as_json)


@app.command("new-key")
def new_key(
    license_id: LicenseArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a license a new key in place of the one it had, and print it."""

    async def use_case(ctx: Ctx) -> tuple[Issued, datetime]:
        return await service.make_key(ctx, license_id), ctx.now()

    made, now = run_in_tenant(tenant, use_case, dry_run=dry_run)
    _show_key(made, now, as_json=as_json)


@app.command("list")
def list_licenses(
    customer: Annotated[str | None, typer.Option(help="Only of this customer.")] = None,
    policy: Annotated[str | None, typer.Option(help="Only of this policy.")] = None,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List licenses, the newest first."""

    async def use_case(ctx: Ctx) -> tuple[list[License], datetime]:
        customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
        found = await service.list_licenses(
            ctx, customer_id=customer_id, policy_key=policy, limit=limit
        )
        return found, ctx.now()

    found, now = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([_plain(one, now) for one in found])
        return
    rows = [
        (one.id, one.policy.key, life.status(one, now).lower(), _end(one), one.customer_id or "")
        for one in found
    ]
    show_table(("id", "policy", "status", "expires", "customer"), rows, empty="No licenses yet.")


@app.command()
def show(
    license_id: LicenseArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show a license and the machines on it."""
    held, machines, now = run_in_tenant(tenant, lambda ctx: _whole(ctx, license_id))
    if as_json:
        shown = [show_activation(one, now).model_dump(mode="json") for one in machines]
        show_json(_plain(held, now) | {"activations": shown})
        return
    _show_license(held, now)
    rows = [
        (one.id, one.machine.name or "", _state(one, now), _moment(one.file_until))
        for one in machines
    ]
    typer.echo()
    show_table(("activation", "name", "state", "file until"), rows, empty="No machines yet.")


@app.command()
def suspend(
    license_id: LicenseArgument,
    reason: ReasonOption,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Let a license rest until it is reinstated."""
    _decide(tenant, lambda ctx: service.suspend(ctx, license_id, reason=reason), dry_run=dry_run)


@app.command()
def reinstate(
    license_id: LicenseArgument, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Let a suspended license count again."""
    _decide(tenant, lambda ctx: service.reinstate(ctx, license_id), dry_run=dry_run)


@app.command()
def revoke(
    license_id: LicenseArgument,
    reason: ReasonOption,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Take a license back for good, and say how long files of it can live on."""
    _decide(tenant, lambda ctx: service.revoke(ctx, license_id, reason=reason), dry_run=dry_run)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File, instead of here.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Write every license with its machines, one JSON object a line, without keys."""

    async def use_case(ctx: Ctx) -> list[str]:
        return [line async for line in _lines(ctx)]

    text = "".join(f"{line}\n" for line in run_in_tenant(tenant, use_case))
    if out:
        out.write_text(text, encoding="utf-8")
        typer.echo(str(out))
    else:
        typer.echo(text, nl=False)


async def _lines(ctx: Ctx) -> AsyncIterator[str]:
    before: str | None = None
    while page := await service.list_licenses(ctx, before=before, limit=PAGE_SIZE_MAX):
        for held in page:
            machines = await service.activations_of(ctx, held)
            shown = [show_activation(one, ctx.now()).model_dump(mode="json") for one in machines]
            yield json.dumps(_plain(held, ctx.now()) | {"activations": shown}, ensure_ascii=False)
        before = page[-1].id


async def _whole(ctx: Ctx, license_id: str) -> tuple[License, list[Activation], datetime]:
    held = await service.get(ctx, license_id)
    return held, await service.activations_of(ctx, held), ctx.now()


def _decide(
    tenant: str | None, decide: Callable[[Ctx], Awaitable[License]], *, dry_run: bool
) -> None:
    async def use_case(ctx: Ctx) -> tuple[License, list[Activation], datetime]:
        return await _whole(ctx, (await decide(ctx)).id)

    held, machines, now = run_in_tenant(tenant, use_case, dry_run=dry_run)
    _show_license(held, now)
    alive = [one for one in machines if slots.has_live_file(one, now)]
    if alive and held.state != "active":
        last = max(one.file_until for one in alive if one.file_until)
        typer.echo(
            f"{len(alive)} machines without a network run on until {format_time(last)} at most"
        )


def _show_key(made: Issued, now: datetime, *, as_json: bool) -> None:
    if as_json:
        show_json(_plain(made.license, now) | {"key": made.key})
        return
    _show_license(made.license, now)
    show_facts([("key", made.key)])
    typer.echo(KEY_NOTE, err=True)


def _show_license(held: License, now: datetime) -> None:
    show_facts(
        [
            ("license", held.id),
            ("policy", held.policy.key),
            ("product", held.policy.product),
            (
                "status",
                life.status(held, now).lower() + (f" ({held.reason})" if held.reason else ""),
            ),
            ("customer", held.customer_id or "none"),
            ("slots", held.slots or "any number"),
            ("expires", _end(held)),
        ]
    )


def _plain(held: License, now: datetime) -> dict[str, object]:
    return show_license(held, now).model_dump(mode="json")


def _end(held: License) -> str:
    return format_time(held.expires_at) if held.expires_at else "never"


def _moment(moment: datetime | None) -> str:
    return format_time(moment) if moment else ""


def _state(one: Activation, now: datetime) -> str:
    taken = "slot taken" if slots.takes_slot(one, now) else "slot free"
    return f"ended, {taken}" if one.ended_at else taken
