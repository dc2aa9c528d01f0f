"""How does each version of an event look on the wire? One golden JSON a version, kept for ever.

`make golden` writes those that are missing. A golden file is never written over: a changed event is
a new version.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import reference
import source

from solvent.kit.bus.envelope import adapter

FOLDER = source.ROOT / "tests" / "contracts" / "golden"
MOMENT = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)


def main() -> int:
    """Write the missing golden files; say which."""
    reference.import_everything()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in reference.event_types():
        if not path_of(kind).exists():
            path_of(kind).write_text(text_of(sample(kind)), encoding="utf-8")
            print(f"golden: wrote {source.name_of(path_of(kind))}")
    return 0


def path_of(kind: type) -> Path:
    """Return where an event's golden JSON stands."""
    return FOLDER / f"{kind.NAME}.json"


def text_of(payload: object) -> str:
    """Return a payload as it stands in the file."""
    return json.dumps(payload, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def sample(kind: type) -> object:
    """Return the wire form of an event with something in every field."""
    return adapter(kind).dump_python(filled(kind), mode="json")


def filled(hint: typing.Any, name: str = "") -> object:
    """Return a value of a type; of alternatives the first that says something."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = dataclasses.fields(hint)
        return hint(**{one.name: filled(hints[one.name], one.name) for one in fields if one.init})
    if origin in {typing.Union, types.UnionType}:
        return filled(next(one for one in arguments if one is not type(None)), name)
    if origin is typing.Literal:
        return arguments[0]
    if origin is not None and issubclass(origin, Mapping):
        return {"key": filled(arguments[1], name)}
    if origin is tuple or (origin is not None and issubclass(origin, Sequence)):
        return tuple(filled(one, name) for one in arguments if one is not ...)
    return plain(hint, name)


def plain(hint: typing.Any, name: str) -> object:
    """Return a value of a type without parts."""
    hint = getattr(hint, "__supertype__", hint)
    if issubclass(hint, Enum):
        return next(iter(hint))
    known: dict[type, object] = {
        str: name,
        int: 7,
        bool: True,
        datetime: MOMENT,
        Decimal: Decimal("1.50"),
    }
    return known[hint]


if __name__ == "__main__":
    sys.exit(main())
