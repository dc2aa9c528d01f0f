"""Is this piece of JSON a table, or a list?"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

Json: TypeAlias = dict[str, Any]


def table(value: object) -> Json | None:
    """Return the value if it is a table."""
    return cast("Json", value) if isinstance(value, dict) else None


def items(value: object) -> list[Any] | None:
    """Return the value if it is a list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def part(held: Json, name: str) -> Json:
    """Return a table within a table; an empty one where there is none."""
    return table(held.get(name)) or {}
