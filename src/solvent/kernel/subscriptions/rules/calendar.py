"""When does a period that recurs begin and end?

All boundaries are counted from one anchor that never drifts: the anchor's wall-clock time in its
time zone, so many whole months later, on the anchor's day or the month's last where it has none.
A time that a zone skips is read with the offset before the gap; of a time that happens twice the
first is meant. So each boundary is one moment, and each moment lies in exactly one period.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import TimeZoneUnknown
from solvent.kernel.subscriptions.model import FeePeriod

MONTHS_A_YEAR = 12
YEAR_MIN, YEAR_MAX = 1990, 2200
ANCHOR_DRIFT_MAX = timedelta(hours=26)
"""The most by which a boundary moves with a change of time zone (UTC-12 to UTC+14)."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A period of so many months that recurs from an anchor, in the wall clock of a zone."""

    anchor_at: datetime
    months: int
    time_zone: str = "UTC"


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of a name of the IANA database.

    Raises:
        TimeZoneUnknown: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeZoneUnknown(field="time_zone", given=name[:64]) from None


def is_sensible(moment: datetime) -> bool:
    """Return whether calendars can count around the moment without leaving their years."""
    return YEAR_MIN <= moment.year <= YEAR_MAX


def whole_second(moment: datetime) -> datetime:
    """Return the moment in UTC without its fraction of a second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def boundary(recurrence: Recurrence, index: int) -> datetime:
    """Return the start of the period `index`, in UTC; the anchor is the start of period 0."""
    if index == 0:
        return recurrence.anchor_at
    zone = zone_of(recurrence.time_zone)
    wall = recurrence.anchor_at.astimezone(zone).replace(tzinfo=None, fold=0)
    years, month0 = divmod(wall.month - 1 + index * recurrence.months, MONTHS_A_YEAR)
    year, month = wall.year + years, month0 + 1
    day = min(wall.day, calendar.monthrange(year, month)[1])
    return wall.replace(year=year, month=month, day=day, tzinfo=zone).astimezone(UTC)


def index_at(recurrence: Recurrence, moment: datetime) -> int:
    """Return which period the moment lies in."""
    zone = zone_of(recurrence.time_zone)
    anchor, local = recurrence.anchor_at.astimezone(zone), moment.astimezone(zone)
    months = (local.year - anchor.year) * MONTHS_A_YEAR + local.month - anchor.month
    index = months // recurrence.months
    while boundary(recurrence, index) > moment:
        index -= 1
    while boundary(recurrence, index + 1) <= moment:
        index += 1
    return index


def period_at(recurrence: Recurrence, moment: datetime) -> Period:
    """Return the period that the moment lies in."""
    index = index_at(recurrence, moment)
    return Period(boundary(recurrence, index), boundary(recurrence, index + 1))


def period_after(recurrence: Recurrence, start: datetime) -> Period:
    """Return the period that begins at `start`, to the boundary after the nearest one.

    Where `start` is a boundary that is the period itself. Where it is not, because the anchor has
    moved to another zone or a provider counts a little otherwise, nothing is lost or doubled.
    """
    index = index_at(recurrence, start)
    before, after = boundary(recurrence, index), boundary(recurrence, index + 1)
    nearest = index if start - before <= after - start else index + 1
    return Period(start, boundary(recurrence, nearest + 1))


def first_of_calendar(moment: datetime, *, months: int, time_zone: str) -> datetime:
    """Return the last midnight before or at the moment that begins a month, or a year.

    Periods of whole years begin with January; all others with the month.
    """
    wall = moment.astimezone(zone_of(time_zone))
    month = wall.month if months % MONTHS_A_YEAR else 1
    first = wall.replace(month=month, day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    return first.astimezone(UTC)


def is_of_calendar(recurrence: Recurrence) -> bool:
    """Return whether the anchor begins a month, or a year where periods are of whole years."""
    anchor_at, months = recurrence.anchor_at, recurrence.months
    return anchor_at == first_of_calendar(anchor_at, months=months, time_zone=recurrence.time_zone)


def is_near_boundary(recurrence: Recurrence, moment: datetime) -> bool:
    """Return whether no more than a change of time zone lies between a boundary and the moment."""
    index = index_at(recurrence, moment)
    before, after = boundary(recurrence, index), boundary(recurrence, index + 1)
    return min(moment - before, after - moment) <= ANCHOR_DRIFT_MAX


def period_to_boundary(recurrence: Recurrence, start: datetime) -> Period:
    """Return what is left, from `start`, of the period that it lies in."""
    return Period(start, period_at(recurrence, start).end)


def fee_period(recurrence: Recurrence, period: Period, *, calendar: bool) -> FeePeriod:
    """Return the whole period that a fee is for; of a calendar's, this one may be the rest.

    A start beside a boundary, from a change of time zone, counts as that boundary.
    """
    index = index_at(recurrence, period.start)
    before, after = boundary(recurrence, index), boundary(recurrence, index + 1)
    if calendar:
        if period.end > after and after - period.start <= ANCHOR_DRIFT_MAX:
            return FeePeriod(period, index + 1)
        return FeePeriod(Period(before, max(after, period.end)), index)
    nearest = index if period.start - before <= after - period.start else index + 1
    return FeePeriod(period, nearest)


def anchor_of(period: Period, *, months: int, time_zone: str) -> datetime:
    """Return the anchor that makes this a period: its start, or its end where only that fits.

    February 28 to March 31 is anchored on the 31st: seen first, its start would lose three days.
    """
    start, end = whole_second(period.start), whole_second(period.end)
    if boundary(Recurrence(start, months, time_zone), 1) == end:
        return start
    return end if boundary(Recurrence(end, months, time_zone), -1) == start else start


def moved_anchor(anchor_at: datetime, *, old: str, new: str) -> datetime:
    """Return the anchor with the same wall-clock time in another zone."""
    wall = anchor_at.astimezone(zone_of(old)).replace(tzinfo=None)
    return wall.replace(tzinfo=zone_of(new)).astimezone(UTC)


def seconds(period: Period) -> int:
    """Return a period's length in whole elapsed seconds."""
    return period.duration // timedelta(seconds=1)
