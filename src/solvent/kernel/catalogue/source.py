"""What does a catalogue's text hold, and how is what is wrong with it told?

Reading is strict and never stops at the first mistake: each reader notes what it expected and goes
on with a harmless stand-in, and nothing is used unless no problem was noted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeVar, cast

from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.lines import Path, locate, nearest_line
from solvent.kernel.catalogue.rules import KEY, digits_of
from solvent.kit.errors import Invalid
from solvent.kit.money import parse_amount, parse_rate, plain_number

TEXT_BYTES_MAX = 262_144
PROBLEMS_MAX = 50
ITEMS_MAX = 1_000
GIVEN_LENGTH_MAX = 60
NUMBER_DIGITS_MAX = 24
KEY_PARTS_MAX = 16
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOO_DEEP = re.compile(
    rf"(?<![A-Za-z0-9_\\-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{KEY_PARTS_MAX}}}", re.ASCII
)
BIG = 10**NUMBER_DIGITS_MAX
KEY_EXPECTED = "1 to 64 of a-z, 0-9, '_', '.' and '-', beginning with a letter"

E = TypeVar("E", bound=Enum)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a catalogue's text, where it is, and what was expected there."""

    file: str
    line: int | None
    key: str
    expected: str

    def __str__(self) -> str:
        """Return it as compilers tell it: `file:line: key: expected …`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.expected}" if self.key else f"{place}: {self.expected}"


@dataclass(slots=True)
class Notes:
    """The problems noted so far in one text."""

    file: str
    lines: Mapping[Path, int]
    problems: list[Problem] = field(default_factory=list["Problem"])

    def add(self, path: Path, expected: str, given: object = None) -> None:
        """Note what was expected at a path, and what stood there."""
        if len(self.problems) < PROBLEMS_MAX:
            shown = f"{expected}, not {_shown(given)}" if given is not None else expected
            self.problems.append(
                Problem(self.file, nearest_line(self.lines, path), key_text(path), shown)
            )

    def close(self) -> None:
        """Pass if nothing was noted.

        Raises:
            CatalogueInvalid: with every problem in the order of the file.
        """
        if self.problems:
            raise invalid(sorted(self.problems, key=_place_in_file))


def _place_in_file(problem: Problem) -> tuple[bool, int]:
    """Order by line; what stands nowhere comes last."""
    return problem.line is None, problem.line or 0


def invalid(problems: list[Problem]) -> CatalogueInvalid:
    """Return the error that tells these problems."""
    rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return CatalogueInvalid(
        f"{problems[0]}{rest}",
        field=problems[0].key or None,
        problems=[str(problem) for problem in problems],
    )


def key_text(path: Path) -> str:
    """Return a path as people write it, `plans.pro.prices.logs.tiers[2]`, items from one."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + printable(part)
    return text


def printable(text: str) -> str:
    """Return the text short and safe to show."""
    plain = text if text.isprintable() else ascii(text)[1:-1]
    return plain if len(plain) <= GIVEN_LENGTH_MAX else plain[: GIVEN_LENGTH_MAX - 1] + "…"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{printable(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, Decimal)):
        return (
            "that number" if isinstance(value, int) and abs(value) > BIG else printable(str(value))
        )
    return {"dict": "a table", "list": "an array"}.get(type(value).__name__, "a date or time")


def decode(
    content: bytes, *, file: str, json_text: bool = False
) -> tuple[Mapping[str, object], Notes]:
    """Return the tree that a TOML (or JSON) text holds, numbers exact, and an empty list of notes.

    Raises:
        CatalogueInvalid: too long, not UTF-8, or not well-formed; says where.
    """
    if len(content) > TEXT_BYTES_MAX:
        raise invalid([Problem(file, None, "", f"expected at most {TEXT_BYTES_MAX} bytes")])
    try:
        text = content.decode("utf-8-sig" if json_text else "utf-8")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise invalid([Problem(file, line, "", "expected UTF-8 text")]) from None
    try:
        return _parse_json(text, file) if json_text else _parse_toml(text, file)
    except RecursionError:
        raise invalid([Problem(file, None, "", "expected fewer nested brackets")]) from None


