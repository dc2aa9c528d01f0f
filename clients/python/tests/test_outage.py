"""When Solvent cannot be asked: is each feature's fail mode honored, and its use metered later?"""

import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from emulator import Emulator, eventually, quota, record, switch

from solvent_client import Paywall

FEATURES = {
    "export": switch(on_outage="closed"),
    "read": switch(on_outage="open"),
    "ingest": quota("10", on_outage="open"),
    "render": quota("10", on_outage="closed"),
}


@pytest.fixture
def dark(solvent, open_paywall):
    """A paywall that knew alice and bob (who has nothing) before Solvent went away."""

    def go_dark(**options):
        solvent.put(record("alice", features=FEATURES))
        solvent.put(record("bob", access=False))
        paywall = open_paywall(**options)
        assert paywall.wait_live()
        solvent.go_away()
        eventually(lambda: not paywall.live)
        return paywall

    return go_dark


def test_fail_mode_is_honored_for_each_feature(dark):
    paywall = dark()
    closed = paywall.check("alice", "export")
    opened = paywall.check("alice", "read")
    assert (closed.allowed, closed.source, closed.code) == (False, "fail_closed", "outage")
    assert (opened.allowed, opened.source, opened.code) == (True, "fail_open", "outage")


def test_without_a_word_on_it_everything_is_closed(dark):
    paywall = dark()
    assert not paywall.check("alice")
    assert not paywall.check("alice", "unheard_of")


def test_the_application_can_say_otherwise(dark):
    paywall = dark(fail="open", fail_by_feature={"read": "closed", "export": "open"})
    assert paywall.check("alice")
    assert paywall.check("alice", "export")
    assert not paywall.check("alice", "read")


def test_open_does_not_let_in_who_was_out_before(dark):
    """A canceled customer does not get in by an outage."""
    paywall = dark(fail="open")
    assert not paywall.check("bob")
    assert not paywall.check("stranger", "read")
    assert paywall.check("bob").source == "fail_open"


def test_open_keeps_in_whose_period_ends_during_the_outage(solvent, open_paywall):
    """A renewal would not be heard of: the founder chose open so that payers stay in."""
    solvent.put(record("alice", until=solvent.now() + timedelta(seconds=0.6)))
    paywall = open_paywall(fail="open")
    assert paywall.wait_live()
    assert paywall.check("alice").source == "snapshot"
    solvent.go_away()
    until = paywall.check("alice").until
    eventually(lambda: solvent.now() > until and not paywall.live)
    decision = paywall.check("alice")
    assert (decision.allowed, decision.source) == (True, "fail_open")


def test_open_without_any_knowledge_lets_in(solvent, open_paywall):
    solvent.go_away()
    assert open_paywall(fail="open").check("alice").source == "fail_open"
    assert open_paywall().check("alice").source == "fail_closed"


def test_a_refused_question_is_not_an_outage(solvent, open_paywall):
    solvent.stream_status = 503
    solvent.status = 400
    decision = open_paywall(fail="open").check("alice")
    assert (decision.allowed, decision.code) == (False, "bad_request")


def test_a_server_that_hangs_holds_no_one_up_for_long(solvent, open_paywall):
    """After a few time-outs nobody waits for a while; one call tries again."""
    solvent.stream_status = 503
    solvent.status = "hang"
    paywall = open_paywall(timeout_s=0.1)
    for _ in range(3):
        assert not paywall.check("alice")
    asked = len(solvent.asked)
    for _ in range(50):
        assert paywall.check("alice").code == "outage"
    assert len(solvent.asked) <= asked + 1
    solvent.put(record("alice"))
    solvent.status = None
    eventually(lambda: paywall.check("alice").source == "database")


def test_nothing_listens_at_all():
    with Paywall("http://127.0.0.1:1", "sk_test_x", timeout_s=0.2) as paywall:
        assert paywall.check("alice").code == "outage"


# ------------------------------------------------------------------------------------ consumption


def test_consume_asks_the_server_each_time(solvent, paywall):
    solvent.put(record("alice", features=FEATURES))
    assert paywall.wait_live()
    results = [paywall.consume("alice", "ingest", 3) for _ in range(4)]
    assert [each.allowed for each in results] == [True, True, True, False]
    assert results[-1].code == "quota_exhausted"


def test_consume_with_the_same_id_takes_once(solvent, paywall):
    solvent.put(record("alice", features=FEATURES))
    for _ in range(3):
        assert paywall.consume("alice", "ingest", 4, id="job-1")
    assert solvent.records["alice"]["features"]["ingest"]["used"] == "4"


