"""What stands on the printed page of an invoice, and which events stand behind it?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.ledger.model import InvoiceLine, LineEvent


@dataclass(frozen=True, slots=True)
class ChargedEvents:
    """All events that a line charges; `place` counts the invoice's lines from 1."""

    place: int
    line: InvoiceLine
    events: tuple[LineEvent, ...]

    @property
    def complete(self) -> bool:
        """Return whether they are those that the line counted: by their number and digest."""
        ids = sorted(one.event_id.encode() for one in self.events)
        digest = hashlib.sha256(b"".join(id_ + b"\n" for id_ in ids)).hexdigest()
        told = self.line.evidence
        return told is not None and (len(ids), digest) == (told.event_count, told.digest)


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value, in the head of the page."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Due:
    """The one figure that the reader looks for."""

    label: str
    amount: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of figures: a line of the invoice, or a tier below it."""

    label: str
    quantity: str
    rate: str
    amount: str


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line with its tiers and the small print that explains it."""

    title: str
    quantity: str
    rate: str
    amount: str
    tiers: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """A row below the lines; a strong one is set apart."""

    label: str
    amount: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """All words and figures of an invoice's document, ready to be set."""

    title: str
    number: str
    heading: str
    seller: str
    banner: str | None
    buyer_label: str
    buyer: tuple[str, ...]
    facts: tuple[Fact, ...]
    due: Due
    columns: tuple[str, str, str, str]
    lines: tuple[PrintedLine, ...]
    totals: tuple[Total, ...]
    remarks: tuple[str, ...]
    footer: str
    seller_lines: tuple[str, ...] = ()
    imprint: str = ""
    accent: str = ""
    logo: str = ""
    """The seller's own: a closing line, a color, a picture as SVG; empty: none."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An account that is charged nothing until somebody has looked."""

    id: str
    customer_id: str
    subscription_id: str
    invoice_id: str | None
    """The draft that must not become final as it is; None where it could not even be drawn."""
    reason: str
    detail: str
    parked_at: datetime