def _parse_toml(text: str, file: str) -> tuple[Mapping[str, object], Notes]:
    # tomllib's memory grows with the square of a key's parts: 20 kB of `a.a.a` took it 2 GB.
    if deep := _TOO_DEEP.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise invalid([Problem(file, line, "", f"expected keys of at most {KEY_PARTS_MAX} parts")])
    try:
        tree = tomllib.loads(text.removeprefix("\ufeff"), parse_float=Decimal)
    except (ValueError, InvalidOperation) as fault:
        found = re.search(r"^(.*?)(?: \(at (?:line (\d+)|end).*\))?$", str(fault), re.DOTALL)
        reason, line = (found[1], found[2]) if found else (str(fault), None)
        last = text.count("\n") + 1
        where = int(line) if line else last
        expected = f"expected valid TOML: {printable(reason)}"
        raise invalid([Problem(file, where, "", expected)]) from None
    return tree, Notes(file, locate(text.removeprefix("\ufeff")))


def _parse_json(text: str, file: str) -> tuple[Mapping[str, object], Notes]:
    doubled: list[str] = []

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            doubled.extend(
                key for key, times in Counter(key for key, _ in pairs).items() if times > 1
            )
        return seen

    try:
        tree: object = json.loads(
            text, parse_float=Decimal, parse_constant=Decimal, object_pairs_hook=unique
        )
    except json.JSONDecodeError as fault:
        expected = f"expected valid JSON: {printable(fault.msg)}"
        raise invalid([Problem(file, fault.lineno, "", expected)]) from None
    except (ValueError, InvalidOperation):
        raise invalid([Problem(file, None, "", "expected numbers of fewer digits")]) from None
    notes = Notes(file, {})
    for key in doubled:
        notes.add((key,), "expected each key once")
    if not isinstance(tree, dict):
        raise invalid([Problem(file, 1, "", "expected an object of meters, products and plans")])
    return cast("dict[str, object]", tree), notes


