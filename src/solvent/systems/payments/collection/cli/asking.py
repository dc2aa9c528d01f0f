"""How does a command ask a provider, with no transaction open meanwhile?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from solvent.kit.cli import Door, run_at_door
from solvent.kit.ctx import OPERATOR, Ctx
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
        async with door.edge.open(tenant_id, OPERATOR) as ctx:
            wanted = await before(ctx)
        collector = Collector(door.edge, Gateways(door.setting(PaymentsSection)))
        await ask(collector, tenant_id, wanted)
        async with door.edge.open(tenant_id, OPERATOR) as ctx:
            return await after(ctx, wanted)

    return run_at_door(inside)
