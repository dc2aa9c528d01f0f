"""Is every time a moment: aware, in UTC, and moved forward only?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from solvent.kit.clock import (
    FrozenClock,
    SystemClock,
    TimeOutOfRange,
    TimeWithoutZone,
    as_utc,
    format_time,
    parse_time,
)

NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


def test_the_system_clock_tells_utc() -> None:
    assert timedelta(0) == SystemClock().now().utcoffset()


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = FrozenClock(NOON)
    assert NOON == clock.now() == clock.now()
    clock.advance(timedelta(hours=1))
    assert NOON + timedelta(hours=1) == clock.now()


def test_a_clock_never_moves_back() -> None:
    with pytest.raises(ValueError, match="forward only"):
        FrozenClock(NOON).advance(timedelta(seconds=-1))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TimeWithoutZone, match="at: "):
        as_utc(NOON.replace(tzinfo=None), field="at")


@pytest.mark.parametrize(
    "text", ["2026-03-29T12:00:00Z", "2026-03-29T14:00:00+02:00", "2026-03-29 12:00:00+00:00"]
)
def test_one_moment_has_many_texts(text: str) -> None:
    assert parse_time(text, field="at") == NOON


@pytest.mark.parametrize("text", ["", "noon", "2026-03-29", "2026-03-29T12:00:00", "1e9", "9" * 99])
def test_a_text_that_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(TimeWithoutZone):
        parse_time(text, field="at")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_a_time_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(TimeOutOfRange, match="at: "):
        parse_time(text, field="at")


def test_times_are_written_in_utc() -> None:
    paris = NOON.astimezone(timezone(timedelta(hours=2)))
    assert format_time(paris) == "2026-03-29T12:00:00Z"