@dataclass(slots=True)
class Table:
    """One table of the text, read key by key; `close` notes the keys that nobody asked for."""

    data: Mapping[str, object]
    path: Path
    notes: Notes
    asked: list[str] = field(default_factory=list[str])

    def note(self, key: str, expected: str, given: object = None) -> None:
        """Note what was expected at a key of this table."""
        self.notes.add((*self.path, key), expected, given)

    def has(self, key: str) -> bool:
        """Return whether the key stands there."""
        return key in self.data

    def close(self) -> None:
        """Note each key that is not known."""
        known = ", ".join(sorted(set(self.asked)))
        for key in self.data:
            if key not in self.asked:
                self.note(key, f"expected one of {known}: this key is not known here")

    def _take(self, key: str) -> object:
        self.asked.append(key)
        return self.data.get(key)

    def text(self, key: str, *, default: str | None = None, length_max: int = 200) -> str:
        """Return a text of printable characters; without a default it must be there."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not _fits(value, length_max):
            self.note(key, f"expected a text of 1 to {length_max} printable characters", value)
            return default or "?"
        return value

    def whole(self, key: str, *, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.note(key, f"expected a whole number from {least} to {most}", value)
            return default
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            self.note(key, "expected true or false", value)
        return value if isinstance(value, bool) else default

    def choice(self, key: str, kind: type[E], *, default: E | None = None) -> E:
        """Return one of an enumeration's values; without a default it must be there."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        for member in kind:
            if value == member.value:
                return member
        expected = "expected one of " + ", ".join(f'"{member.value}"' for member in kind)
        self.note(key, expected, value)
        return default or next(iter(kind))

    def number(self, key: str, *, above: Decimal | None = None) -> Decimal:
        """Return an exact number that is not negative (or above a bound); it must be there."""
        value = _as_number(self._take(key))
        least = Decimal(0) if above is None else above
        if value is None or value < least or value == above:
            bound = "of 0 or more" if above is None else f"above {plain_number(above)}"
            self.note(key, f"expected a number {bound}", self.data.get(key))
            return least + 1
        return value

    def amount_minor(self, key: str, currency: str) -> int:
        """Return the minor units of a major-unit amount that is not negative."""
        return self._money(key, currency, parse_amount, 0)

    def rate_minor(self, key: str, currency: str) -> Decimal:
        """Return the minor units, fractions included, of a major-unit rate that is not negative."""
        rate = self._money(key, currency, parse_rate, Decimal(0))
        return Decimal(plain_number(rate))

    def _money(self, key: str, currency: str, read: Callable[..., V], zero: V) -> V:
        given = self._take(key)
        value = _as_number(given, texts=True)
        if value is None or value < 0:
            example = 'an amount of 0 or more, for example "29.00"'
            self.note(key, f"expected {example}", given)
            return zero
        try:
            return read(plain_number(value), currency, field=key)
        except Invalid as refused:
            decimals = refused.detail.get("decimals")
            limit = f"at most {decimals} decimals" if decimals is not None else "a smaller amount"
            self.note(key, f"expected {limit} in {currency}", given)
            return zero

    def table(self, key: str) -> Table:
        """Return a table inside this one, empty if it is not there."""
        value = self._take(key)
        if value is not None and not isinstance(value, dict):
            self.note(key, "expected a table", value)
        tree = cast("dict[str, object]", value) if isinstance(value, dict) else {}
        return Table(tree, (*self.path, key), self.notes)

    def keyed(self, key: str) -> Iterator[tuple[str, Table]]:
        """Yield each table of a table of tables with its key, in the order of the text."""
        group = self.table(key)
        if len(group.data) > ITEMS_MAX:
            self.note(key, f"expected at most {ITEMS_MAX} of them")
            return
        for name in group.data:
            if not KEY.match(name):
                group.note(name, f"expected a key of {KEY_EXPECTED}")
            yield name, group.table(name)

    def rows(self, key: str) -> list[Table]:
        """Return the tables of an array; it must be there and not be empty."""
        value = self._take(key)
        if not isinstance(value, list) or not 0 < len(cast("list[object]", value)) <= ITEMS_MAX:
            self.note(key, f"expected an array of 1 to {ITEMS_MAX} tables", self.data.get(key))
            return []
        found: list[Table] = []
        for number, item in enumerate(cast("list[object]", value)):
            path = (*self.path, key, number)
            if isinstance(item, dict):
                found.append(Table(cast("dict[str, object]", item), path, self.notes))
            else:
                self.notes.add(path, "expected a table", item)
        return found

    def texts(self, key: str, *, length_max: int = 200) -> list[str]:
        """Return a text or an array of texts as a list."""
        value = self._take(key)
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        found = [one for one in items if isinstance(one, str) and _fits(one, length_max)]
        if len(found) != len(items) or not items:
            expected = f"expected texts of 1 to {length_max} printable characters"
            self.note(key, expected, self.data.get(key))
            return []
        return found


def _fits(text: str, length_max: int) -> bool:
    return 0 < len(text) <= length_max and text.isprintable() and not text.isspace()


def _as_number(value: object, *, texts: bool = False) -> Decimal | None:
    """Return an exact, finite number of bounded length, or None."""
    if texts and isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        value = Decimal(value) if len(value) <= NUMBER_DIGITS_MAX + 2 else None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    if isinstance(value, int) and abs(value) >= BIG:
        return None
    number = Decimal(value)
    if not number.is_finite() or digits_of(number) > NUMBER_DIGITS_MAX:
        return None
    return Decimal(plain_number(number))
