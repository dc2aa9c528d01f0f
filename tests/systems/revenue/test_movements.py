"""Do movements add up, whatever happened and in whatever order it became known?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.systems.revenue.errors import RateMissing
from solvent.systems.revenue.model import Kind, Movement, Rate, Row, Step, Stretch
from solvent.systems.revenue.rules.exchange import Rates, moved_in
from solvent.systems.revenue.rules.figures import ratio, ratios_of, stability
from solvent.systems.revenue.rules.moving import corrections, deltas, moved_by_currency, net, told
from solvent.systems.revenue.rules.spans import spans_between
from solvent.systems.revenue.rules.tally import Tally

START = datetime(2026, 1, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
JAN, JUL = date(2026, 1, 1), date(2026, 7, 1)


def stretch(
    since: float,
    until: float | None,
    minor: int,
    *,
    sub: str = "sub_1",
    plan: str = "p",
    cus: str = "cus_1",
    currency: str = "USD",
) -> Stretch:
    """A stretch from so many days after START to so many."""
    end = None if until is None else START + timedelta(days=until)
    return Stretch(cus, sub, plan, 1, currency, START + timedelta(days=since), end, minor)


def rows_of(*stretches: Stretch) -> list[Movement]:
    rows = corrections(deltas(stretches), [], noted_at=START)
    return sorted(rows, key=lambda row: (row.customer_id, row.at, *row.place))


def kinds(*stretches: Stretch) -> list[tuple[Kind, int]]:
    return [
        (one.kind, one.amount_minor) for one in moved_by_currency(rows_of(*stretches), UTC_ZONE)
    ]


def test_each_kind_is_told_from_a_customers_day() -> None:
    assert kinds(
        stretch(0, 31, 15),
        stretch(31, 59, 40, plan="q"),
        stretch(59, 90, 10, plan="r"),
        stretch(120, None, 10, sub="sub_2"),
    ) == [
        (Kind.NEW, 15),
        (Kind.EXPANSION, 25),
        (Kind.CONTRACTION, -30),
        (Kind.CHURN, -10),
        (Kind.REACTIVATION, 10),
    ]


def test_a_renewal_moves_nothing() -> None:
    assert kinds(stretch(0, 31, 15), stretch(31, 59, 15), stretch(59, None, 15)) == [(Kind.NEW, 15)]


def test_a_second_product_is_expansion_and_losing_it_contraction() -> None:
    assert kinds(stretch(0, None, 15), stretch(5, 9, 4, sub="sub_2")) == [
        (Kind.NEW, 15),
        (Kind.EXPANSION, 4),
        (Kind.CONTRACTION, -4),
    ]


def test_up_and_down_the_same_day_is_no_movement() -> None:
    up_and_down = [
        stretch(0, 10.2, 15),
        stretch(10.2, 10.6, 40, plan="q"),
        stretch(10.6, None, 15),
    ]
    assert kinds(*up_and_down) == [(Kind.NEW, 15), (Kind.UNCHANGED, 0)]


def test_who_moves_to_another_subscription_within_a_day_has_not_churned() -> None:
    moved = [stretch(0, 10.2, 15), stretch(10.3, None, 20, sub="sub_2")]
    assert kinds(*moved) == [(Kind.NEW, 15), (Kind.EXPANSION, 5)]


def test_churn_and_return_within_a_month_are_both_told() -> None:
    tally = Tally(spans_between(JAN, date(2026, 2, 1), Step.MONTH))
    rows = rows_of(stretch(-40, 5, 15), stretch(9, None, 15, sub="sub_2"))
    tally.add(moved_by_currency(rows, UTC_ZONE))
    (row,) = tally.finished()["USD"]
    assert row.moved == {Kind.CHURN: -15, Kind.REACTIVATION: 15}
    assert (row.customers_before, row.customers, row.opening_minor, row.closing_minor) == (
        *(1, 1),
        *(15, 15),
    )
    (kept,) = tally.kept["USD"]
    assert (kept.lost, kept.held_minor) == (0, 15)


def test_a_cancellation_is_counted_once() -> None:
    rows = rows_of(stretch(0, 31, 15))
    again = corrections(deltas([stretch(0, 31, 15)]), rows, noted_at=START)
    assert again == []
    assert [one.kind for one in told(rows, UTC_ZONE)] == [Kind.NEW, Kind.CHURN]


def test_a_day_is_the_businesss_own() -> None:
    late = rows_of(stretch(30.99, None, 15))
    (utc,) = moved_by_currency(late, UTC_ZONE)
    (paris,) = moved_by_currency(late, ZoneInfo("Europe/Paris"))
    assert (utc.day, paris.day) == (date(2026, 1, 31), date(2026, 2, 1))


MOMENTS = st.integers(0, 170).map(lambda quarter: quarter / 1.7)


@st.composite
def histories(draw) -> list[Stretch]:
    """What up to three customers had, each subscription's stretches one after the other."""
    found: list[Stretch] = []
    for sub in range(draw(st.integers(1, 5))):
        cuts = sorted(set(draw(st.lists(MOMENTS, min_size=2, max_size=6))))
        for index, since in enumerate(cuts[:-1]):
            if draw(st.booleans()):
                found.append(
                    stretch(
                        since,
                        draw(st.sampled_from([cuts[index + 1], cuts[index + 1], None]))
                        if index == len(cuts) - 2
                        else cuts[index + 1],
                        draw(st.integers(0, 50)),
                        sub=f"sub_{sub}",
                        plan=draw(st.sampled_from("pq")),
                        cus=f"cus_{sub % 3}",
                        currency="EUR" if sub == 4 else "USD",
                    )
                )
    return found


