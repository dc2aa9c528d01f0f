"""Does the stream's parser find the same events however the bytes are cut, and stay bounded?"""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent_client.errors import ProtocolError
from solvent_client.sse import Event, EventParser

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
EVENTS = st.lists(
    st.builds(
        Event, name=TEXTS.filter(bool).map("n".__add__), data=TEXTS.filter(bool).map("d".__add__)
    ),
    max_size=6,
)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def pieces_of(stream, cuts):
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def parse(pieces, **options):
    parser = EventParser(**options)
    return [event for piece in pieces for event in parser.feed(piece)]


@given(events=EVENTS, end=LINE_ENDS, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_events_survive_every_cut(events, end, cuts):
    stream = "".join(
        f"event: {event.name}{end}data: {event.data}{end}{end}" for event in events
    ).encode()
    assert parse(pieces_of(stream, cuts)) == events


@given(stream=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_any_bytes_give_events_or_a_protocol_error(stream, cuts):
    def outcome(pieces):
        try:
            return parse(pieces)
        except ProtocolError:
            return "refused"

    whole = outcome([stream])
    cut = outcome(pieces_of(stream, cuts))
    assert cut == whole


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_data_comes_through_unchanged(value):
    frame = f"event: change\ndata: {json.dumps(value)}\n\n".encode()
    [event] = parse([frame])
    assert json.loads(event.data) == value


@pytest.mark.parametrize(
    "stream, expected",
    [
        (b"data: a\ndata: b\n\n", [Event("message", "a\nb")]),
        (b"data:a\n\n", [Event("message", "a")]),
        (b"data:  a\n\n", [Event("message", " a")]),
        (b": a comment\n\ndata: a\n\n", [Event("message", "a")]),
        (b"event: x\n\ndata: a\n\n", [Event("message", "a")]),
        (b"id: 1\nretry: 5\nnonsense\ndata: a\n\n", [Event("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("message", "a")]),
        (b"data: unfinished\n", []),
        (b"data\n\n", [Event("message", "")]),
    ],
)
def test_the_standard_is_followed(stream, expected):
    assert parse([stream]) == expected


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"a" * 200, b"data: aaaaaaaaaa\n" * 20, b"x" * 200 + b"\n"],
    ids=["a line without end", "an event without end", "a line too long"],
)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_event_cannot_grow_without_end(stream, size):
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    with pytest.raises(ProtocolError):
        parse(pieces, max_event_bytes=100)


def test_what_is_not_utf_8_is_refused():
    with pytest.raises(ProtocolError):
        parse([b"data: \xff\n\n"])
