"""How are API keys managed at a terminal?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import ApiKey, IssuedKey, KeyKind
from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx

LIST_MAX = 500

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: TenantOption = None,
    kind: Annotated[KeyKind, typer.Option(help="Kept on a server, or shipped.")] = KeyKind.SECRET,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; repeat. None: all of its kind.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="Moment from which it opens nothing.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Issue a key; it is printed once and can never be shown again."""
    at = parse_time(expires, field="--expires") if expires else None

    async def use_case(ctx: Ctx) -> IssuedKey:
        return await service.issue_key(
            ctx, name=name, kind=kind, asked_scopes=scope or (), expires_at=at
        )

    issued = run_in_tenant(tenant, use_case)
    if as_json:
        show_json({"key": issued.text, **_facts(issued.key)})
    else:
        show_facts([("key", issued.text), *_facts(issued.key).items()])


@app.command("list")
def list_keys(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List API keys, the newest first."""

    async def use_case(ctx: Ctx) -> list[ApiKey]:
        return await service.list_keys(ctx, limit=LIST_MAX)

    rows = [_facts(key) for key in run_in_tenant(tenant, use_case)]
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "shown_as", "name", "scopes", "expires_at", "revoked_at", "last_used_at")
        show_table(columns, [[row[column] for column in columns] for row in rows])


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, key_…")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Revoke a key: it opens nothing from now on."""

    async def use_case(ctx: Ctx) -> ApiKey:
        return await service.revoke_key(ctx, key_id)

    key = run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{key.id} ({key.prefix}…{key.last4}) is revoked")


def _facts(key: ApiKey) -> dict[str, str]:
    moments = {
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
    return {
        "id": key.id,
        "shown_as": f"{key.prefix}…{key.last4}",
        "name": key.name,
        "scopes": " ".join(sorted(key.scopes)),
        **{name: format_time(at) if at else "" for name, at in moments.items()},
    }
