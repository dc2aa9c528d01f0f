"""Which events does a meter accept, when are two the same, and which hours cover a period?"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from solvent.kernel.metering.errors import (
    EventConflict,
    EventMalformed,
    MeterMalformed,
    PropertyUnknown,
    TimeTooFarAhead,
    ValueMalformed,
    ValueMissing,
    ValueOutOfRange,
    ValueUnexpected,
)
from solvent.kernel.metering.model import (
    ACCEPT_DAYS_MAX,
    AHEAD_MAX,
    CARRYING,
    CUSTOMER_REF_LENGTH_MAX,
    EVENT_ID_LENGTH_MAX,
    KNOWN_PROPERTIES_MAX,
    NAME_LENGTH_MAX,
    PROPERTIES_MAX,
    PROPERTY_NAME_LENGTH_MAX,
    PROPERTY_TEXT_LENGTH_MAX,
    UNIQUE_VALUE_LENGTH_MAX,
    UNIT_LENGTH_MAX,
    VALUE_DECIMALS_MAX,
    VALUE_WHOLE_DIGITS_MAX,
    Aggregation,
    EventFate,
    Fate,
    HourSplit,
    Measure,
    MeasureRequest,
    Meter,
    MeterSpec,
    Period,
    PropertyValue,
    Reading,
    UsageEvent,
    Window,
)
from solvent.kit.clock import as_utc
from solvent.kit.errors import SolventError
from solvent.kit.money import plain_number

_KEY = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z", re.ASCII)
_HOUR = timedelta(hours=1)
WIDE = Context(prec=60, rounding=ROUND_HALF_UP)
"""For quotients, which need not end."""
_SEPARATOR = "\x1f"
"""Between the parts of a fingerprint: no part may hold a control character, so parts never blur."""


def check_spec(spec: MeterSpec) -> MeterSpec:
    """Return the description if a meter can be made of it.

    Raises:
        MeterMalformed: names the field and what was expected.
    """
    if not is_key(spec.key):
        message = "a key is 1 to 64 of a-z, 0-9, '_', '.' and '-', beginning with a letter"
        raise MeterMalformed(message, field="key", given=shown(spec.key))
    if not is_plain_text(spec.name, length_max=NAME_LENGTH_MAX):
        message = f"expected 1 to {NAME_LENGTH_MAX} printable characters"
        raise MeterMalformed(message, field="name")
    if spec.unit and not is_plain_text(spec.unit, length_max=UNIT_LENGTH_MAX):
        message = f"expected at most {UNIT_LENGTH_MAX} printable characters"
        raise MeterMalformed(message, field="unit")
    if spec.value_property is not None:
        _check_value_property(spec)
    if spec.known_properties is not None:
        _check_known_properties(spec, spec.known_properties)
    if spec.accept_days is not None and not 1 <= spec.accept_days <= ACCEPT_DAYS_MAX:
        raise MeterMalformed(f"expected 1 to {ACCEPT_DAYS_MAX}, or none", field="accept_days")
    if spec.carries and spec.aggregation not in CARRYING:
        message = "a meter that never begins anew is a sum, a count, unique or the latest"
        raise MeterMalformed(message, field="carries")
    return spec


def is_key(text: str) -> bool:
    """Return whether the text can be a meter's key."""
    return _KEY.match(text) is not None


def _check_value_property(spec: MeterSpec) -> None:
    if spec.aggregation is Aggregation.COUNT:
        message = "a meter that counts events reads no value"
        raise MeterMalformed(message, field="value_property")
    if not is_plain_text(spec.value_property or "", length_max=PROPERTY_NAME_LENGTH_MAX):
        message = "expected the name of a property, 1 to 64 printable characters"
        raise MeterMalformed(message, field="value_property")


def _check_known_properties(spec: MeterSpec, names: Sequence[str]) -> None:
    if len(names) > KNOWN_PROPERTIES_MAX or len(set(names)) < len(names):
        message = f"expected at most {KNOWN_PROPERTIES_MAX} names, each once"
        raise MeterMalformed(message, field="known_properties")
    if not all(is_plain_text(name, length_max=PROPERTY_NAME_LENGTH_MAX) for name in names):
        message = "a property's name is 1 to 64 printable characters"
        raise MeterMalformed(message, field="known_properties")
    if spec.value_property is not None and spec.value_property not in names:
        message = "expected value_property among them"
        raise MeterMalformed(message, field="known_properties")


def changes_meaning(meter: Meter, spec: MeterSpec) -> bool:
    """Return whether what was recorded would be measured in another way."""
    counts_from = meter.counts_from if spec.counts_from is None else spec.counts_from
    before = (meter.aggregation, meter.unit, meter.value_property, meter.carries, meter.counts_from)
    after = (spec.aggregation, spec.unit, spec.value_property, spec.carries, counts_from)
    return before != after


