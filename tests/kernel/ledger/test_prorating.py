"""Does a period cost what was held in it, however often that changed?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import (
    Interval,
    PlanVersion,
    Price,
    PriceModel,
    Proration,
    SeatTerms,
    Terms,
    Tier,
)
from solvent.kernel.catalogue.rules import rate_fee
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.model import (
    DraftInput,
    InvoiceDraft,
    InvoiceKind,
    InvoiceLine,
    LineKind,
    Part,
    Stretch,
)
from solvent.kernel.metering.model import Period

PARIS = ZoneInfo("Europe/Paris")
SEATS = Price("seats", PriceModel.FLAT, "Seats", amount_minor=900, per_seat=True)
BASE = Price("base", PriceModel.FLAT, "Base fee", amount_minor=2900)
TIERED = Price(
    "tiered",
    PriceModel.GRADUATED,
    "Seats in tiers",
    tiers=(Tier(Decimal(3), Decimal(1001)), Tier(None, Decimal("707.5"), 333)),
    free_units=Decimal(1),
    per_seat=True,
)


def month(year: int = 2026, number: int = 3, *, zone: ZoneInfo = PARIS) -> Period:
    """March 2026 in Paris has an hour less than its days say."""
    ends = [
        datetime(year + (number + more) // 13, (number + more - 1) % 12 + 1, 1, tzinfo=zone)
        for more in (0, 1)
    ]
    return Period(*(end.astimezone(UTC) for end in ends))


def plan(*prices: Price, proration: Proration = Proration.SECOND, key: str = "team") -> PlanVersion:
    terms = Terms(
        "logs", "Team", "EUR", Interval.MONTH, 1, prices, (), seats=SeatTerms(), proration=proration
    )
    return PlanVersion(key, 1, terms, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))


def held(version: PlanVersion, *changes: tuple[datetime, int], period: Period) -> Stretch:
    """Return a stretch in which so many seats were held from each moment on."""
    starts = [at for at, _ in changes]
    spans = pairwise([*starts, period.end])
    parts = tuple(
        Part(Period(*span), seats) for span, (_, seats) in zip(spans, changes, strict=True)
    )
    return Stretch(version, Period(starts[0], period.end), (), parts)


def drawn(
    *stretches: Stretch, period: Period, kind: InvoiceKind = InvoiceKind.PERIOD
) -> InvoiceDraft:
    return rules.draft(
        DraftInput(
            kind,
            "cus_1",
            "sub_1",
            period,
            stretches[-1].version,
            stretches,
            0,
            time_zone="Europe/Paris",
        )
    )


def base_lines(said: InvoiceDraft, key: str) -> list[InvoiceLine]:
    return [line for line in said.lines if line.kind is LineKind.BASE and line.price_key == key]


def rounded(exact: Fraction) -> int:
    value = Decimal(exact.numerator) / Decimal(exact.denominator)
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Period, list[tuple[datetime, int]]]:
    period = month(draw(st.integers(2024, 2034)), draw(st.integers(1, 12)))
    length = rules.seconds(period)
    moments = sorted(draw(st.sets(st.integers(1, length - 1), max_size=8)))
    seats = st.integers(1, 40)
    starts = [period.start + timedelta(seconds=one) for one in (0, *moments)]
    return period, [(start, draw(seats)) for start in starts]


@given(histories(), st.sampled_from([SEATS, TIERED]))
def test_any_series_of_seats_sums_exactly_to_its_price_by_the_second(history, price: Price) -> None:
    period, changes = history
    said = drawn(held(plan(price), *changes, period=period), period=period)
    lines = base_lines(said, price.key)
    # neither a hole nor an overlap
    assert [line.period_start for line in lines] == [at for at, _ in changes]
    assert [line.period_end for line in lines[:-1]] == [line.period_start for line in lines[1:]]
    assert lines[-1].period_end == period.end
    assert sum(line.period_seconds for line in lines) == rules.seconds(period)
    exact = sum(
        Fraction(rate_fee(price, seats).amount_minor * line.period_seconds, rules.seconds(period))
        for line, (_, seats) in zip(lines, changes, strict=True)
    )
    if len({seats for _, seats in changes}) > 1:
        assert said.total_minor == rounded(exact)
    else:
        assert said.total_minor == rate_fee(price, changes[0][1]).amount_minor
    for line, (_, seats) in zip(lines, changes, strict=True):
        alone = Fraction(rate_fee(price, seats).amount_minor * line.period_seconds)
        assert abs(line.amount_minor - alone / rules.seconds(period)) < 2
        assert line.quantity == seats
    assert document.parse(document.canonical(said)) == said


def test_a_fee_that_is_not_per_seat_is_one_line_whatever_the_seats_do() -> None:
    period = month()
    changes = [(period.start, 2), (period.start + timedelta(days=10), 5)]
    said = drawn(held(plan(BASE, SEATS), *changes, period=period), period=period)
    assert [line.amount_minor for line in base_lines(said, "base")] == [2900]
    assert [line.quantity for line in base_lines(said, "seats")] == [2, 5]
    assert said.quantity == 5


def test_each_part_of_the_seats_pays_its_seconds() -> None:
    period = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    changes = [(period.start, 2), (period.start + timedelta(days=10), 5)]
    said = drawn(held(plan(SEATS), *changes, period=period), period=period)
    assert [line.amount_minor for line in said.lines] == [2 * 900 // 3, 5 * 900 * 2 // 3]


@given(histories())
def test_seats_paid_in_advance_are_charged_once_and_the_rest_at_the_end(history) -> None:
    period, changes = history
    price = replace(SEATS, in_advance=True)
    first = held(plan(price), (period.start, changes[0][1]), period=period)
    advance = drawn(first, period=period, kind=InvoiceKind.ADVANCE)
    assert advance.total_minor == 900 * changes[0][1]
    assert advance.quantity == changes[0][1]
    stretches = (held(plan(price), *changes, period=period),)
    given = DraftInput(
        InvoiceKind.PERIOD,
        "cus_1",
        "sub_1",
        period,
        plan(price),
        stretches,
        0,
        advanced=rules.advanced_by(advance),
    )
    in_arrears = drawn(held(plan(SEATS), *changes, period=period), period=period)
    due_minor = max(in_arrears.total_minor, advance.total_minor)
    assert rules.draft(given).total_minor == due_minor - advance.total_minor


# --------------------------------------------------------------------------------------- by the day


@given(histories())
def test_any_series_of_seats_sums_exactly_to_its_price_by_the_day(history) -> None:
    period, changes = history
    said = drawn(held(plan(SEATS, proration=Proration.DAY), *changes, period=period), period=period)
    told = [line.days for line in said.lines if line.days]
    assert len(told) == len(changes)
    (whole,) = {whole for _, whole in told}
    assert (
        whole == (period.end.astimezone(PARIS).date() - period.start.astimezone(PARIS).date()).days
    )
    assert sum(part for part, _ in told) == whole
    exact = sum(
        Fraction(900 * seats * part, whole)
        for (part, _), (_, seats) in zip(told, changes, strict=True)
    )
    if len({seats for _, seats in changes}) > 1:
        assert said.total_minor == rounded(exact)
    else:
        assert said.total_minor == 900 * changes[0][1]
    assert said.time_zone == "Europe/Paris"
    assert document.parse(document.canonical(said)) == said


def test_the_day_of_a_change_counts_as_what_was_held_after_it() -> None:
    period = month()
    evening = datetime(2026, 3, 11, 23, 59, 59, tzinfo=PARIS).astimezone(UTC)
    version = plan(SEATS, proration=Proration.DAY)
    said = drawn(held(version, (period.start, 1), (evening, 2), period=period), period=period)
    assert [line.days for line in said.lines] == [(10, 31), (21, 31)]
    assert said.total_minor == round(900 * (10 + 42) / 31)


# ------------------------------------------------------------------------------------- not prorated


def test_a_plan_that_is_not_prorated_costs_the_most_that_was_held() -> None:
    period = month()
    version = plan(BASE, SEATS, proration=Proration.NONE)
    changes = [
        (period.start, 2),
        (period.start + timedelta(days=1), 7),
        (period.start + timedelta(days=2), 1),
    ]
    said = drawn(held(version, *changes, period=period), period=period)
    assert [line.amount_minor for line in base_lines(said, "seats")] == [0, 6300, 0]
    assert [line.amount_minor for line in base_lines(said, "base")] == [2900]


def test_of_two_plans_that_are_not_prorated_the_dearer_is_charged() -> None:
    period = month()
    middle = period.start + timedelta(days=15)
    cheap = Stretch(
        plan(BASE, proration=Proration.NONE, key="pro"), Period(period.start, middle), ()
    )
    dear = Stretch(
        plan(replace(BASE, amount_minor=9900), proration=Proration.NONE),
        Period(middle, period.end),
        (),
    )
    assert drawn(cheap, dear, period=period).total_minor == 9900


@pytest.mark.parametrize(
    "proration, minor", [(Proration.SECOND, 967), (Proration.DAY, 967), (Proration.NONE, 2900)]
)
def test_a_canceled_period_costs_what_its_plan_says(proration: Proration, minor: int) -> None:
    whole = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
    cut = Period(whole.start, whole.start + timedelta(days=10))
    terms = replace(plan(BASE, proration=proration).terms, minimum_minor=3000)
    version = replace(plan(BASE), terms=terms)
    given = DraftInput(
        InvoiceKind.PERIOD, "cus_1", "sub_1", cut, version, (Stretch(version, cut, ()),), 0
    )
    said = rules.draft(replace(given, fee=replace(rules.fee_of(given), whole=whole)))
    least = 3000 if proration is Proration.NONE else 1000
    assert [line.amount_minor for line in said.lines] == [minor, least - minor]
