"""Which invoice must not be charged before somebody has looked at it?

As Kill Bill parks an account on an illegal state of its invoices: a wrong charge that is prevented
costs an hour, one that is made costs a customer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import median_low
from typing import Final

from solvent.kernel.ledger.model import InvoiceDraft, LineKind

LINES_MAX: Final = 1_000
HISTORY_LEAST: Final = 3
"""Of fewer earlier invoices no proportion is judged."""
PROPORTION_MAX: Final = 20
AMOUNT_NOTICED_MINOR: Final = 50_000
"""What is below this is never out of proportion."""


class Reason(StrEnum):
    """Why an account is parked."""

    BILLED_TWICE = "billed_twice"
    """A second of its time would be charged a second time."""
    TOO_MANY_LINES = "too_many_lines"
    DOES_NOT_ADD_UP = "does_not_add_up"
    OUT_OF_PROPORTION = "out_of_proportion"
    """The total is far from what the subscription came to before."""
    TAX_RATE_MISSING = "tax_rate_missing"
    """No rate is known for the country that taxes it, so that it cannot even be drawn."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What tripped the breaker."""

    reason: Reason
    detail: str


def judge(said: InvoiceDraft, history: Sequence[int]) -> Trip | None:
    """Return why an invoice must wait; None where it may be charged.

    `history` holds the totals of earlier invoices of the same subscription and kind, newest first.
    """
    if len(said.lines) > LINES_MAX:
        return Trip(Reason.TOO_MANY_LINES, f"{len(said.lines)} lines, at most {LINES_MAX}")
    if not said.adds_up:
        return Trip(Reason.DOES_NOT_ADD_UP, "lines, tax and total disagree")
    return _charged_twice(said) or _out_of_proportion(said, history)


def _charged_twice(said: InvoiceDraft) -> Trip | None:
    """Look whether one price charges more seconds than its period has."""
    seconds: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for line in said.lines:
        if line.kind in {LineKind.BASE, LineKind.USAGE}:
            key = (line.plan_key, line.plan_version, line.price_key, line.group)
            seconds[key] += line.period_seconds
    whole = said.fee_period.whole.duration // timedelta(seconds=1)
    most = max(said.period_seconds, whole)
    over = [key for key, count in seconds.items() if count > most]
    if not over:
        return None
    return Trip(Reason.BILLED_TWICE, f"price {over[0][2]} charges {seconds[over[0]]} s of {most}")


def _out_of_proportion(said: InvoiceDraft, history: Sequence[int]) -> Trip | None:
    if len(history) < HISTORY_LEAST or said.total_minor < AMOUNT_NOTICED_MINOR:
        return None
    usual = max(median_low(history), 1)
    if said.total_minor <= PROPORTION_MAX * usual:
        return None
    detail = f"total {said.total_minor}, usually {usual} (minor units of {said.currency})"
    return Trip(Reason.OUT_OF_PROPORTION, detail)