def read_event(event: UsageEvent, meter: Meter, *, now: datetime, path: str) -> Reading:
    """Return the event as its meter reads it; `path` leads the names of refused fields.

    Times are cut to the millisecond, never rounded up: an event does not move to the next period.

    Raises:
        EventMalformed, TimeWithoutZone, TimeTooFarAhead: the event is refused whatever its meter.
        PropertyUnknown: its meter knows no such property.
        ValueMissing, ValueUnexpected, ValueMalformed, ValueOutOfRange: its meter refuses the value.
    """
    _check_text(event.id, field=f"{path}id", length_max=EVENT_ID_LENGTH_MAX)
    _check_text(event.customer_ref, field=f"{path}customer", length_max=CUSTOMER_REF_LENGTH_MAX)
    at = as_utc(event.at, field=f"{path}at")
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    if at - now > AHEAD_MAX:
        raise TimeTooFarAhead(field=f"{path}at")
    if meter.known_properties is not None:
        _check_known(event.properties, meter, path=path)
    properties_json = write_properties(event.properties, path=path) if event.properties else None
    value, unique_value = _read_value(event, meter, path=path)
    content = (
        event.customer_ref,
        event.meter_key,
        at.isoformat(),
        "" if value is None else str(value),
        unique_value or "",
        properties_json or "",
    )
    return Reading(
        id=event.id,
        customer_ref=event.customer_ref,
        meter_key=meter.key,
        at=at,
        value=value,
        unique_value=unique_value,
        properties_json=properties_json,
        fingerprint=hashlib.blake2b(_SEPARATOR.join(content).encode(), digest_size=16).digest(),
    )


def _check_known(properties: Mapping[str, PropertyValue], meter: Meter, *, path: str) -> None:
    for name in properties:
        if name not in (meter.known_properties or ()):
            raise PropertyUnknown(field=f"{path}properties.{shown(name)}", meter=meter.key)


def is_too_old(reading: Reading, meter: Meter, *, now: datetime) -> bool:
    """Return whether a meter takes an event of this time only in a window that is open for it."""
    days = meter.accept_days
    return days is not None and now - reading.at > timedelta(days=days)


def is_in_window(reading: Reading, windows: Iterable[Window]) -> bool:
    """Return whether one of these windows lets an old event in."""
    return any(
        one.meter_key == reading.meter_key and one.covers(reading.customer_ref, reading.at)
        for one in windows
    )


def _check_text(text: str, *, field: str, length_max: int) -> None:
    if not is_plain_text(text, length_max=length_max):
        message = f"expected 1 to {length_max} printable characters"
        raise EventMalformed(message, field=field)


def is_plain_text(text: str, *, length_max: int) -> bool:
    """Return whether the text is short, not blank, and free of control and broken characters."""
    return 0 < len(text) <= length_max and text.isprintable() and not text.isspace()


def _read_value(event: UsageEvent, meter: Meter, *, path: str) -> tuple[Decimal | None, str | None]:
    field, given = f"{path}value", event.value
    if meter.value_property is not None:
        field = f"{path}properties.{meter.value_property}"
        given = _property_value(event.properties.get(meter.value_property), field=field)
    if meter.aggregation is Aggregation.COUNT:
        if given is not None and read_number(given, field=field) != 1:
            raise ValueUnexpected(field=field, meter=meter.key)
        return None, None
    if given is None:
        raise ValueMissing(field=field, meter=meter.key)
    if meter.aggregation is Aggregation.UNIQUE:
        return None, _read_unique(given, field=field)
    return read_number(given, field=field, signed=meter.signed), None


def _property_value(given: PropertyValue, *, field: str) -> Decimal | str | None:
    if isinstance(given, bool):
        raise ValueMalformed(field=field)
    return Decimal(given) if isinstance(given, int) else given


def _read_unique(given: Decimal | str, *, field: str) -> str:
    text = given if isinstance(given, str) else plain_number(read_number(given, field=field))
    _check_text(text, field=field, length_max=UNIQUE_VALUE_LENGTH_MAX)
    return text


def read_number(given: Decimal | str, *, field: str, signed: bool = False) -> Decimal:
    """Return the exact number that a JSON number or a numeric text means, without trailing zeros.

    A text is digits with at most one point between them. Both are at least 0 (unless `signed`),
    with at most 20 digits before the point and 12 after, so that 12, 12.0 and "12" are one value.

    Raises:
        ValueMalformed: no plain number, negative, NaN or infinite.
        ValueOutOfRange: too large or too fine.
    """
    if isinstance(given, str):
        if len(given) > PROPERTY_TEXT_LENGTH_MAX or not _NUMBER.match(given):
            raise ValueMalformed(field=field, given=shown(given))
        given = Decimal(given)
    if not given.is_finite() or (given < 0 and not signed):
        raise ValueMalformed(field=field, given=str(given)[:64])
    if not given:
        return Decimal(0)
    if given.adjusted() >= VALUE_WHOLE_DIGITS_MAX or given.adjusted() < -VALUE_DECIMALS_MAX:
        raise ValueOutOfRange(field=field, given=str(given)[:64])
    return _trimmed(given, field=field)


def _trimmed(number: Decimal, *, field: str) -> Decimal:
    if number == number.to_integral_value():
        return Decimal(int(number))
    kept = format(number, "f").rstrip("0")
    if len(kept.partition(".")[2]) > VALUE_DECIMALS_MAX:
        raise ValueOutOfRange(field=field, given=str(number)[:64])
    return Decimal(kept)


