"""Do arguments and results come back as they were, and is the rest refused with its place named?"""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent_client.tasks.errors import PayloadInvalid, PayloadTooLarge
from solvent_client.tasks.payload import (
    MAX_ARGS_BYTES,
    pack_args,
    pack_result,
    unpack_args,
    unpack_result,
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(plain)
def test_json_gives_back_what_it_took(value):
    packed = pack_args((value,), {"named": value}, codec="json")
    assert unpack_args(packed, codec="json") == ([value], {"named": value})
    assert unpack_result(pack_result(value, codec="json")) == value


@given(plain | st.binary() | st.floats(allow_nan=False))
def test_msgpack_gives_back_what_it_took(value):
    packed = pack_args((value,), {"named": value}, codec="msgpack")
    assert unpack_args(packed, codec="msgpack") == ([value], {"named": value})
    assert unpack_result(pack_result(value, codec="msgpack")) == value


def test_msgpack_keeps_nan_infinity_and_moments():
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    args, _ = unpack_args(
        pack_args((math.nan, math.inf, moment), {}, codec="msgpack"), codec="msgpack"
    )
    assert math.isnan(args[0])
    assert args[1:] == [math.inf, moment]


@pytest.mark.parametrize(
    "codec, value, told",
    [
        ("json", math.nan, "args[0]: JSON has no nan"),
        ("json", [1, {"x": -math.inf}], "args[0][1]['x']: JSON has no -inf"),
        ("json", b"\xff\xfe", "args[0]: JSON has no bytes"),
        ("json", datetime(2026, 1, 1, tzinfo=UTC), "args[0]: JSON has no datetime"),
        ("json", {1: 2}, "args[0]: expected text as keys, got 1"),
        ("json", 2**64, "args[0]: 18446744073709551616 has more than 64 bits"),
        ("json", "caf\udce9", "args[0]: expected text that UTF-8 can say"),
        ("json", {"\udce9": 1}, "args[0]: expected keys that UTF-8 can say"),
        ("json", {1, 2}, "args[0]: JSON has no set"),
        ("msgpack", datetime(2026, 1, 1), "args[0]: expected a time with its offset"),  # noqa: DTZ001
        ("msgpack", "caf\udce9", "args[0]: expected text that UTF-8 can say"),
        ("msgpack", {1.5: 2}, "args[0]: expected text as keys, got 1.5"),
        ("yaml", 1, "codec: expected one of json, msgpack, pickle"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(codec, value, told):
    with pytest.raises(PayloadInvalid) as refused:
        pack_args((value,), {}, codec=codec)
    assert told in str(refused.value)


def test_a_list_within_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(PayloadInvalid, match="nested more than 100 deep"):
        pack_args((endless,), {}, codec="json")


def test_ten_megabytes_are_refused_with_the_limit():
    with pytest.raises(PayloadTooLarge) as refused:
        pack_args(("x" * 10_000_000,), {}, codec="json")
    assert refused.value.limit == MAX_ARGS_BYTES
    assert "at most 524,288" in str(refused.value)


def test_pickle_is_refused_unless_asked_for():
    packed = pack_args(({1, 2},), {}, codec="pickle")
    with pytest.raises(PayloadInvalid, match="pickle is refused here"):
        unpack_args(packed, codec="pickle")
    assert unpack_args(packed, codec="pickle", pickle_allowed=True) == ([{1, 2}], {})
    result = pack_result({1, 2}, codec="pickle")
    with pytest.raises(PayloadInvalid, match="pickle is refused here"):
        unpack_result(result)
    assert unpack_result(result, pickle_allowed=True) == {1, 2}


@given(st.binary(max_size=40), st.sampled_from(["json", "msgpack"]))
def test_damaged_bytes_are_an_error_and_no_crash(data, codec):
    for unpack in (lambda: unpack_args(data, codec=codec), lambda: unpack_result(data)):
        try:
            unpack()
        except PayloadInvalid:
            continue
