"""When does a period of a subscription end that began at its anchor?"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def after(anchor: int, interval: str, count: int) -> int:
    """Return the moment so many intervals after an anchor, both in seconds, in UTC.

    A month that is too short ends the period on its last day, and the next one is back on the
    anchor's: 31 January, 28 February, 31 March.
    """
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((start + timedelta(days=_DAYS[interval] * count)).timestamp())
    month = start.month - 1 + _MONTHS[interval] * count
    year, month = start.year + month // 12, month % 12 + 1
    day = min(start.day, monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def next_after(anchor: int, interval: str, count: int, moment: int) -> int:
    """Return the first end of a period that is later than a moment."""
    number = 1
    while (end := after(anchor, interval, count * number)) <= moment:
        number += 1
    return end
