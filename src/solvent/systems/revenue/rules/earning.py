"""When is what was charged earned?

Step 5 of IFRS 15 and ASC 606: revenue is recognized as a service is rendered. A fee is earned
evenly over the days of its service (IFRS 15.39, B18), usage over the days it was used in, something
sold once when it is billed (15.38). Days are the business's; the day of the service's beginning
counts, that of its end does not. Of an amount that does not divide, the earliest days get a minor
unit more, so that all days sum to it exactly.

What is taken back takes first what is not earned yet, and only the rest off what was: of that day,
since earlier months are closed. What is left is earned over the days that are left.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from solvent.systems.revenue.model import (
    Alike,
    Earning,
    Fall,
    Line,
    LineOf,
    Piece,
    Reversal,
    Share,
    Span,
)
from solvent.systems.revenue.rules.exchange import Rates, half_away
from solvent.systems.revenue.rules.spans import day_of

DAY = timedelta(days=1)


def service_days(line: Line, zone: ZoneInfo) -> tuple[date, date]:
    """Return the first day of a line's service, and the day after its last; at least one day."""
    start, end = day_of(line.since, zone), day_of(line.until, zone)
    return start, max(end, start + DAY)


def earned_before(piece: Piece, day: date) -> int:
    """Return how much of an amount falls on the days before a day, in closed form.

    Each day has the whole quotient, and the earliest ones the remainder (largest remainder, where
    all weights are one).
    """
    days = (piece.end - piece.start).days
    over = min(max((day - piece.start).days, 0), days)
    whole, rest = divmod(abs(piece.amount_minor), days)
    amount_minor = whole * over + min(over, rest)
    return amount_minor if piece.amount_minor >= 0 else -amount_minor


def earning_of(line: Line, reversals: Iterable[Reversal], zone: ZoneInfo) -> Earning:
    """Return when a line is billed and earned, after what was taken back of it, in order."""
    start, end = service_days(line, zone)
    billed_on = day_of(line.billed_at, zone)
    tail = Piece(start, end, line.amount_minor)
    billed = [Piece(billed_on, billed_on + DAY, line.amount_minor)]
    earned = [tail]
    for one in sorted(reversals, key=lambda one: (one.at, one.source_id)):
        day = max(day_of(one.at, zone), billed_on)
        billed.append(Piece(day, day + DAY, -one.amount_minor))
        tail, pieces = _take_back(tail, day, one.amount_minor)
        earned += pieces
    return Earning(line, tuple(billed), tuple(earned))


def _take_back(tail: Piece, day: date, amount_minor: int) -> tuple[Piece, list[Piece]]:
    """Return what is left to be earned from a day on, and the pieces that make it so."""
    left_minor = tail.amount_minor - earned_before(tail, day)
    taken_minor = min(left_minor, amount_minor)
    pieces: list[Piece] = []
    if taken_minor:
        start = max(day, tail.start)
        pieces.append(Piece(start, tail.end, -left_minor))
        tail = Piece(start, tail.end, left_minor - taken_minor)
        pieces.append(tail)
    if amount_minor > taken_minor:
        pieces.append(Piece(day, day + DAY, taken_minor - amount_minor))
    return tail, pieces


def before(pieces: Iterable[Piece], day: date) -> int:
    """Return what all pieces come to on the days before a day."""
    return sum(earned_before(piece, day) for piece in pieces)


def converted(
    line: Line, reversals: Sequence[Reversal], zone: ZoneInfo, rates: Rates
) -> tuple[Line, list[Reversal]]:
    """Return a line in the reporting currency, at the rate of the day on which it was billed.

    What is deferred is no money to come but a service owed, so its rate stays that of its first
    day (IAS 21.23(b)); what is taken back goes at the same rate, and all of it to the last unit.
    """
    amount_minor = rates.convert(line.amount_minor, line.currency, day_of(line.billed_at, zone))
    found: list[Reversal] = []
    taken, told = 0, 0
    for one in sorted(reversals, key=lambda one: (one.at, one.source_id)):
        taken += one.amount_minor
        should = half_away(amount_minor * taken, line.amount_minor)
        found.append(replace(one, amount_minor=should - told))
        told = should
    return replace(line, currency=rates.into, amount_minor=amount_minor), found


@dataclass(slots=True)
class Cascade:
    """Takes in one line after the other, and knows what was billed, earned and left by span."""

    spans: Sequence[Span]
    falls: dict[str, list[Fall]] = field(default_factory=dict[str, list[Fall]])
    _ends: list[date] = field(default_factory=list[date])

    def __post_init__(self) -> None:
        """Know where each span ends."""
        self._ends = [span.end for span in self.spans]

    def add(self, earning: Earning) -> None:
        """Take in a line: only the spans between its first and its last day see it."""
        line = earning.line
        self._pour(line.currency, line.of, 1, billed=earning.billed, earned=earning.earned)

    def add_alike(self, alike: Alike) -> None:
        """Take in lines of which nothing was taken back and that are all alike."""
        billed = Piece(alike.billed_on, alike.billed_on + DAY, alike.amount_minor)
        earned = Piece(alike.start, alike.end, alike.amount_minor)
        self._pour(alike.currency, alike.of, alike.lines, billed=(billed,), earned=(earned,))

    def _pour(
        self,
        currency: str,
        of: LineOf,
        times: int,
        *,
        billed: Sequence[Piece],
        earned: Sequence[Piece],
    ) -> None:
        if currency not in self.falls:
            self.falls[currency] = [Fall(span, currency) for span in self.spans]
        falls = self.falls[currency]
        pieces = (*billed, *earned)
        first = bisect_right(self._ends, min(piece.start for piece in pieces))
        last = bisect_left(self._ends, max(piece.end for piece in pieces))
        for fall in falls[first : last + 1]:
            start, end = fall.span.start, fall.span.end
            opening = before(billed, start), before(earned, start)
            closing = before(billed, end), before(earned, end)
            _fill(fall, of, times, opening=opening, closing=closing)


def _fill(
    fall: Fall, of: LineOf, times: int, *, opening: tuple[int, int], closing: tuple[int, int]
) -> None:
    """Add to a span what so many lines had billed and earned when it began, and at its end."""
    fall.billed_minor += (closing[0] - opening[0]) * times
    earned_minor = (closing[1] - opening[1]) * times
    fall.earned_minor += earned_minor
    fall.by_kind[of] = fall.by_kind.get(of, 0) + earned_minor
    fall.opening_deferred_minor += max(opening[0] - opening[1], 0) * times
    fall.opening_unbilled_minor += max(opening[1] - opening[0], 0) * times
    fall.deferred_minor += max(closing[0] - closing[1], 0) * times
    fall.unbilled_minor += max(closing[1] - closing[0], 0) * times


def share_in(earning: Earning, span: Span) -> Share:
    """Return what a line earned in a span, and what is left of it at the span's end."""
    earned = before(earning.earned, span.start), before(earning.earned, span.end)
    left_minor = max(before(earning.billed, span.end) - earned[1], 0)
    return Share(earning, earned[1] - earned[0], left_minor)
