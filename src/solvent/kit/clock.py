"""What time is it, for whom, and who may say so?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from solvent.kit.errors import Invalid


class TimeWithoutZone(Invalid):
    """A time needs its offset from UTC, for example 2026-11-23T10:00:00Z."""

    code = "kit.time_without_zone"


class TimeOutOfRange(Invalid):
    """A time lies between the years 1 and 9999, in UTC."""

    code = "kit.time_out_of_range"


class Clock(Protocol):
    """Tells the time; injected everywhere, so that tests and test tenants can move it."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FrozenClock:
    """A clock that stands still until it is moved: a test's, or a test tenant's."""

    at: datetime

    def __post_init__(self) -> None:
        """Refuse a time without a zone; hold UTC."""
        self.at = as_utc(self.at, field="at")

    def now(self) -> datetime:
        """Return the moment at which this clock stands."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move the clock forward by a non-negative time."""
        if by < timedelta(0):
            msg = "a clock moves forward only"
            raise ValueError(msg)
        self.at += by


def as_utc(moment: datetime, *, field: str) -> datetime:
    """Return the moment in UTC.

    Raises:
        TimeWithoutZone: it has no offset, so which moment it means is unknown.
        TimeOutOfRange: in UTC it lies before year 1 or after year 9999.
    """
    if moment.utcoffset() is None:
        raise TimeWithoutZone(field=field)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise TimeOutOfRange(field=field) from None


def parse_time(text: str, *, field: str) -> datetime:
    """Return the moment an RFC 3339 text names, in UTC.

    Raises:
        TimeWithoutZone: the text is no time, or lacks its offset.
        TimeOutOfRange: as `as_utc`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TimeWithoutZone(field=field, given=text[:64]) from None
    return as_utc(moment, field=field)


def format_time(moment: datetime) -> str:
    """Return RFC 3339 text in UTC with a Z, as short as the value allows."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def monotonic_ms() -> float:
    """Return milliseconds that only ever grow: for durations, never for dates."""
    return time.monotonic() * 1000
