"""Does a price charge to the last digit what it promises?"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from solvent.kernel.catalogue.errors import AmountTooLarge, QuantityInvalid
from solvent.kernel.catalogue.model import (
    Feature,
    FeatureKind,
    Interval,
    Price,
    PriceModel,
    RatedCharge,
    Terms,
    Tier,
)
from solvent.kernel.catalogue.rules import (
    compare_terms,
    rate,
    sum_exact,
    terms_digest,
)
from solvent.kit.money import parse_amount, parse_rate, plain_number, round_minor

D = Decimal


def per_unit(unit_price: str, currency: str = "USD") -> Price:
    unit_rate = parse_rate(unit_price, currency, field="unit_price")
    return Price("use", PriceModel.PER_UNIT, meter_key="m", unit_rate=unit_rate)


def tiered(model: PriceModel, *tiers: tuple[str | None, str], flat: int = 0) -> Price:
    made = tuple(
        Tier(None if up_to is None else D(up_to), parse_rate(price, "USD", field="p"), flat)
        for up_to, price in tiers
    )
    return Price("use", model, meter_key="m", tiers=made)


def package(amount: str, size: str) -> Price:
    amount_minor = parse_amount(amount, "USD", field="amount")
    return Price(
        "use",
        PriceModel.PACKAGE,
        meter_key="m",
        amount_minor=amount_minor,
        package_size=D(size),
    )


def units(text: str | int) -> Decimal:
    return D(text)


# ---------------------------------------------------------------------------------------- examples

STEPS = (("100", "1"), (None, "0.50"))
GRADUATED = tiered(PriceModel.GRADUATED, *STEPS)
VOLUME = tiered(PriceModel.VOLUME, *STEPS)


@pytest.mark.parametrize(
    "price, quantity, amount_minor",
    [
        (GRADUATED, 0, 0),
        (GRADUATED, 100, 100_00),
        (GRADUATED, 101, 100_50),
        (VOLUME, 100, 100_00),
        (VOLUME, 101, 50_50),
        (VOLUME, 0, 0),
        (package("5.00", "100"), 0, 0),
        (package("5.00", "100"), "0.001", 5_00),
        (package("5.00", "100"), 100, 5_00),
        (package("5.00", "100"), 101, 10_00),
        (package("5.00", "2.5"), "7.5", 15_00),
        (per_unit("0.000001"), 10**9, 1000_00),
        (per_unit("0.000001"), 1, 0),
        (per_unit("0.005"), 1, 1),
        (per_unit("0.0049999"), 1, 0),
        (per_unit("1", "JPY"), "2.5", 3),
        (per_unit("0.001", "KWD"), "2.5", 3),
        (per_unit("1.234", "KWD"), 10, 12_340),
        (Price("base", PriceModel.FLAT, amount_minor=2900), 1, 2900),
        (Price("base", PriceModel.FLAT, amount_minor=2900), 0, 2900),
    ],
)
def test_a_quantity_costs(price: Price, quantity: str | int, amount_minor: int) -> None:
    assert rate(price, units(quantity)).amount_minor == amount_minor


def test_each_tier_explains_itself() -> None:
    charge = rate(GRADUATED, D("150.5"))
    told = [(one.tier, one.first, one.last, one.quantity, one.amount) for one in charge.lines]
    assert told == [(1, 0, 100, 100, 100_00), (2, 100, None, D("50.5"), D("25_25"))]


def test_a_tier_fee_is_charged_once_the_tier_is_entered() -> None:
    price = tiered(PriceModel.GRADUATED, ("10", "1"), (None, "1"), flat=500)
    assert rate(price, D(0)).amount_minor == 0
    assert rate(price, D(10)).amount_minor == 10_00 + 500
    assert rate(price, D("10.1")).amount_minor == 10_10 + 1000
    volume = tiered(PriceModel.VOLUME, ("10", "1"), (None, "1"), flat=500)
    assert rate(volume, D(11)).amount_minor == 11_00 + 500


def test_volume_jumps_at_its_bounds_as_stated() -> None:
    below, above = rate(VOLUME, D(100)), rate(VOLUME, D("100.000001"))
    assert (below.amount_minor, above.amount_minor) == (100_00, 50_00)


@pytest.mark.parametrize("text", ["-1", "NaN", "sNaN", "Infinity", "1e400", "1e-40"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityInvalid) as refused:
        rate(GRADUATED, D(text))
    assert refused.value.code == "catalogue.quantity_invalid"


def test_an_amount_past_the_limit_is_refused_and_not_cut() -> None:
    with pytest.raises(AmountTooLarge):
        rate(per_unit("1000000"), D("1e20"))


# ------------------------------------------------------------------------------------- properties

quantities = st.decimals(min_value=0, max_value=10**9, places=6)
rates = st.decimals(min_value=0, max_value=10**4, places=8)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=5)))
    made = [Tier(D(bound), draw(rates)) for bound in bounds]
    return (*made, Tier(None, draw(rates)))


prices = st.one_of(
    tiers().map(lambda made: Price("p", PriceModel.GRADUATED, meter_key="m", tiers=made)),
    tiers().map(lambda made: Price("p", PriceModel.VOLUME, meter_key="m", tiers=made)),
    rates.map(lambda one: Price("p", PriceModel.PER_UNIT, meter_key="m", unit_rate=one)),
    st.builds(
        lambda amount, size: Price(
            "p", PriceModel.PACKAGE, meter_key="m", amount_minor=amount, package_size=size
        ),
        st.integers(0, 10**6),
        st.decimals(min_value=D("0.001"), max_value=10**6, places=3),
    ),
)


@given(tiers(), quantities, quantities)
def test_graduated_is_monotone(made: tuple[Tier, ...], one: Decimal, other: Decimal) -> None:
    price = Price("p", PriceModel.GRADUATED, meter_key="m", tiers=made)
    low, high = sorted((one, other))
    assert rate(price, low).amount_minor <= rate(price, high).amount_minor


def rate_within_limits(price: Price, quantity: Decimal) -> RatedCharge:
    """Rate a quantity; a charge past what money can be here is no example."""
    try:
        return rate(price, quantity)
    except AmountTooLarge:
        reject()


@given(tiers())
def test_graduated_is_continuous_at_its_bounds(made: tuple[Tier, ...]) -> None:
    price = Price("p", PriceModel.GRADUATED, meter_key="m", tiers=made)
    step = D("0.000001")
    for tier, following in pairwise(made):
        assert tier.up_to is not None
        at, above = exact(rate(price, tier.up_to)), exact(rate(price, tier.up_to + step))
        assert above - at == step * following.unit_rate


@given(prices, quantities)
def test_lines_sum_to_the_charge(price: Price, quantity: Decimal) -> None:
    charge = rate_within_limits(price, quantity)
    assert charge.amount_minor == round_minor(exact(charge))
    for line in charge.lines:
        assert line.amount == line.quantity * line.rate_minor + line.flat_minor
    if price.model is not PriceModel.PACKAGE:
        assert sum_exact(line.quantity for line in charge.lines) == quantity


@given(prices, quantities)
def test_rating_is_pure(price: Price, quantity: Decimal) -> None:
    assert rate_within_limits(price, quantity) == rate(price, quantity)


@given(st.integers(0, 10**6), st.decimals(min_value=0, max_value=10**6, places=3))
def test_a_package_is_never_split(amount: int, quantity: Decimal) -> None:
    price = Price("p", PriceModel.PACKAGE, amount_minor=amount, package_size=D(7))
    count = rate(price, quantity).lines[0].quantity
    assert count == int(count)
    assert count * 7 >= quantity > (count - 1) * 7


def exact(charge: RatedCharge) -> Decimal:
    return sum_exact(line.amount for line in charge.lines)


def test_one_rounding_per_charge() -> None:
    half = tiered(PriceModel.GRADUATED, ("1", "0.005"), ("2", "0.005"), (None, "0.005"))
    assert rate(half, D(3)).amount_minor == 2  # 1.5 cents round once; three halves would be three


# ---------------------------------------------------------------------------------------- terms

TERMS = Terms(
    product_key="logs",
    name="Pro",
    currency="USD",
    interval=Interval.MONTH,
    interval_count=1,
    prices=(
        Price("base", PriceModel.FLAT, amount_minor=2900),
        Price("use", PriceModel.PER_UNIT, meter_key="m", unit_rate=D("0.50")),
    ),
    features=(Feature("export", FeatureKind.SWITCH), Feature("sso", FeatureKind.SWITCH)),
)


def test_equal_terms_have_one_digest_however_they_are_written() -> None:
    rewritten = replace(
        TERMS,
        prices=(replace(TERMS.prices[1], unit_rate=D("0.5")), TERMS.prices[0]),
        features=TERMS.features[::-1],
    )
    assert terms_digest(rewritten) == terms_digest(TERMS)
    assert compare_terms(TERMS, rewritten) == ()


@pytest.mark.parametrize(
    "other, told",
    [
        (replace(TERMS, grace_days=3), "grace_days: 0 -> 3"),
        (
            replace(TERMS, prices=(replace(TERMS.prices[0], amount_minor=3900), TERMS.prices[1])),
            "prices.base.amount_minor: 2900 -> 3900",
        ),
        (replace(TERMS, prices=TERMS.prices[:1]), "prices.use.model: per_unit -> none"),
        (replace(TERMS, features=TERMS.features[:1]), "features.sso.kind: switch -> none"),
    ],
)
def test_other_terms_have_another_digest_and_are_told(other: Terms, told: str) -> None:
    assert terms_digest(other) != terms_digest(TERMS)
    assert told in compare_terms(TERMS, other)


@pytest.mark.parametrize(
    "value, text", [("5E+1", "50"), ("0.50", "0.5"), ("0E+2", "0"), ("1E-7", "0.0000001")]
)
def test_a_number_has_one_text(value: str, text: str) -> None:
    assert plain_number(D(value)) == text
