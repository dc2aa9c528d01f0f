"""Do the charges beyond plain tiers cost what they say, and is what cannot be billed refused?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.model import Price, PriceModel, QuantityRounding, RoundingMode
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.catalogue.rules import rate, round_quantity, terms_digest

HEAD = """
[meters.calls]
aggregation = "count"
[meters.gb]
aggregation = "sum"
[meters.volume]
aggregation = "sum"
[products.p]
[plans.a]
product = "p"
currency = "USD"
interval = "month"
"""


def terms_of(text: str):
    return parse((HEAD + text).encode()).plans[0].terms


def price_of(body: str) -> Price:
    return terms_of(f"[plans.a.prices.x]\n{body}").prices[0]


def cost(price: Price, quantity: str, events: int = 0) -> int:
    charge = rate(price, Decimal(quantity), events=events)
    assert sum(line.amount for line in charge.lines).quantize(Decimal(1)) == charge.amount_minor
    return charge.amount_minor


PERCENTAGE = """model = "percentage"
meter = "volume"
percent = 2.9
per_event = "0.30"
free_events = 2
free_units = 100
"""
TIERS = """model = "graduated_percentage"
meter = "volume"
tiers = [{ up_to = 1000, percent = 2 }, { percent = 1.5, flat = "5.00" }]
"""


@pytest.mark.parametrize(
    "body, quantity, events, cents",
    [
        (PERCENTAGE, "1100", 12, 2900 + 300),
        (PERCENTAGE, "100", 2, 0),
        (PERCENTAGE, "100.50", 3, 1 + 30),  # 1.45 cents of the half dollar
        (TIERS, "1000", 5, 2000),
        (TIERS, "3000", 5, 2000 + 3000 + 500),
        ('model = "dynamic"\nmeter = "volume"', "12.34", 3, 1234),
        ('model = "dynamic"\nmeter = "volume"\nmarkup_percent = 20', "12.34", 3, 1481),
    ],
)
def test_shares_of_amounts(body: str, quantity: str, events: int, cents: int) -> None:
    assert cost(price_of(body), quantity, events) == cents


def test_a_share_in_a_currency_of_no_or_three_decimals() -> None:
    for currency, minor in (("JPY", 29), ("KWD", 29_000)):
        text = HEAD.replace("USD", currency)
        text += '[plans.a.prices.x]\nmodel = "percentage"\nmeter = "volume"\npercent = 2.9\n'
        price = parse(text.encode()).plans[0].terms.prices[0]
        assert cost(price, "1000") == minor


PER_UNIT = 'model = "per_unit"\nmeter = "gb"\nunit_price = "0.50"\n'


@pytest.mark.parametrize(
    "extra, quantity, cents",
    [
        ("free_units = 10", "10", 0),
        ("free_units = 10", "10.5", 25),
        ('round = "up"', "1.01", 100),
        ('round = "down"', "1.99", 50),
        ('round = "nearest"\nround_to = 0.5', "1.25", 75),
        ('minimum = "5.00"', "0", 500),
        ('minimum = "5.00"', "20", 1000),
        ('maximum = "5.00"', "20", 500),
        ('maximum = "5.00"', "9", 450),
        ('free_units = 3\nround = "up"\nminimum = "0.10"', "3.5", 50),
    ],
)
def test_free_units_rounding_and_bounds(extra: str, quantity: str, cents: int) -> None:
    assert cost(price_of(PER_UNIT + extra), quantity) == cents


def test_tiers_begin_after_the_free_units() -> None:
    price = price_of(
        'model = "graduated"\nmeter = "gb"\nfree_units = 5\n'
        'tiers = [{ up_to = 10, unit_price = "1" }, { unit_price = "0.50" }]'
    )
    charge = rate(price, Decimal(17))
    told = [(line.kind.value, line.first, line.last, line.quantity) for line in charge.lines]
    assert told == [("free", 0, 5, 5), ("units", 5, 15, 10), ("units", 15, None, 2)]
    assert charge.amount_minor == 1100


@given(
    quantity=st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-4)),
    step=st.integers(1, 10**5).map(lambda n: Decimal(n).scaleb(-2)),
)
def test_a_rounded_quantity_is_a_multiple_within_one_step(quantity: Decimal, step: Decimal) -> None:
    down, near, up = (
        round_quantity(quantity, QuantityRounding(mode, step))
        for mode in (RoundingMode.DOWN, RoundingMode.NEAREST, RoundingMode.UP)
    )
    assert down <= quantity <= up
    assert near in {down, up}
    assert abs(near - quantity) * 2 <= step
    assert not any(one % step for one in (down, near, up))


@given(
    quantity=st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-2)),
    low=st.integers(0, 10**5),
    more=st.integers(0, 10**5),
)
def test_a_charge_keeps_within_its_bounds(quantity: Decimal, low: int, more: int) -> None:
    price = Price(
        "x",
        PriceModel.PER_UNIT,
        meter_key="gb",
        unit_rate=Decimal("3.3"),
        minimum_minor=low,
        maximum_minor=low + more,
    )
    assert low <= rate(price, quantity).amount_minor <= low + more


def test_what_came_later_and_is_not_used_leaves_a_digest_as_it_was() -> None:
    """Plans sold before this release keep their versions."""
    terms = terms_of('[plans.a.prices.x]\nmodel = "flat"\namount = "29.00"\n')
    assert terms_digest(terms) == "592528fe83642eb480cec8fe73f4e9a6557a4dd4c19d2228d1211c1ca13c9070"
    other = terms_of('[plans.a.prices.x]\nmodel = "flat"\namount = "29.00"\nin_advance = true\n')
    assert terms_digest(other) != terms_digest(terms)


FILTERS = """
[plans.a.prices.eu]
model = "per_unit"
meter = "gb"
unit_price = "1"
where = { region = ["eu", "uk"] }
[plans.a.prices.us]
model = "per_unit"
meter = "gb"
unit_price = "2"
where = { region = "us" }
[plans.a.prices.rest]
model = "per_unit"
meter = "gb"
unit_price = "3"
otherwise = true
group_by = ["region"]
"""


def test_filters_that_share_nothing_and_the_rest() -> None:
    prices = terms_of(FILTERS).prices
    assert [[c.values for c in one.where] for one in prices] == [[("eu", "uk")], [("us",)], []]
    assert prices[2].otherwise
    assert prices[2].group_by == ("region",)


@pytest.mark.parametrize(
    "body, key, said",
    [
        (PER_UNIT + 'round = "sideways"', "round", "up"),
        (PER_UNIT + "round_to = 2", "round", "beside round_to"),
        (PER_UNIT + 'round = "up"\nround_to = 0', "round_to", "above 0"),
        (PER_UNIT + 'minimum = "5"\nmaximum = "4"', "minimum", "no more than the maximum"),
        (PER_UNIT + "where = { region = 3 }", "where.region", "texts"),
        (PER_UNIT + 'where = { a = "1" }\notherwise = true', "otherwise", "either"),
        (PER_UNIT + 'group_by = ["a", "b", "c", "d"]', "group_by", "at most 3"),
        ('model = "percentage"\nmeter = "calls"\npercent = 2', "meter", "sums amounts"),
        ('model = "percentage"\nmeter = "volume"\npercent = 2000', "percent", "at most 1000"),
        ('model = "flat"\namount = "1"\ninterval = "week"', "interval", "month"),
        ('model = "dynamic"\nmeter = "volume"\nfree_units = 2', "free_units", "not known here"),
        ('model = "flat"\namount = "1"\nminimum = "1"', "minimum", "not known here"),
    ],
)
def test_a_charge_that_cannot_be_billed_is_refused(body: str, key: str, said: str) -> None:
    with pytest.raises(CatalogueInvalid) as refused:
        price_of(body)
    assert any(f"prices.x.{key}" in one and said in one for one in refused.value.problems)


def test_filters_that_could_charge_an_event_twice_are_refused_with_their_line() -> None:
    text = FILTERS.replace('region = "us"', 'tier = "gold"')
    with pytest.raises(CatalogueInvalid) as refused:
        terms_of(text)
    (problem,) = refused.value.problems
    assert "plans.a.prices.us" in problem
    assert "share no event" in problem


def test_a_fee_with_an_interval_of_its_own() -> None:
    assert price_of('model = "flat"\namount = "99"\ninterval = "year"').every == 12
    with pytest.raises(CatalogueInvalid) as refused:
        parse(
            (HEAD + '[plans.a.prices.x]\nmodel = "flat"\namount = "9"\ninterval = "month"\n')
            .replace('interval = "month"\n[', 'interval = "year"\n[')
            .encode()
        )
    assert "whole number of the plan's periods" in refused.value.problems[0]
