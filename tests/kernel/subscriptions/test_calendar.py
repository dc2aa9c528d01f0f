"""Do periods follow one another without hole or overlap, in every zone, over ten years?"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import TimeZoneUnknown
from solvent.kernel.subscriptions.rules.calendar import (
    Recurrence,
    anchor_of,
    boundary,
    index_at,
    moved_anchor,
    period_after,
    period_at,
    seconds,
    whole_second,
    zone_of,
)

PARIS = "Europe/Paris"
SECOND = timedelta(seconds=1)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def days(recurrence: Recurrence, count: int) -> list[str]:
    zone = ZoneInfo(recurrence.time_zone)
    return [
        boundary(recurrence, index).astimezone(zone).date().isoformat() for index in range(count)
    ]


# ---------------------------------------------------------------------------------------- months


@pytest.mark.parametrize(
    "anchor, months, expected",
    [
        ("2026-01-31", 1, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", 1, ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        ("2026-01-30", 1, ["2026-01-30", "2026-02-28", "2026-03-30", "2026-04-30", "2026-05-30"]),
        ("2025-11-30", 3, ["2025-11-30", "2026-02-28", "2026-05-30", "2026-08-30", "2026-11-30"]),
        ("2024-02-29", 12, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2026-12-31", 1, ["2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("2026-01-01", 6, ["2026-01-01", "2026-07-01", "2027-01-01", "2027-07-01", "2028-01-01"]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", PARIS, "America/New_York", "Pacific/Kiritimati"])
def test_an_anchor_never_drifts(anchor: str, months: int, expected: list[str], zone: str) -> None:
    assert days(Recurrence(at(anchor, zone), months, zone), 5) == expected


# ---------------------------------------------------------------------------------------- zones


def test_a_wall_clock_keeps_its_hour_over_the_change_of_time() -> None:
    recurrence = Recurrence(at("2026-03-15T08:00", PARIS), 1, PARIS)
    hours = [boundary(recurrence, index).astimezone(ZoneInfo(PARIS)).hour for index in range(12)]
    assert set(hours) == {8}


@pytest.mark.parametrize(
    "anchor, index, expected",
    [
        ("2026-02-28T02:30", 1, "2026-03-28T01:30:00+00:00"),
        # On 2026-03-29 Paris has no 02:30: read as an hour after 01:30, it is 03:30 in summer time.
        ("2026-01-29T02:30", 2, "2026-03-29T01:30:00+00:00"),
        # On 2026-10-25 Paris has 02:30 twice: the first is meant, in summer time.
        ("2026-09-25T02:30", 1, "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_skipped_and_a_doubled_hour_are_one_moment(
    anchor: str, index: int, expected: str
) -> None:
    recurrence = Recurrence(at(anchor, PARIS), 1, PARIS)
    assert boundary(recurrence, index).isoformat() == expected
    periods = [Period(boundary(recurrence, i), boundary(recurrence, i + 1)) for i in range(-24, 24)]
    for before, after in pairwise(periods):
        assert before.end == after.start
        assert before.duration > timedelta(days=27)


def test_an_anchor_in_the_second_of_two_hours_is_kept() -> None:
    anchor = at("2026-10-25T01:30")  # 02:30 in Paris for the second time
    recurrence = Recurrence(anchor, 1, PARIS)
    assert boundary(recurrence, 0) == anchor
    assert index_at(recurrence, anchor) == 0
    assert index_at(recurrence, anchor - SECOND) == -1


@pytest.mark.parametrize("day, hours", [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_has_the_seconds_it_has(day: str, hours: int) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(PARIS))
    next_day = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=ZoneInfo(PARIS))
    assert seconds(Period(midnight.astimezone(UTC), next_day.astimezone(UTC))) == hours * 3600


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(TimeZoneUnknown) as refused:
        zone_of(name)
    assert refused.value.field == "time_zone"


# ------------------------------------------------------------------------------------- properties

ZONES = ["UTC", PARIS, "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]
anchors = st.integers(0, 12 * 365 * 86_400).map(lambda n: at("2018-01-01") + n * SECOND)
recurrences = st.builds(
    Recurrence, anchors, st.sampled_from([1, 2, 3, 6, 12]), st.sampled_from(ZONES)
)


@given(recurrences)
@example(Recurrence(at("2020-01-31T02:30", PARIS), 1, PARIS))
def test_periods_are_contiguous_over_ten_years(recurrence: Recurrence) -> None:
    count = 120 // recurrence.months
    bounds = [boundary(recurrence, index) for index in range(count + 1)]
    for index, (start, end) in enumerate(pairwise(bounds)):
        assert start < end
        assert index_at(recurrence, start) == index
        assert index_at(recurrence, end - SECOND) == index
        assert period_after(recurrence, start) == Period(start, end)


@given(recurrences, st.integers(-6 * 365 * 86_400, 22 * 365 * 86_400))
def test_each_moment_belongs_to_exactly_one_period(recurrence: Recurrence, second: int) -> None:
    moment = at("2018-01-01") + second * SECOND
    index = index_at(recurrence, moment)
    assert [i for i in range(index - 2, index + 3) if moment in _period(recurrence, i)] == [index]
    assert period_at(recurrence, moment) == _period(recurrence, index)


def _period(recurrence: Recurrence, index: int) -> Period:
    return Period(boundary(recurrence, index), boundary(recurrence, index + 1))


@given(recurrences, st.integers(-24, 24))
def test_the_end_belongs_to_the_next_period(recurrence: Recurrence, index: int) -> None:
    assert boundary(recurrence, index) not in _period(recurrence, index - 1)
    assert boundary(recurrence, index) in _period(recurrence, index)


@given(recurrences, st.sampled_from(ZONES), st.integers(1, 24))
def test_a_move_to_another_zone_leaves_no_hole(
    recurrence: Recurrence, zone: str, index: int
) -> None:
    held = _period(recurrence, index)
    anchor_at = moved_anchor(recurrence.anchor_at, old=recurrence.time_zone, new=zone)
    after = period_after(Recurrence(anchor_at, recurrence.months, zone), held.end)
    assert after.start == held.end
    usual = _period(recurrence, index + 1)
    assert abs(after.end - usual.end) <= timedelta(hours=26)


# ------------------------------------------------------------------------- every change of time

YEARS = range(2024, 2034)
WEEK = timedelta(days=7)
CHANGES_AT_LEAST = 500
"""The database of 2026 has 606 in ten years, of 69 kinds of zones."""


@dataclass(frozen=True)
class Change:
    """A moment at which a zone's clock goes on or back."""

    zone: str
    moment: datetime
    shift: timedelta

    @property
    def wall(self) -> datetime:
        """Return the middle of the time that the clock skips or shows twice."""
        before = (self.moment - SECOND).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return before + SECOND + self.shift / 2


