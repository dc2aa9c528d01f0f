"""Is no use lost, and none counted twice, whatever happens between here and Solvent?"""

import json
import logging
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from emulator import eventually, record

from solvent_client import Refused, Unreachable, UsageEvent
from solvent_client.spool import Spool
from solvent_client.usage import UsageBuffer

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


def event(number, **changes):
    return UsageEvent(customer="alice", meter="bytes", id=f"evt-{number}", at=AT, **changes)


def as_json(number):
    return event(number).to_json(now=AT)


class Sink:
    """Takes batches, or raises what it is told to."""

    def __init__(self):
        self.batches = []
        self.fault = None

    def __call__(self, batch):
        if self.fault:
            raise self.fault
        bad = [each for each in batch if each["meter"] == "bad"]
        if bad:
            raise Refused("No such meter.", status=400, code="metering.meter_unknown")
        self.batches.append([each["id"] for each in batch])

    @property
    def ids(self):
        return [each for batch in self.batches for each in batch]


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def buffer_of(sink):
    buffers = []

    def make(**options):
        buffers.append(UsageBuffer(sink, **{"interval_s": 60, **options}))
        return buffers[-1]

    yield make
    for each in buffers:
        each.close()


def test_events_go_in_batches_in_their_order(sink, buffer_of):
    buffer = buffer_of()
    with buffer._sending:
        for number in range(250):
            assert buffer.add(as_json(number))
    assert buffer.flush() == 0
    assert sink.ids == [f"evt-{number}" for number in range(250)]
    assert max(map(len, sink.batches)) <= 100


def test_a_full_batch_does_not_wait_for_the_interval(sink, buffer_of):
    buffer = buffer_of()
    for number in range(100):
        buffer.add(as_json(number))
    eventually(lambda: len(sink.ids) == 100)


def test_the_oldest_are_kept_when_it_overflows(sink, buffer_of, caplog):
    sink.fault = Unreachable("down")
    buffer = buffer_of(max_events=5)
    with caplog.at_level(logging.WARNING, "solvent_client"):
        kept = [buffer.add(as_json(number)) for number in range(8)]
    assert kept == [True] * 5 + [False] * 3
    assert buffer.dropped == 3
    assert len([each for each in caplog.records if "lost" in each.getMessage()]) == 1
    sink.fault = None
    assert buffer.flush() == 0
    assert sink.ids == [f"evt-{number}" for number in range(5)]


def test_what_was_sent_without_an_answer_is_sent_again_with_the_same_ids(solvent, open_paywall):
    paywall = open_paywall(timeout_s=0.2)
    solvent.status = "hang"
    paywall.track("alice", "bytes", 10, id="evt-1")
    assert paywall.flush() == 1
    solvent.status = None
    solvent.record_usage([{"id": "evt-1"}])  # the first time it did arrive
    assert paywall.flush() == 0
    assert list(solvent.usage) == ["evt-1"]


def test_one_bad_event_does_not_hold_up_the_others(sink, buffer_of, caplog):
    buffer = buffer_of()
    with buffer._sending:
        for number in range(20):
            buffer.add(as_json(number))
        buffer.add({**as_json(20), "meter": "bad"})
        for number in range(21, 30):
            buffer.add(as_json(number))
    assert buffer.flush() == 0
    assert len(sink.ids) == 29
    assert "evt-20" in caplog.text
    assert buffer.dropped == 1


def test_a_wrong_key_loses_nothing(sink, buffer_of):
    buffer = buffer_of()
    sink.fault = Refused("Unknown key.", status=401, code="tenants.key_unknown")
    buffer.add(as_json(1))
    assert buffer.flush() == 1
    sink.fault = None
    assert buffer.flush() == 0


def test_the_same_id_is_held_once(sink, buffer_of):
    buffer = buffer_of()
    with buffer._sending:
        buffer.add(as_json(1))
        buffer.add(as_json(1))
    buffer.flush()
    assert sink.ids == ["evt-1"]


def test_close_hands_over_what_is_held(solvent, open_paywall):
    paywall = open_paywall()
    for number in range(5):
        paywall.track("alice", "bytes", number + 1)
    assert paywall.close() == 0
    assert len(solvent.usage) == 5


def test_close_says_what_is_left(solvent, open_paywall, caplog):
    solvent.status = 503
    paywall = open_paywall()
    paywall.track("alice", "bytes")
    assert paywall.close() == 1
    assert "1 usage events were not handed over" in caplog.text


def test_small_quantities_are_written_in_plain_digits():
    assert event(1, quantity=Decimal("1.5E-7")).to_json(now=AT)["value"] == "0.00000015"


