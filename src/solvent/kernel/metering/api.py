"""How is usage sent, shown and measured over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, StrictStr

from solvent.kernel.metering import service
from solvent.kernel.metering.errors import PeriodMalformed
from solvent.kernel.metering.json_form import (
    MeasureShown,
    UsageEventShown,
    batch_of,
    event_of,
    is_batch,
    load,
    show_event,
    show_measure,
    usage_schema,
)
from solvent.kernel.metering.model import Aggregation, Late, Meter, MeterSpec, Period
from solvent.kit.clock import as_utc, parse_time
from solvent.kit.http import CursorMalformed, Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["metering"])

SEQ_DIGITS_MAX = 18


class RecordedBody(BaseModel):
    """What became of the events; `uncounted` of the accepted are older than their meter."""

    accepted: int
    duplicates: int
    uncounted: int


class MeterBody(BaseModel):
    """A meter as described by its owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr
    aggregation: Aggregation
    unit: StrictStr = ""
    value_property: StrictStr | None = None
    counts_from: datetime | None = None
    carries: bool = False
    known_properties: list[StrictStr] | None = None
    late: Late = Late.REOPEN
    accept_days: int | None = None


class MeterShown(BaseModel):
    """A meter as it stands."""

    key: str
    name: str
    aggregation: Aggregation
    unit: str
    value_property: str | None
    counts_from: datetime
    created_at: datetime
    carries: bool
    known_properties: list[str] | None
    late: Late
    accept_days: int | None


_USAGE = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": usage_schema()}},
    }
}


@router.post("/usage", openapi_extra=_USAGE)
async def record_usage(request: Request, ctx: RequestCtx) -> RecordedBody:
    """Record one event, or a batch `{"events": […]}` of up to 1000, all or none.

    Each id counts once, for ever: an event sent again is a duplicate, an id sent again with other
    content is refused with 409 and nothing of its batch is kept.
    """
    body = load(await request.body())
    if is_batch(body):
        recorded = await service.record(ctx, batch_of(body))
    else:
        recorded = await service.record_one(ctx, event_of(body))
    return RecordedBody(
        accepted=recorded.accepted,
        duplicates=recorded.duplicates,
        uncounted=recorded.uncounted,
    )


@router.get("/usage")
async def list_usage(
    ctx: RequestCtx,
    page: PageQuery,
    meter: Annotated[str | None, Query(max_length=64)] = None,
    customer: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[UsageEventShown]:
    """List events in the order of arrival, of one meter or customer where named."""
    events = await service.list_events(
        ctx,
        after=_place(page.after),
        limit=page.limit + 1,
        meter_key=meter,
        customer_ref=customer,
    )
    return page_of(events, page, key=lambda event: str(event.seq), render=show_event)


def _place(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isdigit() or not after.isascii() or len(after) > SEQ_DIGITS_MAX:
        raise CursorMalformed(field="cursor")
    return int(after)


@router.get("/usage/measure")
async def measure_usage(
    ctx: RequestCtx, *, meter: str, customer: str, start: str, end: str
) -> MeasureShown:
    """Measure a customer's use of a meter from `start` to before `end`, with its proof."""
    moments = parse_time(start, field="start"), parse_time(end, field="end")
    if moments[1] <= moments[0]:
        raise PeriodMalformed(field="end")
    measured = await service.measure(ctx, meter, customer_ref=customer, period=Period(*moments))
    return show_measure(measured)


@router.put("/meters/{key}")
async def define_meter(ctx: RequestCtx, key: str, body: MeterBody) -> MeterShown:
    """Define a meter; once it has events its name, `known_properties`, `late`, `accept_days` can
    change.
    """
    spec = MeterSpec(
        key=key,
        name=body.name,
        aggregation=body.aggregation,
        unit=body.unit,
        value_property=body.value_property,
        counts_from=as_utc(body.counts_from, field="counts_from") if body.counts_from else None,
        carries=body.carries,
        known_properties=_names(body.known_properties),
        late=body.late,
        accept_days=body.accept_days,
    )
    return _show_meter(await service.define_meter(ctx, spec))


def _names(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


@router.get("/meters/{key}")
async def get_meter(ctx: RequestCtx, key: str) -> MeterShown:
    """Show a meter."""
    return _show_meter(await service.get_meter(ctx, key))


@router.get("/meters")
async def list_meters(ctx: RequestCtx, page: PageQuery) -> Page[MeterShown]:
    """List meters by key."""
    meters = await service.list_meters(ctx, after=page.after or "", limit=page.limit + 1)
    return page_of(meters, page, key=lambda meter: meter.key, render=_show_meter)


def _show_meter(meter: Meter) -> MeterShown:
    return MeterShown(
        key=meter.key,
        name=meter.name,
        aggregation=meter.aggregation,
        unit=meter.unit,
        value_property=meter.value_property,
        counts_from=meter.counts_from,
        created_at=meter.created_at,
        carries=meter.carries,
        known_properties=None if meter.known_properties is None else list(meter.known_properties),
        late=meter.late,
        accept_days=meter.accept_days,
    )
