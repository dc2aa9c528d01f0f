"""Is every minor unit earned once, on a day of its service?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.systems.revenue.model import Alike, Line, LineOf, Piece, Rate, Reversal, Step, Why
from solvent.systems.revenue.rules.documents import counted, months_after
from solvent.systems.revenue.rules.earning import (
    Cascade,
    before,
    converted,
    earned_before,
    earning_of,
    service_days,
)
from solvent.systems.revenue.rules.exchange import Rates
from solvent.systems.revenue.rules.spans import spans_between

ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)
JAN_31 = datetime(2026, 1, 31, 9, tzinfo=UTC)
YEAR_LATER = datetime(2027, 1, 31, 9, tzinfo=UTC)


def line(
    amount_minor: int,
    since: datetime = JAN_31,
    until: datetime = YEAR_LATER,
    *,
    billed_at: datetime | None = None,
    currency: str = "USD",
) -> Line:
    return Line(
        "inv_1",
        1,
        LineOf.FEE,
        "cus_1",
        "sub_1",
        "yearly",
        currency,
        amount_minor,
        since,
        until,
        billed_at or since,
    )


def back(amount_minor: int, at: datetime, why: Why = Why.CREDIT, *, id: str = "cn_1") -> Reversal:
    return Reversal(id, why, "inv_1", 1, amount_minor, at)


def days_of(pieces, start: date, count: int) -> list[int]:
    ends = [before(pieces, start + index * DAY) for index in range(count + 1)]
    return [late - early for early, late in pairwise(ends)]


def test_a_year_from_january_31_is_earned_to_the_last_unit() -> None:
    one = earning_of(line(10_000), [], ZONE)
    assert service_days(one.line, ZONE) == (date(2026, 1, 31), date(2027, 1, 31))
    by_day = days_of(one.earned, date(2026, 1, 31), 365)
    assert sum(by_day) == 10_000
    assert by_day == [28] * 145 + [27] * 220
    cascade = Cascade(spans_between(date(2026, 1, 1), date(2027, 3, 1), Step.MONTH))
    cascade.add(one)
    falls = cascade.falls["USD"]
    assert [fall.earned_minor for fall in falls[:3]] == [28, 784, 868]
    assert sum(fall.earned_minor for fall in falls) == 10_000
    assert [fall.deferred_minor for fall in falls[:2]] == [9_972, 9_188]
    assert falls[-2].deferred_minor == falls[-1].deferred_minor == 0
    assert all(fall.adds_up for fall in falls)


def test_what_is_billed_in_arrears_is_unbilled_until_then() -> None:
    since, until = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)
    cascade = Cascade(spans_between(date(2026, 1, 1), date(2026, 3, 1), Step.MONTH))
    cascade.add(earning_of(line(3100, since, until, billed_at=until), [], ZONE))
    january, february = cascade.falls["USD"]
    assert (january.earned_minor, january.unbilled_minor, january.billed_minor) == (2200, 2200, 0)
    assert (february.opening_unbilled_minor, february.billed_minor) == (2200, 3100)
    assert (february.earned_minor, february.unbilled_minor, february.deferred_minor) == (900, 0, 0)


def test_a_refund_takes_back_what_is_deferred() -> None:
    half = datetime(2026, 8, 1, tzinfo=UTC)
    one = earning_of(line(36_500), [back(36_500 - 182 * 100, half, Why.REFUND)], ZONE)
    assert sum(days_of(one.earned, date(2026, 1, 31), 182)) == 18_200
    assert set(days_of(one.earned, date(2026, 8, 1), 200)) == {0}


def test_what_was_earned_in_closed_months_stays() -> None:
    late = datetime(2027, 6, 5, tzinfo=UTC)
    one = earning_of(line(36_500), [back(500, late)], ZONE)
    assert days_of(one.earned, date(2026, 1, 31), 365) == [100] * 365
    assert days_of(one.earned, date(2027, 6, 5), 1) == [-500]


def test_a_partial_credit_leaves_the_rest_to_the_days_that_are_left() -> None:
    one = earning_of(line(36_500), [back(9_150, datetime(2026, 8, 1, tzinfo=UTC))], ZONE)
    assert set(days_of(one.earned, date(2026, 8, 1), 183)) == {50}


AMOUNTS = st.integers(1, 100_000)


@given(
    AMOUNTS,
    st.integers(0, 400),
    st.integers(-40, 500),
    st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 600)), max_size=5),
)
def test_every_unit_is_earned_once_whatever_is_taken_back(amount, days, billed, given_back) -> None:
    until, billed_at = JAN_31 + days * DAY, JAN_31 + billed * DAY
    left, reversals = amount, []
    for number, (wanted, day) in enumerate(given_back):
        minor = min(wanted, left)
        left -= minor
        if minor:
            reversals.append(back(minor, billed_at + day * DAY, id=f"cn_{number}"))
    one = earning_of(line(amount, JAN_31, until, billed_at=billed_at), reversals, ZONE)
    assert before(one.earned, date(2040, 1, 1)) == before(one.billed, date(2040, 1, 1)) == left
    first = min(piece.start for piece in (*one.earned, *one.billed))
    cascade = Cascade(spans_between(first.replace(day=1), date(2030, 1, 1), Step.MONTH))
    cascade.add(one)
    assert all(fall.adds_up for fall in cascade.falls["USD"])
    assert sum(fall.earned_minor for fall in cascade.falls["USD"]) == left
    assert cascade.falls["USD"][-1].deferred_minor == 0


@given(AMOUNTS, st.integers(1, 366), st.integers(0, 366))
def test_a_day_has_the_quotient_or_one_more_the_earliest_first(amount, days, cut) -> None:
    piece = Piece(date(2026, 1, 1), date(2026, 1, 1) + days * DAY, amount)
    each = days_of([piece], piece.start, days)
    assert sum(each) == amount
    assert each == sorted(each, reverse=True)
    assert each[0] - each[-1] <= 1
    assert earned_before(piece, piece.start + cut * DAY) == sum(each[:cut])


@given(AMOUNTS, st.integers(0, 400), st.integers(-40, 500))
def test_lines_alike_come_to_what_each_of_them_does(amount, days, billed) -> None:
    one = line(amount, JAN_31, JAN_31 + days * DAY, billed_at=JAN_31 + billed * DAY)
    spans = spans_between(date(2026, 1, 1), date(2027, 6, 1), Step.MONTH)
    each, together = Cascade(spans), Cascade(spans)
    for _ in range(3):
        each.add(earning_of(one, [], ZONE))
    start, end = service_days(one, ZONE)
    billed_on = one.billed_at.date()
    together.add_alike(Alike(one.of, one.currency, amount, start, end, billed_on, 3))
    assert each.falls == together.falls


def test_a_credit_note_about_a_refund_is_not_taken_back_twice() -> None:
    hour = timedelta(hours=1)
    refund = back(700, JAN_31, Why.REFUND, id="rfd_1")
    note = back(1000, JAN_31 + hour, Why.MATCHED, id="cn_2")
    found = list(counted([note, refund]))
    assert [(one.source_id, one.amount_minor) for one in found] == [("rfd_1", 700), ("cn_2", 300)]
    assert list(counted([back(5, JAN_31), refund])) == [back(5, JAN_31), refund]


def test_deferred_revenue_keeps_the_rate_of_its_first_day() -> None:
    rates = Rates.of("USD", [Rate("EUR", "USD", date(2026, 1, 31), Decimal("1.1"))])
    one, reversals = converted(
        line(10_000, currency="EUR"),
        [back(3333, YEAR_LATER - 9 * DAY, id="a"), back(6667, YEAR_LATER - 8 * DAY, id="b")],
        ZONE,
        rates,
    )
    rates.must_be_whole()
    assert (one.currency, one.amount_minor) == ("USD", 11_000)
    assert [one.amount_minor for one in reversals] == [3666, 7334]


@pytest.mark.parametrize(
    "months, day", [(1, "2026-02-28"), (11, "2026-12-31"), (25, "2028-02-29"), (0, "2026-01-31")]
)
def test_months_are_clamped_to_their_last_day(months, day) -> None:
    assert months_after(JAN_31, months).date().isoformat() == day


def test_the_service_of_a_day_of_the_business_is_its_own() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    since, until = datetime(2026, 1, 31, 20, tzinfo=UTC), datetime(2026, 2, 28, 20, tzinfo=UTC)
    assert service_days(line(1, since, until), tokyo) == (date(2026, 2, 1), date(2026, 3, 1))
