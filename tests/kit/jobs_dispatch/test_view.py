"""Does the dispatcher propose the right record at the right time, and no other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from solvent.kit.jobs import record as r
from solvent.kit.jobs.dispatch.fleet import BUSY
from solvent.kit.jobs.dispatch.view import View

if TYPE_CHECKING:
    from conftest import Board

S = 1_000_000_000


# ----------------------------------------------------------------------------- order and fairness


def test_jobs_go_by_priority_and_then_in_the_order_of_the_log(board: Board) -> None:
    for name, priority in (("a", 5), ("b", 9), ("c", 5), ("d", 0)):
        board.submit(name, priority=priority)
    board.worker()
    assert board.turn() == ["b>w1", "a>w1", "c>w1", "d>w1"]


def test_queues_and_spaces_take_turns(board: Board) -> None:
    for number in range(3):
        board.submit(f"mail{number}", queue="mail")
    board.submit("other", space="t2")
    board.submit("report", queue="report")
    board.worker(queues=["mail", "report"], credit=10)
    board.worker("w2", space="t2", credit=10)
    assert board.turn() == ["mail0>w1", "other>w2", "report>w1", "mail1>w1", "mail2>w1"]


def test_a_worker_gets_no_more_than_its_credit_and_more_when_it_is_done(board: Board) -> None:
    for name in "abc":
        board.submit(name)
    board.worker(credit=2)
    assert board.turn() == ["a>w1", "b>w1"]
    board.done("a")
    assert board.turn() == ["c>w1"]


def test_a_worker_gets_only_jobs_of_its_space_and_queues(board: Board) -> None:
    board.submit("a")
    board.submit("b", queue="mail")
    board.submit("c", space="t2")
    board.worker(queues=["mail"])
    assert board.turn() == ["b>w1"]


def test_jobs_of_a_worker_in_turn_are_shared(board: Board) -> None:
    for name in "abcd":
        board.submit(name)
    board.worker("w1")
    board.worker("w2")
    assert board.turn() == ["a>w1", "b>w2", "c>w1", "d>w2"]


def test_nothing_is_proposed_twice_while_it_is_under_way(board: Board) -> None:
    board.submit("a")
    board.worker()
    assert len(board.decide()) == 1
    assert board.decide() == []


def test_a_refused_proposal_is_made_again(board: Board) -> None:
    board.submit("a")
    board.worker()
    (proposal,) = board.decide()
    board.view.refused(proposal)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a>w1"]


def test_a_worker_that_was_not_probed_gets_nothing(board: Board) -> None:
    board.submit("a")
    worker = board.worker()
    worker.probed = False
    assert board.turn() == []


def test_a_draining_worker_gets_nothing_and_keeps_what_it_has(board: Board) -> None:
    board.submit("a")
    board.worker(credit=5)
    board.turn()
    board.submit("b")
    board.worker(credit=5, state="draining", held=[board.job("a").fence])
    board.pass_s(20)
    assert board.turn() == []


# ---------------------------------------------------------------------------------- where it goes


def test_a_local_worker_is_preferred_and_an_idle_node_is_next(board: Board) -> None:
    board.worker("far", host="there", credit=1)
    board.worker("busy", cpu=0.9, credit=1)
    board.worker("near", credit=1)
    for name in "abc":
        board.submit(name)
    assert board.turn() == ["a>near", "b>far", "c>busy"]


@pytest.mark.parametrize("load", [{"cpu": 0.7}, {"memory": 0.71}])
def test_a_node_above_its_bounds_is_busy_and_work_for_it_asks_for_more(
    board: Board, load: dict[str, float]
) -> None:
    worker = board.worker(**load)
    board.submit("a")
    assert worker.tier == BUSY
    assert board.turn() == ["a>w1"]
    assert {lane.queue for lane in board.view.wanting} == {"default"}


def test_work_without_any_worker_asks_for_one(board: Board) -> None:
    board.submit("a", queue="mail")
    assert board.turn() == []
    assert [(lane.queue, lane.backlog) for lane in board.view.wanting] == [("mail", 1)]


def test_work_that_has_its_worker_asks_for_none(board: Board) -> None:
    board.worker()
    board.submit("a")
    board.turn()
    assert not board.view.wanting


# -------------------------------------------------------------------------------------------- time


def test_a_job_of_later_goes_when_its_time_has_come(board: Board) -> None:
    board.submit("a", not_before_ns=board.now + 10 * S)
    board.worker()
    assert board.turn() == []
    board.pass_s(9.5)
    assert board.turn() == []
    board.pass_s(0.5)
    assert board.turn() == ["a>w1"]


def test_a_job_three_hours_ahead_runs_once_whatever_the_lease(board: Board) -> None:
    """kombu#337: there a job of later was given out again each hour."""
    board.submit("a", not_before_ns=board.now + 3 * 3600 * S, timeout_ns=3600 * S)
    board.worker()
    given: list[str] = []
    for _ in range(3 * 60 + 30):
        board.pass_s(60)
        given += board.turn()
    assert given == ["a>w1"]


