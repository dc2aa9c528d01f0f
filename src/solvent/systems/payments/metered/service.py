"""How is it said which meters Stripe bills, drafted what it is told, and kept what came of that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from solvent.kernel.audit import service as audit
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period, TallyRequest
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.systems.payments.metered import rules, store
from solvent.systems.payments.metered.errors import (
    EventNameTaken,
    MeterEventNotFound,
    MeterNotReported,
)
from solvent.systems.payments.metered.limits import (
    CLAIM_MAX,
    CUSTOMER_WAIT,
    LEASE,
    PAIRS_MAX,
    REASON_CHARS_MAX,
)
from solvent.systems.payments.metered.model import (
    Metered,
    MeterEvent,
    Outgoing,
    Pair,
    SendState,
    Standing,
)
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service import accounts
from solvent.systems.payments.store import accounts as accounts_store
from solvent.systems.payments.store import standing as standing_store

NO_KEY = "no API key of Stripe is known: solvent payments connect stripe --api-key-file FILE"
NO_CUSTOMER = "Stripe has told of no customer who is this one"
ALREADY_THERE = "found at Stripe"


async def report(ctx: Ctx, meter_key: str, *, event_name: str) -> Metered:
    """Let Stripe be told of a meter's usage from the next hour on; needs `payments:write`.

    Said again with another name, that one holds for what is drafted from now on.

    Raises:
        MeterNotFound: there is no such meter.
        MeterNotAdditive: its hours do not add up to its month.
        EventNameInvalid, EventNameTaken: the name cannot be one, or another meter's is.
    """
    ctx.require(accounts.SCOPE_WRITE)
    rules.check_name(event_name)
    rules.must_add_up(await metering.get_meter(ctx, meter_key))
    now = ctx.now()
    wanted = Metered(meter_key, event_name, rules.hour_of(now) + rules.HOUR, now)
    if not await store.save_metered(ctx.tx, ctx.tenant_id, wanted):
        raise EventNameTaken(field="event_name", given=event_name)
    audit.record(
        ctx,
        action="payments.meter_reported",
        subject=meter_key,
        data={"event_name": event_name},
    )
    return next(
        one for one in await store.list_metered(ctx.tx, ctx.tenant_id) if one.meter_key == meter_key
    )


async def stop(ctx: Ctx, meter_key: str) -> None:
    """Draft no more of a meter's usage for Stripe; needs `payments:write`.

    What is drafted is sent. Usage of hours that are not over is not told any more.

    Raises:
        MeterNotReported: it is not told.
    """
    ctx.require(accounts.SCOPE_WRITE)
    if not await store.drop_metered(ctx.tx, ctx.tenant_id, meter_key):
        raise MeterNotReported(field="meter", given=meter_key)
    audit.record(ctx, action="payments.meter_report_ended", subject=meter_key)


async def list_standing(ctx: Ctx) -> list[Standing]:
    """Return how the telling of each meter stands; needs `payments:read`."""
    ctx.require(accounts.SCOPE_READ)
    counted = await store.counts(ctx.tx, ctx.tenant_id)
    known = await store.list_metered(ctx.tx, ctx.tenant_id)
    return [_standing(one, counted.get(one.meter_key, [])) for one in known]


async def get_standing(ctx: Ctx, meter_key: str) -> Standing:
    """Return how the telling of one meter stands; raises MeterNotReported."""
    for one in await list_standing(ctx):
        if one.metered.meter_key == meter_key:
            return one
    raise MeterNotReported(field="meter", given=meter_key)


def _standing(
    one: Metered, counted: Sequence[tuple[SendState, int, datetime, datetime]]
) -> Standing:
    counts = dict.fromkeys(SendState, 0) | {state: events for state, events, _, _ in counted}
    sent = [last for state, _, _, last in counted if state is SendState.SENT]
    waiting = [first for state, _, first, _ in counted if state is SendState.WAITING]
    return Standing(one, counts, max(sent, default=None), min(waiting, default=None))


async def list_events(
    ctx: Ctx,
    *,
    state: SendState | None = None,
    meter_key: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[MeterEvent]:
    """Return what Stripe was or is to be told, the newest first; needs `payments:read`."""
    ctx.require(accounts.SCOPE_READ)
    return await store.list_events(
        ctx.tx, ctx.tenant_id, state=state, meter_key=meter_key, before=before, limit=limit
    )


async def retry(ctx: Ctx, event_id: str | None = None) -> int:
    """Send what was refused again, all of it or one event, say after the meter was made at Stripe.

    Needs `payments:write`.

    Raises:
        MeterEventNotFound: the one named was not refused.
    """
    ctx.require(accounts.SCOPE_WRITE)
    again = await store.send_again(ctx.tx, ctx.tenant_id, id=event_id, state=SendState.REFUSED)
    if event_id and not again:
        raise MeterEventNotFound(field="event", given=event_id)
    audit.record(
        ctx,
        action="payments.meter_events_retried",
        subject=event_id or "all",
        data={"events": again},
    )
    return again


async def resolve(ctx: Ctx, event_id: str, *, arrived: bool) -> None:
    """Say whether Stripe has an event of which that is unclear; if not, it is sent again.

    Needs `payments:write`.

    Raises:
        MeterEventNotFound: it is not unclear whether this one arrived.
    """
    ctx.require(accounts.SCOPE_WRITE)
    if not await store.send_again(ctx.tx, ctx.tenant_id, id=event_id, state=SendState.UNCLEAR):
        raise MeterEventNotFound(field="event", given=event_id)
    if arrived:
        reason = "an operator found it at Stripe"
        await store.settle(ctx.tx, ctx.tenant_id, event_id, SendState.SENT, reason=reason)
    audit.record(
        ctx,
        action="payments.meter_event_resolved",
        subject=event_id,
        data={"arrived": arrived},
    )


async def note(ctx: Ctx, meter_keys: Sequence[str], customer_refs: Sequence[str]) -> None:
    """Note that customers used meters, or that what they used was put right."""
    await store.note(
        ctx.tx, ctx.tenant_id, meter_keys=meter_keys, customer_refs=customer_refs, at=ctx.now()
    )


async def has_metered(ctx: Ctx) -> bool:
    """Return whether Stripe is told of any meter."""
    return bool(await store.list_metered(ctx.tx, ctx.tenant_id))


async def draft(ctx: Ctx) -> int:
    """Draft meter events for what was used and not told; return how many pairs were looked at.

    An hour's events add up to its usage: what came or changed after an hour was told becomes one
    more event, which may take away. Drafts are kept with their identifiers before any is sent.
    """
    now = ctx.now()
    known = {one.meter_key: one for one in await store.list_metered(ctx.tx, ctx.tenant_id)}
    pairs = await store.take_due(ctx.tx, ctx.tenant_id, now=now, limit=PAIRS_MAX)
    for pair in pairs:
        await _draft_pair(ctx, known[pair.meter_key], pair, now)
    return len(pairs)


async def _draft_pair(ctx: Ctx, metered: Metered, pair: Pair, now: datetime) -> None:
    span = rules.span(metered.since, now)
    values, numbers = await store.told(ctx.tx, ctx.tenant_id, pair, since=span.start)
    days = await _differing(ctx, pair, rules.days_of(span), values)
    hours = [hour for day, _ in days for hour in rules.hours_of(day)]
    events = [
        _event(ctx, metered, pair, hour.start, numbers.get(hour.start, 0), value)
        for hour, value in await _differing(ctx, pair, hours, values)
    ]
    await store.add_events(ctx.tx, ctx.tenant_id, events, at=now)
    ahead = Period(span.end, max(span.end, now + rules.DAY + rules.HOUR))
    if any(await _used(ctx, pair, [ahead])):
        await store.look_again(ctx.tx, ctx.tenant_id, [pair], at=rules.next_look(now))
    else:
        await store.forget_due(ctx.tx, ctx.tenant_id, [pair])


async def _differing(
    ctx: Ctx, pair: Pair, parts: list[Period], told: dict[datetime, Decimal]
) -> list[tuple[Period, Decimal]]:
    return rules.differing(parts, await _used(ctx, pair, parts), told)


async def _used(ctx: Ctx, pair: Pair, parts: Sequence[Period]) -> list[Decimal]:
    if not parts:
        return []
    asked = [
        TallyRequest(meter_key=pair.meter_key, customer_ref=pair.customer_ref, period=part)
        for part in parts
    ]
    return await metering.tally(ctx, asked)


def _event(  # noqa: PLR0917 - the columns of one row
    ctx: Ctx, metered: Metered, pair: Pair, hour: datetime, number: int, value: Decimal
) -> MeterEvent:
    return MeterEvent(
        id=ctx.ids.new("mev"),
        meter_key=pair.meter_key,
        customer_ref=pair.customer_ref,
        hour=hour,
        number=number,
        event_name=metered.event_name,
        value=value,
        state=SendState.WAITING,
        reason=None,
        tries=0,
        first_tried_at=None,
        settled_at=None,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be sent now by an account's key."""

    api_key: str
    claimed: int
    outgoing: tuple[Outgoing, ...]


