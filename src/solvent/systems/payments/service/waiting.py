"""Which subscriptions has no checkout claimed in time, and whose are they then?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kit.ctx import SYSTEM, Edge
from solvent.systems.payments.limits import CUSTOMER_WAIT_S
from solvent.systems.payments.service.apply import adopt_waiting
from solvent.systems.payments.store import standing as standing_store


async def adopt_all(edge: Edge) -> int:
    """Apply what has waited for too long in any tenant; return in how many there was some.

    Each tenant is worked on in a transaction of its own.
    """
    async with edge.db.transaction() as tx:
        found = await standing_store.list_tenants_waiting(
            tx, longer_than=timedelta(seconds=CUSTOMER_WAIT_S)
        )
    for tenant_id in found:
        async with edge.open(tenant_id, SYSTEM) as ctx:
            await adopt_waiting(ctx)
    return len(found)
