"""Which values do the bytes of a request hold, and which bytes are each event's own?"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import cast
from urllib.parse import parse_qsl

from solvent.systems.doors.errors import (
    BatchTooLarge,
    BodyTooLarge,
    BodyUnreadable,
    EncodingUnknown,
)
from solvent.systems.doors.limits import EVENTS_MAX, FORM_FIELDS_MAX, UNPACKED_BYTES_MAX

GZIP = 16 + zlib.MAX_WBITS
INT_DIGITS_MAX = 20
_SPACE = re.compile(r"[ \t\r\n]*")
_KEY = re.compile(r"[^\[\]]+")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond any number: not finite, as its reader will see
        return Decimal("NaN")


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= INT_DIGITS_MAX else _number(text)


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_whole, parse_constant=Decimal)
"""NaN and Infinity, which Python's clients write, are read so that their event alone is refused."""


def unpack(body: bytes, encoding: str) -> bytes:
    """Return the body without its content encoding, and never more than a body may hold.

    Raises:
        EncodingUnknown: neither gzip nor none.
        BodyTooLarge: more than the limit comes out; no more than that was unpacked.
        BodyUnreadable: not gzip, cut off, or followed by something else.
    """
    if encoding.strip().lower() in {"", "identity"}:
        return body
    if encoding.strip().lower() != "gzip":
        raise EncodingUnknown(field="Content-Encoding")
    opened = zlib.decompressobj(GZIP)
    try:
        plain = opened.decompress(body, UNPACKED_BYTES_MAX + 1)
    except zlib.error:
        raise BodyUnreadable("the body is not gzip", field="body") from None
    if len(plain) > UNPACKED_BYTES_MAX:
        raise BodyTooLarge(limit_bytes=UNPACKED_BYTES_MAX)
    if not opened.eof or opened.unused_data:
        raise BodyUnreadable("the gzip stream does not end with the body", field="body")
    return plain


def read_json(body: bytes) -> tuple[str, object]:
    """Return the text of a JSON body and its value, numbers with every digit.

    Raises:
        BodyUnreadable: no JSON in UTF-8.
    """
    try:
        text = body.decode()
        value, end = _at(text, 0)
    except (ValueError, RecursionError) as wrong:
        raise BodyUnreadable(f"not JSON: {str(wrong)[:100]}", field="body") from None
    if _skip(text, end) != len(text):
        raise BodyUnreadable("not JSON: more follows", field="body")
    return text, value


def as_object(value: object, *, field: str = "body") -> dict[str, object]:
    """Return the value if it is a JSON object.

    Raises:
        BodyUnreadable: it is not.
    """
    if not isinstance(value, dict):
        raise BodyUnreadable("expected a JSON object", field=field)
    return cast("dict[str, object]", value)


def member(text: str, value: object, key: str) -> tuple[bytes, object]:
    """Return what stands under a key of the body's object, with its own bytes.

    Raises:
        BodyUnreadable: nothing does.
    """
    if key not in as_object(value):
        raise BodyUnreadable("must be given", field=key)
    place = _start(text, key)
    found, end = _at(text, place)
    return text[place:end].encode(), found


def elements(text: str, value: object, *, key: str | None) -> list[tuple[bytes, object]]:
    """Return each element of the body's array, or of the array under a key, with its own bytes.

    Raises:
        BodyUnreadable: there is no such array.
        BatchTooLarge: nothing is in it, or more than 1000 elements.
    """
    field = key or "body"
    array = as_object(value).get(key) if key else value
    if not isinstance(array, list):
        raise BodyUnreadable("expected an array of events", field=field)
    if not 0 < len(cast("list[object]", array)) <= EVENTS_MAX:
        raise BatchTooLarge(field=field)
    return list(_elements(text, _start(text, key) if key else _skip(text, 0)))


def _start(text: str, key: str) -> int:
    """Return where the value of the object's last member of this name begins."""
    place, found = _skip(text, 0) + 1, 0
    while text[place := _skip(text, place)] != "}":
        name, end = _at(text, place)
        place = _skip(text, _skip(text, end) + 1)
        if name == key:
            found = place
        _, end = _at(text, place)
        place = _skip(text, end)
        place += text[place] == ","
    return found


def _elements(text: str, place: int) -> Iterator[tuple[bytes, object]]:
    place = _skip(text, place + 1)
    while text[place] != "]":
        value, end = _at(text, place)
        yield text[place:end].encode(), value
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _at(text: str, place: int) -> tuple[object, int]:
    return cast("tuple[object, int]", _DECODER.raw_decode(text, _skip(text, place)))


def read_form(body: bytes) -> dict[str, object]:
    """Return what a form says; `payload[value]=25` is {"payload": {"value": "25"}}.

    Raises:
        BodyUnreadable: no form in UTF-8, or one name holds both a text and other names.
    """
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError as wrong:
        raise BodyUnreadable(f"not a form: {str(wrong)[:100]}", field="body") from None
    found: dict[str, object] = {}
    for name, value in pairs:
        _put(found, name, value)
    return found


def _put(into: dict[str, object], name: str, value: str) -> None:
    *above, last = _KEY.findall(name) or [name]
    for step in above:
        below = into.setdefault(step, {})
        if not isinstance(below, dict):
            raise BodyUnreadable("expected one value", field=step[:64])
        into = cast("dict[str, object]", below)
    if isinstance(into.get(last), dict):
        raise BodyUnreadable("expected one value", field=last[:64])
    into[last] = value
