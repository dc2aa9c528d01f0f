"""What stands at this place of a JSON text, if it is what must stand there?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, cast

from solvent.kit.clock import parse_time
from solvent.kit.errors import Invalid

TEXT_MAX = 10_000


class Odd(Exception):
    """Something else stands there, or nothing; the message says where and what was expected."""


@dataclass(slots=True)
class Tree:
    """A JSON object that is read member by member; unknown members are left alone.

    Not frozen, as one is made of each object of every file that is verified: that takes half.
    """

    members: dict[str, object]
    path: str = ""

    def text(self, name: str) -> str:
        """Return a text; raises Odd."""
        found = self.maybe_text(name)
        return found if found is not None else self._odd(name, "a text")

    def maybe_text(self, name: str) -> str | None:
        """Return a text, or None where there is none; raises Odd."""
        found = self.members.get(name)
        if (isinstance(found, str) and len(found) <= TEXT_MAX) or found is None:
            return found
        return self._odd(name, "a text or null")

    def whole(self, name: str) -> int:
        """Return a whole number; raises Odd."""
        found = self.maybe_whole(name)
        return found if found is not None else self._odd(name, "a whole number")

    def maybe_whole(self, name: str) -> int | None:
        """Return a whole number, or None where there is none; raises Odd."""
        found = self.members.get(name)
        if found is None or (isinstance(found, int) and not isinstance(found, bool)):
            return found
        return self._odd(name, "a whole number or null")

    def moment(self, name: str) -> datetime:
        """Return a moment, cut to whole seconds; raises Odd."""
        found = self.maybe_moment(name)
        return found if found is not None else self._odd(name, "a moment")

    def maybe_moment(self, name: str) -> datetime | None:
        """Return a moment, cut to whole seconds, or None where there is none; raises Odd."""
        text = self.maybe_text(name)
        if text is None:
            return None
        try:
            return parse_time(text, field=name).replace(microsecond=0)
        except Invalid:
            return self._odd(name, "a moment")

    def is_true(self, name: str) -> bool:
        """Return a truth value, false where there is none; raises Odd."""
        found = self.members.get(name)
        if found is None or isinstance(found, bool):
            return bool(found)
        return self._odd(name, "true or false")

    def tree(self, name: str) -> Tree:
        """Return the object at a place; raises Odd."""
        found = self.maybe_tree(name)
        return found if found is not None else self._odd(name, "an object")

    def maybe_tree(self, name: str) -> Tree | None:
        """Return the object at a place, or None where there is none; raises Odd."""
        found = self.members.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            return self._odd(name, "an object or null")
        return Tree(cast("dict[str, object]", found), f"{self.path}{name}.")

    def trees(self, name: str) -> Iterator[Tree]:
        """Yield the objects of a list; raises Odd."""
        found = self.members.get(name, [])
        if not isinstance(found, list):
            self._odd(name, "a list")
        for index, one in enumerate(cast("list[object]", found)):
            if not isinstance(one, dict):
                self._odd(f"{name}[{index}]", "an object")
            yield Tree(cast("dict[str, object]", one), f"{self.path}{name}[{index}].")

    def _odd(self, name: str, expected: str) -> NoReturn:
        raise Odd(f"{self.path}{name}: expected {expected}")


def parse(raw: bytes) -> Tree:
    """Return the object that a JSON text holds; raises Odd."""
    try:
        found: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise Odd("expected JSON") from None
    if not isinstance(found, dict):
        raise Odd("expected a JSON object")
    return Tree(cast("dict[str, object]", found))