def test_a_job_longer_than_the_lease_whose_worker_beats_runs_once(board: Board) -> None:
    board.submit("a")
    board.worker()
    given = board.turn()
    for _ in range(600):
        board.pass_s(1)
        given += board.turn()
    assert given == ["a>w1"]


def test_a_failed_job_waits_for_its_pause(board: Board) -> None:
    board.submit("a")
    board.worker()
    board.turn()
    board.fail("a", retry_s=30)
    board.pass_s(29)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a>w1"]
    assert board.job("a").attempt == 2


def test_a_failure_that_was_the_last_attempt_is_the_end(board: Board) -> None:
    board.submit("a", max_attempts=1)
    board.worker()
    board.turn()
    board.fail("a")
    assert board.turn() == ["a:Dead(attempts)"]


def test_an_attempt_past_its_deadline_ends_after_a_grace(board: Board) -> None:
    board.submit("a", timeout_ns=10 * S, backoff=r.Backoff(base_ms=5_000))
    worker = board.worker()
    board.turn()
    fence = board.job("a").fence
    board.pass_s(10)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a:Expired(timeout)"]
    assert board.view.canceled == [(worker, fence)]
    board.pass_s(4)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a>w1"]


def test_the_last_attempt_past_its_deadline_is_the_end(board: Board) -> None:
    board.submit("a", timeout_ns=10 * S, max_attempts=1)
    board.worker()
    board.turn()
    board.pass_s(11)
    assert board.turn() == ["a:Dead(timeout)"]


def test_a_job_that_expires_while_it_waits_is_dead(board: Board) -> None:
    board.submit("a", expires_ns=board.now + 5 * S)
    board.pass_s(5)
    assert board.turn() == ["a:Dead(expired)"]
    board.worker()
    assert board.turn() == []


def test_a_job_that_expires_before_its_own_time_is_dead_then(board: Board) -> None:
    at = board.now + 5 * S
    board.submit("a", expires_ns=at, not_before_ns=at)
    board.pass_s(5)
    assert board.turn() == ["a:Dead(expired)"]


def test_a_deadline_counts_the_time_in_the_queue(board: Board) -> None:
    board.submit("a", expires_ns=board.now + 60 * S, timeout_ns=3600 * S)
    board.worker()
    board.pass_s(50)
    board.turn()
    assert board.job("a").deadline_ns == board.now + 10 * S
    board.pass_s(11)
    assert board.turn() == ["a:Dead(expired)"]


# ------------------------------------------------------------------------------- workers that go


def test_what_a_silent_worker_held_is_given_to_others(board: Board) -> None:
    board.submit("a")
    first = board.worker("w1", credit=1)
    board.turn()
    board.worker("w2")
    board.silent.add(first)
    board.pass_s(5)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a:Expired(worker_lost)"]
    assert board.turn() == ["a>w2"]


