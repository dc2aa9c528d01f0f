"""How do Lago's clients send and read events here?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import EventConflict
from solvent.kernel.metering.model import Fate, StoredEvent
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.http import RequestCtx
from solvent.kit.ids import TenantId
from solvent.systems.doors import service
from solvent.systems.doors.api.route import DoorRouter, answer, body_of, echo
from solvent.systems.doors.errors import (
    EventExists,
    EventMalformed,
    EventNotFound,
    NotOffered,
    QueryTooLarge,
)
from solvent.systems.doors.limits import NAME_CHARS_MAX, PAGES_DEPTH_MAX
from solvent.systems.doors.model import Door, Taken, Use
from solvent.systems.doors.rules.readers import read
from solvent.systems.doors.rules.reading import elements, member, read_json
from solvent.systems.doors.told import UNPROCESSABLE, unprocessable

PER_PAGE_MAX = 100

router = DoorRouter("/doors/lago/api/v1")

NameQuery = Annotated[str | None, Query(max_length=NAME_CHARS_MAX)]


@router.post("/events")
async def create_event(request: Request, ctx: RequestCtx) -> Response:
    """Take one event; what Lago would look at later is buried, not refused."""
    text, value = read_json(await body_of(request))
    sent = read(Door.LAGO, *member(text, value, "event"))
    if sent.use is None:
        raise sent.refused or EventMalformed(field="event")
    (taken,) = await service.take(ctx, Door.LAGO, [sent])
    if isinstance(taken.fate, EventConflict):
        raise EventExists(field="transaction_id")
    return answer({"event": _show_use(ctx, taken, sent.use)})


@router.post("/events/batch")
async def create_events(request: Request, ctx: RequestCtx) -> Response:
    """Take the events that can be counted, bury the others, and name those that are known."""
    text, value = read_json(await body_of(request))
    sent = [read(Door.LAGO, raw, one) for raw, one in elements(text, value, key="events")]
    taken = await service.take(ctx, Door.LAGO, sent)
    known = _conflicts(taken)
    if known:
        return answer(unprocessable(known), UNPROCESSABLE)
    return answer({"events": [_show_use(ctx, one, one.sent.use) for one in taken if one.sent.use]})


@router.post("/events/estimate_fees")
async def estimate_fees(ctx: RequestCtx) -> Response:
    """Refuse: what an event will cost is known when its period is."""
    ctx.require(metering.SCOPE_READ)
    raise NotOffered("fees are not estimated from one event", field="event")


@router.get("/events/{transaction_id}")
async def get_event(ctx: RequestCtx, transaction_id: str) -> Response:
    """Return an event that was counted."""
    found = await metering.find_events(ctx, [transaction_id])
    if transaction_id not in found:
        raise EventNotFound(field="transaction_id")
    return answer({"event": _show_stored(ctx.tenant_id, found[transaction_id])})


@router.get("/events")
async def list_events(
    ctx: RequestCtx,
    *,
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=PER_PAGE_MAX)] = PER_PAGE_MAX,
    code: NameQuery = None,
    external_subscription_id: NameQuery = None,
) -> Response:
    """Return events in the order of their coming, as deep as 10,000 of them."""
    if page * per_page > PAGES_DEPTH_MAX:
        raise QueryTooLarge(field="page", limit=PAGES_DEPTH_MAX)
    customer = external_subscription_id
    if customer is not None:
        customer = await service.customer_of(ctx, Door.LAGO, customer)
    found = await metering.list_events(
        ctx, limit=page * per_page + 1, meter_key=code, customer_ref=customer
    )
    shown = found[(page - 1) * per_page : page * per_page]
    more = len(found) > page * per_page
    meta = {
        "current_page": page,
        "next_page": page + 1 if more else None,
        "prev_page": page - 1 if page > 1 else None,
    }
    return answer({"events": [_show_stored(ctx.tenant_id, one) for one in shown], "meta": meta})


def _conflicts(taken: Sequence[Taken]) -> dict[str, object]:
    return {
        str(place): {"transaction_id": ["value_already_exist"]}
        for place, one in enumerate(taken)
        if isinstance(one.fate, EventConflict)
    }


def _show_use(ctx: Ctx, taken: Taken, use: Use) -> dict[str, object]:
    counted = isinstance(taken.fate, Fate)
    return {
        "lago_id": _uuid(ctx.tenant_id, use.id or ""),
        "transaction_id": use.id,
        "lago_customer_id": None,
        "lago_subscription_id": None,
        "external_subscription_id": use.customer,
        "code": use.event,
        "timestamp": format_time(use.at or ctx.now()),
        "precise_total_amount_cents": None,
        "properties": use.data if counted else echo(use.data),
        "created_at": format_time(ctx.now()),
    }


def _show_stored(tenant_id: TenantId, event: StoredEvent) -> dict[str, object]:
    properties = {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in event.properties.items()
    }
    return {
        "lago_id": _uuid(tenant_id, event.id),
        "transaction_id": event.id,
        "lago_customer_id": None,
        "lago_subscription_id": None,
        "external_subscription_id": event.customer_ref,
        "code": event.meter_key,
        "timestamp": format_time(event.at),
        "precise_total_amount_cents": None,
        "properties": properties,
        "created_at": format_time(event.received_at),
    }


def _uuid(tenant_id: TenantId, event_id: str) -> str:
    """Return what Lago's clients take for an event's id: a UUID of version 8 (RFC 9562)."""
    told = hashlib.sha256(f"{tenant_id}/{event_id}".encode()).hexdigest()
    return f"{told[:8]}-{told[8:12]}-8{told[12:15]}-8{told[15:18]}-{told[18:30]}"
