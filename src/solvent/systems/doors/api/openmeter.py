"""How do OpenMeter's clients, and senders of CloudEvents, send and measure usage here?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Query, Request
from starlette.responses import Response

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import PeriodMalformed
from solvent.kernel.metering.model import Aggregation, Condition, Meter, MeterSpec, Period
from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.http import RequestCtx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.doors import service
from solvent.systems.doors.api.route import DoorRouter, answer, body_of
from solvent.systems.doors.errors import (
    BodyUnreadable,
    EventMalformed,
    NameMalformed,
    ParameterMissing,
)
from solvent.systems.doors.limits import NAME_CHARS_MAX, WINDOWS_MAX
from solvent.systems.doors.model import Door, MeterName, Window
from solvent.systems.doors.rules.fields import EPOCH, must_be_name, rfc3339_time
from solvent.systems.doors.rules.readers import read
from solvent.systems.doors.rules.reading import as_object, elements, read_json
from solvent.systems.doors.rules.windows import Size, cut

BATCH = "application/cloudevents-batch+json"
SUBJECT = "subject"
FILTER = "filterGroupBy["
CREATED = 201
NO_CONTENT = 204
AGGREGATIONS: Mapping[str, Aggregation] = {
    "SUM": Aggregation.SUM,
    "COUNT": Aggregation.COUNT,
    "UNIQUE_COUNT": Aggregation.UNIQUE,
    "AVG": Aggregation.AVERAGE,
    "MIN": Aggregation.MIN,
    "MAX": Aggregation.MAX,
    "LATEST": Aggregation.LATEST,
}
_NAMES = {ours: theirs for theirs, ours in AGGREGATIONS.items()}

router = DoorRouter("/doors/openmeter/api/v1")

TimeQuery = Annotated[str | None, Query(max_length=64)]
NamesQuery = Annotated[
    list[Annotated[str, Query(max_length=NAME_CHARS_MAX)]] | None, Query(max_length=WINDOWS_MAX)
]


@router.post("/events")
async def ingest_events(request: Request, ctx: RequestCtx) -> Response:
    """Take one CloudEvent or a batch; what cannot be counted is buried, conflicts too."""
    text, value = read_json(await body_of(request))
    batch = isinstance(value, list)
    if not batch and request.headers.get("content-type", "").startswith(BATCH):
        raise BodyUnreadable("expected an array of events", field="body")
    if batch:
        pieces = elements(text, cast("object", value), key=None)
        sent = [read(Door.OPENMETER, *one) for one in pieces]
    else:
        sent = [read(Door.OPENMETER, text.strip().encode(), value)]
        if sent[0].use is None:
            raise sent[0].refused or EventMalformed(field="body")
    taken = await service.take(ctx, Door.OPENMETER, sent)
    await service.bury_conflicts(ctx, Door.OPENMETER, taken)
    return Response(status_code=NO_CONTENT)


@router.post("/meters")
async def create_meter(request: Request, ctx: RequestCtx) -> Response:
    """Define a meter, and say that events of its type are for it.

    As at OpenMeter all its events count, however old, unless `eventFrom` says since when.
    """
    given = as_object(read_json(await body_of(request))[1])
    since = given.get("eventFrom")
    spec = MeterSpec(
        key=must_be_name(given, "slug"),
        name=str(given.get("name") or given["slug"]),
        aggregation=_aggregation(given),
        unit="",
        counts_from=EPOCH if since is None else rfc3339_time(since, field="eventFrom"),
    )
    meter = await service.make_meter(
        ctx,
        Door.OPENMETER,
        spec,
        event=must_be_name(given, "eventType"),
        value_path=_value_path(given, spec.aggregation),
        dimensions=_dimensions(given.get("groupBy")),
    )
    return answer(_show(*await service.meter_at(ctx, Door.OPENMETER, meter.key)), CREATED)


def _aggregation(given: Mapping[str, object]) -> Aggregation:
    name = must_be_name(given, "aggregation")
    if name not in AGGREGATIONS:
        raise EventMalformed(f"expected one of {', '.join(AGGREGATIONS)}", field="aggregation")
    return AGGREGATIONS[name]


def _value_path(given: Mapping[str, object], aggregation: Aggregation) -> str:
    if aggregation is Aggregation.COUNT:
        return ""
    path = given.get("valueProperty")
    if not isinstance(path, str) or not path:
        raise ParameterMissing("must be given, for example $.tokens", field="valueProperty")
    return path


def _dimensions(given: object) -> Mapping[str, str]:
    found = as_object({} if given is None else given, field="groupBy")
    if not all(isinstance(path, str) for path in found.values()):
        raise NameMalformed("expected paths such as $.model", field="groupBy")
    return cast("dict[str, str]", found)


@router.get("/meters")
async def list_meters(ctx: RequestCtx) -> Response:
    """Return all meters, as far as a page of ours holds: 500."""
    names = {one.meter_key: one for one in await service.list_meters(ctx, Door.OPENMETER)}
    meters = await metering.list_meters(ctx, limit=PAGE_SIZE_MAX)
    return answer([_show(meter, names.get(meter.key)) for meter in meters])


@router.get("/meters/{slug}")
async def get_meter(ctx: RequestCtx, slug: str) -> Response:
    """Return a meter."""
    return answer(_show(*await service.meter_at(ctx, Door.OPENMETER, slug)))


@router.get("/meters/{slug}/query")
async def query_meter(
    request: Request,
    ctx: RequestCtx,
    slug: str,
    *,
    start: Annotated[str | None, Query(alias="from", max_length=64)] = None,
    end: Annotated[str | None, Query(alias="to", max_length=64)] = None,
    size: Annotated[Size | None, Query(alias="windowSize")] = None,
    zone: Annotated[str, Query(alias="windowTimeZone", max_length=64)] = "UTC",
    subject: NamesQuery = None,
    group_by: Annotated[NamesQuery, Query(alias="groupBy")] = None,
) -> Response:
    """Return what the subjects used, a row for each of them, window and group."""
    if not subject:
        raise ParameterMissing("name whose usage is wanted, at least one", field=SUBJECT)
    period = _period(ctx, start, end)
    if size is None or start is not None:
        windows = cut(period, size, zone=_zone(zone))
    else:
        raise ParameterMissing("must be given with a windowSize", field="from")
    names = [one for one in group_by or () if one != SUBJECT]
    rows: list[dict[str, object]] = []
    for one in subject:
        customer = await service.customer_of(ctx, Door.OPENMETER, one)
        where = _conditions(request)
        found = await service.windows_of(ctx, slug, customer, windows, where=where, group_by=names)
        rows += [_row(one, window) for window in found]
    told = {"from": _time(period.start), "to": _time(period.end), "windowSize": size}
    return answer(told | {"data": rows})


def _period(ctx: Ctx, start: str | None, end: str | None) -> Period:
    begin = parse_time(start, field="from") if start else EPOCH
    until = parse_time(end, field="to") if end else ctx.now()
    if until <= begin:
        raise PeriodMalformed(field="to")
    return Period(begin, until)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EventMalformed(
            "expected a zone such as Europe/Paris", field="windowTimeZone"
        ) from None


def _conditions(request: Request) -> list[Condition]:
    """Return the conditions of `filterGroupBy[model]=large`."""
    return [
        Condition(name[len(FILTER) : -1], (value,))
        for name, value in request.query_params.multi_items()
        if name.startswith(FILTER) and name.endswith("]")
    ]


def _row(subject: str, window: Window) -> dict[str, object]:
    return {
        "value": window.quantity,
        "windowStart": _time(window.start),
        "windowEnd": _time(window.end),
        "subject": subject,
        "groupBy": {name: value or "" for name, value in window.group.items()},
    }


def _time(moment: datetime) -> str:
    return format_time(moment.astimezone(UTC))


def _show(meter: Meter, name: MeterName | None) -> dict[str, object]:
    path = name.value_path if name else meter.value_property and f"$.{meter.value_property}"
    return {
        "id": meter.key,
        "slug": meter.key,
        "name": meter.name,
        "aggregation": _NAMES.get(meter.aggregation, meter.aggregation.value.upper()),
        "eventType": name.event if name else meter.key,
        "valueProperty": path or None,
        "groupBy": dict(name.dimensions or {}) if name else {},
        "createdAt": _time(meter.created_at),
        "updatedAt": _time(meter.created_at),
    }
