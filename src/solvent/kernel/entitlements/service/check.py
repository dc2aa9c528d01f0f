"""May this customer have that now?"""

from __future__ import annotations

from dataclasses import replace

from solvent.kernel.entitlements import rules, store
from solvent.kernel.entitlements.model import Decision, Record, Wish
from solvent.kernel.entitlements.service.refresh import measure_used, refresh_known
from solvent.kit.ctx import Ctx

SCOPE_READ = "entitlements:read"


async def check(ctx: Ctx, customer: str, wish: Wish) -> Decision:
    """Return whether the customer (reference or id) may have the wish now; uses up nothing.

    Reads the database: usage and subscriptions committed before are in the answer. A customer
    nobody has heard of has no subscription.

    Raises:
        QuantityMalformed: the quantity is none.
    """
    ctx.require(SCOPE_READ)
    rules.check_quantity(wish.quantity)
    record = await find_fresh(ctx, customer)
    if record and wish.feature:
        record = await with_present_use(ctx, record, wish.feature)
    return rules.decide(record, wish, now=ctx.now())


async def find_fresh(ctx: Ctx, customer: str, *, lock: bool = False) -> Record | None:
    """Return a customer's record, made anew if time alone has made it stale."""
    record = await store.find_record(ctx.tx, ctx.tenant_id, customer, lock=lock)
    if record and record.stale_at and record.stale_at <= ctx.now():
        return (await refresh_known(ctx, {record.customer_id: record.customer_ref}))[0]
    return record


async def with_present_use(ctx: Ctx, record: Record, feature: str) -> Record:
    """Return the record with what is used of one quota as the database has it."""
    grant = record.feature(feature)
    if grant is None or grant.period is None:
        return record
    used = await measure_used(ctx, [replace(record, features=(grant,))])
    return rules.with_used(record, used[record.customer_id])
