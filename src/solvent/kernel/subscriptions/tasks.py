"""What does the job runtime do for subscriptions?"""

from __future__ import annotations

from solvent.kernel.subscriptions import service
from solvent.kernel.tenants.events import CustomerUpdated
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import JobPayload


async def run_period_ended(ctx: Ctx, payload: JobPayload) -> None:
    """Let time act on a subscription: its next moment has come."""
    await service.renew(ctx, str(payload["subscription_id"]))


async def on_customer_updated(ctx: Ctx, event: CustomerUpdated) -> None:
    """Let a customer's subscriptions follow them into another time zone, from the next period."""
    if "time_zone" in event.fields:
        await service.follow_customer(ctx, event.customer_id)


async def run_addon_turned(ctx: Ctx, payload: JobPayload) -> None:
    """Tell that an add-on has begun or ended: its moment has come."""
    await service.tell_of_addons(ctx, str(payload["subscription_id"]))
