"""How does time act on a subscription?"""

from __future__ import annotations

from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.subscriptions.rules.timeline import steps_due
from solvent.kernel.subscriptions.service.cards import trials_as_paid
from solvent.kernel.subscriptions.service.save import (
    JOB_PERIOD_ENDED,
    carry_out,
    cycles_ahead,
    held_for_change,
    schedule,
)
from solvent.kit.ctx import Ctx

__all__ = ["JOB_PERIOD_ENDED", "renew"]


async def renew(ctx: Ctx, subscription_id: str) -> Subscription:
    """Do all that time has made due: ends of periods, trials, pauses, planned cancellations.

    Each once and in the order of time, however late; nothing if nothing is due, or if the clock
    went back. Asks for no scope: time needs none. Emits `period_ended` for each period that is
    over.

    Raises:
        SubscriptionNotFound: there is none.
    """
    held = await held_for_change(ctx, subscription_id)
    cycle_of = await trials_as_paid(ctx, held, await cycles_ahead(ctx, held))
    turns = list(steps_due(held, cycle_of, now=ctx.now()))
    if turns:
        return await carry_out(ctx, held, turns)
    schedule(ctx, held)
    return held
