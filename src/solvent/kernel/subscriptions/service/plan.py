"""What is planned for a subscription, and how is that taken back?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.kernel.subscriptions.errors import (
    ChangeNotFound,
    ChangeTimeInvalid,
    TooManyPlanned,
)
from solvent.kernel.subscriptions.model import PlannedChange, Subscription, When
from solvent.kernel.subscriptions.rules.calendar import is_sensible, whole_second
from solvent.kernel.subscriptions.rules.changing import all_planned, planned_for, without
from solvent.kernel.subscriptions.rules.turning import turned
from solvent.kernel.subscriptions.service.read import get
from solvent.kernel.subscriptions.service.save import (
    SCOPE_WRITE,
    carry_out,
    cycles,
    own_for_change,
)
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx

PLANNED_MAX = 20


async def list_planned(ctx: Ctx, subscription_id: str) -> tuple[PlannedChange, ...]:
    """Return all that is to become of a subscription, the soonest first.

    Raises:
        SubscriptionNotFound: there is none.
    """
    return all_planned(await get(ctx, subscription_id))


async def withdraw(ctx: Ctx, subscription_id: str, change_id: str) -> Subscription:
    """Take back a planned change that has not yet come true.

    Raises:
        SubscriptionNotFound: there is none.
        ProviderManaged: a payment provider runs it.
        ChangeNotFound: no such change is planned; it may have been made.
    """
    ctx.require(SCOPE_WRITE)
    held = await own_for_change(ctx, subscription_id)
    if all(one.id != change_id for one in all_planned(held)):
        raise ChangeNotFound(field="change", given=change_id[:64])
    return await save_planned(ctx, held, without(held, change_id), why="planned_change_withdrawn")


def takes_effect_at(ctx: Ctx, held: Subscription, when: datetime | When) -> datetime | None:
    """Return the moment ahead at which a change is to be made; None for now.

    Raises:
        ChangeTimeInvalid: it is not ahead, too far, or not told.
    """
    now = whole_second(ctx.now())
    if when is When.NOW:
        return None
    if when is When.AUTO:
        message = "expected now, period_end or a moment"
        raise ChangeTimeInvalid(message, field="when")
    at = held.period.end if isinstance(when, When) else whole_second(as_utc(when, field="at"))
    if at <= now or not is_sensible(at):
        raise ChangeTimeInvalid(field="at")
    return at


async def plan_for(ctx: Ctx, held: Subscription, planned: PlannedChange) -> Subscription:
    """Plan a change; one of the same kind and moment gives way to it.

    Raises:
        TooManyPlanned: the subscription has as many as it may have.
    """
    after = planned_for(held, planned)
    if len(after.planned) > PLANNED_MAX:
        raise TooManyPlanned(most=PLANNED_MAX)
    return await save_planned(ctx, held, after, why=f"{planned.kind.value}_planned")


async def unplan(ctx: Ctx, held: Subscription, like: PlannedChange) -> Subscription:
    """Take back what is planned of a kind for a moment; nothing changes where nothing is."""
    left = tuple(one for one in held.planned if (one.kind, one.at) != (like.kind, like.at))
    after = replace(held, planned=left)
    return await save_planned(ctx, held, after, why="planned_change_withdrawn")


async def save_planned(
    ctx: Ctx, held: Subscription, after: Subscription, *, why: str
) -> Subscription:
    """Keep what is planned from now on."""
    if after == held:
        return held
    cycle = (await cycles(ctx, held.plan))(held.plan)
    turn = turned(held, after, at=whole_second(ctx.now()), why=why, cycle=cycle)
    return await carry_out(ctx, held, [turn])