def test_tracking_from_many_threads_loses_nothing(solvent, paywall):
    def track():
        for _ in range(100):
            paywall.track("alice", "bytes")

    threads = [threading.Thread(target=track) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: paywall.flush() == 0)
    assert len(solvent.usage) == 500


def test_an_event_carries_solvents_time_not_this_hosts(solvent, paywall):
    at = datetime(2031, 5, 5, 5, 5, 5, tzinfo=UTC)
    solvent.test_now = at
    solvent.put(record("alice"))
    assert paywall.wait_live()
    paywall.track("alice", "bytes", Decimal("1.50"), properties={"region": "eu"})
    assert paywall.flush() == 0
    [sent] = solvent.usage.values()
    assert datetime.fromisoformat(sent["at"]) == at
    assert sent["value"] == "1.50"
    assert sent["properties"] == {"region": "eu"}


# ---------------------------------------------------------------------------------------- at once


def test_metering_at_once_counts_what_was_new(solvent, paywall):
    events = [event(number) for number in range(150)]
    first = paywall.meter(events)
    second = paywall.meter(events)
    assert (first.accepted, first.duplicates) == (150, 0)
    assert (second.accepted, second.duplicates) == (0, 150)


def test_an_event_without_a_time_keeps_the_one_it_is_first_sent_with(solvent, paywall):
    """Solvent refuses an id that comes again with another time."""
    untimed = UsageEvent("alice", "bytes")
    paywall.meter([untimed])
    first = json.loads(solvent.asked[-1][1])["events"][0]
    paywall.meter([untimed])
    assert json.loads(solvent.asked[-1][1])["events"][0] == first


def test_metering_at_once_tries_again(solvent, paywall):
    solvent.status = 503
    timer = threading.Timer(0.15, solvent.come_back)
    timer.start()
    assert paywall.meter([event(1)]).accepted == 1


def test_metering_at_once_says_when_it_failed(solvent, paywall, monkeypatch):
    monkeypatch.setattr("solvent_client.api._FIRST_WAIT_S", 0.001)
    solvent.status = 503
    with pytest.raises(Unreachable):
        paywall.meter([event(1)])


def test_metering_at_once_says_what_is_refused(paywall):
    with pytest.raises(Refused) as refusal:
        paywall.meter([UsageEvent("alice", "bad")])
    assert refusal.value.code == "metering.meter_unknown"


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": Decimal("NaN")},
        {"quantity": Decimal("Infinity")},
        {"quantity": Decimal("1E+999999")},
        {"quantity": True},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 -- without its offset is the case
        {"id": ""},
    ],
)
def test_an_event_that_means_nothing_cannot_be_made(fields):
    with pytest.raises(ValueError, match="expected"):
        UsageEvent("alice", "bytes", **fields)


# ------------------------------------------------------------------------------------------ spool


def test_a_spool_brings_back_what_a_dead_process_held(sink, buffer_of, tmp_path):
    dead = Spool(tmp_path)
    for number in range(6):
        dead.append(as_json(number))
    dead.delivered(["evt-0", "evt-1"], left=4)
    _die(dead)
    buffer = buffer_of(spool=Spool(tmp_path))
    assert buffer.flush() == 0
    assert sink.ids == ["evt-2", "evt-3", "evt-4", "evt-5"]


def _die(spool):
    """What a crash does to the file: it is closed and its lock is free."""
    import os

    os.close(spool._file)
    spool._file = None


def test_a_torn_last_line_is_passed_over(sink, buffer_of, tmp_path):
    dead = Spool(tmp_path)
    dead.append(as_json(1))
    path = dead._path
    _die(dead)
    with path.open("ab") as torn:
        torn.write(b'{"id": "evt-2", "custo')
    buffer = buffer_of(spool=Spool(tmp_path))
    buffer.flush()
    assert sink.ids == ["evt-1"]


def test_the_spool_of_a_living_process_is_left_alone(sink, buffer_of, tmp_path):
    living = Spool(tmp_path)
    living.append(as_json(1))
    buffer = buffer_of(spool=Spool(tmp_path))
    assert len(buffer) == 0
    living.close()


def test_a_spool_leaves_nothing_behind_when_all_is_delivered(sink, buffer_of, tmp_path):
    buffer = buffer_of(spool=Spool(tmp_path))
    for number in range(3):
        buffer.add(as_json(number))
    assert buffer.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_be_written_costs_no_request(sink, buffer_of, tmp_path, caplog):
    spool = Spool(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    buffer = buffer_of(spool=spool)
    assert buffer.add(as_json(1))
    assert "in memory only" in caplog.text
    assert buffer.flush() == 0
