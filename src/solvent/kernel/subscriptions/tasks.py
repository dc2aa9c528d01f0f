"""What do the job runtime and the doctor do for subscriptions?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.service import history
from solvent.kernel.tenants.events import CustomerUpdated
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import JobPayload


async def run_periods_ended(ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
    """Let time act on subscriptions: their next moments have come."""
    await service.renew_all(ctx, [str(one["subscription_id"]) for one in payloads])


async def on_customer_updated(ctx: Ctx, event: CustomerUpdated) -> None:
    """Let a customer's subscriptions follow them into another time zone, from the next period."""
    if "time_zone" in event.fields:
        await service.follow_customer(ctx, event.customer_id)


async def run_addons_turned(ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
    """Tell that add-ons have begun or ended: their moments have come."""
    await service.tell_of_addons(ctx, [str(one["subscription_id"]) for one in payloads])


async def check_charged(ctx: Ctx) -> list[tuple[str, str]]:
    """No second of a subscription was charged twice."""
    return [(id_, f"charged twice from {at} on") for id_, at in await history.charged_twice(ctx)]
