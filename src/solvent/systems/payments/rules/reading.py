"""What does a provider's JSON say at this path, and is it of the kind that is documented?

Unknown fields are passed over; a known one of the wrong kind is an error that names its path.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias

from solvent.kit.money import AMOUNT_MINOR_MAX, EXPONENTS, Money
from solvent.systems.payments.errors import EventMalformed
from solvent.systems.payments.limits import ID_CHARS_MAX, ITEMS_MAX, TEXT_CHARS_MAX

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_ID = re.compile(rf"[A-Za-z0-9_.:-]{{1,{ID_CHARS_MAX}}}\Z", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]{1,19}\Z", re.ASCII)
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_EPOCH_MAX_S = 253_402_300_799
SEATS_MAX = 1_000_000


_NO_OBJECT = "expected a JSON object in UTF-8, nested not too deeply"


@dataclass(frozen=True, slots=True)
class Doc:
    """A JSON object and where it stands, read one named field at a time."""

    fields: dict[str, Json]
    path: str = ""

    def at_path(self, name: str) -> str:
        """Return the full path of a field, for messages."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, expected: str) -> NoReturn:
        """Refuse the event because of this field."""
        message = f"expected {expected}"
        raise EventMalformed(message, field=self.at_path(name))

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        return self.maybe_text(name) or self.wrong(name, "a text")

    def maybe_text(self, name: str) -> str | None:
        """Return a text; absent, null and empty are None."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _printable(value):
            self.wrong(name, f"a text of at most {TEXT_CHARS_MAX} printable characters")
        return value

    def id(self, name: str) -> str:
        """Return a provider's id that must be there."""
        return self.maybe_id(name) or self.wrong(name, "an id")

    def maybe_id(self, name: str) -> str | None:
        """Return an id, given plainly or as an expanded object that has one."""
        value = self.fields.get(name)
        if isinstance(value, dict):
            return Doc(value, self.at_path(name)).id("id")
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _ID.match(value):
            self.wrong(name, "an id")
        return value

    def whole(self, name: str) -> int:
        """Return a whole number that must be there, given as a number or as its digits."""
        value = self.fields.get(name)
        if isinstance(value, str) and _DIGITS.match(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, "a whole number")
        return value

    def seats(self, name: str) -> int:
        """Return a number of seats: at least one, also where none or nothing is said."""
        value = 1 if self.fields.get(name) is None else self.whole(name)
        if not 0 <= value <= SEATS_MAX:
            self.wrong(name, f"a number of at most {SEATS_MAX}")
        return max(value, 1)

    def money(self, name: str, *, currency: str = "currency") -> Money:
        """Return the amount of a field in minor units of the currency that another field names."""
        amount = self.whole(name)
        if abs(amount) > AMOUNT_MINOR_MAX:
            self.wrong(name, "an amount that can be true")
        return Money(amount, self.currency(currency))

    def currency(self, name: str) -> str:
        """Return an ISO 4217 code in upper case."""
        value = self.text(name).upper()
        return value if value in EXPONENTS else self.wrong(name, "a currency of ISO 4217")

    def flag(self, name: str) -> bool:
        """Return a truth value; absent and null are false."""
        value = self.fields.get(name)
        if value is None:
            return False
        return value if isinstance(value, bool) else self.wrong(name, "true or false")

    def epoch(self, name: str) -> datetime:
        """Return a moment given as Unix seconds that must be there."""
        return self.maybe_epoch(name) or self.wrong(name, "a time in Unix seconds")

    def maybe_epoch(self, name: str) -> datetime | None:
        """Return a moment given as Unix seconds."""
        if self.fields.get(name) is None:
            return None
        value = self.whole(name)
        if not 0 <= value <= _EPOCH_MAX_S:
            self.wrong(name, "a time in Unix seconds")
        return datetime.fromtimestamp(value, UTC)

    def moment(self, name: str) -> datetime:
        """Return a moment given as RFC 3339 text that must be there."""
        return self.maybe_moment(name) or self.wrong(name, "a time with its offset")

    def maybe_moment(self, name: str) -> datetime | None:
        """Return a moment given as RFC 3339 text."""
        text = self.maybe_text(name)
        if text is None:
            return None
        try:
            value = datetime.fromisoformat(text)
            return (
                value.astimezone(UTC)
                if value.utcoffset() is not None
                else self.wrong(name, "an offset")
            )
        except (ValueError, OverflowError):
            self.wrong(name, "a time with its offset")

    def doc(self, name: str) -> Doc:
        """Return an object that must be there."""
        return self.maybe_doc(name) or self.wrong(name, "an object")

    def maybe_doc(self, name: str) -> Doc | None:
        """Return an object; absent and null are None."""
        value = self.fields.get(name)
        if value is None:
            return None
        return (
            Doc(value, self.at_path(name))
            if isinstance(value, dict)
            else self.wrong(name, "an object")
        )

    def items(self, name: str) -> Iterator[Doc]:
        """Yield the objects of a list; Stripe's `{"data": […]}` is a list too, absent is empty."""
        value = self.fields.get(name)
        if isinstance(value, dict):
            value = value.get("data")
        if value is None:
            return
        if not isinstance(value, list) or len(value) > ITEMS_MAX:
            self.wrong(name, f"a list of at most {ITEMS_MAX} objects")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                self.wrong(f"{name}.{index}", "an object")
            yield Doc(item, self.at_path(f"{name}.{index}"))

    def dig(self, *names: str) -> Doc | None:
        """Return the object at the end of a path of objects, or None where any is missing."""
        found: Doc | None = self
        for name in names:
            found = found.maybe_doc(name) if found else None
        return found


def read_body(body: bytes) -> Doc:
    """Return the JSON object that a webhook's raw bytes are.

    Raises:
        EventMalformed: not UTF-8, not JSON, not an object, too deep, or NaN or Infinity in it.
    """
    try:
        text = body.decode("utf-8-sig")
        value: Json = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise EventMalformed(_NO_OBJECT, field="body") from None
    if not isinstance(value, dict):
        raise EventMalformed(_NO_OBJECT, field="body")
    return Doc(value)


def digest(fields: Mapping[str, Json]) -> bytes:
    """Return the SHA-256 of JSON fields, in any order and spacing; raises EventMalformed."""
    try:
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise EventMalformed(_NO_OBJECT, field="body") from None
    return hashlib.sha256(text.encode()).digest()


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _printable(text: str) -> bool:
    """Return whether the text can be stored: bounded, no control characters, no lone surrogates."""
    return len(text) <= TEXT_CHARS_MAX and not _UNFIT.search(text)
