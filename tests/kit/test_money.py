"""Does money keep every minor unit, in every currency, under one rounding rule?"""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.money import (
    AMOUNT_MINOR_MAX,
    EXPONENTS,
    AmountMalformed,
    CurrencyMixed,
    CurrencyUnknown,
    Money,
    allocate,
    exponent,
    format_money,
    format_rate,
    multiply,
    parse_amount,
    parse_rate,
    plain_number,
    round_minor,
)

amounts = st.integers(min_value=-AMOUNT_MINOR_MAX, max_value=AMOUNT_MINOR_MAX)
weights = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=20).filter(any)


@pytest.mark.parametrize(
    "amount, expected",
    [
        ("2.5", 3),  # half to even would give 2, truncation too
        ("-2.5", -3),
        ("0.5", 1),
        ("-0.5", -1),
        ("1.5", 2),
        ("2.4999999999999999999999999999999999", 2),
        ("0.49999999999999999999999999999999999999", 0),
        ("-0.4", 0),
        ("1E+3", 1000),
    ],
)
def test_rounding_is_half_away_from_zero(amount: str, expected: int) -> None:
    assert round_minor(Decimal(amount)) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
def test_rounding_is_symmetric_and_within_half(amount: Decimal) -> None:
    assert round_minor(-amount) == -round_minor(amount)
    assert abs(Decimal(round_minor(amount)) - amount) <= Decimal("0.5")


def test_a_price_of_a_millionth_times_a_thousand_million() -> None:
    rate = parse_rate("0.000001", "USD", field="rate")
    assert multiply(rate, Decimal(10**9)) == Decimal(100_000)
    assert round_minor(multiply(rate, Decimal(10**9))) == 100_000  # 1,000.00 USD


def test_products_keep_every_digit_or_refuse() -> None:
    assert multiply(Decimal("0.000000000001"), Decimal(10**20)) == Decimal(10**8)
    with pytest.raises(Inexact):
        multiply(Decimal(10**40 + 1), Decimal(10**40 + 1))


def test_a_hundred_over_three_sums_exactly() -> None:
    assert allocate(10_000, [1, 1, 1]) == [3334, 3333, 3333]


@given(amounts, weights)
def test_parts_sum_to_the_whole(amount_minor: int, shares: list[int]) -> None:
    parts = allocate(amount_minor, shares)
    assert sum(parts) == amount_minor
    assert all(part * amount_minor >= 0 for part in parts)


@given(amounts, weights)
def test_each_part_is_within_one_unit_of_its_share(amount_minor: int, shares: list[int]) -> None:
    total = sum(shares)
    for part, share in zip(allocate(amount_minor, shares), shares, strict=True):
        assert abs(part * total - amount_minor * share) < total


@pytest.mark.parametrize("shares", [[], [0], [0, 0], [1, -1], [-1, 2]])
def test_weights_that_share_nothing_are_refused(shares: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(100, shares)


@pytest.mark.parametrize(
    "text, currency, minor",
    [
        ("29.00", "USD", 2900),
        ("29", "EUR", 2900),
        ("-0.01", "USD", -1),
        ("1000", "JPY", 1000),
        ("1.234", "KWD", 1234),
        ("0.100", "USD", 10),  # trailing zeros carry no more digits than the currency has
    ],
)
def test_amounts_are_read_in_the_minor_unit(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency, field="amount") == minor


@pytest.mark.parametrize(
    "text, currency",
    [
        ("0.001", "USD"),
        ("0.5", "JPY"),
        ("1.2345", "KWD"),
        ("", "USD"),
        ("1e3", "USD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("1,000", "USD"),
        ("1_000", "USD"),
        ("--1", "USD"),
        ("1.2.3", "USD"),
        (".", "USD"),
        ("٣", "USD"),
        ("1" * 41, "USD"),
        ("10000000000001.00", "USD"),
    ],
)
def test_amounts_that_are_none_are_refused(text: str, currency: str) -> None:
    with pytest.raises(AmountMalformed):
        parse_amount(text, currency, field="amount")


@pytest.mark.parametrize("code", ["usd", "XXX", "", "EURO", "US D"])
def test_unknown_currencies_are_refused(code: str) -> None:
    with pytest.raises(CurrencyUnknown):
        exponent(code)
    with pytest.raises(CurrencyUnknown):
        Money(1, code)


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert (exponent("JPY"), exponent("USD"), exponent("KWD")) == (0, 2, 3)
    assert set(EXPONENTS.values()) == {0, 2, 3}
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


def test_currencies_do_not_mix() -> None:
    assert Money(1, "USD") + Money(2, "USD") == Money(3, "USD")
    assert -Money(1, "USD") == Money(0, "USD") - Money(1, "USD")
    with pytest.raises(CurrencyMixed):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(CurrencyMixed):
        Money(1, "USD") - Money(1, "EUR")


def test_amounts_past_the_limit_are_refused() -> None:
    with pytest.raises(AmountMalformed):
        Money(AMOUNT_MINOR_MAX + 1, "USD")


@pytest.mark.parametrize(
    "money, text",
    [
        (Money(123_450, "USD"), "1,234.50 USD"),
        (Money(-5, "JPY"), "-5 JPY"),
        (Money(-5, "USD"), "-0.05 USD"),
        (Money(1, "KWD"), "0.001 KWD"),
        (Money(0, "USD"), "0.00 USD"),
    ],
)
def test_money_is_written_with_its_decimals(money: Money, text: str) -> None:
    assert format_money(money) == text


@given(amounts, st.sampled_from(["USD", "JPY", "KWD"]))
def test_what_is_written_can_be_read_again(amount_minor: int, currency: str) -> None:
    text = format_money(Money(amount_minor, currency)).removesuffix(f" {currency}")
    assert parse_amount(text.replace(",", ""), currency, field="amount") == amount_minor


@pytest.mark.parametrize(
    "given,text",
    [("0.50", "0.5"), ("1.25E+1", "12.5"), ("1E+3", "1000"), ("100", "100"), ("0.00", "0")],
)
def test_a_number_has_one_text(given: str, text: str) -> None:
    assert plain_number(Decimal(given)) == text


def test_a_rate_is_told_in_major_units() -> None:
    assert format_rate(Decimal("1.25"), "USD") == "0.0125 USD"
    assert format_rate(Decimal(5), "JPY") == "5 JPY"
