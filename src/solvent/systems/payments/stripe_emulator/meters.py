"""What did customers use, by the events that were sent?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from solvent.systems.payments.stripe_emulator.fault import StripeFault, invalid, no_such
from solvent.systems.payments.stripe_emulator.plain import Json, part
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    page,
    retrieving,
)

KIND = "billing.meter"
EVENT = "billing.meter_event"
PAST_MAX_S = 35 * 86_400
FUTURE_MAX_S = 300
UNIQUE_FOR_S = 86_400
"""How long an identifier is unique: Stripe promises at least a day, so no more is to be had."""
CANCEL_WITHIN_S = 86_400
IDENTIFIER_CHARS_MAX = 100
DECIMALS_MAX = 12
_WINDOWS_S = {"hour": 3_600, "day": 86_400}


def create(world: World, params: Json) -> Json:
    """Make a meter; events of one name go to one meter."""
    name = params["event_name"]
    if world.every(KIND, event_name=name, status="active"):
        raise invalid(f"An active meter already exists for event name {name}.", param="event_name")
    mapping = {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    now = world.now()
    made = world.make(
        KIND,
        "mtr",
        {"customer_mapping": mapping, "value_settings": {"event_payload_key": "value"}} | params,
        status="active",
        updated=now,
    )
    world.tell("billing.meter.created", made)
    return made


def update(world: World, params: Json, id: str) -> Json:
    """Change a meter's name."""
    found = world.get(KIND, id)
    return world.change(found, "billing.meter.updated", **merge(found, params))


def deactivate(world: World, params: Json, id: str) -> Json:
    """Let a meter count no more."""
    del params
    found = world.get(KIND, id)
    now = world.now()
    gone = world.change(found, status="inactive", status_transitions={"deactivated_at": now})
    world.tell("billing.meter.deactivated", gone)
    return gone


def reactivate(world: World, params: Json, id: str) -> Json:
    """Let a meter count again."""
    del params
    found = world.get(KIND, id)
    back = world.change(found, status="active", status_transitions={"deactivated_at": None})
    world.tell("billing.meter.reactivated", back)
    return back


def record(world: World, params: Json) -> Json:
    """Take an event.

    Raises:
        StripeFault: no meter has its name, its payload lacks something, it is too old or from the
            future, or its identifier was used already within a day.
    """
    meter = _meter_of(world, params["event_name"])
    customer = _must_name_a_customer(meter, params["payload"])
    now = world.now(customer)
    at = now if params.get("timestamp") is None else params["timestamp"]
    _must_be_timely(at, now)
    identifier = params.get("identifier") or world.new_id("idmp")
    _must_be_new(world, identifier, now)
    made: Json = {
        "object": EVENT,
        "created": now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": at,
    }
    return world.store.save(made, name=_name(identifier))


def _meter_of(world: World, name: str) -> Json:
    found = world.every(KIND, event_name=name)
    active = [one for one in found if one["status"] == "active"]
    if not active:
        code = "archived_meter" if found else "no_meter"
        word = f"No active meter found for event name {name}."
        raise invalid(word, param="event_name", code=code)
    return active[0]


def _must_name_a_customer(meter: Json, payload: Json) -> str:
    for named in ("customer_mapping", "value_settings"):
        key = meter[named]["event_payload_key"]
        counts = named == "value_settings" and meter["default_aggregation"]["formula"] == "count"
        if not payload.get(key) and not counts:
            word = f"Payload must contain the key {key}."
            raise invalid(word, param="payload", code="meter_event_no_customer_defined")
    _value(meter, payload)
    return payload[meter["customer_mapping"]["event_payload_key"]]


def _value(meter: Json, payload: Json) -> Decimal:
    told = payload.get(meter["value_settings"]["event_payload_key"], "1")
    try:
        value = Decimal(told)
    except InvalidOperation:
        value = Decimal("NaN")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > DECIMALS_MAX:
        word = f"Invalid value {told}: it is a number of at most {DECIMALS_MAX} decimal places."
        raise invalid(word, param="payload", code="meter_event_invalid_value")
    return value


def _must_be_timely(at: int, now: int) -> None:
    if at < now - PAST_MAX_S:
        word = "The timestamp must be within the past 35 calendar days."
        raise invalid(word, param="timestamp", code="timestamp_too_far_in_past")
    if at > now + FUTURE_MAX_S:
        word = "The timestamp must be no more than 5 minutes in the future."
        raise invalid(word, param="timestamp", code="timestamp_in_future")


