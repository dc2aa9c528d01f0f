"""Into which windows does a query cut its time?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from solvent.kernel.metering.model import Period
from solvent.systems.doors.errors import QueryTooLarge
from solvent.systems.doors.limits import WINDOWS_MAX


class Size(StrEnum):
    """How long a window is."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


def cut(period: Period, size: Size | None, *, zone: tzinfo = UTC) -> list[Period]:
    """Return the windows that make up the period, by the zone's calendar.

    Those at its ends are shorter where it cuts them. Without a size it is the only one. Days and
    months begin at the zone's midnight, so that a day of a clock change has 23 or 25 hours.

    Raises:
        QueryTooLarge: more than 2000.
    """
    if size is None:
        return [period]
    found: list[Period] = []
    start = _floor(period.start, size, zone)
    while start < period.end:
        end = _after(start, size, zone)
        found.append(Period(max(start, period.start), min(end, period.end)))
        start = end
        if len(found) > WINDOWS_MAX:
            raise QueryTooLarge(field="windowSize", limit=WINDOWS_MAX)
    return found


def _floor(moment: datetime, size: Size, zone: tzinfo) -> datetime:
    if size is Size.MINUTE:
        return moment.astimezone(UTC).replace(second=0, microsecond=0)
    if size is Size.HOUR:
        return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    local = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if size is Size.MONTH:
        local = local.replace(day=1)
    return local.astimezone(UTC)


def _after(start: datetime, size: Size, zone: tzinfo) -> datetime:
    if size is Size.MINUTE:
        return start + timedelta(minutes=1)
    if size is Size.HOUR:
        return start + timedelta(hours=1)
    ahead = timedelta(days=1, hours=12) if size is Size.DAY else timedelta(days=32)
    return _floor(start + ahead, size, zone)