def level(history: list[Stretch], at: datetime, currency: str) -> int:
    return sum(
        one.monthly_minor
        for one in history
        if one.currency == currency and one.since < at and (one.until is None or one.until >= at)
    )


def tallied(history: list[Stretch], step: Step) -> dict[str, list[Row]]:
    tally = Tally(spans_between(JAN, JUL, step))
    for customer in sorted({one.customer_id for one in history}):
        rows = rows_of(*[one for one in history if one.customer_id == customer])
        tally.add(moved_by_currency(rows, UTC_ZONE))
    return dict(tally.finished())


@given(histories())
def test_movements_sum_to_the_change_of_mrr_each_day(history) -> None:
    for currency, rows in tallied(history, Step.DAY).items():
        for row in rows:
            start, end = (
                datetime(day.year, day.month, day.day, tzinfo=UTC)
                for day in (row.span.start, row.span.end)
            )
            assert row.adds_up
            assert row.opening_minor == level(history, start, currency)
            assert row.closing_minor == level(history, end, currency)


@given(histories())
def test_days_sum_to_their_months(history) -> None:
    days, months = tallied(history, Step.DAY), tallied(history, Step.MONTH)
    for currency, rows in months.items():
        for row in rows:
            inside = [one for one in days[currency] if one.span.label.startswith(row.span.label)]
            assert inside[-1].closing_minor == row.closing_minor
            assert inside[-1].customers == row.customers
            for kind in Kind:
                total = sum(one.moved.get(kind, 0) for one in inside)
                assert total == row.moved.get(kind, 0)


@given(histories(), st.randoms(use_true_random=False))
def test_whatever_order_history_becomes_known_in_the_same_is_kept(history, chance) -> None:
    kept: list[Movement] = []
    known: list[Stretch] = []
    shuffled = list(history)
    chance.shuffle(shuffled)
    for one in shuffled:
        known.append(one)
        kept += corrections(deltas(known), kept, noted_at=START)
        kept += corrections(deltas(known), kept, noted_at=START)
    assert net(kept) == deltas(history)
    assert len({(row.key, row.seq) for row in kept}) == len(kept)


def test_a_row_that_was_wrong_gets_another_and_stays() -> None:
    first = corrections(deltas([stretch(0, None, 15)]), [], noted_at=START)
    second = corrections(deltas([stretch(0, None, 9)]), first, noted_at=START)
    assert [(row.seq, row.delta_minor) for row in first + second] == [(0, 15), (1, -6)]


def rates(*told: tuple[str, str, str]) -> Rates:
    return Rates.of(
        "USD",
        [Rate(base, "USD", date.fromisoformat(day), Decimal(rate)) for base, day, rate in told],
    )


def test_a_rate_is_that_of_the_day_of_the_movement() -> None:
    euros = [stretch(0, 40, 1000, currency="EUR"), stretch(10, None, 500, sub="s2", currency="EUR")]
    given_rates = rates(
        ("EUR", "2026-01-01", "1.10"), ("EUR", "2026-01-09", "1.30"), ("EUR", "2026-02-01", "9")
    )
    found = moved_in(rows_of(*euros), UTC_ZONE, given_rates)
    assert [(one.kind, one.amount_minor) for one in found] == [
        (Kind.NEW, 1100),
        (Kind.EXPANSION, 650),
        (Kind.CONTRACTION, -1167),
    ]
    given_rates.must_be_whole()


def test_whoever_leaves_leaves_nothing_behind() -> None:
    parts = [stretch(index, 60 + index, 333, sub=f"s{index}", currency="EUR") for index in range(3)]
    given_rates = rates(("EUR", "2026-01-01", "1.0871"), ("EUR", "2026-02-28", "0.5"))
    found = moved_in(rows_of(*parts), UTC_ZONE, given_rates)
    assert sum(one.amount_minor for one in found) == 0
    assert found[-1].after_minor == 0
    assert found[-1].kind is Kind.CHURN


@given(histories(), st.lists(st.integers(1, 400), min_size=7, max_size=7))
def test_in_one_currency_movements_add_up_too(history, monthly) -> None:
    told_rates = [
        ("EUR", f"2026-{month:02}-01", f"0.{rate}") for month, rate in enumerate(monthly, 1)
    ]
    given_rates = rates(("EUR", "2025-12-31", "1.1"), *told_rates)
    tally = Tally(spans_between(JAN, JUL, Step.DAY))
    for customer in sorted({one.customer_id for one in history}):
        rows = rows_of(*[one for one in history if one.customer_id == customer])
        found = moved_in(rows, UTC_ZONE, given_rates)
        tally.add(found)
        ended = all(one.until is not None for one in history if one.customer_id == customer)
        assert (sum(one.amount_minor for one in found) == 0) or not ended
        assert all(one.after_minor >= 0 for one in found)
    given_rates.must_be_whole()
    for row in tally.finished().get("USD", []):
        assert row.adds_up
        assert row.customers >= 0


