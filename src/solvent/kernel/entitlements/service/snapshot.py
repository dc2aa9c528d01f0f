"""What may each customer use, as guards hold it?"""

from __future__ import annotations

from solvent.kernel.entitlements import store
from solvent.kernel.entitlements.errors import RecordNotFound
from solvent.kernel.entitlements.model import SNAPSHOT_PAGE, Record
from solvent.kernel.entitlements.service.check import SCOPE_READ, find_fresh
from solvent.kernel.entitlements.service.refresh import refresh_use_of
from solvent.kit.ctx import Ctx


async def get_record(ctx: Ctx, customer: str) -> Record:
    """Return all that a customer (reference or id) may use now.

    Raises:
        RecordNotFound: the customer never had a subscription.
    """
    ctx.require(SCOPE_READ)
    record = await find_fresh(ctx, customer, lock=True)
    if record is None:
        raise RecordNotFound(field="customer")
    return await refresh_use_of(ctx, record)


async def snapshot(ctx: Ctx, *, after: str = "", limit: int = SNAPSHOT_PAGE) -> list[Record]:
    """Return records by customer id, beginning after the id `after`, as guards were told them."""
    ctx.require(SCOPE_READ)
    return await store.page_records(
        ctx.tx, ctx.tenant_id, after=after, limit=min(limit, SNAPSHOT_PAGE)
    )
