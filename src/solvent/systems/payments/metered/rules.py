"""Which hours are to be told, with which values, and what follows an answer?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from solvent.kernel.metering.model import Aggregation, Meter, Period
from solvent.systems.payments.metered.errors import EventNameInvalid, MeterNotAdditive
from solvent.systems.payments.metered.limits import (
    EVENT_NAME_CHARS_MAX,
    KNOWN_FOR,
    LOOKS_BACK_DAYS,
    RETRY_AFTER_S,
    SETTLES_IN,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_NAME = re.compile(rf"[!-~]{{1,{EVENT_NAME_CHARS_MAX}}}\Z")


def check_name(name: str) -> str:
    """Return the name of a meter's events if it can be one; raises EventNameInvalid."""
    if not _NAME.match(name):
        raise EventNameInvalid(field="event_name", given=name[:EVENT_NAME_CHARS_MAX])
    return name


def must_add_up(meter: Meter) -> None:
    """Refuse a meter whose hours do not add up to its month; raises MeterNotAdditive."""
    if meter.carries or meter.aggregation not in {Aggregation.SUM, Aggregation.COUNT}:
        raise MeterNotAdditive(field="meter", aggregation=meter.aggregation.value)


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour that a moment lies in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def span(since: datetime, now: datetime) -> Period:
    """Return the hours that can be told now: they are over, and not too long ago to look at."""
    end = hour_of(now - SETTLES_IN)
    start = max(since, hour_of(now) - LOOKS_BACK_DAYS * DAY)
    return Period(min(start, end), end)


def next_look(now: datetime) -> datetime:
    """Return when the hour that is running now can be told."""
    return hour_of(now - SETTLES_IN) + HOUR + SETTLES_IN


def days_of(period: Period) -> list[Period]:
    """Return a period in parts of a day at most."""
    return list(_parts(period, DAY))


def hours_of(period: Period) -> list[Period]:
    """Return a period's hours."""
    return list(_parts(period, HOUR))


def _parts(period: Period, step: timedelta) -> Iterator[Period]:
    start = period.start
    while start < period.end:
        yield Period(start, min(start + step, period.end))
        start += step


def told_in(period: Period, told: Mapping[datetime, Decimal]) -> Decimal:
    """Return what was told of a period, by its hours."""
    return sum((value for hour, value in told.items() if hour in period), Decimal(0))


def differing(
    parts: Sequence[Period], used: Sequence[Decimal], told: Mapping[datetime, Decimal]
) -> list[tuple[Period, Decimal]]:
    """Return the parts in which another quantity was used than was told, and by how much."""
    every = [
        (part, quantity - told_in(part, told)) for part, quantity in zip(parts, used, strict=True)
    ]
    return [(part, difference) for part, difference in every if difference]


def is_in_doubt(first_tried_at: datetime | None, now: datetime) -> bool:
    """Return whether an event was tried so long ago that its identifier protects no more."""
    return first_tried_at is not None and now - first_tried_at >= KNOWN_FOR


def pause(tries: int) -> timedelta:
    """Return how long to wait after so many tries that failed."""
    return timedelta(seconds=RETRY_AFTER_S[min(tries, len(RETRY_AFTER_S)) - 1])
