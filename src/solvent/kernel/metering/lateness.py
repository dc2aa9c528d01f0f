"""Which usage came, or came to count otherwise, after a place in the order of arrival?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from solvent.kernel.metering import overlay_store, store
from solvent.kernel.metering.model import (
    Changed,
    Late,
    LateDay,
    LateEvent,
    LateRequest,
    MeasureRequest,
    Meter,
)
from solvent.kernel.metering.service import SCOPE_READ
from solvent.kit.ctx import Ctx


async def meters_by_key(ctx: Ctx, keys: Collection[str]) -> dict[str, Meter]:
    """Return the meters of these keys; unknown ones are missing."""
    ctx.require(SCOPE_READ)
    return await store.find_meters(ctx.tx, ctx.tenant_id, sorted(keys))


async def correcting_meters(ctx: Ctx) -> dict[str, Meter]:
    """Return the meters whose late usage corrects final invoices, by key."""
    ctx.require(SCOPE_READ)
    found = await store.list_meters_by_late(ctx.tx, ctx.tenant_id, Late.CORRECT)
    return {one.key: one for one in found}


async def late_days(
    ctx: Ctx, requests: Sequence[LateRequest], *, meter_keys: Collection[str], up_to: int
) -> list[list[LateDay]]:
    """Return for each request the days for which something came, or changed, after its place.

    Each request's `before` is the end of the last period that was drawn at that place: what came
    within the hour of its time can be late for that period only, and is found by its time.
    """
    ctx.require(SCOPE_READ)
    if not requests or not meter_keys:
        return [[] for _ in requests]
    return await overlay_store.late_days(
        ctx.tx, ctx.tenant_id, requests, meter_keys=sorted(meter_keys), up_to=up_to
    )


async def changed(ctx: Ctx, asked: MeasureRequest, *, after: int, up_to: int) -> Changed:
    """Return which events of a measure's period came, or count otherwise, between two places.

    Raises:
        MeterNotFound: there is no such meter.
    """
    ctx.require(SCOPE_READ)
    meter = await store.get_meter(ctx.tx, ctx.tenant_id, asked.selection.meter_key)
    return await overlay_store.changed(
        ctx.tx, ctx.tenant_id, meter, asked, after=after, up_to=up_to
    )


async def list_late(
    ctx: Ctx,
    asked: MeasureRequest,
    *,
    after: int,
    up_to: int | None = None,
    after_id: str | None = None,
    limit: int,
) -> list[LateEvent]:
    """Return the events that `changed` would count, in the order of their time.

    Without `up_to` up to now. Begins after the event of the id `after_id`.

    Raises:
        MeterNotFound: there is no such meter.
    """
    ctx.require(SCOPE_READ)
    meter = await store.get_meter(ctx.tx, ctx.tenant_id, asked.selection.meter_key)
    return await overlay_store.list_late(
        ctx.tx,
        ctx.tenant_id,
        (meter, asked),
        after=after,
        up_to=up_to,
        after_id=after_id,
        limit=limit,
    )
