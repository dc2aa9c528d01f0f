"""Which days does a report have, and on which day of the business did something happen?"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from solvent.systems.revenue.errors import SpanMalformed, SpanTooLong
from solvent.systems.revenue.model import Span, Step

MONTH = re.compile(r"(\d{4})-(\d{2})\Z")
ROWS_MAX = 400
"""Rows of one report: a year of days, or 33 years of months."""

YEARS = range(1970, 2200)
DAY = timedelta(days=1)
MONTHS_A_YEAR = 12


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone, read once."""
    return ZoneInfo(name)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the business's day that a moment lies in; a day begins at its local midnight."""
    return moment.astimezone(zone).date()


def beginning_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment at which a day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def first_of_month(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def months_later(first: date, months: int) -> date:
    """Return the first of the month so many months after a first of a month."""
    index = first.year * MONTHS_A_YEAR + first.month - 1 + months
    return date(index // MONTHS_A_YEAR, index % MONTHS_A_YEAR + 1, 1)


def span_named(text: str, *, field: str) -> Span:
    """Return the month or day that a text names.

    Raises:
        SpanMalformed: it names neither, or a year before 1970 or after 2199.
    """
    month = MONTH.match(text)
    try:
        start = date(int(month[1]), int(month[2]), 1) if month else date.fromisoformat(text)
    except ValueError:
        raise SpanMalformed(field=field, given=text[:32]) from None
    if start.year not in YEARS:
        raise SpanMalformed(field=field, given=text[:32])
    return month_of(start) if month else Span(text, start, start + DAY)


def month_of(day: date) -> Span:
    """Return the month that a day lies in."""
    first = first_of_month(day)
    return Span(f"{first:%Y-%m}", first, months_later(first, 1))


def spans_between(start: date, end: date, step: Step) -> tuple[Span, ...]:
    """Return the days or the whole months from the first day to before the end, in order.

    Raises:
        SpanMalformed: the end is not after the start.
        SpanTooLong: there are more than a report has rows.
    """
    if end <= start:
        raise SpanMalformed("expected an end after the beginning", field="to")
    found: list[Span] = []
    at = start
    while at < end:
        found.append(month_of(at) if step is Step.MONTH else Span(at.isoformat(), at, at + DAY))
        at = found[-1].end
        if len(found) > ROWS_MAX:
            raise SpanTooLong(field="to", rows_max=ROWS_MAX)
    return tuple(found)


def place_in(spans: Sequence[Span], day: date) -> int:
    """Return the index of the span that a day lies in; -1 before the first, len after the last."""
    if day >= spans[-1].end:
        return len(spans)
    return bisect_right([span.start for span in spans], day) - 1


def zone_exists(name: str) -> bool:
    """Return whether there is a time zone of this name."""
    try:
        zone_named(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