def write_properties(properties: Mapping[str, PropertyValue], *, path: str) -> str:
    """Return the properties as JSON with sorted names and exact numbers.

    Raises:
        EventMalformed: too many, or one that cannot be kept; names it.
    """
    if len(properties) > PROPERTIES_MAX:
        message = f"expected at most {PROPERTIES_MAX} properties"
        raise EventMalformed(message, field=f"{path}properties")
    parts = [
        f"{json.dumps(name)}:{_property_json(name, properties[name], path=path)}"
        for name in sorted(properties)
    ]
    return "{" + ",".join(parts) + "}"


def _property_json(name: str, value: PropertyValue, *, path: str) -> str:
    field = f"{path}properties.{shown(name)}"
    if not is_plain_text(name, length_max=PROPERTY_NAME_LENGTH_MAX):
        message = "a property's name is 1 to 64 printable characters"
        raise EventMalformed(message, field=field)
    if isinstance(value, str):
        if len(value) > PROPERTY_TEXT_LENGTH_MAX or not (value.isprintable() or value == ""):
            message = f"expected at most {PROPERTY_TEXT_LENGTH_MAX} printable characters"
            raise EventMalformed(message, field=field)
        return json.dumps(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _number_json(Decimal(value), field=field)


def _number_json(number: Decimal, *, field: str) -> str:
    if not number.is_finite():
        raise ValueMalformed(field=field, given=str(number))
    if number and not -VALUE_DECIMALS_MAX <= number.adjusted() < VALUE_WHOLE_DIGITS_MAX:
        raise ValueOutOfRange(field=field, given=str(number)[:64])
    return plain_number(number)


def average(total: Decimal, count: int) -> Decimal:
    """Return the mean, rounded half away from zero to 12 decimals; of nothing it is 0."""
    return _to_decimals(WIDE.divide(total, count)) if count else Decimal(0)


def level(quantity: Decimal) -> Decimal:
    """Return what can be charged of a quantity: at most 12 decimals, never less than nothing."""
    return max(_to_decimals(quantity), Decimal(0))


def _to_decimals(value: Decimal) -> Decimal:
    kept = value.quantize(Decimal(1).scaleb(-VALUE_DECIMALS_MAX), context=WIDE)
    return Decimal(plain_number(kept))


def nothing(meter_key: str, asked: MeasureRequest) -> Measure:
    """Return the measure of a period without events."""
    return Measure(
        meter_key=meter_key,
        customer_ref=asked.customer_ref,
        period=asked.period,
        quantity=Decimal(0),
        event_count=0,
        first_event_id=None,
        last_event_id=None,
        digest=hashlib.sha256(b"").hexdigest(),
    )


def split_hours(period: Period) -> HourSplit:
    """Return the period cut at its first and last whole hour, without hole or overlap.

    Any of the three parts may be empty; the hours are those of UTC.
    """
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    first = min(_ceil_hour(start), end)
    last = max(_floor_hour(end), first)
    return HourSplit(head=Period(start, first), hours=Period(first, last), tail=Period(last, end))


def hour_of(moment: datetime) -> datetime:
    """Return the whole hour, of UTC, that a moment lies in."""
    return _floor_hour(moment.astimezone(UTC))


def _floor_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _ceil_hour(moment: datetime) -> datetime:
    floor = _floor_hour(moment)
    return floor if floor == moment else floor + _HOUR


def shown(text: str) -> str:
    """Return the beginning of a refused text in a form that can be sent back."""
    return text[:64].encode("utf-8", "backslashreplace").decode()


def first_of_each_id(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings without later repeats of an id."""
    first: dict[str, Reading] = {}
    for reading in readings:
        first.setdefault(reading.id, reading)
    return list(first.values())


def fate_of(reading: Reading, counts_from: Mapping[str, datetime]) -> Fate:
    """Return what became of an event that was stored."""
    return Fate.UNCOUNTED if reading.at < counts_from[reading.meter_key] else Fate.RECORDED


def fates(
    read: Sequence[Reading | SolventError], new: Mapping[str, Fate], known: Mapping[str, bytes]
) -> list[EventFate]:
    """Return what became of each event: `new` ids were stored now, `known` is what stands there.

    Of several with one new id the first was stored; the others are compared with it.
    """
    left = dict(new)
    found: list[EventFate] = []
    for one in read:
        if isinstance(one, SolventError):
            found.append(one)
        elif one.id in left:
            found.append(left.pop(one.id))
        elif known.get(one.id) == one.fingerprint:
            found.append(Fate.DUPLICATE)
        else:
            found.append(EventConflict(field="id", ids=[one.id], conflicts=1))
    return found


def conflicting_ids(readings: Sequence[Reading], known: Mapping[str, bytes]) -> list[str]:
    """Return the ids, each once, under which something else than the reading is known."""
    ids = [reading.id for reading in readings if known[reading.id] != reading.fingerprint]
    return list(dict.fromkeys(ids))
