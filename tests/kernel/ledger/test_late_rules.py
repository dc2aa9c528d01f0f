"""Do invoices and their corrections come to what usage would have cost in time?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms, Tier
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.model import (
    Correction,
    Discount,
    DraftInput,
    Invoice,
    InvoiceId,
    InvoiceKind,
    InvoiceStatus,
    LateInput,
    LineKind,
    Stretch,
    TaxRule,
    Usage,
)
from solvent.kernel.ledger.rules import correcting
from solvent.kernel.metering.model import Measure, Period

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 13)]
PERIODS = [Period(first, last) for first, last in pairwise(MONTHS)]
TIERS = (Tier(Decimal(10), Decimal("33.3")), Tier(None, Decimal("7.77"), flat_minor=55))
PRICES = {
    "per unit": Price("p", PriceModel.PER_UNIT, meter_key="m", unit_rate=Decimal("0.337")),
    "graduated": Price("p", PriceModel.GRADUATED, meter_key="m", tiers=TIERS),
    "volume": Price("p", PriceModel.VOLUME, meter_key="m", tiers=TIERS),
    "package": Price(
        "p", PriceModel.PACKAGE, meter_key="m", amount_minor=499, package_size=Decimal(7)
    ),
    "least": Price(
        "p", PriceModel.PER_UNIT, meter_key="m", unit_rate=Decimal("9.99"), minimum_minor=300
    ),
}
QUANTITIES = st.decimals(0, 40, places=2, allow_nan=False, allow_infinity=False)


def plan(price: Price, fee_minor: int, **terms) -> PlanVersion:
    fee = Price("fee", PriceModel.FLAT, amount_minor=fee_minor)
    said = Terms("prod", "Pro", "EUR", Interval.MONTH, 1, (fee, price), ())
    return PlanVersion("pro", 1, replace(said, **terms), "0" * 64, START)


def given_of(version: PlanVersion, period: Period, quantity: Decimal, **more) -> DraftInput:
    measure = Measure(
        meter_key="m",
        customer_ref="c",
        period=period,
        quantity=quantity,
        event_count=1,
        first_event_id="a",
        last_event_id="a",
        digest="0" * 64,
    )
    stretch = Stretch(version, period, (Usage("p", (measure,)),))
    return replace(
        DraftInput(InvoiceKind.PERIOD, "cus", "sub", period, version, (stretch,), 0), **more
    )


def final(number: int, said) -> Invoice:
    return Invoice(
        InvoiceId(f"inv_{number}"), InvoiceStatus.FINAL, said, "0" * 64, START, number=number
    )


def corrections_of(invoices: list[Invoice], latest: dict[int, DraftInput]) -> list[Correction]:
    """What the next invoice has to correct of each that is final."""
    carried = [line for one in invoices for line in one.draft.lines if line.corrects]
    return [
        each
        for place, one in enumerate(invoices)
        for each in correcting.differences_of(
            one,
            rules.draft(latest[place]),
            correcting.charged_so_far(
                one.draft, [line for line in carried if line.corrects.invoice_id == one.id]
            ),
        )
    ]


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(PRICES)),
    fee_minor=st.sampled_from([0, 100, 2900]),
    bounds=st.sampled_from([{}, {"minimum_minor": 700}, {"maximum_minor": 900}]),
    discounts=st.sampled_from(
        [(), (Discount("X", "X", percent=Decimal(15)),), (Discount("Y", "Y", amount_minor=250),)]
    ),
    waves=st.lists(
        st.lists(st.tuples(st.integers(0, 2), QUANTITIES), max_size=3), min_size=3, max_size=5
    ),
)
def test_any_order_of_arrival_comes_to_the_same(name, fee_minor, bounds, discounts, waves) -> None:
    """Whatever a month's quantity was thought to be, and was corrected to, wave after wave."""
    version = plan(PRICES[name], fee_minor, **bounds)
    latest: dict[int, DraftInput] = {}
    invoices: list[Invoice] = []
    for place in range(9):  # what gives back more than an invoice charges needs further ones
        period = PERIODS[place]
        latest[place] = given_of(version, period, Decimal(0), discounts=discounts)
        for month, quantity in waves[place] if place < len(waves) else []:
            if month <= place:
                latest[month] = given_of(version, PERIODS[month], quantity, discounts=discounts)
        late = LateInput(tuple(corrections_of(invoices, latest)), (), 7, waits=False)
        said = rules.draft(replace(latest[place], late=late if late.corrections else None))
        assert said.total_minor >= 0
        assert said.adds_up
        assert document.parse(document.canonical(said)) == said
        invoices.append(final(place + 1, said))
    in_time = sum(rules.draft(one).total_minor for one in latest.values())
    charged = sum(one.draft.total_minor for one in invoices)
    left = sum(one.after_minor - one.before_minor for one in corrections_of(invoices, latest))
    assert charged + left == in_time
    assert (invoices[-1].draft.late_from is None) == (left == 0)


