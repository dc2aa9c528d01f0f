"""How do Stripe's clients send meter events and read meters here?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from solvent.kernel.metering import amending
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import EventConflict, PeriodMalformed
from solvent.kernel.metering.model import Aggregation, MeterSpec, Period
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.http import RequestCtx
from solvent.systems.doors import service
from solvent.systems.doors.api.route import DoorRouter, answer, body_of
from solvent.systems.doors.api.stripe_shape import (
    METER_PREFIX,
    show_event,
    show_meter,
    show_summaries,
)
from solvent.systems.doors.errors import (
    EventExists,
    EventMalformed,
    EventNotFound,
    NameMalformed,
    ParameterUnknown,
)
from solvent.systems.doors.limits import NAME_CHARS_MAX, SESSION_S
from solvent.systems.doors.model import Door, MeterName, Sent, Use
from solvent.systems.doors.rules.fields import data_of, epoch_time, must_be_name
from solvent.systems.doors.rules.readers import read, read_again
from solvent.systems.doors.rules.reading import as_object, elements, read_form, read_json
from solvent.systems.doors.rules.stripe import CUSTOMER_KEY, V1_FIELDS, VALUE_KEY
from solvent.systems.doors.rules.windows import Size, cut

AGGREGATIONS = {
    "sum": Aggregation.SUM,
    "count": Aggregation.COUNT,
    "last": Aggregation.LATEST,
}
LIST_MAX = 100
WINDOWS = {None: None, "hour": Size.HOUR, "day": Size.DAY}

router = DoorRouter("/doors/stripe")


@router.post("/v1/billing/meter_events")
async def create_meter_event(request: Request, ctx: RequestCtx) -> Response:
    """Take one meter event; what Stripe would look at later is buried, not refused."""
    raw = await body_of(request)
    _check_known(read_form(raw))
    use = await _take_one(ctx, read_again(Door.STRIPE, raw))
    return answer(show_event(ctx, use, live=await _is_live(ctx)))


@router.post("/v2/billing/meter_events")
async def create_meter_event_v2(request: Request, ctx: RequestCtx) -> Response:
    """Take one meter event in the form of version 2."""
    text, value = read_json(await body_of(request))
    use = await _take_one(ctx, read(Door.STRIPE, text.strip().encode(), value))
    shown = show_event(ctx, use, live=await _is_live(ctx))
    times = {"created": format_time(ctx.now()), "timestamp": format_time(use.at or ctx.now())}
    return answer(shown | times | {"object": "v2.billing.meter_event"})


@router.post("/v2/billing/meter_event_stream")
async def stream_meter_events(request: Request, ctx: RequestCtx) -> Response:
    """Take many meter events; what cannot be counted is buried, conflicts too."""
    text, value = read_json(await body_of(request))
    sent = [read(Door.STRIPE, raw, one) for raw, one in elements(text, value, key="events")]
    taken = await service.take(ctx, Door.STRIPE, sent)
    await service.bury_conflicts(ctx, Door.STRIPE, taken)
    return answer({})


@router.post("/v2/billing/meter_event_session")
async def create_meter_event_session(ctx: RequestCtx) -> Response:
    """Return a token that may send meter events for 15 minutes; the key needs `tokens:write`."""
    life = timedelta(seconds=SESSION_S)
    token = await tenants.issue_token(
        ctx, subject="meter_event_session", asked_scopes=[metering.SCOPE_WRITE], life=life
    )
    session = {
        "id": ctx.ids.new("mes"),
        "object": "v2.billing.meter_event_session",
        "authentication_token": token,
        "created": format_time(ctx.now()),
        "expires_at": format_time(ctx.now() + life),
        "livemode": await _is_live(ctx),
    }
    return answer(session)


async def _take_one(ctx: Ctx, sent: Sent) -> Use:
    if sent.use is None:
        raise sent.refused or EventMalformed(field="payload")
    (taken,) = await service.take(ctx, Door.STRIPE, [sent])
    if isinstance(taken.fate, EventConflict):
        raise EventExists(field="identifier")
    return replace(sent.use, id=taken.id)


def _check_known(given: dict[str, object]) -> None:
    for name in given:
        if name not in V1_FIELDS:
            raise ParameterUnknown(field=name[:64])


@router.post("/v1/billing/meter_event_adjustments")
async def adjust_meter_event(request: Request, ctx: RequestCtx) -> Response:
    """Take a meter event back: it counts nowhere from now on, however old it is."""
    return await _cancel(ctx, read_form(await body_of(request)), "billing.meter_event_adjustment")


@router.post("/v2/billing/meter_event_adjustments")
async def adjust_meter_event_v2(request: Request, ctx: RequestCtx) -> Response:
    """As in version 1, in the form of version 2."""
    given = as_object(read_json(await body_of(request))[1])
    return await _cancel(ctx, given, "v2.billing.meter_event_adjustment")


async def _cancel(ctx: Ctx, given: Mapping[str, object], kind: str) -> Response:
    if must_be_name(given, "type") != "cancel":
        raise EventMalformed("expected cancel", field="type")
    event = must_be_name(given, "event_name")
    identifier = must_be_name(data_of(given, "cancel"), "identifier")
    overlay = await amending.void(ctx, identifier, reason="canceled by its sender")
    if overlay.meter_key not in await service.meters_of(ctx, Door.STRIPE, event):
        raise EventNotFound(field="cancel[identifier]")
    told = {"cancel": {"identifier": identifier}, "event_name": event, "type": "cancel"}
    more = {"object": kind, "status": "complete", "livemode": await _is_live(ctx)}
    return answer(told | more)


@router.post("/v1/billing/meters")
async def create_meter(request: Request, ctx: RequestCtx) -> Response:
    """Define a meter whose key is the name of its events."""
    given = read_form(await body_of(request))
    event = must_be_name(given, "event_name")
    formula = must_be_name(data_of(given, "default_aggregation"), "formula")
    if formula not in AGGREGATIONS:
        expected = f"expected one of {', '.join(AGGREGATIONS)}"
        raise EventMalformed(expected, field="default_aggregation[formula]")
    _check_mapping(given)
    aggregation = AGGREGATIONS[formula]
    spec = MeterSpec(
        key=event, name=must_be_name(given, "display_name"), aggregation=aggregation, unit=""
    )
    await service.make_meter(
        ctx, Door.STRIPE, spec, event=event, value_path=_value_path(given, aggregation)
    )
    return await _answer_meter(ctx, event)


def _check_mapping(given: dict[str, object]) -> None:
    mapping = data_of(given, "customer_mapping")
    if mapping.get("event_payload_key", CUSTOMER_KEY) != CUSTOMER_KEY:
        field = "customer_mapping[event_payload_key]"
        raise NameMalformed(f"expected {CUSTOMER_KEY}", field=field)


def _value_path(given: dict[str, object], aggregation: Aggregation) -> str | None:
    if aggregation is Aggregation.COUNT:
        return ""
    key = data_of(given, "value_settings").get("event_payload_key", VALUE_KEY)
    return None if key == VALUE_KEY else f"$['{key}']"


@router.get("/v1/billing/meters")
async def list_meters(
    ctx: RequestCtx,
    limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 10,
    starting_after: Annotated[str, Query(max_length=NAME_CHARS_MAX)] = "",
) -> Response:
    """Return meters by key."""
    after = starting_after.removeprefix(METER_PREFIX)
    found = await metering.list_meters(ctx, after=after, limit=limit + 1)
    names = await _names(ctx)
    live = await _is_live(ctx)
    shown = [show_meter(one, names.get(one.key), live=live) for one in found[:limit]]
    more = len(found) > limit
    page = {"object": "list", "url": "/v1/billing/meters", "has_more": more, "data": shown}
    return answer(page)


@router.get("/v1/billing/meters/{meter_id}")
async def get_meter(ctx: RequestCtx, meter_id: str) -> Response:
    """Return a meter."""
    return await _answer_meter(ctx, meter_id.removeprefix(METER_PREFIX))


@router.get("/v1/billing/meters/{meter_id}/event_summaries")
async def list_event_summaries(
    ctx: RequestCtx,
    meter_id: str,
    *,
    customer: Annotated[str, Query(max_length=NAME_CHARS_MAX)],
    start_time: str,
    end_time: str,
    window: Annotated[str | None, Query(alias="value_grouping_window")] = None,
) -> Response:
    """Return what a customer used, as one summary or one for each hour or day of UTC."""
    if window not in WINDOWS:
        raise EventMalformed("expected hour or day", field="value_grouping_window")
    start = epoch_time(start_time, field="start_time")
    end = epoch_time(end_time, field="end_time")
    if end <= start:
        raise PeriodMalformed(field="end_time")
    key = meter_id.removeprefix(METER_PREFIX)
    customer_ref = await service.customer_of(ctx, Door.STRIPE, customer)
    windows = cut(Period(start, end), WINDOWS[window])
    found = await service.windows_of(ctx, key, customer_ref, windows)
    return answer(show_summaries(key, found, live=await _is_live(ctx)))


async def _answer_meter(ctx: Ctx, key: str) -> Response:
    meter, name = await service.meter_at(ctx, Door.STRIPE, key)
    return answer(show_meter(meter, name, live=await _is_live(ctx)))


async def _names(ctx: Ctx) -> dict[str, MeterName]:
    return {one.meter_key: one for one in await service.list_meters(ctx, Door.STRIPE)}


async def _is_live(ctx: Ctx) -> bool:
    return (await tenants.current(ctx)).mode.value == "live"
