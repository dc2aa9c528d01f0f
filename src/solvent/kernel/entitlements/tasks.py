"""When do records have to be made anew?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.entitlements import service
from solvent.kernel.metering.events import UsageAmended, UsageRecorded
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.ctx import Ctx
from solvent.kit.wiring import JobPayload


async def on_subscription_changed(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Bring the records of the subscriptions' customers up to date, in the same transaction."""
    await service.refresh_known(ctx, {event.customer_id: event.customer_ref for event in events})


async def on_usage_recorded(ctx: Ctx, events: Sequence[UsageRecorded]) -> None:
    """Tell guards of metered use: many batches come to one look at each customer."""
    refs = {ref for event in events for ref in event.customer_refs}
    keys = {key for event in events for key in event.meter_keys}
    await service.refresh_usage(ctx, customer_refs=sorted(refs), meter_keys=sorted(keys))


async def on_usage_amended(ctx: Ctx, events: Sequence[UsageAmended]) -> None:
    """Tell guards that use counts otherwise than it was recorded."""
    refs = {event.customer_ref for event in events}
    keys = {event.meter_key for event in events}
    await service.refresh_usage(ctx, customer_refs=sorted(refs), meter_keys=sorted(keys))


async def run_refreshes(ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
    """Look again at customers whose records time has made stale."""
    await service.refresh(ctx, list(dict.fromkeys(str(one["customer_id"]) for one in payloads)))
