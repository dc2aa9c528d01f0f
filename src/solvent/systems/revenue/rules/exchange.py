"""What is a customer worth in the currency that a business reports in?

What comes in is converted at the rate of its day and keeps that value; what goes takes along what
it came in with, in proportion. So no movement is made by a rate that changed, and whoever leaves
leaves nothing behind. Rates are the founder's; none is guessed, turned round or crossed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from solvent.kit.money import EXACT, exponent, multiply, round_minor
from solvent.systems.revenue.errors import RateMissing
from solvent.systems.revenue.model import Moved, Movement, Rate
from solvent.systems.revenue.rules.moving import DayNet, day_nets, kind_of

HELD_DAYS = 31
"""For so long a rate holds if no newer one is told: monthly rates do, forgotten ones do not."""

NAMED_MAX = 20


@dataclass(slots=True)
class Rates:
    """The founder's rates into one currency, and which were asked for and are not there."""

    into: str
    told: dict[str, list[tuple[date, Decimal]]]
    missing: set[tuple[date, str]] = field(default_factory=set[tuple[date, str]])

    @classmethod
    def of(cls, into: str, rates: Iterable[Rate]) -> Rates:
        """Sort the rates into a currency by day."""
        told: dict[str, list[tuple[date, Decimal]]] = {}
        for one in sorted(rates, key=lambda one: one.day):
            if one.quote == into:
                told.setdefault(one.base, []).append((one.day, one.rate))
        return cls(into, told)

    def find(self, base: str, day: date) -> Decimal | None:
        """Return the rate that holds on a day: the day's, or the last one within 31 days."""
        told = self.told.get(base, [])
        place = bisect_right(told, day, key=lambda one: one[0]) - 1
        if place < 0 or (day - told[place][0]).days >= HELD_DAYS:
            return None
        return told[place][1]

    def convert(self, amount_minor: int, base: str, day: date) -> int:
        """Return an amount at the rate of a day; a rate that is missing is noted, and counts 0."""
        if base == self.into or not amount_minor:
            return amount_minor
        rate = self.find(base, day)
        if rate is None:
            self.missing.add((day, base))
            return 0
        exact = multiply(rate, Decimal(amount_minor))
        return round_minor(EXACT.scaleb(exact, exponent(self.into) - exponent(base)))

    def must_be_whole(self) -> None:
        """Pass if no rate was missing.

        Raises:
            RateMissing: names the first of them.
        """
        if not self.missing:
            return
        named = [f"{base}/{self.into} {day}" for day, base in sorted(self.missing)[:NAMED_MAX]]
        day, base = min(self.missing)
        message = (
            f"no rate of {base} in {self.into} is told for {day} or the 30 days before it:"
            f" solvent revenue rate set {base} {self.into} {day} RATE"
        )
        raise RateMissing(message, missing=named, missing_count=len(self.missing))


def moved_in(rows: Sequence[Movement], zone: ZoneInfo, rates: Rates) -> list[Moved]:
    """Return what each day of one customer came to, all currencies as one."""
    books: dict[str, _Book] = {}
    found: list[Moved] = []
    ever, total_minor = False, 0
    for net in day_nets(rows, zone):
        before = any(book.level_minor > 0 for book in books.values())
        amount_minor = _turn(books, net, rates)
        after = any(book.level_minor > 0 for book in books.values())
        total_minor += amount_minor
        kind = kind_of(amount_minor, before=before, after=after, ever=ever)
        ever = ever or after
        found.append(
            Moved(net.day, rows[0].customer_id, rates.into, kind, amount_minor, total_minor)
        )
    return found


@dataclass(slots=True)
class _Book:
    """What a customer has in one currency, and what that came in with."""

    level_minor: int = 0
    value_minor: int = 0

    def give(self, amount_minor: int, value_minor: int) -> int:
        self.level_minor += amount_minor
        self.value_minor += value_minor
        return value_minor

    def take(self, amount_minor: int) -> int:
        """Return, as a negative amount, the value of what goes; all of it with the last."""
        share = half_away(self.value_minor * amount_minor, max(self.level_minor, 1))
        value_minor = self.value_minor if amount_minor >= self.level_minor else share
        self.level_minor -= amount_minor
        self.value_minor -= value_minor
        return -value_minor


def _turn(books: dict[str, _Book], net: DayNet, rates: Rates) -> int:
    moved_minor = 0
    for currency, amount in net.amounts.items():
        book = books.setdefault(currency, _Book())
        if amount > 0:
            moved_minor += book.give(amount, rates.convert(amount, currency, net.day))
        else:
            moved_minor += book.take(-amount)
    return moved_minor


def half_away(numerator: int, denominator: int) -> int:
    """Return a quotient of whole numbers, neither below zero, rounded half away from zero."""
    return (2 * numerator + denominator) // (2 * denominator)
