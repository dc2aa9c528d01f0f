"""What would a change of usage do, if it were made?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import TypeVar

from solvent.kernel.metering.model import UsageEffect
from solvent.kernel.metering.ports import UsageJudge
from solvent.kit.ctx import Ctx

T = TypeVar("T")


class Rehearsed(Exception):
    """Takes back what was only tried."""


async def rehearse(
    ctx: Ctx,
    judge: UsageJudge,
    act: Callable[[], Awaitable[T]],
    *,
    customer_refs: Collection[str],
) -> tuple[T, list[UsageEffect]]:
    """Return what an act returns and which invoices it changes, with nothing of it kept.

    Raises what the act raises.
    """
    results: list[T] = []
    effects: list[UsageEffect] = []

    async def tried() -> None:
        results.append(await act())

    with suppress(Rehearsed):
        async with ctx.tx.savepoint():
            effects += await judge.effects_of(ctx, customer_refs, tried)
            raise Rehearsed
    return results[0], effects