def test_consumption_of_an_outage_is_metered_later_and_once(solvent, dark):
    paywall = dark()
    assert paywall.consume("alice", "ingest", 4, id="job-1").source == "fail_open"
    assert paywall.consume("alice", "ingest", 8, id="job-2").source == "fail_open"
    assert paywall.consume("alice", "render", 1).source == "fail_closed"
    solvent.come_back()
    eventually(lambda: paywall.flush() == 0)
    assert sorted(solvent.consumed) == ["job-1", "job-2.late"]
    assert solvent.records["alice"]["features"]["ingest"]["used"] == "12"  # past the limit of 10


def test_an_answer_that_was_lost_is_not_counted_twice(solvent, open_paywall):
    """The server took the quantity, the client never heard so and repeats it, the key the same."""
    solvent.put(record("alice", features=FEATURES))
    paywall = open_paywall(timeout_s=0.3)
    assert paywall.wait_live()
    solvent.consume({"customer": "alice", "feature": "ingest", "quantity": "4"}, "job-1")
    solvent.status = "hang"
    assert paywall.consume("alice", "ingest", 4, id="job-1").source == "fail_open"
    solvent.status = None
    eventually(lambda: paywall.flush() == 0)
    assert solvent.records["alice"]["features"]["ingest"]["used"] == "4"


@pytest.mark.parametrize("quantity", [0, -1, True, 1.5, "1", None, Decimal("NaN"), Decimal(0)])
def test_odd_quantities_are_refused(paywall, quantity):
    with pytest.raises(ValueError, match="quantity"):
        paywall.check("alice", "ingest", quantity=quantity)
    with pytest.raises(ValueError, match="quantity"):
        paywall.consume("alice", "ingest", quantity)


@pytest.mark.parametrize(
    "customer", ["", None, 7, b"alice", "a\nb", "a\x00", "\ud800", "x" * 201, ["alice"]]
)
def test_odd_customers_never_get_in(solvent, paywall, customer):
    assert not paywall.check(customer)
    assert not paywall.consume(customer, "ingest")
    assert not solvent.asked
    assert paywall.wait_live()
    assert not paywall.check(customer)


@pytest.mark.parametrize(
    "customer",
    ["Zoë", "客户", "a b", "<script>", "a'; drop table x; --", "a/../b", "%00", "👩‍💻", "\xa0"],
)
def test_customers_with_odd_characters_are_told_apart(solvent, paywall, customer):
    solvent.put(record(customer))
    assert paywall.check(customer)
    assert json.loads(solvent.asked[0][1])["customer"] == customer
    assert paywall.wait_live()
    eventually(lambda: paywall.check(customer).source == "snapshot")
    assert not paywall.check(customer + "x")


def test_the_answer_of_a_database_check_is_whole(solvent, open_paywall):
    solvent.stream_status = 503
    until = solvent.now().replace(microsecond=0) + timedelta(days=1)
    solvent.put(record("alice", features={"ingest": quota("10", "3.2", until=until)}))
    decision = open_paywall().check("alice", "ingest", "logs", Decimal("6.8"))
    assert decision.until == until
    assert decision.remaining == Decimal("6.8")
    assert json.loads(solvent.asked[0][1]) == {
        "customer": "alice",
        "feature": "ingest",
        "product": "logs",
        "quantity": "6.8",
    }


async def test_async_checks_do_not_hold_up_the_loop(solvent, open_paywall):
    import asyncio

    solvent.stream_status = 503
    solvent.status = "hang"
    paywall = open_paywall(timeout_s=0.5)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    decisions = await asyncio.gather(*(paywall.check_async("alice") for _ in range(5)))
    ticking.cancel()
    assert all(decision.code == "outage" for decision in decisions)
    assert ticks >= 5


def test_a_check_is_made_of_microseconds_not_queries(solvent, paywall):
    """A bound on work, not on time: a live check touches no socket and takes no lock."""
    solvent.put(record("alice"))
    assert paywall.wait_live()
    with paywall._lock:  # a check that took the lock would wait here for ever
        assert all(paywall.check("alice") for _ in range(1000))
    assert not solvent.asked
    assert time.monotonic() > 0


def test_two_paywalls_of_two_servers_do_not_mix(solvent, open_paywall):
    with Emulator() as other:
        solvent.put(record("alice"))
        first, second = open_paywall(), open_paywall(url=other.url)
        assert first.wait_live()
        assert second.wait_live()
        assert first.check("alice")
        assert not second.check("alice")
