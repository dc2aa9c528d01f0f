"""Which movements does history make, and what did a customer's days come to?

A stretch of charging is worth its amount from its beginning on, and no longer from its end on:
two entries that sum to nothing where another stretch of the same worth follows. So MRR at any
moment is the sum of all entries up to it, whatever order they became known in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from solvent.systems.revenue.model import Key, Kind, Moved, Movement, Stretch, Told
from solvent.systems.revenue.rules.spans import day_of


class Delta(NamedTuple):
    """What a key is worth, and whose it is."""

    customer_id: str
    currency: str
    amount_minor: int


def deltas(stretches: Iterable[Stretch]) -> dict[Key, Delta]:
    """Return what each moment adds or takes; what comes to nothing is left out."""
    sums: defaultdict[Key, int] = defaultdict(int)
    whose: dict[Key, tuple[str, str]] = {}
    for one in stretches:
        for at, amount_minor in ((one.since, one.monthly_minor), (one.until, -one.monthly_minor)):
            if at is not None:
                key = Key(one.subscription_id, at, one.plan_key, one.plan_version)
                sums[key] += amount_minor
                whose[key] = (one.customer_id, one.currency)
    return {key: Delta(*whose[key], amount) for key, amount in sums.items() if amount}


def net(kept: Iterable[Movement]) -> dict[Key, Delta]:
    """Return what the rows that are kept come to, each key with its corrections."""
    sums: dict[Key, Delta] = {}
    for one in kept:
        before = sums[one.key].amount_minor if one.key in sums else 0
        sums[one.key] = Delta(one.customer_id, one.currency, before + one.delta_minor)
    return {key: delta for key, delta in sums.items() if delta.amount_minor}


def corrections(
    wanted: Mapping[Key, Delta], kept: Sequence[Movement], *, noted_at: datetime
) -> list[Movement]:
    """Return the rows to be added so that what is kept comes to what history gives; in order.

    Nothing that is kept is changed: what was right stays, what was wrong gets a row that makes up
    for it, under the next number of its key.
    """
    have = net(kept)
    last: dict[Key, int] = {}
    for one in kept:
        last[one.key] = max(one.seq, last.get(one.key, -1))
    rows: list[Movement] = []
    for key in sorted(have.keys() | wanted.keys()):
        should, is_now = wanted.get(key), have.get(key)
        customer_id, currency, _ = should or have[key]
        off = (should.amount_minor if should else 0) - (is_now.amount_minor if is_now else 0)
        if off:
            seq = last.get(key, -1) + 1
            rows.append(
                Movement(
                    customer_id,
                    key.subscription_id,
                    key.at,
                    key.plan_key,
                    key.plan_version,
                    seq,
                    currency,
                    off,
                    noted_at,
                )
            )
    return rows


def kind_of(amount_minor: int, *, before: bool, after: bool, ever: bool) -> Kind:
    """Return why MRR moved, from whether the customer had any before the day and has after it.

    `ever`: whether a day before this one ended with some. Who comes and goes within a day was never
    there.
    """
    if before != after:
        if before:
            return Kind.CHURN
        return Kind.REACTIVATION if ever else Kind.NEW
    if not before or not amount_minor:
        return Kind.UNCHANGED
    return Kind.EXPANSION if amount_minor > 0 else Kind.CONTRACTION


class DayNet(NamedTuple):
    """What a customer's rows of a day come to, by currency."""

    day: date
    amounts: dict[str, int]


def day_nets(rows: Iterable[Movement], zone: ZoneInfo) -> Iterator[DayNet]:
    """Yield what each day of a customer comes to; the rows are in the order of time."""
    for day, of_day in groupby(rows, key=lambda row: day_of(row.at, zone)):
        amounts: dict[str, int] = {}
        for row in of_day:
            amounts[row.currency] = amounts.get(row.currency, 0) + row.delta_minor
        yield DayNet(day, amounts)


def moved_by_currency(rows: Sequence[Movement], zone: ZoneInfo) -> list[Moved]:
    """Return what each day of one customer came to, each currency a business of its own."""
    if not rows:
        return []
    customer_id = rows[0].customer_id
    levels: dict[str, int] = {}
    ever: set[str] = set()
    found: list[Moved] = []
    for day, amounts in day_nets(rows, zone):
        for currency, amount in amounts.items():
            before = levels.get(currency, 0)
            after = levels[currency] = before + amount
            kind = kind_of(amount, before=before > 0, after=after > 0, ever=currency in ever)
            if after > 0:
                ever.add(currency)
            found.append(Moved(day, customer_id, currency, kind, amount, after))
    return found


def told(rows: Sequence[Movement], zone: ZoneInfo) -> Iterator[Told]:
    """Yield each row of one customer with the kind of its day in its currency."""
    kinds = {(one.day, one.currency): one.kind for one in moved_by_currency(rows, zone)}
    for row in rows:
        day = day_of(row.at, zone)
        yield Told(row, day, kinds[day, row.currency])
