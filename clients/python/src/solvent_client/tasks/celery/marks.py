"""How do moments, decimal numbers and UUIDs get through JSON? As Celery 5 writes them.

`{"__type__": "datetime", "__value__": "2026-01-01T00:00:00+00:00"}`: the form of kombu's JSON.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, cast

_KINDS: Final[dict[str, Callable[[str], object]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": uuid.UUID,
    "bytes": base64.b64decode,
}


def mark(value: object) -> object:
    """Return the value with what JSON has no word for written in marked maps."""
    match value:
        case list() | tuple():
            return [mark(item) for item in cast("list[object]", value)]
        case dict():
            told = cast("dict[object, object]", value)
            return {key: mark(item) for key, item in told.items()}
        case datetime() | date() | time():
            return _marked(type(value).__name__, value.isoformat())
        case Decimal():
            return _marked("decimal", str(value))
        case uuid.UUID():
            return _marked("uuid", value.hex)
        case bytes():
            return _marked("bytes", base64.b64encode(value).decode())
        case _:
            return value


def unmark(value: object) -> object:
    """Return what `mark` was given; tuples come back as lists."""
    if isinstance(value, list):
        return [unmark(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    told = cast("dict[str, object]", value)
    kind, text = told.get("__type__"), told.get("__value__")
    if len(told) == len(("__type__", "__value__")) and kind in _KINDS and isinstance(text, str):
        return _KINDS[str(kind)](text)
    return {key: unmark(item) for key, item in told.items()}


def _marked(kind: str, text: str) -> dict[str, str]:
    return {"__type__": kind, "__value__": text}
