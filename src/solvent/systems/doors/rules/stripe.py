"""What does a meter event mean that a client of Stripe sends?

Shapes: Stripe's API reference of `/v1/billing/meter_events` (a form) and of version 2 (JSON).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from solvent.systems.doors.errors import EventMalformed, ParameterMissing
from solvent.systems.doors.model import Use
from solvent.systems.doors.rules.fields import (
    as_event,
    data_of,
    epoch_time,
    may_be_name,
    must_be_name,
    rfc3339_time,
)

CUSTOMER_KEY = "stripe_customer_id"
VALUE_KEY = "value"
V1_FIELDS = frozenset({"event_name", "payload", "identifier", "timestamp", "expand"})


def read(value: object) -> Use:
    """Return the use that a meter event tells of.

    Version 1 tells the time in seconds since 1970, version 2 as RFC 3339.

    Raises:
        EventMalformed: naming the parameter.
    """
    given = as_event(value)
    payload = data_of(given, "payload")
    if not payload:
        raise ParameterMissing(field="payload")
    rest = {name: one for name, one in payload.items() if name not in {CUSTOMER_KEY, VALUE_KEY}}
    return Use(
        id=may_be_name(given, "identifier"),
        customer=_customer(payload),
        event=must_be_name(given, "event_name"),
        at=_time(given),
        data=rest,
        value=_value(payload.get(VALUE_KEY)),
    )


def _customer(payload: Mapping[str, object]) -> str:
    try:
        return must_be_name(payload, CUSTOMER_KEY)
    except EventMalformed as wrong:
        wrong.field = f"payload[{CUSTOMER_KEY}]"
        raise


def _value(given: object) -> Decimal | str | None:
    if given is None or isinstance(given, str | Decimal):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return Decimal(given)
    raise EventMalformed("expected a number", field=f"payload[{VALUE_KEY}]")


def _time(given: Mapping[str, object]) -> datetime | None:
    when = given.get("timestamp")
    if when is None:
        return None
    if isinstance(when, str) and "T" in when:
        return rfc3339_time(when, field="timestamp")
    return epoch_time(when, field="timestamp")
