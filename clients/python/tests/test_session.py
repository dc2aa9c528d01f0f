"""Does one connection's order of events hold, and what does a check then say?"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from emulator import iso, quota, record, switch
from hypothesis import given
from hypothesis import strategies as st

from solvent_client.decision import decide
from solvent_client.errors import ProtocolError
from solvent_client.parse import parse_record
from solvent_client.snapshot import Session, Snapshot
from solvent_client.sse import Event

AT = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
AT_MS = AT.timestamp() * 1000


def event(name, **data):
    return Event(name, json.dumps(data))


HELLO = event("hello", protocol=1, bound_ms=1000, beat_ms=200, tenant="ten_1", at_ms=AT_MS)
READY = event("ready")


class Feed:
    """A session on a local clock that began with the database's AT at local 0."""

    def __init__(self, *, bound_ms=None):
        self.snapshot = Snapshot()
        self.session = Session(self.snapshot, asked_ms=0.0, bound_ms=bound_ms)

    def tell(self, *events, at=0.0):
        for each in events:
            self.session.apply(each, received_ms=at)
        return self

    def beat(self, local_ms):
        return self.tell(event("beat", at_ms=AT_MS + local_ms), at=local_ms)

    def check(self, customer, local_ms, *, feature=None, product=None, quantity=1):
        view = self.snapshot.view
        moment = view.moment(local_ms)
        return decide(view.records.get(customer), moment, feature, product, quantity)


def ready(*records):
    return Feed().tell(HELLO, event("snapshot", customers=list(records)), READY).beat(0)


@pytest.mark.parametrize(
    "events",
    [
        [READY],
        [event("beat", at_ms=1)],
        [HELLO, HELLO],
        [HELLO, READY, READY],
        [HELLO, READY, event("snapshot", customers=[])],
        [event("hello", protocol=2, bound_ms=1000)],
        [event("hello", protocol=1)],
        [event("hello", protocol=1, bound_ms=0)],
        [event("hello", protocol=1, bound_ms=True)],
        [event("hello", protocol=1, bound_ms=10**9)],
        [Event("hello", "[]")],
        [Event("hello", "{")],
        [Event("hello", "[" * 100_000)],
        [HELLO, event("clock", now="yesterday")],
        [HELLO, event("clock", now="2026-03-01T10:00:00")],
        [HELLO, READY, event("beat", at_ms="1")],
        [HELLO, READY, event("beat")],
        [HELLO, READY, Event("beat", '{"at_ms": NaN}')],
        [HELLO, READY, Event("beat", '{"at_ms": 1e400}')],
        [HELLO, READY, event("beat", at_ms=-1)],
        [HELLO, READY, event("change", customer="a")],
    ],
)
def test_what_the_protocol_does_not_allow_ends_the_connection(events):
    with pytest.raises(ProtocolError):
        Feed().tell(*events)


@pytest.mark.parametrize(
    "change",
    [
        {"customer": 7},
        {"customer_id": None},
        {"revision": "7"},
        {"revision": True},
        {"access": {}},
        {"access": [{}]},
        {"access": [{"product": "logs", "plan": "pro", "status": "active", "until": 5}]},
        {"features": []},
        {"features": {"export": {"kind": "toggle"}}},
        {"features": {"export": {"kind": "switch", "on_outage": "maybe"}}},
        {"features": {"export": {"kind": "switch", "until": "2026-03-01"}}},
        {"features": {"ingest": {"kind": "quota", "limit": 10}}},
        {"features": {"ingest": {"kind": "quota", "limit": "NaN"}}},
        {"features": {"ingest": {"kind": "quota", "limit": "9" * 65}}},
        {"features": {"ingest": {"kind": "quota", "limit": "1", "used": "x"}}},
    ],
)
def test_a_record_that_cannot_be_read_is_never_skipped(change):
    with pytest.raises(ProtocolError):
        ready().tell(Event("change", json.dumps({**record("alice", 9), **change})))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_no_json_value_crashes_the_reading_of_a_record(value):
    with pytest.raises(ProtocolError):
        parse_record({**record("alice"), "features": {"export": value}})


def test_events_of_a_later_server_are_passed_over():
    feed = ready(record("alice")).tell(event("news", text="…"))
    assert feed.check("alice", 1).allowed


def test_a_change_applies_only_with_a_greater_revision():
    feed = ready(record("alice", 3))
    feed.tell(Event("change", json.dumps(record("alice", 5, access=False))))
    feed.tell(Event("change", json.dumps(record("alice", 4))))
    feed.tell(Event("change", json.dumps(record("alice", 5))))
    assert feed.check("alice", 1).code == "no_subscription"


def test_a_change_before_ready_beats_an_older_snapshot_chunk():
    feed = Feed().tell(
        HELLO,
        Event("change", json.dumps(record("alice", 5, access=False))),
        event("snapshot", customers=[record("alice", 4)]),
        READY,
    )
    assert feed.beat(0).check("alice", 1).code == "no_subscription"