def changes() -> list[Change]:
    """Return each change of ten years, of every zone of the database; zones alike once."""
    count = (YEARS[-1] + 1 - YEARS[0]) * 366 // 7
    weeks = [at(f"{YEARS[0]}-01-01") + n * WEEK for n in range(count)]
    found: dict[tuple[object, ...], list[Change]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        offsets = [_offset(week, zone) for week in weeks]
        here = [
            _change(name, before, after, new - old)
            for (before, old), (after, new) in pairwise(zip(weeks, offsets, strict=True))
            if old != new
        ]
        found.setdefault((offsets[0], *(one.moment for one in here)), here)
    return [one for here in found.values() for one in here]


def _change(name: str, before: datetime, after: datetime, shift: timedelta) -> Change:
    zone = ZoneInfo(name)
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + ((after - before) / 2 // SECOND) * SECOND
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return Change(name, after, shift)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def expected(wall: datetime, change: Change) -> datetime:
    """Return the moment of a wall-clock time, found by trying both offsets; in a gap the first."""
    zone = ZoneInfo(change.zone)
    offsets = [_offset(change.moment + side, zone) for side in (-2 * WEEK, 2 * WEEK)]
    offsets += [_offset(change.moment + side, zone) for side in (-SECOND, timedelta())]
    tried = {(wall - offset).replace(tzinfo=UTC) for offset in offsets}
    shown = [one for one in tried if one.astimezone(zone).replace(tzinfo=None) == wall]
    before = _offset(change.moment - SECOND, zone)
    return min(shown, default=(wall - before).replace(tzinfo=UTC))


def test_every_anchor_day_zone_and_change_of_time_over_ten_years() -> None:
    """At each change, from each day of a month, at the very time that is skipped or doubled."""
    found = changes()
    assert len(found) > CHANGES_AT_LEAST
    for change in found:
        year, month = change.wall.year, change.wall.month
        days_here = calendar.monthrange(year, month)[1]
        for day in range(1, 32):
            anchor = change.wall.replace(year=year - 2, month=1, day=day)
            recurrence = Recurrence(at(anchor.isoformat(), change.zone), 1, change.zone)
            local = recurrence.anchor_at.astimezone(ZoneInfo(change.zone)).replace(tzinfo=None)
            wall = local.replace(year=year, month=month, day=min(local.day, days_here), fold=0)
            index = 24 + month - 1
            start, end = boundary(recurrence, index), boundary(recurrence, index + 1)
            assert start == expected(wall, change), (change, day)
            assert timedelta(days=26) < end - start < timedelta(days=33)
            assert index_at(recurrence, start) == index
            assert index_at(recurrence, start - SECOND) == index - 1


# ---------------------------------------------------------------------------------------- anchors


@pytest.mark.parametrize(
    "start, end, anchor",
    [
        ("2026-01-31", "2026-02-28", "2026-01-31"),
        ("2026-02-28", "2026-03-31", "2026-03-31"),
        ("2026-02-28", "2026-03-28", "2026-02-28"),
        ("2026-04-30", "2026-05-31", "2026-05-31"),
        ("2026-01-15", "2026-01-29", "2026-01-15"),
    ],
)
def test_the_anchor_of_a_period_seen_first(start: str, end: str, anchor: str) -> None:
    period = Period(at(start), at(end))
    assert anchor_of(period, months=1, time_zone="UTC") == at(anchor)


def test_moments_are_whole_seconds() -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=ZoneInfo(PARIS))
    assert whole_second(moment) == datetime(2026, 1, 1, 11, tzinfo=UTC)
