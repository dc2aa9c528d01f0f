"""Which usage events does a foreign event make, of which meters and with which properties?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import cast

import msgspec

from solvent.kernel.metering.model import EVENT_ID_LENGTH_MAX, PropertyValue, UsageEvent
from solvent.systems.doors.errors import EventMalformed, NameMalformed
from solvent.systems.doors.limits import DEPTH_MAX, PATH_CHARS_MAX
from solvent.systems.doors.model import Data, MeterName, Use

PATHS_KEPT = 1_000
_STEP = re.compile(r"""\.([A-Za-z0-9_-]+)|\[(?:'([^'\]]+)'|"([^"\]]+)")\]""")
_JSON = msgspec.json.Encoder(decimal_format="number", order="sorted")


@lru_cache(PATHS_KEPT)
def steps_of(path: str, *, field: str) -> tuple[str, ...]:
    """Return the names that a path such as `$.usage.tokens` or `$['a b']` leads through.

    Raises:
        NameMalformed: another JSONPath, or none.
    """
    steps = list(_STEP.finditer(path, 1)) if path.startswith("$") else []
    whole = "$" + "".join(found.group() for found in steps)
    if not steps or whole != path or not 0 < len(path) <= PATH_CHARS_MAX:
        message = "expected a path of names such as $.usage.tokens"
        raise NameMalformed(message, field=field)
    return tuple(next(one for one in found.groups() if one) for found in steps)


def events_of(
    use: Use, names: Sequence[MeterName], *, customer_ref: str, fallback_id: str, at: datetime
) -> list[UsageEvent]:
    """Return one usage event for each meter that the use is for.

    `at` is when it came, for a use that tells no time; `fallback_id` is for one without an id.

    Raises:
        EventMalformed: a value or dimension is no flat value.
    """
    return [
        UsageEvent(
            id=usage_id(use, name.meter_key) or fallback_id,
            customer_ref=customer_ref,
            meter_key=name.meter_key,
            at=use.at or at,
            value=_value(use, name),
            properties=_properties(use, name),
        )
        for name in names
    ]


def usage_id(use: Use, meter_key: str) -> str | None:
    """Return the id under which a use counts once, for ever.

    An id that is the sender's alone is taken as it is, so that it counts once through all doors and
    our own API. One with a source (CloudEvents) is theirs together, and one for each meter; what
    would be too long is told by its SHA-256.
    """
    if use.id is None or use.source is None:
        return use.id
    plain = f"{use.source}/{use.id}/{meter_key}"
    if len(plain) <= EVENT_ID_LENGTH_MAX:
        return plain
    digest = hashlib.sha256(f"{use.source}\0{use.id}".encode()).hexdigest()
    return f"{digest}/{meter_key}"


def _value(use: Use, name: MeterName) -> Decimal | str | None:
    if name.value_path is None:
        return use.value
    if not name.value_path:
        return None
    found = _find(use.data, name.value_path)
    if found is None or isinstance(found, str | Decimal):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return Decimal(found)
    raise EventMalformed("expected a number or a text", field=name.value_path)


def _properties(use: Use, name: MeterName) -> dict[str, PropertyValue]:
    if name.dimensions is None:
        return dict(_flat(use.data, "", DEPTH_MAX))
    found = {key: _find(use.data, path) for key, path in name.dimensions.items()}
    return {key: _plain(value) for key, value in found.items() if value is not None}


def _find(data: Data, path: str) -> object:
    found: object = data
    for step in steps_of(path, field="path"):
        found = (_as_object(found) or {}).get(step)
    return found


def _flat(data: Data, prefix: str, depth: int) -> Iterator[tuple[str, PropertyValue]]:
    """Yield flat properties; what stands below `model` is named `model.size`."""
    for key, value in data.items():
        below = _as_object(value)
        if below and depth:
            yield from _flat(below, f"{prefix}{key}.", depth - 1)
        else:
            yield f"{prefix}{key}", _plain(value)


def _as_object(value: object) -> Data | None:
    return cast("Data", value) if isinstance(value, dict) else None


def _plain(value: object) -> PropertyValue:
    """Return a flat value as it is, and any other as its JSON."""
    if value is None or isinstance(value, str | int | Decimal):
        return value
    try:
        return _JSON.encode(value).decode()
    except (ValueError, RecursionError):  # half a character, or nested beyond reason
        raise EventMalformed("expected flat values", field="data") from None
