"""What do all customers' days come to: rows that add up, who stayed, and cohorts?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate, groupby
from operator import attrgetter

from solvent.systems.revenue.model import (
    Cohort,
    Kept,
    Kind,
    Moved,
    PlanLevel,
    PlanSum,
    Row,
    Span,
)
from solvent.systems.revenue.rules.spans import place_in

ENTERS = frozenset({Kind.NEW, Kind.REACTIVATION})


@dataclass(slots=True)
class _Cohort:
    customers: int
    started_minor: int
    left: list[int]
    left_minor: list[int]


@dataclass(slots=True)
class Tally:
    """Takes in one customer after the other, and knows the sums; its size is that of the report."""

    spans: Sequence[Span]
    rows: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    kept: dict[str, list[Kept]] = field(default_factory=dict[str, list[Kept]])
    whole: dict[str, Kept] = field(default_factory=dict[str, Kept])
    """Who was there when the first span began, and what is left at the end of the last."""
    _cohorts: dict[tuple[str, int], _Cohort] = field(default_factory=dict[tuple[str, int], _Cohort])
    _starts: list[date] = field(default_factory=list[date])

    def __post_init__(self) -> None:
        """Know where each span begins."""
        self._starts = [span.start for span in self.spans]

    def add(self, moved: Sequence[Moved]) -> None:
        """Take in all days of one customer, in the order of time."""
        by_currency = sorted(moved, key=attrgetter("currency"))
        for currency, days in groupby(by_currency, key=attrgetter("currency")):
            self._add(currency, list(days))

    def _add(self, currency: str, days: list[Moved]) -> None:
        if currency not in self.rows:
            self.rows[currency] = [Row(span, currency) for span in self.spans]
            self.kept[currency] = [Kept() for _ in self.spans]
            self.whole[currency] = Kept()
        rows = self.rows[currency]
        for one in days:
            place = self._place(one.day)
            if place < len(rows):
                _count(rows[max(place, 0)], one, inside=place >= 0)
        ends = self._levels(days)
        _keep_all(self.kept[currency], ends)
        _keep(self.whole[currency], ends[0], ends[-1])
        self._join(currency, days, ends)

    def _place(self, day: date) -> int:
        """As `spans.place_in`, without making a list of starts each time."""
        if day >= self.spans[-1].end:
            return len(self.spans)
        return bisect_right(self._starts, day) - 1

    def _levels(self, days: Sequence[Moved]) -> list[int]:
        """Return what the customer had before the first span, and at the end of each."""
        told: dict[int, int] = {}
        for one in days:
            told[self._place(one.day) + 1] = one.after_minor
        levels: list[int] = []
        level = 0
        for place in range(len(self.spans) + 1):
            level = told.get(place, level)
            levels.append(level)
        return levels

    def _join(self, currency: str, days: Sequence[Moved], ends: Sequence[int]) -> None:
        """Count a customer in the cohort of the span in which they came."""
        came = next((one for one in days if one.kind is Kind.NEW), None)
        place = self._place(came.day) if came else -1
        if came is None or not 0 <= place < len(self.spans):
            return
        width = len(self.spans) - place
        cohort = self._cohorts.setdefault(
            (currency, place), _Cohort(0, 0, [0] * width, [0] * width)
        )
        cohort.customers += 1
        cohort.started_minor += came.amount_minor
        for offset in range(width):
            level = ends[place + 1 + offset]
            cohort.left[offset] += level > 0
            cohort.left_minor[offset] += level

    def finished(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows by currency, each opening with what the one before closed with."""
        for rows in self.rows.values():
            opening, customers = rows[0].opening_minor, rows[0].customers_before
            for row in rows:
                row.opening_minor, row.customers_before = opening, customers
                opening += sum(row.moved.values())
                customers += sum(row.counted.get(kind, 0) for kind in ENTERS)
                customers -= row.counted.get(Kind.CHURN, 0)
                row.closing_minor, row.customers = opening, customers
        return self.rows

    def cohorts(self) -> list[Cohort]:
        """Return the cohorts, by currency and then by their month."""
        return [
            Cohort(
                self.spans[place],
                currency,
                one.customers,
                one.started_minor,
                tuple(one.left),
                tuple(one.left_minor),
            )
            for (currency, place), one in sorted(self._cohorts.items())
        ]


def _count(row: Row, one: Moved, *, inside: bool) -> None:
    """Add a day to its span, or to what there was before the first."""
    if not inside:
        row.opening_minor += one.amount_minor
        row.customers_before += (one.kind in ENTERS) - (one.kind is Kind.CHURN)
        return
    row.moved[one.kind] = row.moved.get(one.kind, 0) + one.amount_minor
    row.counted[one.kind] = row.counted.get(one.kind, 0) + 1


def _keep_all(kept: Sequence[Kept], ends: Sequence[int]) -> None:
    for place, one in enumerate(kept):
        _keep(one, ends[place], ends[place + 1])


def _keep(kept: Kept, before_minor: int, after_minor: int) -> None:
    if before_minor <= 0:
        return
    kept.customers += 1
    kept.lost += after_minor <= 0
    kept.opening_minor += before_minor
    kept.closing_minor += after_minor
    kept.held_minor += min(before_minor, after_minor)


def plan_levels(sums: Sequence[PlanSum], spans: Sequence[Span]) -> list[PlanLevel]:
    """Return what each plan came to at the end of each span, those first that are worth most."""
    found: list[PlanLevel] = []
    for (plan_key, currency), of_plan in groupby(sums, key=attrgetter("plan_key", "currency")):
        changes = [0] * len(spans)
        for one in of_plan:
            changes[max(place_in(spans, one.day), 0)] += one.delta_minor
        levels = tuple(accumulate(changes))
        if any(levels):
            found.append(PlanLevel(plan_key, currency, tuple(spans), levels))
    return sorted(found, key=lambda one: (one.currency, -one.levels_minor[-1], one.plan_key))