async def prepare(ctx: Ctx) -> Batch:
    """Claim events that are due, and note that they are tried, before anything is sent."""
    claimed = await store.claim(ctx.tx, ctx.tenant_id, limit=CLAIM_MAX, lease=LEASE)
    key = await accounts.api_key(ctx, Provider.STRIPE) if claimed else None
    if key is None:
        for one in claimed:
            await store.put_off(ctx.tx, ctx.tenant_id, one.id, by=CUSTOMER_WAIT, reason=NO_KEY)
        return Batch("", len(claimed), ())
    names = await _stripe_customers(ctx, [one.customer_ref for one in claimed])
    now = await accounts_store.real_now(ctx.tx)
    ready = [one for one in claimed if one.customer_ref in names]
    for one in claimed:
        if one.customer_ref not in names:
            await store.put_off(ctx.tx, ctx.tenant_id, one.id, by=CUSTOMER_WAIT, reason=NO_CUSTOMER)
    outgoing = [
        Outgoing(
            one,
            names[one.customer_ref],
            await store.arrived(ctx.tx, ctx.tenant_id, one),
            rules.is_in_doubt(one.first_tried_at, now),
        )
        for one in ready
    ]
    await store.begin(ctx.tx, ctx.tenant_id, [one.id for one in ready])
    return Batch(key, len(claimed), tuple(outgoing))


