"""How does a command know where the operator lets webhooks go?"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from solvent.kit.cli import Door, run_at_door
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.settings import WebhooksSection

T = TypeVar("T")


class _Undone(Exception):
    """Rolls the transaction of a dry run back."""


def run_guarded(
    tenant: str | None, use_case: Callable[[Ctx, Guard], Awaitable[T]], *, dry_run: bool = False
) -> T:
    """As `kit.cli.run_in_tenant`, for what must know where webhooks may go."""

    async def inside(door: Door) -> T:
        guard = Guard.of(door.setting(WebhooksSection).allowed_networks)
        tenant_id = await door.tenant_of(tenant)
        results: list[T] = []
        with contextlib.suppress(_Undone):
            async with door.edge.open(tenant_id, OPERATOR) as ctx:
                results.append(await use_case(ctx, guard))
                if dry_run:
                    raise _Undone
        return results[0]

    result = run_at_door(inside)
    if dry_run:
        typer.echo("dry run: nothing was kept", err=True)
    return result
