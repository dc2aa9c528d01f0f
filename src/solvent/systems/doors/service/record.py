"""How does what a foreign client sent become usage, and why does it not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import EventConflict
from solvent.kernel.metering.model import EVENTS_PER_BATCH_MAX, EventFate, Fate, UsageEvent
from solvent.kit.ctx import Ctx
from solvent.kit.errors import Invalid, SolventError
from solvent.systems.doors.errors import CustomerUnknown, EventMalformed
from solvent.systems.doors.model import Door, MeterName, Sent
from solvent.systems.doors.rules.usage import events_of
from solvent.systems.doors.service.resolve import customers_of
from solvent.systems.doors.store import names as store

_NEEDED = frozenset({metering.SCOPE_READ})


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event, when it came, and the id that it gets where its sender names none."""

    sent: Sent
    at: datetime
    fallback_id: str = ""


async def record(ctx: Ctx, door: Door, arrived: Sequence[Arrived]) -> list[EventFate]:
    """Store what can be stored; return what became of each event, in their order.

    One that is for several meters is refused if any of them refuses it; it may come again, as what
    the others have of it is a duplicate then. One that tells no time and is known is a repeat if it
    says the same otherwise: when it came is nothing that its sender said.
    """
    ctx.require(metering.SCOPE_WRITE)
    uses = [one.sent.use for one in arrived if one.sent.use]
    customers = await customers_of(ctx, door, uses)
    meters = await store.find_meters(ctx.tx, ctx.tenant_id, door, {use.event for use in uses})
    made = [_events(door, one, customers, meters) for one in arrived]
    events = [event for one in made if isinstance(one, list) for event in one]
    untimed = [
        one.sent.use is not None and one.sent.use.at is None
        for one, mine in zip(arrived, made, strict=True)
        for _ in (mine if isinstance(mine, list) else ())
    ]
    fates = await _settle_untimed(ctx, events, untimed, await _record_all(ctx, events))
    told = iter(fates)
    return [_worst([next(told) for _ in one]) if isinstance(one, list) else one for one in made]


def _events(
    door: Door,
    arrived: Arrived,
    customers: Mapping[str, str],
    meters: Mapping[str, Sequence[MeterName]],
) -> list[UsageEvent] | SolventError:
    """Return the usage events that one event makes, or why it makes none."""
    use = arrived.sent.use
    if use is None:
        return arrived.sent.refused or EventMalformed()
    customer_ref = use.customer if use.own else customers.get(use.customer)
    if customer_ref is None:
        return CustomerUnknown(field="customer", given=use.customer[:64])
    names = meters.get(use.event) or [
        MeterName(door=door, event=use.event, meter_key=use.event, created_at=arrived.at)
    ]
    try:
        return events_of(
            use, names, customer_ref=customer_ref, fallback_id=arrived.fallback_id, at=arrived.at
        )
    except Invalid as refused:
        return refused


async def _record_all(ctx: Ctx, events: Sequence[UsageEvent]) -> list[EventFate]:
    fates: list[EventFate] = []
    for first in range(0, len(events), EVENTS_PER_BATCH_MAX):
        batch = events[first : first + EVENTS_PER_BATCH_MAX]
        fates += await metering.record_each(ctx, batch)
    return fates


async def _settle_untimed(
    ctx: Ctx, events: Sequence[UsageEvent], untimed: Sequence[bool], fates: list[EventFate]
) -> list[EventFate]:
    """Compare what tells no time, and is known, as if it had come when it came first."""
    places = [
        place
        for place, fate in enumerate(fates)
        if untimed[place] and isinstance(fate, EventConflict)
    ]
    if not places:
        return fates
    kept = await metering.find_events(_reading(ctx), [events[place].id for place in places])
    again = [replace(events[place], at=kept[events[place].id].at) for place in places]
    settled = dict(zip(places, await _record_all(ctx, again), strict=True))
    return [settled.get(place, fate) for place, fate in enumerate(fates)]


def _reading(ctx: Ctx) -> Ctx:
    """Let somebody who may send find what they sent before."""
    return replace(ctx, actor=replace(ctx.actor, scopes=ctx.actor.scopes | _NEEDED))


def _worst(fates: Sequence[EventFate]) -> EventFate:
    """Return what became of an event, of what became of it at each of its meters."""
    order = (EventConflict, Fate.UNCOUNTED, Fate.RECORDED, Fate.DUPLICATE)
    refused = [one for one in fates if isinstance(one, SolventError)]
    others = [one for one in refused if not isinstance(one, EventConflict)]
    if refused:
        return (others or refused)[0]
    return min((one for one in fates if isinstance(one, Fate)), key=order.index)
