"""How is it said over HTTP what foreign names of customers and events mean?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.doors import service
from solvent.systems.doors.limits import NAME_CHARS_MAX
from solvent.systems.doors.model import Door
from solvent.systems.doors.shapes import (
    CustomerNameBody,
    CustomerNameShown,
    MeterNameBody,
    MeterNameShown,
    show_customer,
    show_meter_name,
)

router = Router(tags=["doors"])

NameQuery = Annotated[str, Query(max_length=NAME_CHARS_MAX)]
NO_CONTENT = 204


@router.put("/doors/{door}/customers")
async def name_door_customer(
    ctx: RequestCtx, door: Door, body: CustomerNameBody
) -> CustomerNameShown:
    """Say which customer a foreign name means, from now on."""
    return show_customer(await service.name_customer(ctx, door, body.name, body.customer))


@router.get("/doors/{door}/customers")
async def list_door_customers(
    ctx: RequestCtx, door: Door, page: PageQuery
) -> Page[CustomerNameShown]:
    """List foreign names of customers."""
    found = await service.list_customers(ctx, door, after=page.after or "", limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.name, render=show_customer)


@router.delete("/doors/{door}/customers", status_code=NO_CONTENT)
async def unname_door_customer(ctx: RequestCtx, door: Door, name: NameQuery) -> Response:
    """Forget what a foreign name means."""
    await service.unname_customer(ctx, door, name)
    return Response(status_code=NO_CONTENT)


@router.put("/doors/{door}/meters")
async def name_door_meter(ctx: RequestCtx, door: Door, body: MeterNameBody) -> MeterNameShown:
    """Say which meter a foreign event is for, and where its value stands."""
    made = await service.name_meter(
        ctx,
        door,
        body.event,
        body.meter,
        value_path=body.value_path,
        dimensions=body.dimensions,
    )
    return show_meter_name(made)


@router.get("/doors/{door}/meters")
async def list_door_meters(ctx: RequestCtx, door: Door) -> list[MeterNameShown]:
    """List which foreign events are for which meters."""
    return [show_meter_name(one) for one in await service.list_meters(ctx, door)]


@router.delete("/doors/{door}/meters", status_code=NO_CONTENT)
async def unname_door_meter(ctx: RequestCtx, door: Door, event: NameQuery) -> Response:
    """Forget which meters a foreign event is for; one of the same key is meant again."""
    await service.unname_meter(ctx, door, event)
    return Response(status_code=NO_CONTENT)