def test_a_poison_job_ends_after_three_workers_and_takes_no_innocent_along_twice(
    board: Board,
) -> None:
    """secator#1296: the count must outlive every worker and dispatcher, so it stands on the log."""
    board.submit("poison")
    for number in range(20):
        board.submit(f"good{number:02}")
    told: list[str] = []
    for number in range(1, 12):
        board.worker(f"w{number}", credit=4, started_ns=number)
        given = board.turn()
        told += given
        mine = {one.partition(">")[0] for one in given if one.endswith(f">w{number}")}
        if "poison" in mine:  # it kills its worker, and what the worker held is lost with it
            worker = board.view.fleet.workers["t1", f"w{number}"]
            board.silent.add(worker)
            board.pass_s(6)
        else:
            for name in mine:
                board.done(name)
        board.rebuild()  # another dispatcher takes over: nothing is kept but the log
    lost = [one for one in told if "worker_lost" in one]
    assert lost.count("poison:Expired(worker_lost)") == 2
    assert lost.count("poison:Dead(worker_lost)") == 1
    innocent = [one for one in lost if not one.startswith("poison")]
    assert len(innocent) == len(set(innocent)), "one lost its worker twice"
    assert not [one for one in innocent if "Dead" in one]


def test_two_suspects_are_never_in_one_workers_hands(board: Board) -> None:
    for name in "ab":
        board.submit(name)
    worker = board.worker("w1")
    board.turn()
    board.silent.add(worker)
    board.pass_s(6)
    assert board.turn() == ["a:Expired(worker_lost)", "b:Expired(worker_lost)"]
    board.worker("w2")
    board.submit("c")
    assert board.turn() == ["a>w2", "c>w2"]
    board.done("a")
    assert board.turn() == ["b>w2"]


def test_a_worker_that_starts_again_under_its_name_has_lost_what_it_held(board: Board) -> None:
    """Else a poison job would be given for ever to a worker that starts within its lease."""
    board.submit("a")
    board.worker("w1", started_ns=1)
    board.turn()
    board.worker("w1", started_ns=2)
    assert board.turn() == ["a:Expired(worker_lost)"]


def test_an_old_process_of_a_name_is_not_heard_when_a_newer_one_is(board: Board) -> None:
    worker = board.worker("w1", started_ns=2)
    board.worker("w1", started_ns=1, credit=99)
    assert worker.beat is not None
    assert worker.beat.started_ns == 2


def test_a_dispatcher_that_starts_gives_every_worker_a_lease_to_be_heard(board: Board) -> None:
    board.submit("a")
    board.worker()
    board.turn()
    board.view = View(board.state.jobs, by="dsp2")
    board.view.now_ns = board.now
    board.view.fleet.mono_ns = board.mono
    board.view.build()
    board._pass(4 * S)
    assert board.turn() == []
    board._pass(2 * S)
    assert board.turn() == ["a:Expired(worker_lost)"]


def test_what_a_delivery_lost_is_delivered_again_until_a_beat_names_it(board: Board) -> None:
    board.submit("a")
    worker = board.worker(credit=3)
    board.turn()
    fence = board.job("a").fence
    assert board.view.fleet.unheard(board.mono) == []
    board.pass_s(3)
    (found,) = board.view.fleet.unheard(board.mono)
    assert (found[0], [held.fence for held in found[1]]) == (worker, [fence])
    assert board.view.fleet.unheard(board.mono) == [], "once in a while, not at once again"
    board.worker(credit=2, held=[fence])
    board.pass_s(3)
    assert board.view.fleet.unheard(board.mono) == []


def test_what_a_living_worker_has_let_go_of_is_taken_back(board: Board) -> None:
    """Else it would stand assigned until its deadline, an hour by default."""
    for name in "ab":
        board.submit(name)
    board.worker(credit=2)
    board.turn()
    a, b = (board.job(name).fence for name in "ab")
    board.worker(held=[a, b])
    board.worker(credit=1, held=[b])
    board.view.take_back(board.mono)
    board.pass_s(5)
    board.view.take_back(board.mono)
    assert board.turn() == []
    board.pass_s(1)
    board.view.take_back(board.mono)
    assert board.turn() == ["a:Expired(worker_lost)"]
    assert board.turn() == ["a>w1"]
    assert board.job("b").phase == "assigned"