def _must_be_new(world: World, identifier: str, now: int) -> None:
    if len(identifier) > IDENTIFIER_CHARS_MAX:
        word = f"Invalid string: at most {IDENTIFIER_CHARS_MAX} characters"
        raise invalid(word, param="identifier")
    known = world.store.find(_name(identifier))
    if known is None:
        return
    if now - known["created"] < UNIQUE_FOR_S:
        word = f"An event already exists with identifier {identifier}."
        raise invalid(word, param="identifier", code="duplicate_meter_event")
    world.store.rename(_name(identifier), world.new_id("old"))


def _name(identifier: str) -> str:
    return f"event:{identifier}"


def adjust(world: World, params: Json) -> Json:
    """Take back an event that came within the last day."""
    identifier = part(params, "cancel").get("identifier") or ""
    found = world.store.find(_name(identifier))
    if found is None or found["event_name"] != params["event_name"]:
        raise no_such("meter_event", identifier, param="cancel[identifier]")
    if world.now() - found["created"] > CANCEL_WITHIN_S:
        word = "Only events of the last 24 hours can be cancelled."
        raise StripeFault(400, "invalid_request_error", word, param="cancel[identifier]")
    world.store.drop(_name(identifier))
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


def used(world: World, meter: Json, customer: str, *, start: int, end: int) -> Decimal:
    """Return what the events of a customer in [start, end) come to."""
    key = meter["customer_mapping"]["event_payload_key"]
    values = [
        (one["timestamp"], _value(meter, one["payload"]))
        for one in reversed(world.every(EVENT, event_name=meter["event_name"]))
        if start <= one["timestamp"] < end and one["payload"].get(key) == customer
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(values))
    if formula == "last":
        return max(values, key=lambda one: one[0])[1] if values else Decimal(0)
    return sum((value for _, value in values), Decimal(0))


def summarize(world: World, params: Json, id: str) -> Json:
    """Return a customer's use in a time, as a whole or by hours or days."""
    meter = world.get(KIND, id)
    customer = world.get("customer", params["customer"], param="customer")["id"]
    start, end = params["start_time"], params["end_time"]
    if start % 60 or end % 60 or start >= end:
        word = "start_time and end_time are whole minutes, the first before the other."
        raise invalid(word, param="start_time")
    found = [
        _summary(world, meter, customer, start=one, end=stop)
        for one, stop in _windows(start, end, params.get("value_grouping_window"))
    ]
    return page(world, [one for one in reversed(found) if one["aggregated_value"]], params)


def _windows(start: int, end: int, window: str | None) -> Iterator[tuple[int, int]]:
    step = _WINDOWS_S[window] if window else end - start
    if window and (start % step or end % step):
        word = f"start_time and end_time do not begin a {window}."
        raise invalid(word, param="value_grouping_window")
    yield from ((one, min(one + step, end)) for one in range(start, end, step))


def _summary(world: World, meter: Json, customer: str, *, start: int, end: int) -> Json:
    value = used(world, meter, customer, start=start, end=end)
    return {
        "id": f"mtrusg_{meter['id'][4:]}_{start}_{end}",
        "object": "billing.meter_event_summary",
        "aggregated_value": int(value) if value == int(value) else float(value),
        "start_time": start,
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
    }


_EVENTS = "/v1/billing/meter_events"
_ONE = "/v1/billing/meters/{}"

ROUTES = (
    Route("POST", "/v1/billing/meters", create, "billing.MeterCreateParams"),
    Route("GET", "/v1/billing/meters", listing(KIND, "status"), "billing.MeterListParams"),
    Route("GET", _ONE, retrieving(KIND), "billing.MeterRetrieveParams"),
    Route("POST", _ONE, update, "billing.MeterUpdateParams"),
    Route("POST", f"{_ONE}/deactivate", deactivate, "billing.MeterDeactivateParams"),
    Route("POST", f"{_ONE}/reactivate", reactivate, "billing.MeterReactivateParams"),
    Route("GET", f"{_ONE}/event_summaries", summarize, "billing.MeterListEventSummariesParams"),
    Route("POST", _EVENTS, record, "billing.MeterEventCreateParams"),
    Route(
        "POST",
        "/v1/billing/meter_event_adjustments",
        adjust,
        "billing.MeterEventAdjustmentCreateParams",
    ),
)
