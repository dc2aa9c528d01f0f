"""How does a table become CSV that spreadsheets read and that runs nothing in them?

RFC 4180: comma, CRLF, quotes where they are needed, doubled inside. A text that a spreadsheet would
take for a formula (it begins with =, +, -, @, tab or return) gets an apostrophe before it, as OWASP
advises; numbers are ours, and stay numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

from solvent.kit.clock import format_time
from solvent.kit.money import plain_number

Cell: TypeAlias = "str | int | Decimal | date | None"

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
QUOTED = frozenset('",\r\n')
EOL = "\r\n"


def lines_of(header: str, rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield the header, names between commas, and each row as a line with its end."""
    yield header + EOL
    for row in rows:
        yield ",".join(_quoted(text_of(cell)) for cell in row) + EOL


def text_of(cell: Cell) -> str:
    """Return a cell's text: a number in plain digits, a time as RFC 3339, a text made harmless."""
    match cell:
        case None:
            return ""
        case str():
            return f"'{cell}" if cell.startswith(FORMULA) else cell
        case Decimal():
            return plain_number(cell)
        case datetime():
            return format_time(cell)
        case _:
            return str(cell)


def _quoted(text: str) -> str:
    if QUOTED.isdisjoint(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
