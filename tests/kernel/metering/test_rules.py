"""Is every number that is accepted kept exactly, and every other refused?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.metering import rules
from solvent.kernel.metering.errors import ValueMalformed, ValueOutOfRange
from solvent.kernel.metering.model import Period
from solvent.kit.money import plain_number

WHOLE = st.integers(0, 10**20 - 1)
PARTS = st.integers(0, 10**12 - 1)


@given(whole=WHOLE, part=PARTS, zeros=st.integers(0, 5))
def test_a_number_comes_back_as_it_was(whole: int, part: int, zeros: int) -> None:
    text = f"{whole}.{part:012}" + "0" * zeros
    number = rules.read_number(text, field="value")
    assert number.compare_total(rules.read_number(Decimal(text), field="value")) == 0
    assert Decimal(plain_number(number)) == Decimal(text)
    assert rules.read_number(plain_number(number), field="value") == number


@given(st.text(max_size=40))
def test_no_text_is_half_understood(text: str) -> None:
    try:
        number = rules.read_number(text, field="value")
    except (ValueMalformed, ValueOutOfRange):
        return
    assert text.isascii()
    assert number == Decimal(text)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_no_number_is_bent(number: Decimal) -> None:
    try:
        read = rules.read_number(number, field="value")
    except (ValueMalformed, ValueOutOfRange):
        return
    assert read == number


def test_properties_are_written_one_way() -> None:
    first = {"b": Decimal("0.50"), "a": "x", "c": True, "d": None, "e": 3}
    second = dict(reversed(first.items())) | {"b": Decimal("0.5")}
    texts = {rules.write_properties(one, path="") for one in (first, second)}
    assert texts == {'{"a":"x","b":0.5,"c":true,"d":null,"e":3}'}


def test_a_period_knows_its_ends() -> None:
    from datetime import UTC, datetime

    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    assert start in Period(start, end)
    assert end not in Period(start, end)
    for wrong in ((end, start), (start.replace(tzinfo=None), end)):
        with pytest.raises((ValueError, TypeError)):
            Period(*wrong)
