"""How are a tenant's invoices collected?"""

from __future__ import annotations

from collections.abc import Mapping

from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.systems.payments.collection.model import Policy
from solvent.systems.payments.collection.rules import schedule
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.service.accounts import SCOPE_READ, SCOPE_WRITE


async def get_policy(ctx: Ctx) -> Policy:
    """Return the tenant's policy; nothing is collected by itself until one says so."""
    ctx.require(SCOPE_READ)
    document = await store.find_policy(ctx.tx, ctx.tenant_id)
    return schedule.read(document) if document else Policy()


async def set_policy(ctx: Ctx, document: Mapping[str, object]) -> Policy:
    """Make a document the tenant's policy; what failed before keeps the step it waits for.

    Needs `payments:write`. Raises PolicyMalformed, which names the field.
    """
    ctx.require(SCOPE_WRITE)
    policy = schedule.read(document)
    written = schedule.written(policy)
    await store.save_policy(ctx.tx, ctx.tenant_id, written, at=ctx.now())
    data = {"automatic": policy.automatic, "final": policy.final.value}
    audit.record(ctx, action="payments.collection_policy_set", subject="policy", data=data)
    return policy