def test_what_stands_on_the_log_before_a_beat_leaves_it_out_is_left_alone(board: Board) -> None:
    board.submit("a")
    worker = board.worker()
    board.turn()
    board.worker(held=[board.job("a").fence])
    board.worker(held=[])
    board.view.take_back(board.mono)
    board.done("a")
    board.pass_s(10)
    board.view.take_back(board.mono)
    assert board.turn() == []
    assert not worker.held


def test_a_deaf_worker_that_beats_is_probed_anew_before_it_gets_more(board: Board) -> None:
    board.submit("a")
    deaf = board.worker("deaf")
    board.turn()
    for _ in range(61):
        board.view.take_back(board.mono)
        assert board.turn() == []
        board.pass_s(1)
    board.view.take_back(board.mono)
    assert board.turn() == ["a:Expired(worker_lost)"]
    assert board.turn() == []
    assert not deaf.probed
    board.worker("w2")
    assert board.turn() == ["a>w2"]


def test_a_dispatcher_that_stood_still_blames_no_worker(board: Board) -> None:
    board.submit("a")
    worker = board.worker()
    board.turn()
    board.silent.add(worker)
    board.pass_s(12)
    board.view.fleet.forgive(12 * S)
    assert board.turn() == []


# ------------------------------------------------------------------------------- groups and cancel


def group(board: Board, size: int, callback: r.Spec | None) -> None:
    board.write("t1.g", r.Grouped(r.CHAIN_START, size, callback))
    for index in range(size):
        board.submit(f"g-{index}", group="g")


def test_a_groups_callback_comes_once_all_its_members_are_done(board: Board) -> None:
    group(board, 2, r.Spec(name="sum"))
    board.worker()
    assert board.turn() == ["g-0>w1", "g-1>w1"]
    board.done("g-1")
    assert board.turn() == []
    board.done("g-0")
    assert board.turn() == ["g:Submitted"]
    assert board.job("g").spec.gather == 2
    assert board.turn() == ["g>w1"]


def test_a_group_without_a_callback_is_done_with_its_members(board: Board) -> None:
    group(board, 1, None)
    board.worker()
    board.turn()
    board.done("g-0")
    assert board.turn() == ["g:Done"]


def test_a_group_dies_with_a_member(board: Board) -> None:
    group(board, 2, r.Spec(name="sum"))
    board.cancel("g-0")
    assert board.turn() == ["g:Dead(member_failed)"]


def test_the_worker_of_a_canceled_job_is_told(board: Board) -> None:
    board.submit("a")
    worker = board.worker()
    board.turn()
    fence = board.job("a").fence
    board.cancel("a")
    assert board.view.canceled == [(worker, fence)]


def test_a_canceled_job_that_is_replayed_runs(board: Board) -> None:
    job = board.submit("a")
    board.cancel("a")
    board.write("t1.a", r.Replayed(job.hash))
    board.worker()
    assert board.turn() == ["a>w1"]


def test_another_dispatchers_assignment_is_taken_in(board: Board) -> None:
    job = board.submit("a")
    board.worker("w1", credit=1)
    board.write(job.key, r.Assigned(job.hash, "w1", 1, board.now + S * 60, "other"))
    board.submit("b")
    assert board.turn() == [], "the worker's only slot is taken"
    board.done("a")
    assert board.turn() == ["b>w1"]


def test_a_shadow_keeps_only_what_still_needs_a_record(board: Board) -> None:
    for number in range(50):
        board.submit(f"j{number}", expires_ns=board.now + S)
    board.pass_s(2)
    board.decide(room=0)
    for number in range(49):
        job = board.job(f"j{number}")
        board.write(job.key, r.Dead(job.hash, "expired", by="other"))
    board.view.shadow()
    assert board.turn() == ["j49:Dead(expired)"]
