"""How does a command ask a provider, with no transaction open meanwhile?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from solvent.kit.cli import Door, run_at_door
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.settings import PaymentsSection

T = TypeVar("T")
R = TypeVar("R")


def ask_around(
    tenant: str | None,
    before: Callable[[Ctx], Awaitable[T]],
    ask: Callable[[Collector, TenantId, T], Awaitable[None]],
    after: Callable[[Ctx, T], Awaitable[R]],
) -> R:
    """Write what is wanted, ask for it, and return what is known then: three steps, two commits."""

    async def inside(door: Door) -> R:
        tenant_id = await door.tenant_of(tenant)
        collector = Collector(door.edge, Gateways(door.setting(PaymentsSection)))
        wanted = await _within(door.edge, tenant_id, before)
        await ask(collector, tenant_id, wanted)
        return await _within(door.edge, tenant_id, lambda ctx: after(ctx, wanted))

    return run_at_door(inside)


async def _within(edge: Edge, tenant_id: TenantId, act: Callable[[Ctx], Awaitable[T]]) -> T:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await act(ctx)