def test_a_change_of_currency_is_neither_churn_nor_new() -> None:
    rows = rows_of(stretch(0, 10, 1000), stretch(10, None, 1000, sub="s2", currency="EUR"))
    found = moved_in(rows, UTC_ZONE, rates(("EUR", "2026-01-05", "1.2")))
    assert [(one.kind, one.amount_minor) for one in found] == [
        (Kind.NEW, 1000),
        (Kind.EXPANSION, 200),
    ]


@pytest.mark.parametrize("day", ["2026-01-12", "2025-12-11"])
def test_a_missing_rate_is_named_and_never_guessed(day) -> None:
    given_rates = rates(("EUR", day, "1.2"))
    moved_in(rows_of(stretch(10, None, 1000, currency="EUR")), UTC_ZONE, given_rates)
    with pytest.raises(RateMissing) as refused:
        given_rates.must_be_whole()
    assert refused.value.detail["missing"] == ["EUR/USD 2026-01-11"]
    assert "solvent revenue rate set EUR USD 2026-01-11 RATE" in refused.value.message


def test_minor_units_of_currencies_differ() -> None:
    yen = Rates.of("USD", [Rate("JPY", "USD", JAN, Decimal("0.0065"))])
    assert yen.convert(10_000, "JPY", JAN) == 6500


# Fader and Hardie, "How to Project Customer Retention" (2007), table 1: the customers of a
# subscription business that were left after each year, of 1,000.
HIGH_END = (1000, 869, 743, 653, 593, 551, 517, 491)
REGULAR = (1000, 631, 468, 382, 326, 289, 262, 241)


@pytest.mark.parametrize("survivors", [HIGH_END, REGULAR])
def test_a_published_cohort_comes_out_as_published(survivors) -> None:
    """One renewal a month here, so that the published years are our months."""
    tally = Tally(spans_between(JAN, date(2026, 9, 1), Step.MONTH))
    starts = [span.start for span in tally.spans]
    for number in range(survivors[0]):
        months = sum(number < left for left in survivors)
        end = None if months == len(survivors) else (starts[months] - JAN).days
        one = stretch(0, end, 2500, sub=f"sub_{number}", cus=f"cus_{number}")
        tally.add(moved_by_currency(rows_of(one), UTC_ZONE))
    (cohort,) = tally.cohorts()
    assert (cohort.customers, cohort.started_minor) == (1000, 2_500_000)
    assert cohort.left[: len(survivors)] == survivors
    assert cohort.left_minor[:2] == (2_500_000, survivors[1] * 2500)
    second = tally.kept["USD"][1]
    assert ratio(second.lost, second.customers) == 1 - Decimal(survivors[1]) / 1000


def test_figures_are_those_of_their_definitions() -> None:
    tally = Tally(spans_between(JAN, date(2026, 2, 1), Step.MONTH))
    for number in range(8):
        tally.add(
            moved_by_currency(
                rows_of(stretch(-40, None, 100, cus=f"c{number}", sub=f"s{number}")), UTC_ZONE
            )
        )
    gone = rows_of(stretch(-40, 9, 100, cus="c8", sub="s8"))
    less = rows_of(stretch(-40, 9, 100, cus="c9"), stretch(9, None, 60, cus="c9", plan="q"))
    more = rows_of(stretch(9, None, 300, cus="ca", sub="sa"))
    for rows in (gone, less, more):
        tally.add(moved_by_currency(rows, UTC_ZONE))
    from solvent.systems.revenue.model import Trials

    (row,) = tally.finished()["USD"]
    (kept,) = tally.kept["USD"]
    found = ratios_of(row, kept, Trials(4, 3))
    assert (row.opening_minor, row.closing_minor, row.customers) == (1000, 1160, 10)
    assert found.arr_minor == 13_920
    assert found.arpu_minor == 116
    assert found.customer_churn == Decimal("0.1")
    assert found.gross_churn == Decimal("0.14")
    assert found.net_churn == Decimal("0.14")
    assert found.grr == found.nrr == stability([kept]) == Decimal("0.86")
    assert found.quick_ratio == Decimal("2.1429")
    assert found.ltv_minor == 1160
    assert found.trial_conversion == Decimal("0.75")


def test_nothing_to_divide_by_is_no_number() -> None:
    from solvent.systems.revenue.model import Kept, Trials

    (span,) = spans_between(JAN, date(2026, 2, 1), Step.MONTH)
    found = ratios_of(Row(span, "USD"), Kept(), Trials(0, 0))
    assert {
        found.arpu_minor,
        found.customer_churn,
        found.nrr,
        found.quick_ratio,
        found.ltv_minor,
        found.trial_conversion,
    } == {None}
