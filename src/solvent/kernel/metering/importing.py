"""Which events does a file hold, and how far has an import of it come?

A JSON Lines file has an event a line, as `POST /v1/usage` takes it; a CSV file (its name ends in
`.csv`) has a header of `id`, `meter`, `customer`, `at`, `value` and `properties.NAME`, as the
export writes it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TextIO, cast

from solvent.kernel.metering.errors import EventMalformed
from solvent.kernel.metering.json_form import event_of, load
from solvent.kernel.metering.model import UsageEvent
from solvent.kit.clock import parse_time
from solvent.kit.errors import SolventError

NEEDED: Final = frozenset({"id", "meter", "customer", "at"})
KNOWN: Final = NEEDED | {"value", "received_at"}
PROPERTY: Final = "properties."
HEAD_BYTES: Final = 1_048_576
ROW_SHOWN_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: the event that it is, or why it is none."""

    number: int
    """Its line, from one."""
    text: str
    event: UsageEvent | None
    refused: SolventError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import has come: up to which line, and what became of the rows."""

    fingerprint: str
    line: int = 0
    accepted: int = 0
    duplicates: int = 0
    uncounted: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows were worked on."""
        return self.accepted + self.duplicates + self.rejected

    def write(self, place: Path) -> None:
        """Keep it beside the file, whole or not at all."""
        new = place.with_name(f"{place.name}.new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(place)


def progress_of(file: Path, place: Path) -> Progress:
    """Return how far an import of this very file has come; from the start if it never began."""
    with file.open("rb") as content:
        head = content.read(HEAD_BYTES)
    fingerprint = f"{file.stat().st_size}-{hashlib.sha256(head).hexdigest()}"
    begun = Progress(fingerprint=fingerprint)
    try:
        known = Progress(**json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return begun
    return known if known.fingerprint == fingerprint else begun


def rows_of(lines: TextIO, *, as_csv: bool, after: int) -> Iterator[Row]:
    """Yield the rows behind a line; blank lines are passed over.

    Raises:
        EventMalformed: a CSV file has no header that names what an event needs.
    """
    return _csv_rows(lines, after) if as_csv else _json_rows(lines, after)


def _json_rows(lines: TextIO, after: int) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if number > after and line.strip():
            text = line.rstrip("\n")
            try:
                raw = line.encode("utf-8", "surrogateescape")
                yield Row(number, text, event_of(load(raw)))
            except SolventError as refused:
                yield Row(number, text, None, refused)
            except Exception as wrong:  # noqa: BLE001 - a shape that is refused has another class
                yield Row(number, text, None, _shape(wrong))


def _shape(wrong: Exception) -> SolventError:
    """Return the refusal of a row that lacks a field or has one of another kind."""
    errors = cast("list[dict[str, object]]", getattr(wrong, "errors", list)())
    if not errors:
        raise wrong
    first = errors[0]
    path = ".".join(str(part) for part in cast("tuple[object, ...]", first["loc"])[1:])
    return EventMalformed(str(first["msg"]), field=path or None)


def _csv_rows(lines: TextIO, after: int) -> Iterator[Row]:
    sheet = csv.DictReader(lines, restkey="", strict=True)
    names = list(sheet.fieldnames or ())
    missing = sorted(NEEDED - set(names))
    odd = [one for one in names if one not in KNOWN and not one.startswith(PROPERTY)]
    if missing or odd:
        named = f"no column {', '.join(missing)}" if missing else f"{odd[0]!r:.60} among them"
        expected = "expected a header of id, meter, customer, at, value, properties.NAME"
        raise EventMalformed(f"{expected}: {named}", field="line 1")
    for cells in sheet:
        if sheet.line_num > after:
            yield _csv_row(sheet.line_num, cells)


def _csv_row(number: int, cells: dict[str, str | None]) -> Row:
    text = json.dumps(cells, ensure_ascii=False)
    missing = next((one for one in sorted(NEEDED) if not cells.get(one)), None)
    if missing or "" in cells:
        refused = EventMalformed("expected as many cells as the header", field=missing or "row")
        return Row(number, text, None, refused)
    try:
        at = parse_time(cells["at"] or "", field="at")
    except SolventError as refused:
        return Row(number, text, None, refused)
    event = UsageEvent(
        id=cells["id"] or "",
        customer_ref=cells["customer"] or "",
        meter_key=cells["meter"] or "",
        at=at,
        value=cells.get("value") or None,
        properties={
            name.removeprefix(PROPERTY): value
            for name, value in cells.items()
            if name.startswith(PROPERTY) and value
        },
    )
    return Row(number, text, event)


def rejection(row: Row, refused: SolventError) -> str:
    """Return the line of the report that says why a row was not taken."""
    told = {
        "line": row.number,
        "code": refused.code,
        "field": refused.field,
        "reason": str(refused),
        "row": row.text[:ROW_SHOWN_MAX].encode("utf-8", "backslashreplace").decode(),
    }
    return json.dumps(told, ensure_ascii=False)


def counted(progress: Progress, *, line: int, fates: dict[str, int]) -> Progress:
    """Return the progress after a batch of which so many had each fate."""
    return replace(
        progress,
        line=line,
        accepted=progress.accepted + fates.get("recorded", 0) + fates.get("uncounted", 0),
        duplicates=progress.duplicates + fates.get("duplicate", 0),
        uncounted=progress.uncounted + fates.get("uncounted", 0),
        rejected=progress.rejected + fates.get("rejected", 0),
    )
