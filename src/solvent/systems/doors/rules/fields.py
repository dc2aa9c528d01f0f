"""Is a field of a foreign event what it must be?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import cast

from solvent.kit.clock import parse_time
from solvent.systems.doors.errors import EventMalformed, ParameterMissing
from solvent.systems.doors.limits import EPOCH_S_MAX, NAME_CHARS_MAX
from solvent.systems.doors.model import Data

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = Decimal(1_000_000)
_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?\Z")


def as_event(value: object) -> Mapping[str, object]:
    """Return the value if it is a JSON object.

    Raises:
        EventMalformed: it is not.
    """
    if not isinstance(value, dict):
        raise EventMalformed("expected an event as a JSON object")
    return cast("dict[str, object]", value)


def must_be_name(given: Mapping[str, object], name: str) -> str:
    """Return a field's text: 1 to 200 printable characters.

    Raises:
        ParameterMissing, EventMalformed: naming the field.
    """
    value = given.get(name)
    if value is None or value == "":
        raise ParameterMissing(field=name)
    return check_name(value, field=name)


def may_be_name(given: Mapping[str, object], name: str) -> str | None:
    """As `must_be_name`, or None where the field is not given or null."""
    return None if given.get(name) is None else must_be_name(given, name)


def check_name(value: object, *, field: str) -> str:
    """Return the value if it is a text of 1 to 200 printable characters.

    Raises:
        EventMalformed: naming the field.
    """
    short = isinstance(value, str) and 0 < len(value) <= NAME_CHARS_MAX
    if isinstance(value, str) and short and value.isprintable() and not value.isspace():
        return value
    message = f"expected a text of 1 to {NAME_CHARS_MAX} printable characters"
    raise EventMalformed(message, field=field)


def data_of(given: Mapping[str, object], name: str) -> Data:
    """Return a field's JSON object, empty where it is not given or null.

    Raises:
        EventMalformed: it is something else.
    """
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EventMalformed("expected a JSON object", field=name)
    return cast("dict[str, object]", value)


def epoch_time(value: object, *, field: str) -> datetime:
    """Return the moment so many seconds after 1970, given as a number or a numeric text.

    Never milliseconds: a number that would be one is far ahead, and refused as such.

    Raises:
        EventMalformed: no number, or beyond the year 9999.
    """
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds <= EPOCH_S_MAX:
        raise EventMalformed("expected seconds since 1970", field=field)
    micros = (seconds * MICRO).to_integral_value(ROUND_FLOOR)
    return EPOCH + timedelta(microseconds=int(micros))


def _seconds(value: object) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if _PLAIN.match(value) else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    found = Decimal(value)
    return found if found.is_finite() else None


def rfc3339_time(value: object, *, field: str) -> datetime:
    """Return the moment of an RFC 3339 text.

    Raises:
        EventMalformed: no text. TimeWithoutZone, TimeOutOfRange: none that names a moment.
    """
    if not isinstance(value, str):
        raise EventMalformed("expected a time such as 2026-11-23T10:00:00Z", field=field)
    return parse_time(value, field=field)
