"""Are ids well-formed, ordered by time, and told from anything else?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.ids import (
    IdMalformed,
    RandomIds,
    SequentialIds,
    check_id,
    is_id,
    random_token,
)


def test_a_fresh_id_is_well_formed() -> None:
    made = RandomIds().new("cus")
    assert made == check_id(made, prefix="cus", field="customer")


def test_ten_thousand_ids_differ() -> None:
    ids = RandomIds()
    assert len({ids.new("cus") for _ in range(10_000)}) == 10_000


def test_sequential_ids_count_up_by_prefix() -> None:
    ids = SequentialIds()
    assert [
        ids.new("a"),
        ids.new("b"),
        ids.new("a"),
    ] == ["a_" + "0" * 25 + "1", "b_" + "0" * 25 + "1", "a_" + "0" * 25 + "2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cus_",
        "cus_" + "0" * 25,
        "cus_" + "0" * 27,
        "sub_" + "0" * 26,
        "CUS_" + "0" * 26,
        "cus_" + "0" * 25 + "i",
        "cus_" + "0" * 26 + "\n",
        "cus_" + "0" * 25 + "\u0661",
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(IdMalformed, match="customer: expected an id that looks like cus_"):
        check_id(text, prefix="cus", field="customer")


@given(st.text(max_size=60))
def test_no_text_breaks_the_check(text: str) -> None:
    assert is_id(text, prefix="cus") in {True, False}


@pytest.mark.parametrize("size_bytes, length", [(1, 2), (16, 26), (20, 32)])
def test_a_token_holds_all_its_bits(size_bytes: int, length: int) -> None:
    assert length == len(random_token(size_bytes))