def test_a_new_connections_snapshot_replaces_all():
    """A customer who was deleted, and a database restored to lower revisions, are followed."""
    feed = ready(record("alice", 9), record("bob", 9))
    feed.session = Session(feed.snapshot, asked_ms=100.0, bound_ms=None)
    feed.tell(HELLO, event("snapshot", customers=[record("alice", 2, access=False)]))
    assert feed.check("bob", 100).allowed  # until ready the former view goes on
    feed.tell(READY)
    assert feed.check("alice", 100).code == "no_subscription"
    assert feed.check("bob", 100).code == "no_subscription"


@pytest.mark.parametrize(
    "before_end_ms, code", [(1000, "ok"), (1, "ok"), (0, "expired"), (-1, "expired")]
)
@pytest.mark.parametrize("feature", [None, "export", "ingest"])
def test_access_ends_at_the_second_half_open(before_end_ms, code, feature):
    until = AT + timedelta(seconds=30)
    features = {"export": switch(until=until), "ingest": quota("10", until=until)}
    feed = ready(record("alice", until=until, features=features))
    assert feed.check("alice", 30_000 - before_end_ms, feature=feature).code == code


def test_in_the_clocks_uncertainty_around_an_end_only_the_database_knows():
    """The greeting took 40 ms and the first beat came 5 ms late: the end is that uncertain."""
    feed = Feed()
    feed.tell(event("hello", protocol=1, bound_ms=1000, at_ms=AT_MS + 40))
    until = AT + timedelta(seconds=1)
    feed.tell(event("snapshot", customers=[record("alice", until=until)]), READY)
    feed.tell(event("beat", at_ms=AT_MS + 100), at=105.0)
    assert feed.check("alice", 950).code == "ok"
    assert feed.check("alice", 1002) is None
    assert feed.check("alice", 1006).code == "expired"


def test_the_test_clock_is_the_time():
    until = AT + timedelta(days=30)
    feed = ready(record("alice", until=until))
    feed.tell(event("clock", now=iso(until - timedelta(microseconds=1))))
    assert feed.check("alice", 10**9).allowed
    feed.tell(event("clock", now=iso(until)))
    assert feed.check("alice", 1).code == "expired"
    feed.tell(event("clock", now=None))
    assert feed.check("alice", 1).allowed


def test_access_without_an_end_has_none():
    assert ready(record("alice")).check("alice", 10**15).allowed


def test_a_tighter_bound_of_the_application_holds():
    feed = Feed(bound_ms=300).tell(HELLO, READY).beat(0)
    assert feed.snapshot.view.proof.live_until_ms == pytest.approx(300)


def test_a_looser_bound_of_the_application_does_not():
    feed = Feed(bound_ms=5000).tell(HELLO, READY).beat(0)
    assert feed.snapshot.view.proof.live_until_ms == pytest.approx(1000)


@pytest.mark.parametrize(
    "question, code",
    [
        ({}, "ok"),
        ({"product": "logs"}, "ok"),
        ({"product": "mail"}, "no_subscription"),
        ({"feature": "export"}, "ok"),
        ({"feature": "export", "product": "logs"}, "ok"),
        ({"feature": "export", "product": "mail"}, "no_subscription"),
        ({"feature": "import"}, "feature_missing"),
        ({"feature": "ingest", "quantity": Decimal("6.8")}, "ok"),
        ({"feature": "ingest", "quantity": Decimal("6.81")}, "quota_exhausted"),
        ({"feature": "spill", "quantity": 1000}, "ok"),
        ({"feature": "free", "quantity": 10**18}, "ok"),
    ],
)
def test_questions_are_answered_as_the_server_answers_them(question, code):
    features = {
        "export": switch(),
        "ingest": quota("10", "3.2"),
        "spill": quota("10", "12", overage=True),
        "free": quota(None),
    }
    assert ready(record("alice", features=features)).check("alice", 1, **question).code == code


def test_what_remains_of_a_quota_is_told():
    feed = ready(record("alice", features={"ingest": quota("10", "3.2")}))
    assert feed.check("alice", 1, feature="ingest").remaining == Decimal("6.8")


def test_a_customer_is_found_by_reference_and_by_id():
    known = record("alice")
    assert ready(known).check(known["customer_id"], 1).allowed


def test_a_reference_that_looks_like_an_id_is_not_looked_up_as_a_reference():
    """Mallory cannot name herself as another customer's id."""
    target = record("alice")
    mallory = {**record(target["customer_id"]), "customer_id": "cus_" + "0" * 26, "access": []}
    for order in ([target, mallory], [mallory, target]):
        feed = ready(*order)
        assert feed.check(target["customer_id"], 1).allowed
        assert not feed.check("cus_" + "0" * 26, 1).allowed


def test_a_decision_is_true_only_where_it_allows():
    feed = ready(record("alice"))
    assert feed.check("alice", 1)
    assert not feed.check("bob", 1)
