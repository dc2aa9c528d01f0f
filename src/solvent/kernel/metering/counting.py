"""Which events does a measure count, each by its id?"""

from __future__ import annotations

from solvent.kernel.metering import measure_store, store
from solvent.kernel.metering.model import CountedEvent, Group, MeasureRequest
from solvent.kernel.metering.service import SCOPE_READ
from solvent.kit.ctx import Ctx


async def list_counted(
    ctx: Ctx, asked: MeasureRequest, *, group: Group = (), after: str | None = None, limit: int
) -> list[CountedEvent]:
    """Return the events that a measure of a group counts, in the order of their time.

    Begins after the event of the id `after`. With the request's `up_to` they are those that were
    counted then, each with what it counted as.

    Raises:
        MeterNotFound: there is no such meter.
    """
    ctx.require(SCOPE_READ)
    meter = await store.get_meter(ctx.tx, ctx.tenant_id, asked.selection.meter_key)
    return await measure_store.list_counted(
        ctx.tx, ctx.tenant_id, (meter, asked), group=group, after=after, limit=limit
    )
