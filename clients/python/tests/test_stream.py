"""Over real sockets: is a stale answer ever given, whatever happens to the stream?"""

import contextlib
import logging
import socket
import threading
from datetime import timedelta

import pytest
from emulator import BOUND_MS, KEY, Emulator, eventually, record, switch

from solvent_client import BadKey, Paywall, ProtocolError
from solvent_client.host import elapsed_ms


def sources(paywall, customer="alice", **question):
    return paywall.check(customer, **question).source


@pytest.fixture
def live(solvent, paywall):
    """A live paywall that knows alice."""
    solvent.put(record("alice", features={"export": switch()}))
    assert paywall.wait_live()
    return paywall


def test_a_check_is_answered_in_this_process(solvent, live):
    decision = live.check("alice", "export")
    assert (decision.allowed, decision.source) == (True, "snapshot")
    assert not live.check("bob")
    assert not solvent.asked


def test_before_the_stream_is_live_the_database_is_asked(solvent, paywall):
    solvent.stream_status = 503
    solvent.put(record("alice"))
    assert paywall.check("alice").source == "database"
    assert paywall.check("bob").code == "no_subscription"


def test_a_cancellation_is_applied(solvent, live):
    solvent.put(record("alice", 2, access=False))
    eventually(lambda: not live.check("alice"))
    assert live.check("alice").source == "snapshot"


def test_a_new_customer_gets_in(solvent, live):
    solvent.put(record("bob"))
    eventually(lambda: live.check("bob"))


def serve_until_refused(paywall, canceled_ms, *, within_ms):
    """Check as fast as possible; return for how long after the cancellation alice was let in."""
    last_allowed_ms = canceled_ms
    while elapsed_ms() - canceled_ms < within_ms:
        asked_ms = elapsed_ms()
        if paywall.check("alice"):
            last_allowed_ms = asked_ms
    return last_allowed_ms - canceled_ms


@pytest.mark.parametrize("fault", ["cut", "freeze", "stop_beats"])
def test_never_served_past_the_bound(solvent, live, fault):
    """The cancellation is committed while its push cannot come through."""
    solvent.stream_status = 503
    getattr(solvent, fault)()
    canceled_ms = elapsed_ms()
    solvent.commit_only(record("alice", 2, access=False))
    served_ms = serve_until_refused(live, canceled_ms, within_ms=BOUND_MS * 1.5)
    assert served_ms <= BOUND_MS
    assert live.check("alice").code == "no_subscription"
    assert live.check("alice").source == "database"


def test_a_burst_of_old_beats_after_a_freeze_proves_nothing(solvent, live):
    solvent.freeze()
    threading.Event().wait(0.1)  # some beats wait with the cancellation not among them
    solvent.stop_beats()
    threading.Event().wait(BOUND_MS / 1000)
    solvent.commit_only(record("alice", 2, access=False))
    solvent.thaw()
    threading.Event().wait(0.2)
    assert not live.live
    assert live.check("alice").code == "no_subscription"


def test_after_a_freeze_the_changes_that_waited_are_applied(solvent, live):
    solvent.freeze()
    eventually(lambda: not live.live)
    solvent.put(record("alice", 2, access=False))
    assert not live.check("alice")
    expected = ("snapshot", False)
    solvent.thaw()
    eventually(lambda: (live.check("alice").source, live.check("alice").allowed) == expected)


class DelayingProxy:
    """Passes bytes on, those towards the client late by a constant: a proxy that buffers."""

    def __init__(self, port, *, delay_s):
        self.port = port
        self.delay_s = delay_s
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._pump, args=(client, server, 0), daemon=True).start()
            threading.Thread(
                target=self._pump, args=(server, client, self.delay_s), daemon=True
            ).start()

    def _pump(self, source, target, delay_s):
        try:
            while piece := source.recv(65536):
                threading.Timer(delay_s, self._send, (target, piece)).start()
        except OSError:
            pass
        finally:
            threading.Timer(delay_s, target.close).start()

    def _send(self, target, piece):
        with contextlib.suppress(OSError):
            target.sendall(piece)

    def close(self):
        self.listener.close()


def test_beats_that_are_all_late_by_the_same_prove_nothing():
    """Behind a proxy that buffers for longer than the bound only the greeting's clock shows it."""
    with Emulator(bound_ms=200) as solvent:
        solvent.put(record("alice"))
        proxy = DelayingProxy(solvent.server.server_port, delay_s=0.4)
        paywall = Paywall(proxy.url, KEY, timeout_s=2.0)
        try:
            paywall.start()
            eventually(lambda: paywall._snapshot.view.proved_at_ms)
            for _ in range(20):
                assert not paywall.live
                threading.Event().wait(0.02)
        finally:
            paywall.close()
            proxy.close()


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(hours=5)])
def test_a_wrong_clock_of_the_application_host_changes_nothing(ahead):
    """Against the emulated database this host is 5 hours behind, or more than a year ahead."""
    with Emulator(clock_ahead=ahead) as solvent:
        until = solvent.now() + timedelta(seconds=0.5)
        solvent.put(record("alice", until=until))
        with Paywall(solvent.url, KEY) as paywall:
            assert paywall.wait_live()
            assert paywall.check("alice").source == "snapshot"
            assert abs((paywall.now() - solvent.now()).total_seconds()) < 0.2
            eventually(lambda: paywall.check("alice").code == "expired")
            assert solvent.now() >= until
            assert paywall.check("alice").source == "snapshot"