async def _stripe_customers(ctx: Ctx, refs: Sequence[str]) -> dict[str, str]:
    """Return what Stripe calls customers, by our names; without those it knows nothing of."""
    found: dict[str, str] = {}
    for ref, customer in (await tenants.customers_by_refs(ctx, sorted(set(refs)))).items():
        name = await standing_store.find_provider_customer(
            ctx.tx, ctx.tenant_id, Provider.STRIPE, customer.id
        )
        if name:
            found[ref] = name
    return found


async def settle(
    ctx: Ctx, event: MeterEvent, state: SendState, *, reason: str | None = None
) -> None:
    """Keep what came of an event."""
    told = reason[:REASON_CHARS_MAX] if reason else None
    await store.settle(ctx.tx, ctx.tenant_id, event.id, state, reason=told)


async def put_off(ctx: Ctx, event: MeterEvent, *, reason: str) -> None:
    """Try an event again later."""
    by = rules.pause(event.tries + 1)
    await store.put_off(ctx.tx, ctx.tenant_id, event.id, by=by, reason=reason[:REASON_CHARS_MAX])


async def begin_anew(ctx: Ctx, event: MeterEvent) -> None:
    """Note that Stripe has not got an event, however long ago it was tried."""
    await store.restart(ctx.tx, ctx.tenant_id, event.id)


async def list_open_questions(ctx: Ctx) -> list[tuple[str, str]]:
    """Return what Stripe refused or may have: usage that nobody may be billed for."""
    found = [
        one
        for state in (SendState.REFUSED, SendState.UNCLEAR)
        for one in await store.list_events(ctx.tx, ctx.tenant_id, state=state, limit=CLAIM_MAX)
    ]
    return [(it.id, f"{it.customer_ref} {it.meter_key} {it.state}: {it.reason}") for it in found]
