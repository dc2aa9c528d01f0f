"""How is usage taken back or put right after it was recorded, and how is that undone?

An event is never changed. What is said of it later is a row of its own, an overlay, with its place
in the order of arrival: a measure up to a place sees what had been said by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

from solvent.kernel.audit import service as audit
from solvent.kernel.metering import overlay_store, rules, store
from solvent.kernel.metering.errors import (
    AmendmentMalformed,
    EventNotFound,
    EventVoided,
    OverlayNotFound,
    OverlayNotLatest,
)
from solvent.kernel.metering.events import UsageAmended
from solvent.kernel.metering.model import (
    EVENT_ID_LENGTH_MAX,
    Amendment,
    Overlay,
    OverlayKind,
    PropertyValue,
    Reading,
    StoredEvent,
    UsageEvent,
    UsageState,
)
from solvent.kernel.metering.service import SCOPE_READ, SCOPE_WRITE
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE

REASON_LENGTH_MAX = 500


async def void(ctx: Ctx, event_id: str, *, reason: str) -> Overlay:
    """Take an event back: from now on it counts nowhere. Emits `usage_amended`.

    Raises:
        EventNotFound: there is none of this id.
        EventVoided: it was taken back already.
        AmendmentMalformed: there is no reason.
    """
    event = await _held(ctx, event_id, reason)
    return await _say(ctx, replace(_as_it_counts(ctx, event, reason), voided=True), event)


async def amend(ctx: Ctx, event_id: str, amendment: Amendment, *, reason: str) -> Overlay:
    """Let an event count as another value, or with other properties, from now on.

    Its time, customer and meter stay: void it and send another to change those. Emits
    `usage_amended`.

    Raises:
        EventNotFound: there is none of this id.
        EventVoided: it was taken back.
        AmendmentMalformed: there is no reason, or it counts so already.
        ValueMissing, ValueMalformed, ValueOutOfRange, …: the meter refuses it, as an event.
    """
    event = await _held(ctx, event_id, reason)
    reading = await _read(ctx, event, amendment)
    said = _as_it_counts(ctx, event, reason)
    after = replace(
        said,
        kind=OverlayKind.AMEND,
        value=reading.value,
        unique_value=reading.unique_value,
        properties=_properties(event, amendment),
    )
    if after == replace(said, kind=OverlayKind.AMEND):
        raise AmendmentMalformed("it counts so already", field="value")
    return await _say(ctx, after, event)


async def _read(ctx: Ctx, event: StoredEvent, amendment: Amendment) -> Reading:
    """Return the event as its meter reads it with the amendment."""
    meter = await store.get_meter(ctx.tx, ctx.tenant_id, event.meter_key)
    value = amendment.value
    if value is None and meter.value_property is None:
        value = event.counted
    again = UsageEvent(
        id=event.id,
        customer_ref=event.customer_ref,
        meter_key=event.meter_key,
        at=event.at,
        value=value,
        properties=_properties(event, amendment),
    )
    return rules.read_event(again, meter, now=ctx.now(), path="")


def _properties(event: StoredEvent, amendment: Amendment) -> Mapping[str, PropertyValue]:
    given = amendment.properties
    return event.counted_properties if given is None else given


async def undo(ctx: Ctx, overlay_id: str, *, reason: str) -> Overlay:
    """Let an event count as it did before something was said of it; only the latest can be undone.

    An undo can be undone too. Emits `usage_amended`.

    Raises:
        OverlayNotFound: there is none of this id.
        OverlayNotLatest: something else was said of the event after it.
        AmendmentMalformed: there is no reason.
    """
    ctx.require(SCOPE_WRITE)
    _check_reason(reason)
    await store.lock_meters(ctx.tx, ctx.tenant_id)
    known = await overlay_store.find(ctx.tx, ctx.tenant_id, overlay_id)
    if known is None:
        raise OverlayNotFound(field="overlay_id", given=overlay_id[:64])
    event = await _get(ctx, known.event_id)
    said = await overlay_store.history(ctx.tx, ctx.tenant_id, event.id)
    if said[-1].id != known.id:
        raise OverlayNotLatest(field="overlay_id", latest=said[-1].id)
    before = said[-2] if len(said) > 1 else _recorded(ctx, event, reason)
    now = _as_it_counts(ctx, event, reason)
    after = replace(
        now,
        kind=OverlayKind.UNDO,
        undoes_id=known.id,
        voided=before.voided,
        value=before.value,
        unique_value=before.unique_value,
        properties=before.properties,
    )
    return await _say(ctx, after, event)


async def _held(ctx: Ctx, event_id: str, reason: str) -> StoredEvent:
    """Return an event that counts, while nobody else says anything of it or records usage."""
    ctx.require(SCOPE_WRITE)
    _check_reason(reason)
    await store.lock_meters(ctx.tx, ctx.tenant_id)
    event = await _get(ctx, event_id)
    if event.state is UsageState.VOIDED:
        raise EventVoided(field="event_id", given=rules.shown(event_id))
    return event


def _check_reason(reason: str) -> None:
    if not rules.is_plain_text(reason, length_max=REASON_LENGTH_MAX):
        expected = f"expected 1 to {REASON_LENGTH_MAX} printable characters"
        raise AmendmentMalformed(expected, field="reason")


async def _get(ctx: Ctx, event_id: str) -> StoredEvent:
    known = rules.is_plain_text(event_id, length_max=EVENT_ID_LENGTH_MAX)
    found = await store.find_events(ctx.tx, ctx.tenant_id, [event_id] if known else [])
    if event_id not in found:
        raise EventNotFound(field="event_id", given=rules.shown(event_id))
    return found[event_id]


def _recorded(ctx: Ctx, event: StoredEvent, reason: str) -> Overlay:
    """Return what would be said of an event that counts as it was recorded."""
    return Overlay(
        id=ctx.ids.new("ovl"),
        seq=0,
        event_id=event.id,
        meter_key=event.meter_key,
        customer_ref=event.customer_ref,
        at=event.at,
        kind=OverlayKind.VOID,
        undoes_id=None,
        voided=False,
        value=event.value,
        unique_value=event.unique_value,
        properties=event.properties,
        reason=reason,
        actor=str(ctx.actor),
        made_at=ctx.now(),
    )


def _as_it_counts(ctx: Ctx, event: StoredEvent, reason: str) -> Overlay:
    """Return what would be said of an event that counts as it does now."""
    one = _recorded(ctx, event, reason)
    counted = event.counted
    return replace(
        one,
        voided=event.state is UsageState.VOIDED,
        value=counted if isinstance(counted, Decimal) else None,
        unique_value=counted if isinstance(counted, str) else None,
        properties=event.counted_properties,
    )


async def _say(ctx: Ctx, overlay: Overlay, event: StoredEvent) -> Overlay:
    """Write an overlay, add up the event's hour anew, and tell."""
    properties_json = (
        rules.write_properties(overlay.properties, path="") if overlay.properties else None
    )
    seq = await overlay_store.insert(
        ctx.tx, ctx.tenant_id, overlay, properties_json=properties_json
    )
    hour = rules.hour_of(event.at)
    await overlay_store.roll_anew(ctx.tx, ctx.tenant_id, event, hour=hour)
    _audit(ctx, overlay, event)
    told = UsageAmended(
        event_id=event.id,
        overlay_id=overlay.id,
        kind=overlay.kind.value,
        customer_ref=event.customer_ref,
        meter_key=event.meter_key,
        at=event.at,
    )
    await ctx.bus.emit(ctx, told)
    return replace(overlay, seq=seq)