def test_the_test_clock_reaches_checks(solvent, live):
    until = solvent.now() + timedelta(days=30)
    solvent.put(record("alice", 2, until=until))
    eventually(lambda: live.check("alice").until)
    solvent.set_clock(until)
    eventually(lambda: live.check("alice").code == "expired")
    assert live.now() == until


@pytest.mark.parametrize(
    "frame",
    [
        b"event: change\ndata: {\n\n",
        b"event: change\ndata: {}\n\n",
        b'event: beat\ndata: {"at_ms": "soon"}\n\n',
        b"event: beat\ndata: \xff\n\n",
        b"event: change\ndata: " + b"x" * (17 * 1024 * 1024) + b"\n\n",
    ],
    ids=["not JSON", "not a record", "not a beat", "not UTF-8", "a giant"],
)
def test_a_malformed_frame_brings_a_new_connection_and_snapshot(solvent, live, frame):
    """It may have been the end of an access, so it is not passed over."""
    solvent.commit_only(record("alice", 2, access=False))
    solvent.push_raw(frame)
    eventually(lambda: live.check("alice").code == "no_subscription")
    eventually(lambda: solvent.streams_opened >= 2)
    eventually(lambda: live.live)


def test_a_server_that_greets_without_its_clock_is_understood(solvent, paywall):
    solvent.hello_at = False
    solvent.put(record("alice"))
    assert paywall.wait_live()
    assert paywall.check("alice").source == "snapshot"
    solvent.freeze()
    eventually(lambda: not paywall.live)


def test_a_cut_stream_is_opened_again_and_caught_up(solvent, live):
    for revision in range(2, 5):
        solvent.cut()
        solvent.commit_only(record("alice", revision, access=revision % 2 == 1))
        opened = solvent.streams_opened
        eventually(lambda before=opened: solvent.streams_opened > before)
        expected = revision % 2 == 1
        eventually(lambda now=expected: live.live and live.check("alice").allowed is now)


def test_a_frozen_connection_is_given_up(solvent, open_paywall):
    solvent.put(record("alice"))
    paywall = open_paywall(silence_s=0.4)
    assert paywall.wait_live()
    solvent.freeze()
    eventually(lambda: solvent.streams_opened >= 2)
    eventually(lambda: paywall.live)


def test_failing_attempts_are_spaced_out(solvent, paywall):
    solvent.stream_status = 503
    paywall.start()
    eventually(lambda: paywall.last_error)
    stream = paywall._stream
    waits = []
    for failures in range(1, 20):
        stream._failures = failures
        waits.append(stream._wait_s())
    assert all(wait <= 15 for wait in waits)
    assert waits[0] < 0.2
    assert min(waits[-5:]) >= 7


def test_a_wrong_key_is_said_once_and_lets_no_one_in(solvent, open_paywall, caplog):
    solvent.put(record("alice"))
    paywall = open_paywall(key="sk_test_wrong")
    with caplog.at_level(logging.ERROR, "solvent_client"):
        assert not paywall.check("alice")
        eventually(lambda: isinstance(paywall.last_error, BadKey))
    said = [entry for entry in caplog.records if "stream" in entry.getMessage()]
    assert len(said) == 1
    assert "sk_test_wrong" not in caplog.text


def test_a_page_that_is_no_stream_is_a_protocol_error(open_paywall, solvent):
    paywall = open_paywall(url=solvent.url + "/elsewhere")
    paywall.start()
    eventually(lambda: paywall.last_error)


def test_another_protocol_is_not_believed(solvent, paywall):
    solvent.bound_ms = -1
    paywall.start()
    eventually(lambda: isinstance(paywall.last_error, ProtocolError))
    assert not paywall.live


def test_stop_ends_the_thread_and_a_later_check_opens_it_again(solvent, live):
    live.stop()
    assert not live.live
    assert not [each for each in threading.enumerate() if each.name == "solvent-stream"]
    assert live.check("alice").source == "database"
    eventually(lambda: live.live)


def test_close_ends_it_for_good(solvent, live):
    live.close()
    assert live.check("alice").source == "database"
    assert not [each for each in threading.enumerate() if each.name.startswith("solvent-stream")]


def test_checks_from_many_threads_agree(solvent, live):
    failures = []

    def hammer():
        for _ in range(2000):
            decision = live.check("alice", "export")
            if not decision.allowed:
                failures.append(decision)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_drifting_clocks_bring_a_new_comparison(solvent, paywall, monkeypatch):
    """The host's clock gains on the database's: beats prove ever less until compared anew."""
    import solvent_client.stream as stream_module

    start_ms = elapsed_ms()
    drift = 1.0
    monkeypatch.setattr(
        stream_module, "elapsed_ms", lambda: start_ms + (elapsed_ms() - start_ms) * (1 + drift)
    )
    paywall.start()
    eventually(lambda: solvent.streams_opened >= 2)
