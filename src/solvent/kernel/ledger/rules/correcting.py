"""What does usage that came late make of invoices that are final?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from solvent.kernel.ledger.model import (
    Corrected,
    Correction,
    Evidence,
    Invoice,
    InvoiceDraft,
    InvoiceLine,
    LateInput,
    LineCorrection,
    LineKind,
)
from solvent.kernel.metering.model import Changed

CORRECTED = frozenset({LineKind.USAGE, LineKind.MINIMUM, LineKind.MAXIMUM, LineKind.DISCOUNT})
"""The lines that usage changes, itself or by way of a bound or a discount."""

LineKey: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Charged:
    """What has been charged for a line so far, on its invoice and by corrections."""

    line: InvoiceLine
    amount_minor: int
    quantity: Decimal


def key_of(line: InvoiceLine) -> LineKey:
    """Return what a line has in common with the same line rated anew, and with its corrections."""
    kind = line.corrects.kind if line.corrects else line.kind
    return (
        kind,
        line.plan_key,
        line.plan_version,
        line.price_key,
        line.period_start,
        line.period_end,
        line.group,
    )


def uncorrected(line: InvoiceLine) -> InvoiceLine:
    """Return the line that a correction is of, as far as the correction tells it."""
    if line.corrects is None:
        return line
    plain = line.description.removeprefix(_title(line.corrects.reference))
    return replace(line, kind=line.corrects.kind, description=plain, corrects=None)


def _title(reference: str) -> str:
    return f"Correction of {reference}: "


def charged_so_far(
    said: InvoiceDraft, corrections: Iterable[InvoiceLine]
) -> dict[LineKey, Charged]:
    """Return what the lines of an invoice were charged with, by it and by its corrections."""
    found = {
        key_of(line): Charged(line, line.amount_minor, line.quantity)
        for line in said.lines
        if line.kind in CORRECTED
    }
    for line in corrections:
        if line.corrects is None:
            continue
        before = found.get(key_of(line))
        amount_minor = line.amount_minor + (before.amount_minor if before else 0)
        named = before.line if before else uncorrected(line)
        found[key_of(line)] = Charged(named, amount_minor, line.corrects.after_quantity)
    return found


def differences_of(
    original: Invoice, again: InvoiceDraft, charged: Mapping[LineKey, Charged]
) -> list[Correction]:
    """Return each line of a final invoice that comes to something else than was charged for it.

    `again` is the invoice rated anew. The differences are those of rounded amounts, so that what
    was charged and all corrections sum to what the invoice would have charged in time.
    """
    now = {key_of(line): line for line in again.lines if line.kind in CORRECTED}
    found: list[Correction] = []
    for key in [*now, *(key for key in charged if key not in now)]:
        before, line = charged.get(key), now.get(key)
        before_minor = before.amount_minor if before else 0
        after_minor = line.amount_minor if line else 0
        shown = line or (before.line if before else None)
        if before_minor != after_minor and shown is not None:
            found.append(
                Correction(
                    invoice_id=original.id,
                    reference=original.reference,
                    line=shown,
                    before_minor=before_minor,
                    after_minor=after_minor,
                    before_quantity=before.quantity if before else Decimal(0),
                    after_quantity=line.quantity if line else Decimal(0),
                    changed=None,
                )
            )
    return found


def correction_lines(
    late: LateInput, gross_minor: int, *, tax_rate: Decimal | None
) -> list[InvoiceLine]:
    """Return a line for each correction that an invoice carries whose others come to so much."""
    amounts = amounts_of(late.corrections, gross_minor)
    return [
        _line(one, amount_minor, tax_rate=tax_rate)
        for one, amount_minor in zip(late.corrections, amounts, strict=True)
        if amount_minor
    ]


def _line(one: Correction, amount_minor: int, *, tax_rate: Decimal | None) -> InvoiceLine:
    changed = one.changed
    return replace(
        one.line,
        kind=LineKind.CORRECTION,
        description=f"{_title(one.reference)}{one.line.description}",
        quantity=Decimal(1),
        amount_minor=amount_minor,
        tax_rate=tax_rate,
        tiers=(),
        evidence=_evidence(changed) if changed else None,
        corrects=LineCorrection(
            invoice_id=one.invoice_id,
            reference=one.reference,
            kind=one.line.kind,
            before_minor=one.before_minor,
            after_minor=one.after_minor,
            before_quantity=one.before_quantity,
            after_quantity=one.after_quantity,
            event_ids=changed.event_ids if changed else (),
        ),
    )


def _evidence(changed: Changed) -> Evidence:
    return Evidence(
        changed.event_count, changed.first_event_id, changed.last_event_id, changed.digest
    )


def to_give_back(late: LateInput) -> list[tuple[Correction, int]]:
    """Return how much of which corrections goes back where together they come to less than nothing.

    What coupons took off goes back with what they took it off, so it is left out here.
    """
    own = [one for one in late.corrections if one.line.kind is not LineKind.DISCOUNT]
    left_minor = sum(one.before_minor - one.after_minor for one in own)
    found: list[tuple[Correction, int]] = []
    for one in own:
        amount_minor = min(one.before_minor - one.after_minor, left_minor)
        if amount_minor > 0:
            found.append((one, amount_minor))
            left_minor -= amount_minor
    return found


def late_from(late: LateInput, lines: Iterable[InvoiceLine]) -> int | None:
    """Return since which place late usage still waits, given the corrections that are carried."""
    carried_minor = sum(line.amount_minor for line in lines)
    due_minor = sum(one.after_minor - one.before_minor for one in late.corrections)
    return late.late_from if late.waits or carried_minor != due_minor else None


def carried_for(late: LateInput, lines: Iterable[InvoiceLine]) -> tuple[Corrected, ...]:
    """Return which of the invoices that were rated anew have a correction among these lines."""
    ids = {line.corrects.invoice_id for line in lines if line.corrects}
    return tuple(one for one in late.corrected if one.invoice_id in ids)


def amounts_of(corrections: Sequence[Correction], gross_minor: int) -> list[int]:
    """Return how much of each correction an invoice carries whose other lines come to so much.

    What charges more does so whole; what gives back does so as far as there is something to take
    it off, in the order given. The rest waits.
    """
    deltas = [one.after_minor - one.before_minor for one in corrections]
    room_minor = gross_minor + sum(delta for delta in deltas if delta > 0)
    carried: list[int] = []
    for delta in deltas:
        amount_minor = max(delta, -max(room_minor, 0)) if delta < 0 else delta
        room_minor += min(amount_minor, 0)
        carried.append(amount_minor)
    return carried