def _audit(ctx: Ctx, overlay: Overlay, event: StoredEvent) -> None:
    record = partial(audit.record, ctx, subject=event.id)
    data = {
        "overlay_id": overlay.id,
        "customer": event.customer_ref,
        "meter": event.meter_key,
        "before": None if event.counted is None else str(event.counted),
        "after": _value_text(overlay),
        "reason": overlay.reason,
    }
    match overlay.kind:
        case OverlayKind.VOID:
            record(action="metering.usage_voided", data=data)
        case OverlayKind.AMEND:
            record(action="metering.usage_amended", data=data)
        case OverlayKind.UNDO:
            record(action="metering.usage_restored", data=data)


def _value_text(overlay: Overlay) -> str | None:
    if overlay.voided:
        return None
    return overlay.unique_value if overlay.value is None else str(overlay.value)


async def history(ctx: Ctx, event_id: str) -> tuple[StoredEvent, list[Overlay]]:
    """Return an event as it was recorded and counts now, and all that was said of it, in order.

    Raises:
        EventNotFound: there is none of this id.
    """
    ctx.require(SCOPE_READ)
    event = await _get(ctx, event_id)
    return event, await overlay_store.history(ctx.tx, ctx.tenant_id, event.id)


async def get_overlay(ctx: Ctx, overlay_id: str) -> Overlay:
    """Return what was said of an event. Raises `OverlayNotFound`."""
    ctx.require(SCOPE_READ)
    found = await overlay_store.find(ctx.tx, ctx.tenant_id, overlay_id[:64])
    if found is None:
        raise OverlayNotFound(field="overlay_id", given=overlay_id[:64])
    return found


async def list_overlays(
    ctx: Ctx, *, before: int | None = None, limit: int = PAGE_SIZE
) -> list[Overlay]:
    """Return what was said of events, the latest first, beginning before the place `before`."""
    ctx.require(SCOPE_READ)
    return await overlay_store.list_page(ctx.tx, ctx.tenant_id, before=before, limit=limit)
