"""What may be done with usage: define what is measured, record it, measure it, show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from solvent.kernel.metering import measure_store, rules, store, window_store
from solvent.kernel.metering.errors import (
    BatchSizeWrong,
    EventConflict,
    MeterInUse,
    MeterNotFound,
    MeterUnknown,
    TimeTooFarBack,
)
from solvent.kernel.metering.events import MeterDefined, UsageRecorded
from solvent.kernel.metering.model import (
    EVENTS_PER_BATCH_MAX,
    EventFate,
    Measure,
    MeasureRequest,
    Meter,
    MeterSpec,
    Period,
    Reading,
    Recorded,
    Selection,
    StoredEvent,
    Tally,
    TallyRequest,
    UsageEvent,
)
from solvent.kit.ctx import Ctx
from solvent.kit.errors import Invalid
from solvent.kit.limits import PAGE_SIZE

CONFLICTS_NAMED_MAX = 10

SCOPE_READ = "metering:read"
SCOPE_WRITE = "metering:write"


async def define_meter(ctx: Ctx, spec: MeterSpec) -> Meter:
    """Make the meter as described; the same description again changes nothing.

    A meter without events may change in everything but its key, one with events only in its name,
    in which properties are known, and in how it takes what is old or late.
    Emits `meter_defined` if anything changed.

    Raises:
        MeterMalformed: the description makes no meter; names the field.
        MeterInUse: the meter has events and would mean something else.
    """
    ctx.require(SCOPE_WRITE)
    rules.check_spec(spec)
    await store.lock_meters(ctx.tx, ctx.tenant_id)
    known = (await store.find_meters(ctx.tx, ctx.tenant_id, [spec.key])).get(spec.key)
    meter = _as_meter(ctx, spec, known)
    if meter == known:
        return meter
    if known and rules.changes_meaning(known, spec):
        await _refuse_if_used(ctx, known)
    await store.save_meter(ctx.tx, ctx.tenant_id, meter)
    event = MeterDefined(
        meter_key=meter.key, name=meter.name, aggregation=meter.aggregation.value, unit=meter.unit
    )
    await ctx.bus.emit(ctx, event)
    return meter


def _as_meter(ctx: Ctx, spec: MeterSpec, known: Meter | None) -> Meter:
    kept_from = known.counts_from if known else ctx.now()
    return Meter(
        key=spec.key,
        name=spec.name,
        aggregation=spec.aggregation,
        unit=spec.unit,
        value_property=spec.value_property,
        counts_from=spec.counts_from or kept_from,
        created_at=known.created_at if known else ctx.now(),
        carries=spec.carries,
        known_properties=spec.known_properties,
        late=spec.late,
        accept_days=spec.accept_days,
    )


async def _refuse_if_used(ctx: Ctx, meter: Meter) -> None:
    if await store.is_used(ctx.tx, ctx.tenant_id, meter.key):
        raise MeterInUse(field="key", meter=meter.key)


async def get_meter(ctx: Ctx, key: str) -> Meter:
    """Return a meter.

    Raises:
        MeterNotFound: there is none of this key.
    """
    ctx.require(SCOPE_READ)
    return await store.get_meter(ctx.tx, ctx.tenant_id, key)


async def list_meters(ctx: Ctx, *, after: str = "", limit: int = PAGE_SIZE) -> list[Meter]:
    """Return meters by key, beginning after the key `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_meters(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def record(ctx: Ctx, events: Sequence[UsageEvent]) -> Recorded:
    """Store all events of the batch or none; each id of the tenant counts once, for ever.

    An event already known with the same content counts as a duplicate and changes nothing. The
    customer need not be known yet. Refusals name the place: `events[3].value`. Emits one
    `usage_recorded` unless all are duplicates.

    Raises:
        BatchSizeWrong: no events, or more than 1000.
        MeterUnknown: an event names no meter of the tenant.
        EventMalformed, TimeTooFarAhead, TimeTooFarBack, ValueMissing, ValueUnexpected,
        ValueMalformed, ValueOutOfRange: an event is refused.
        EventConflict: an id is known with other content; `ids` lists the first ten such.
    """
    return await _record(ctx, events, paths=[f"events[{place}]." for place in range(len(events))])


async def record_one(ctx: Ctx, event: UsageEvent) -> Recorded:
    """Store one event, as `record` does; refusals name the bare field: `value`."""
    return await _record(ctx, [event], paths=[""])


async def _record(ctx: Ctx, events: Sequence[UsageEvent], *, paths: Sequence[str]) -> Recorded:
    ctx.require(SCOPE_WRITE)
    if not 0 < len(events) <= EVENTS_PER_BATCH_MAX:
        raise BatchSizeWrong(field="events", given=len(events))
    meters = await _hold_meters(ctx, events, paths)
    now = ctx.now()
    readings = [
        rules.read_event(event, meters[event.meter_key], now=now, path=path)
        for event, path in zip(events, paths, strict=True)
    ]
    old = await _too_old(ctx, readings, meters)
    for reading, path in zip(readings, paths, strict=True):
        if reading.id in old:
            raise TimeTooFarBack(field=f"{path}at", accept_days=old[reading.id])
    new = await store.insert_readings(
        ctx.tx, ctx.tenant_id, rules.first_of_each_id(readings), received_at=now
    )
    if len(new) < len(readings):
        await _refuse_conflicts(ctx, readings)
    fresh = [reading for reading in readings if reading.id in new]
    await _announce(ctx, fresh)
    early = sum(reading.at < meters[reading.meter_key].counts_from for reading in fresh)
    return Recorded(accepted=len(new), duplicates=len(readings) - len(new), uncounted=early)


async def record_each(ctx: Ctx, events: Sequence[UsageEvent]) -> list[EventFate]:
    """Store those of the events that can be; return what became of each, in their order.

    For callers that keep what is refused elsewhere: where `record` would raise for a single event,
    the error stands in its place, naming the bare field, and the others are stored. An id that is
    given twice with other content is stored as it came first. Emits as `record`.

    Raises:
        BatchSizeWrong: no events, or more than 1000.
    """
    ctx.require(SCOPE_WRITE)
    if not 0 < len(events) <= EVENTS_PER_BATCH_MAX:
        raise BatchSizeWrong(field="events", given=len(events))
    keys = {event.meter_key for event in events if rules.is_key(event.meter_key)}
    meters = await store.hold_meters(ctx.tx, ctx.tenant_id, sorted(keys))
    read = [_read_or_refuse(ctx, event, meters) for event in events]
    readings = [one for one in read if isinstance(one, Reading)]
    old = await _too_old(ctx, readings, meters)
    if old:
        read = [_unless_old(one, old) for one in read]
        readings = [one for one in read if isinstance(one, Reading)]
    first = rules.first_of_each_id(readings)
    new = await _insert(ctx, first)
    fresh = [reading for reading in first if reading.id in new]
    await _announce(ctx, fresh)
    counts_from = {key: meter.counts_from for key, meter in meters.items()}
    if len(new) == len(read):
        return [rules.fate_of(reading, counts_from) for reading in fresh]
    known = await _fingerprints(ctx, readings) if len(new) < len(readings) else {}
    return rules.fates(read, {one.id: rules.fate_of(one, counts_from) for one in fresh}, known)


def _read_or_refuse(ctx: Ctx, event: UsageEvent, meters: dict[str, Meter]) -> Reading | Invalid:
    meter = meters.get(event.meter_key)
    if meter is None:
        return MeterUnknown(field="meter", given=rules.shown(event.meter_key))
    try:
        return rules.read_event(event, meter, now=ctx.now(), path="")
    except Invalid as refused:
        return refused


async def _too_old(
    ctx: Ctx, readings: Sequence[Reading], meters: dict[str, Meter]
) -> dict[str, int]:
    """Return how many days back is taken, for each id that is older, not known and in no window."""
    now = ctx.now()
    old = [one for one in readings if rules.is_too_old(one, meters[one.meter_key], now=now)]
    if not old:
        return {}
    keys = sorted({one.meter_key for one in old})
    windows = await window_store.list_open(ctx.tx, ctx.tenant_id, keys)
    known = await _fingerprints(ctx, old)
    return {
        one.id: meters[one.meter_key].accept_days or 0
        for one in old
        if one.id not in known and not rules.is_in_window(one, windows)
    }


def _unless_old(one: Reading | Invalid, old: dict[str, int]) -> Reading | Invalid:
    if isinstance(one, Reading) and one.id in old:
        return TimeTooFarBack(field="at", accept_days=old[one.id])
    return one


async def _insert(ctx: Ctx, readings: Sequence[Reading]) -> set[str]:
    if not readings:
        return set()
    return await store.insert_readings(ctx.tx, ctx.tenant_id, readings, received_at=ctx.now())


async def _fingerprints(ctx: Ctx, readings: Sequence[Reading]) -> dict[str, bytes]:
    ids = [reading.id for reading in readings]
    return await store.find_fingerprints(ctx.tx, ctx.tenant_id, ids)


async def find_events(ctx: Ctx, ids: Sequence[str]) -> dict[str, StoredEvent]:
    """Return those of at most 1000 events that there are, by id."""
    ctx.require(SCOPE_READ)
    return await store.find_events(ctx.tx, ctx.tenant_id, ids[:EVENTS_PER_BATCH_MAX])


async def _hold_meters(
    ctx: Ctx, events: Sequence[UsageEvent], paths: Sequence[str]
) -> dict[str, Meter]:
    """Return the meters that the events name, held as they are until commit."""
    keys = {event.meter_key for event in events if rules.is_key(event.meter_key)}
    meters = await store.hold_meters(ctx.tx, ctx.tenant_id, sorted(keys))
    for event, path in zip(events, paths, strict=True):
        if event.meter_key not in meters:
            raise MeterUnknown(field=f"{path}meter", given=rules.shown(event.meter_key))
    return meters


async def _refuse_conflicts(ctx: Ctx, readings: Sequence[Reading]) -> None:
    """Let only those repeats pass that say what was recorded under their id."""
    known = await _fingerprints(ctx, readings)
    ids = rules.conflicting_ids(readings, known)
    if ids:
        raise EventConflict(ids=ids[:CONFLICTS_NAMED_MAX], conflicts=len(ids))


async def _announce(ctx: Ctx, fresh: Sequence[Reading]) -> None:
    if fresh:
        event = UsageRecorded(
            customer_refs=tuple(sorted({reading.customer_ref for reading in fresh})),
            meter_keys=tuple(sorted({reading.meter_key for reading in fresh})),
        )
        await ctx.bus.emit(ctx, event)


async def last_arrival(ctx: Ctx) -> int:
    """Return how far the events have come in their order of arrival, for `measure` later on.

    Waits for those on their way: none will arrive below it.
    """
    ctx.require(SCOPE_READ)
    return await store.last_arrival(ctx.tx, ctx.tenant_id)


async def measure(
    ctx: Ctx, meter_key: str, *, customer_ref: str, period: Period, up_to: int | None = None
) -> Measure:
    """Return a customer's quantity in the half-open period from the raw events, with its proof.

    Events dated before the meter counts are left out. Reads every event of the period: for
    invoices and explanations; a check asks `tally`. `up_to`, a `last_arrival` of before, leaves out
    what arrived after it, so that an invoice can be derived again as it was.

    Raises:
        MeterNotFound: there is no such meter.
    """
    found = await measure_groups(
        ctx, Selection(meter_key), customer_ref=customer_ref, period=period, up_to=up_to
    )
    return found[0]


async def measure_groups(
    ctx: Ctx,
    selection: Selection,
    *,
    customer_ref: str,
    period: Period,
    up_to: int | None = None,
) -> list[Measure]:
    """Return what `measure` would of the selected events: one measure for each group.

    Without groups it is one, whether or not there are events.

    Raises:
        MeterNotFound: there is no such meter.
    """
    asked = MeasureRequest(
        selection=selection, customer_ref=customer_ref, period=period, up_to=up_to
    )
    return (await measure_many(ctx, [asked]))[0]


async def measure_many(ctx: Ctx, requests: Sequence[MeasureRequest]) -> list[list[Measure]]:
    """Return what `measure_groups` would of each request, in the order asked, in one query.

    Raises:
        MeterNotFound: one of the meters does not exist.
    """
    ctx.require(SCOPE_READ)
    meters = await _known_meters(ctx, {one.selection.meter_key for one in requests})
    asked = [(meters[one.selection.meter_key], one) for one in requests]
    found = await measure_store.measure(ctx.tx, ctx.tenant_id, asked) if asked else []
    return [
        measures or ([] if one.selection.group_by else [rules.nothing(meter.key, one)])
        for measures, (meter, one) in zip(found, asked, strict=True)
    ]


async def _known_meters(ctx: Ctx, keys: Collection[str]) -> dict[str, Meter]:
    meters = await store.find_meters(ctx.tx, ctx.tenant_id, sorted(keys))
    for key in sorted(keys):
        if key not in meters:
            raise MeterNotFound(field="meter", given=rules.shown(key))
    return meters


async def tally(ctx: Ctx, requests: Sequence[TallyRequest]) -> list[Decimal]:
    """Return the quantities that `measure` would, in the order asked, from hourly roll-ups.

    Costs hours and not events, so that it can stand behind a check.

    Raises:
        MeterNotFound: one of the meters does not exist.
    """
    ctx.require(SCOPE_READ)
    meters = await _known_meters(ctx, {request.meter_key for request in requests})
    if any(meters[request.meter_key].looks_back for request in requests):
        return [await _tally_one(ctx, request) for request in requests]
    return await measure_store.tally(
        ctx.tx, ctx.tenant_id, [_as_tally(request, meters) for request in requests]
    )


async def _tally_one(ctx: Ctx, request: TallyRequest) -> Decimal:
    """Return a quantity from the raw events: no hour knows what came before it."""
    asked = await measure(
        ctx, request.meter_key, customer_ref=request.customer_ref, period=request.period
    )
    return asked.quantity


def _as_tally(request: TallyRequest, meters: dict[str, Meter]) -> Tally:
    meter = meters[request.meter_key]
    split = rules.split_hours(meter.counted(request.period))
    return Tally(meter=meter, customer_ref=request.customer_ref, split=split)


async def list_events(
    ctx: Ctx,
    *,
    after: int = 0,
    limit: int = PAGE_SIZE,
    meter_key: str | None = None,
    customer_ref: str | None = None,
) -> list[StoredEvent]:
    """Return events in the order of arrival, beginning after place `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_events(
        ctx.tx,
        ctx.tenant_id,
        after=after,
        limit=limit,
        meter_key=meter_key,
        customer_ref=customer_ref,
    )
