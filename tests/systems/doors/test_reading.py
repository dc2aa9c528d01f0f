"""Which values come out of a body, and does nothing odd get further than that?"""

from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvent.kit.errors import Invalid
from solvent.systems.doors.errors import (
    BatchTooLarge,
    BodyTooLarge,
    BodyUnreadable,
    EncodingUnknown,
)
from solvent.systems.doors.limits import EVENTS_MAX, UNPACKED_BYTES_MAX
from solvent.systems.doors.model import Door
from solvent.systems.doors.rules.readers import read_again
from solvent.systems.doors.rules.reading import (
    elements,
    member,
    read_form,
    read_json,
    unpack,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_a_body_is_unpacked():
    assert unpack(gzip.compress(b"{}"), "gzip") == b"{}"
    assert unpack(b"{}", "") == unpack(b"{}", "identity") == b"{}"


def test_a_body_unpacks_to_no_more_than_its_limit():
    bomb = gzip.compress(b"\0" * (20 * UNPACKED_BYTES_MAX))
    assert len(bomb) < UNPACKED_BYTES_MAX
    with pytest.raises(BodyTooLarge):
        unpack(bomb, "gzip")
    assert len(unpack(gzip.compress(b"x" * UNPACKED_BYTES_MAX), "GZIP")) == UNPACKED_BYTES_MAX


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        gzip.compress(b"{}")[:-4],
        gzip.compress(b"{}") + b"more",
        gzip.compress(b"{}") * 2,
        zlib.compress(b"{}"),
    ],
)
def test_what_is_no_gzip_is_refused(body):
    with pytest.raises(BodyUnreadable):
        unpack(body, "gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 500])
def test_other_encodings_are_refused(encoding):
    with pytest.raises(EncodingUnknown):
        unpack(b"{}", encoding)


def test_numbers_keep_every_digit_and_odd_ones_are_read():
    text = (
        b"[0.1, 12, NaN, -Infinity, 1e400, 1e9999999999999999999, 123456789012345678901234567890]"
    )
    _, value = read_json(text)
    shown = [str(one) for one in value]
    assert shown[:5] == ["0.1", "12", "NaN", "-Infinity", "1E+400"]
    assert shown[5:] == ["NaN", "123456789012345678901234567890"]
    assert isinstance(read_json(b"9" * 5_000)[1], Decimal)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1] 2", b"\xff", b"\xef\xbb\xbf{}", b"[" * 60_000, b"nan", b'{"a":}']
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(BodyUnreadable):
        read_json(body)


@settings(max_examples=40)
@given(st.lists(JSON, min_size=1, max_size=5), st.sampled_from([None, 1]))
def test_each_element_has_its_own_bytes(values, indent):
    text, whole = read_json(json.dumps(values, indent=indent).encode())
    for piece, value in zip(elements(text, whole, key=None), values, strict=True):
        assert json.loads(piece[0]) == value


@settings(max_examples=40)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.lists(JSON, min_size=1, max_size=4))
def test_an_array_is_found_below_its_key(around, values):
    body = json.dumps({**around, "events": values, "after": [{"events": []}]}).encode()
    text, whole = read_json(body)
    assert [json.loads(raw) for raw, _ in elements(text, whole, key="events")] == values
    assert json.loads(member(text, whole, "events")[0]) == values


def test_of_two_members_of_one_name_the_last_counts():
    text, whole = read_json(b' { "events" : [ 1 ] , "events":[2 , {"events":[]}] } ')
    assert elements(text, whole, key="events") == [(b"2", 2), (b'{"events":[]}', {"events": []})]


@pytest.mark.parametrize("body", [b"{}", b'{"events": {}}', b'{"events": 1}', b"[]", b"null"])
def test_where_no_array_is_it_is_refused(body):
    text, whole = read_json(body)
    with pytest.raises(BodyUnreadable):
        elements(text, whole, key="events")


@pytest.mark.parametrize("count", [0, EVENTS_MAX + 1])
def test_a_batch_has_bounds(count):
    text, whole = read_json(json.dumps([{}] * count).encode())
    with pytest.raises(BatchTooLarge):
        elements(text, whole, key=None)


def test_a_form_has_objects_inside():
    body = urlencode({"event_name": "a b", "payload[value]": "25", "payload[x][y]": "", "n": "é"})
    found = {"event_name": "a b", "payload": {"value": "25", "x": {"y": ""}}, "n": "é"}
    assert read_form(body.encode()) == found


@pytest.mark.parametrize(
    "body", [b"a=%ff", b"\xff", b"a=1&a[b]=2", b"a[b]=2&a=1", b"&".join([b"a=1"] * 1_001)]
)
def test_what_is_no_form_is_refused(body):
    with pytest.raises(BodyUnreadable):
        read_form(body)


@given(st.sampled_from(Door), st.binary(max_size=200) | JSON.map(json.dumps).map(str.encode))
def test_no_bytes_crash_a_reader(door, raw):
    told = read_again(door, raw)
    assert isinstance(told.refused, Invalid) or told.use
