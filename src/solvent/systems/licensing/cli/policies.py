"""How does an operator look after policies, releases and signing keys at a terminal?"""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

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
from solvent.kit.config import read_bounded
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import PolicyInvalid
from solvent.systems.licensing.model import Policy
from solvent.systems.licensing.shapes import PolicyBody

TERMS_BYTES_MAX = 65_536
MISSING_NOTE = (
    "customers who paid before have no license yet; this shows who would get one:"
    " solvent license issue --missing --dry-run"
)


def policies(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the policies: on which terms licenses are given."""

    async def use_case(ctx: Ctx) -> list[Policy]:
        return await service.list_policies(ctx, limit=PAGE_SIZE_MAX)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.key,
            one.product,
            one.scheme.value,
            one.limit or "any",
            one.days or "",
            one.plan_key or "",
        )
        for one in found
    ]
    columns = ("key", "product", "scheme", "limit", "days", "plan")
    show_table(columns, rows, empty="No policies yet: solvent license policy --help")


def policy(
    key: Annotated[str, typer.Argument(help="Key of the policy.")],
    file: Annotated[
        Path | None, typer.Option(help="TOML file of its terms, to make or change it.")
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a policy, or make it what a file of terms says."""
    told = read_terms(key, file) if file else None

    async def use_case(ctx: Ctx) -> tuple[Policy, bool]:
        if told is None:
            return await service.get_policy(ctx, key), False
        made = await service.save_policy(ctx, told)
        return made, bool(told.plan_key or told.unnamed_purchases) and await _is_missed(ctx)

    found, is_missed = run_in_tenant(tenant, use_case, dry_run=dry_run)
    if is_missed:
        typer.echo(MISSING_NOTE, err=True)
    if as_json:
        show_json(asdict(found))
    else:
        show_facts(asdict(found).items())


async def _is_missed(ctx: Ctx) -> bool:
    """Return whether somebody has paid before; the latest subscriptions are looked at."""
    bought = await service.find_missing(ctx)
    if bought.found or bought.after is None:
        return bool(bought.found)
    return bool((await service.find_missing(ctx, after=bought.after)).found)


def read_terms(key: str, file: Path) -> Policy:
    """Return the policy that a file of terms makes.

    Raises:
        PolicyInvalid: the file is no TOML, or a term is unknown or of another type.
    """
    try:
        told = tomllib.loads(read_bounded(file, limit_bytes=TERMS_BYTES_MAX))
        return PolicyBody.model_validate(told).policy(key)
    except tomllib.TOMLDecodeError as odd:
        raise PolicyInvalid(str(odd), field=str(file)) from None
    except ValidationError as odd:
        # A term that is misspelt first: the one that it should be is missing only therefore.
        first = min(odd.errors(), key=lambda one: one["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"])
        is_unknown = first["type"] == "extra_forbidden"
        known = f"expected one of {', '.join(PolicyBody.model_fields)}"
        raise PolicyInvalid(known if is_unknown else str(first["msg"]), field=where) from None


def release(
    product: Annotated[str, typer.Argument(help="Product, as policies name it.")],
    version: Annotated[str, typer.Argument(help="Version that came out.")],
    at: Annotated[str | None, typer.Option(help="When (RFC 3339); now without.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Say that a version came out, so that maintenance can cover it."""
    told = parse_time(at, field="--at") if at else None

    async def use_case(ctx: Ctx) -> str:
        moment = told or ctx.now().replace(microsecond=0)
        await service.add_release(ctx, product=product, version=version, released_at=moment)
        return format_time(moment)

    typer.echo(f"{product} {version} came out at {run_in_tenant(tenant, use_case)}")


def public_keys(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Print the public keys to build into a program: what it believes license files by."""

    async def use_case(ctx: Ctx) -> list[str]:
        return await service.public_keys(ctx)

    found = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(found)
    else:
        typer.echo("\n".join(found))


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(policies)
    app.command()(policy)
    app.command()(release)
    app.command("public-keys")(public_keys)
