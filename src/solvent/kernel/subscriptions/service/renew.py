"""How does time act on subscriptions, many at once?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.subscriptions import store
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.subscriptions.rules.timeline import steps_due
from solvent.kernel.subscriptions.service.cards import trials_as_paid
from solvent.kernel.subscriptions.service.save import (
    JOB_PERIOD_ENDED,
    Change,
    all_held_for_change,
    carry_out_all,
    cycles_ahead,
    schedule,
)
from solvent.kit.ctx import Ctx

__all__ = ["JOB_PERIOD_ENDED", "renew", "renew_all"]


async def renew(ctx: Ctx, subscription_id: str) -> Subscription:
    """Do all that time has made due: ends of periods, trials, pauses, planned cancellations.

    Each once and in the order of time, however late; nothing if nothing is due, or if the clock
    went back. Asks for no scope: time needs none. Emits `period_ended` for each period that is
    over.

    Raises:
        SubscriptionNotFound: there is none.
    """
    return (await renew_all(ctx, [subscription_id]))[0]


async def renew_all(ctx: Ctx, subscription_ids: Sequence[str]) -> list[Subscription]:
    """As `renew` for each of these, once, in their order; all of them or none.

    Raises:
        As `renew`, for any of them: the caller undoes the rest of the work.
    """
    left = await all_held_for_change(ctx, subscription_ids)
    order = [one.id for one in left]
    done: dict[str, Subscription] = {}
    while left:
        wave, later = _apart(left)
        done |= {one.id: one for one in await _renew_wave(ctx, wave)}
        left = await store.get_many(ctx.tx, ctx.tenant_id, later) if later else []
    return [done[id_] for id_ in order]


def _apart(held: Sequence[Subscription]) -> tuple[list[Subscription], list[str]]:
    """Return those of which no two are of one customer and product, and the ids of the rest.

    Which one is current may change with each, so the rest are read again after them.
    """
    first: dict[tuple[str, str], Subscription] = {}
    for one in held:
        first.setdefault((one.customer_id, one.product_key), one)
    wave = list(first.values())
    now = {one.id for one in wave}
    return wave, [one.id for one in held if one.id not in now]


async def _renew_wave(ctx: Ctx, held: Sequence[Subscription]) -> list[Subscription]:
    cycles = await trials_as_paid(ctx, held, await cycles_ahead(ctx, *held))
    due = [
        Change(one, turns)
        for one, cycle_of in zip(held, cycles, strict=True)
        if (turns := list(steps_due(one, cycle_of, now=ctx.now())))
    ]
    changed = {one.id: one for one in await carry_out_all(ctx, due)} if due else {}
    for one in held:
        if one.id not in changed:
            schedule(ctx, one)
    return [changed.get(one.id, one) for one in held]
