"""How does a list come in pages that stay right while it grows?"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from solvent.kit.errors import Invalid
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX

T = TypeVar("T")
R = TypeVar("R")

CURSOR_LENGTH_MAX = 512


class CursorMalformed(Invalid):
    """A cursor is the `next_cursor` of the page before, unchanged."""

    code = "kit.cursor_malformed"


class Page(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    model_config = ConfigDict(frozen=True)

    data: list[T]
    next_cursor: str | None = None


class PageRequest:
    """Which page is asked for: `limit` rows after the row whose key the cursor holds."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
        cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    ) -> None:
        """Decode the cursor.

        Raises:
            CursorMalformed: it is none of ours.
        """
        self.limit = limit
        self.after = decode_cursor(cursor) if cursor else None


PageQuery = Annotated[PageRequest, Depends()]


def page_of(
    rows: Sequence[R], request: PageRequest, *, key: Callable[[R], str], render: Callable[[R], T]
) -> Page[T]:
    """Return the page of rows that were read with `limit + 1`; the row too many tells of more."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(
        data=[render(row) for row in shown],
        next_cursor=encode_cursor(key(shown[-1])) if more else None,
    )


def encode_cursor(key: str) -> str:
    """Return an opaque cursor for a row's key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the key in a cursor.

    Raises:
        CursorMalformed: it is none of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise CursorMalformed(field="cursor") from None
    if "\0" in key or encode_cursor(key) != cursor:
        raise CursorMalformed(field="cursor")
    return key
