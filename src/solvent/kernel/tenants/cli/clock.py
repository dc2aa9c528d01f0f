"""How is a test tenant's time read and moved at a terminal?"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from solvent.kernel.tenants import service
from solvent.kit.cli import DryRunOption, TenantOption, run_in_tenant
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.errors import Invalid

app = typer.Typer(help="A test tenant's time.", no_args_is_help=True)

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SpanInvalid(Invalid):
    """A span reads as a number and a unit: 90s, 15m, 12h, 31d or 2w."""

    code = "tenants.span_invalid"


@app.command("show")
def show(tenant: TenantOption = None) -> None:
    """Print where the tenant's time stands."""
    stands_at = run_in_tenant(tenant, service.test_clock)
    typer.echo(format_time(stands_at) if stands_at else "real time")


@app.command("set")
def set_to(
    moment: Annotated[str, typer.Argument(help="Such as 2026-12-23T10:00:00Z.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Move the time forward to a moment."""
    to = parse_time(moment, field="MOMENT")

    async def use_case(ctx: Ctx) -> datetime:
        return await service.move_test_clock(ctx, to)

    typer.echo(format_time(run_in_tenant(tenant, use_case, dry_run=dry_run)))


@app.command("advance")
def advance(
    span: Annotated[str, typer.Argument(help="Such as 90s, 15m, 12h, 31d or 2w.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Move the time forward by a span."""
    by = parse_span(span)

    async def use_case(ctx: Ctx) -> datetime:
        return await service.move_test_clock(ctx, ctx.now() + by)

    typer.echo(format_time(run_in_tenant(tenant, use_case, dry_run=dry_run)))


@app.command("release")
def release(tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Let the tenant follow real time again, if that is not back in time."""
    run_in_tenant(tenant, service.release_test_clock, dry_run=dry_run)
    typer.echo("real time")


def parse_span(text: str) -> timedelta:
    """Return the span of a text like 31d; raises SpanInvalid."""
    found = _SPAN.match(text)
    if not found:
        raise SpanInvalid(field="SPAN", given=text[:32])
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
