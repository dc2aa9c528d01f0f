"""Are CSV, plots, pictures and spans what spreadsheets, eyes and callers expect?"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from solvent.systems.revenue.errors import RateMalformed, SpanMalformed, SpanTooLong
from solvent.systems.revenue.model import Kind, Rate, Row, Step
from solvent.systems.revenue.rules.chart import waterfalls
from solvent.systems.revenue.rules.csv_form import lines_of
from solvent.systems.revenue.rules.plot import bar, sparkline
from solvent.systems.revenue.rules.spans import month_of, span_named, spans_between
from solvent.systems.revenue.service import parse_rates


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_would_be_a_formula_is_made_harmless(text) -> None:
    written = "".join(lines_of("customer", [(text,)]))
    assert list(csv.reader(io.StringIO(written, newline="")))[1] == ["'" + text]


def test_csv_is_read_back_as_it_was() -> None:
    cells = ('a "b", c', "line\r\nbreak", None, -5, Decimal("0.50"), date(2026, 1, 2))
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    written = "".join(lines_of("a,b,c,d,e,f,g", [(*cells, moment)]))
    assert written.startswith("a,b,c,d,e,f,g\r\n")
    assert written.endswith("\r\n")
    (_, row) = csv.reader(io.StringIO(written, newline=""))
    assert row == [
        'a "b", c',
        "line\r\nbreak",
        "",
        "-5",
        "0.5",
        "2026-01-02",
        "2026-01-02T03:00:00Z",
    ]


def test_plots_show_the_least_and_the_greatest() -> None:
    assert sparkline([0, 5, 10]) == "▁▄█"
    assert sparkline([7, 7]) == "▁▁"
    assert sparkline([]) == ""
    assert (bar(10, 10, width=4), bar(1, 100, width=4), bar(0, 10, width=4)) == ("████", "▌", "")


def test_the_waterfall_says_in_words_what_it_draws() -> None:
    row = Row(month_of(date(2026, 11, 1)), "USD", 10_000, {Kind.NEW: 2900, Kind.CHURN: -1500})
    row.closing_minor = 11_400
    picture = ET.fromstring(waterfalls([row, row]))  # noqa: S314 - our own
    told = "".join(picture.itertext())
    for words in ("2026-11", "opening 100.00 USD", "new 29.00 USD", "churn -15.00 USD", "114.00"):
        assert words in told
    assert len(picture.findall(".//{*}g")) == 2
    assert "No recurring revenue yet" in waterfalls([])


def test_spans_are_whole_months_or_days() -> None:
    found = spans_between(date(2026, 11, 15), date(2027, 2, 1), Step.MONTH)
    assert [one.label for one in found] == ["2026-11", "2026-12", "2027-01"]
    assert span_named("2026-11-23", field="to").end == date(2026, 11, 24)


@pytest.mark.parametrize("text", ["2026-13", "2026-02-30", "soon", "1969-12", "", "2026-1"])
def test_a_span_that_is_none_is_refused_with_its_field(text) -> None:
    with pytest.raises(SpanMalformed) as refused:
        span_named(text, field="from")
    assert refused.value.field == "from"


def test_a_report_has_an_end() -> None:
    with pytest.raises(SpanTooLong):
        spans_between(date(2020, 1, 1), date(2026, 1, 1), Step.DAY)
    with pytest.raises(SpanMalformed):
        spans_between(date(2026, 1, 1), date(2026, 1, 1), Step.DAY)


def test_rates_are_read_without_a_float() -> None:
    found = parse_rates(b'[USD.EUR]\n2026-11-23 = 0.93\n2026-11-24 = "0.9301"\n')
    assert found == [
        Rate("USD", "EUR", date(2026, 11, 23), Decimal("0.93")),
        Rate("USD", "EUR", date(2026, 11, 24), Decimal("0.9301")),
    ]


@pytest.mark.parametrize(
    "text, place",
    [
        (b"[USD.EUR]\n2026-11-23 = 'x'", "USD.EUR.2026-11-23"),
        (b"[USD.EUR]\nsoon = 1", "USD.EUR.soon"),
        (b"USD = 1", "USD"),
        (b"[USD", "rates"),
        (b"\xff", "rates"),
    ],
)
def test_a_bad_file_of_rates_is_refused_with_its_place(text, place) -> None:
    with pytest.raises(RateMalformed) as refused:
        parse_rates(text)
    assert refused.value.field == place