def test_tiers_are_rated_over_the_whole_period() -> None:
    version = plan(PRICES["graduated"], 0)
    first = final(1, rules.draft(given_of(version, PERIODS[0], Decimal(8))))
    now = rules.draft(given_of(version, PERIODS[0], Decimal(13)))
    (one,) = correcting.differences_of(first, now, correcting.charged_so_far(first.draft, []))
    assert (one.before_minor, one.after_minor) == (266, 411)
    assert one.after_minor != one.before_minor + 5 * 33
    (line,) = correcting.correction_lines(LateInput((one,), (), 0, False), 0, tax_rate=None)
    assert (line.kind, line.amount_minor, line.quantity) == (LineKind.CORRECTION, 145, 1)
    assert line.description == "Correction of INV-000001: Pro: p"
    assert (line.corrects.before_quantity, line.corrects.after_quantity) == (8, 13)
    assert correcting.uncorrected(line).description == "Pro: p"


def test_a_correction_is_taxed_and_not_discounted_again() -> None:
    version = plan(PRICES["per unit"], 1000)
    half = (Discount("H", "Half", percent=Decimal(50)),)
    first = final(1, rules.draft(given_of(version, PERIODS[0], Decimal(0), discounts=half)))
    now = rules.draft(given_of(version, PERIODS[0], Decimal(1000), discounts=half))
    found = correcting.differences_of(first, now, correcting.charged_so_far(first.draft, []))
    assert [(one.line.kind, one.after_minor - one.before_minor) for one in found] == [
        (LineKind.USAGE, 337),
        (LineKind.DISCOUNT, -169),
    ]
    tax = TaxRule("VAT", Decimal("0.1"))
    late = LateInput(tuple(found), (), 0, False)
    given = given_of(version, PERIODS[1], Decimal(0), discounts=half, tax=tax, late=late)
    said = rules.draft(given)
    assert [line.amount_minor for line in said.lines] == [1000, 0, -500, 337, -169]
    assert (said.net_minor, said.tax_minor) == (668, 67)


@pytest.mark.parametrize(
    "deltas, gross, carried",
    [
        ([100, -50], 0, [100, -50]),
        ([-50, 100], 0, [-50, 100]),
        ([-500], 200, [-200]),
        ([-500], 0, [0]),
        ([-150, -150], 200, [-150, -50]),
        ([-100, 30], 50, [-80, 30]),
    ],
)
def test_no_invoice_comes_to_less_than_nothing(deltas, gross, carried) -> None:
    version = plan(PRICES["per unit"], 0)
    line = rules.draft(given_of(version, PERIODS[0], Decimal(1))).lines[1]
    found = [
        Correction("inv", "INV", line, max(-delta, 0), max(delta, 0), Decimal(0), Decimal(0), None)
        for delta in deltas
    ]
    assert correcting.amounts_of(found, gross) == carried
