"""How is it said over HTTP which meters Stripe bills, and seen what it was told?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from solvent.kernel.metering.model import NAME_LENGTH_MAX
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.payments.metered import service
from solvent.systems.payments.metered.model import SendState
from solvent.systems.payments.metered.shapes import (
    ReportedMeterBody,
    ReportedMeterShown,
    ReportedUsageResolution,
    ReportedUsageShown,
    show_event,
    show_standing,
)

router = Router(tags=["payments"])

MeterPath = Annotated[str, Path(max_length=NAME_LENGTH_MAX, description="Key of the meter.")]
StateQuery = Annotated[SendState | None, Query(description="Only events of this state.")]


@router.get("/payments/meters")
async def list_reported_meters(ctx: RequestCtx) -> list[ReportedMeterShown]:
    """List the meters that Stripe is told of, and how far that has come."""
    return [show_standing(one) for one in await service.list_standing(ctx)]


@router.put("/payments/meters/{meter}")
async def report_meter(
    ctx: RequestCtx, meter: MeterPath, body: ReportedMeterBody
) -> ReportedMeterShown:
    """Tell Stripe of a meter's usage from the next hour on."""
    await service.report(ctx, meter, event_name=body.event_name)
    return show_standing(await service.get_standing(ctx, meter))


@router.delete("/payments/meters/{meter}", status_code=204)
async def stop_meter(ctx: RequestCtx, meter: MeterPath) -> None:
    """Tell Stripe no more of a meter; what is drafted is still sent."""
    await service.stop(ctx, meter)


@router.get("/payments/meter-events")
async def list_reported_usage(
    ctx: RequestCtx, page: PageQuery, state: StateQuery = None
) -> Page[ReportedUsageShown]:
    """List what Stripe was or is to be told, the newest first, and what came of it."""
    found = await service.list_events(ctx, state=state, before=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_event)


@router.post("/payments/meter-events/{event_id}/retry", status_code=204)
async def retry_reported_usage(ctx: RequestCtx, event_id: str) -> None:
    """Send again what Stripe refused."""
    await service.retry(ctx, event_id)


@router.post("/payments/meter-events/{event_id}/resolve", status_code=204)
async def resolve_reported_usage(
    ctx: RequestCtx, event_id: str, body: ReportedUsageResolution
) -> None:
    """Say whether Stripe has an event of which that is unclear; what it lacks is sent again."""
    await service.resolve(ctx, event_id, arrived=body.arrived)
