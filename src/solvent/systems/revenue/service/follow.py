"""How do movements follow what happens to subscriptions?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger.service import history as ledger_history
from solvent.kernel.subscriptions.model import PlanRef
from solvent.kernel.subscriptions.service import history
from solvent.kit.ctx import Ctx
from solvent.systems.revenue.model import Movement, Stretch
from solvent.systems.revenue.rules.monthly import Worth, known_by, stretches_of
from solvent.systems.revenue.rules.moving import corrections, deltas
from solvent.systems.revenue.store import movements as store

Worths = dict[PlanRef, Worth]
"""Plan versions that were looked up; they never change."""


async def follow(ctx: Ctx, customer_ids: Collection[str]) -> int:
    """Bring the movements of these customers up to their history; return how many rows it took.

    Nothing that is kept is changed, and asking again adds nothing: the order of events, their
    number, and how often each is delivered do not matter.
    """
    await store.lock(ctx.tx, ctx.tenant_id, customer_ids)
    kept = await store.of_customers(ctx.tx, ctx.tenant_id, customer_ids)
    missing = await find_missing(ctx, customer_ids, kept, {})
    await store.insert(ctx.tx, ctx.tenant_id, missing)
    return len(missing)


async def find_missing(
    ctx: Ctx, customer_ids: Collection[str], kept: Sequence[Movement], worths: Worths
) -> list[Movement]:
    """Return the rows that history asks for beyond those kept: missing ones, and corrections."""
    stretches = await stretches_by_history(ctx, customer_ids, worths)
    return corrections(deltas(stretches), kept, noted_at=ctx.now())


async def stretches_by_history(
    ctx: Ctx, customer_ids: Collection[str], worths: Worths
) -> list[Stretch]:
    """Return what each subscription of these customers was worth when."""
    charged = list(known_by(await history.charged(ctx, customer_ids), ctx.now()))
    ids = sorted({one.subscription_id for one in charged})
    lasting = await ledger_history.list_lasting(ctx, ids) if ids else []
    grouped = groupby(lasting, key=attrgetter("subscription_id"))
    coupons = {subscription_id: list(found) for subscription_id, found in grouped}
    stretches: list[Stretch] = []
    for one in charged:
        worth = await _worth(ctx, one.plan, worths)
        stretches += stretches_of(one, worth, coupons.get(one.subscription_id, ()))
    return stretches


async def _worth(ctx: Ctx, plan: PlanRef, worths: Worths) -> Worth:
    if plan not in worths:
        worths[plan] = Worth(await catalogue.plan_version(ctx, plan.plan_key, plan.version))
    return worths[plan]
