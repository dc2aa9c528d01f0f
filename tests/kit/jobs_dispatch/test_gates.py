"""Are concurrency keys, orders, rates and limits kept, whatever happens to jobs and workers?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from solvent.kit.jobs import record as r

if TYPE_CHECKING:
    from conftest import Board

S = 1_000_000_000


def test_of_a_key_only_so_many_are_assigned_at_once(board: Board) -> None:
    for name in "abc":
        board.submit(name, key="k", key_limit=2)
    board.submit("free")
    board.worker()
    assert board.turn() == ["a>w1", "b>w1", "free>w1"]
    board.done("b")
    assert board.turn() == ["c>w1"]


def test_a_key_of_another_space_is_another_key(board: Board) -> None:
    board.submit("a", key="k")
    board.submit("b", space="t2", key="k")
    board.worker()
    board.worker("w2", space="t2")
    assert board.turn() == ["a>w1", "b>w2"]


def test_a_key_that_waits_in_a_lane_without_workers_holds_up_no_other_lane(board: Board) -> None:
    board.submit("a", key="k")
    board.submit("stuck", key="k", queue="nobody")
    board.submit("b", key="k")
    board.worker()
    assert board.turn() == ["a>w1"]
    board.done("a")
    assert board.turn() == ["b>w1"]


def test_jobs_in_order_wait_for_the_retry_of_the_one_before(board: Board) -> None:
    for name in "abc":
        board.submit(name, key="k", in_order=True)
    board.worker()
    assert board.turn() == ["a>w1"]
    board.fail("a", retry_s=30)
    board.pass_s(29)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["a>w1"]
    board.done("a")
    assert board.turn() == ["b>w1"]


def test_jobs_without_order_pass_one_that_waits_for_its_retry(board: Board) -> None:
    for name in "ab":
        board.submit(name, key="k")
    board.worker()
    board.turn()
    board.fail("a", retry_s=30)
    assert board.turn() == ["b>w1"]


def test_jobs_in_order_go_on_when_the_first_is_canceled_or_dead(board: Board) -> None:
    for name in "abc":
        board.submit(name, key="k", in_order=True, max_attempts=1)
    board.worker()
    board.cancel("a")
    assert board.turn() == ["b>w1"]
    board.fail("b")
    assert board.turn() == ["b:Dead(attempts)"]
    assert board.turn() == ["c>w1"]


def test_a_job_in_order_keeps_its_place_over_a_new_dispatcher(board: Board) -> None:
    for name in "ab":
        board.submit(name, key="k", in_order=True)
    board.worker()
    board.turn()
    board.fail("a", retry_s=30)
    board.rebuild()
    board.worker("w2")
    assert board.turn() == []
    board.pass_s(30)
    assert board.turn() == ["a>w2"]


def test_a_rate_lets_so_many_start_in_any_window(board: Board) -> None:
    rate = r.Rate("api", 2, 10 * S)
    for number in range(5):
        board.submit(f"j{number}", rate=rate)
    board.worker()
    assert board.turn() == ["j0>w1", "j1>w1"]
    board.pass_s(9)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["j2>w1", "j3>w1"]
    board.pass_s(10)
    assert board.turn() == ["j4>w1"]


def test_a_rate_counts_starts_whose_time_is_not_known_yet(board: Board) -> None:
    rate = r.Rate("api", 1, 10 * S)
    for name in "ab":
        board.submit(name, rate=rate)
    board.worker()
    (first,) = board.decide()
    assert board.decide() == []
    board.pass_s(11)
    assert board.decide() == []
    board.accept(first)
    board.pass_s(9)
    assert board.turn() == []
    board.pass_s(1)
    assert board.turn() == ["b>w1"]


def test_a_rate_is_kept_by_the_dispatcher_that_comes_after(board: Board) -> None:
    rate = r.Rate("api", 1, 10 * S)
    for name in "ab":
        board.submit(name, rate=rate)
    board.worker()
    board.turn()
    board.done("a")
    board.rebuild()
    board.worker("w2")
    assert board.turn() == []
    board.pass_s(10)
    assert board.turn() == ["b>w2"]


def test_a_space_has_no_more_at_once_than_its_limit(board: Board) -> None:
    board.view.limit("t1", 2)
    for name in "abc":
        board.submit(name)
    board.submit("other", space="t2")
    board.worker()
    board.worker("w2", space="t2")
    assert board.turn() == ["a>w1", "other>w2", "b>w1"]
    board.done("a")
    assert board.turn() == ["c>w1"]
    board.submit("d")
    assert board.turn() == []
    board.view.limit("t1", None)
    assert board.turn() == ["d>w1"]


# -------------------------------------------------------------------------------- whatever happens

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit", "ordered", "keyed", "turn", "done", "fail", "cancel", "lose", "pass"]
        ),
        st.integers(0, 5),
    ),
    max_size=80,
)
OF_A_JOB = {"done": ("assigned",), "fail": ("assigned",), "cancel": ("assigned", "waiting")}


@given(STEPS)
@settings(max_examples=150)
def test_whatever_happens_each_job_ends_once_and_keys_are_kept(
    make_board: type[Board], steps: list[tuple[str, int]]
) -> None:
    board = make_board()
    workers = itertools.count(1)
    board.worker(f"w{next(workers)}", credit=3)
    for place, (step, number) in enumerate(steps):
        take(board, step, number, name=f"j{place}", workers=workers)
        check_keys(board)
    finish(board, workers)
    assert not [job for job in board.state.jobs.values() if job.phase in {"waiting", "assigned"}]
    assert not board.view.held
    assert not board.view._keys
    assert all(not lane.backlog for lane in board.view.fleet.lanes.values())


def take(board: Board, step: str, number: int, *, name: str, workers: itertools.count[int]) -> None:
    """Let one thing happen."""
    if step == "submit":
        board.submit(name, priority=number)
    elif step == "ordered":
        board.submit(name, key=f"o{number % 2}", in_order=True)
    elif step == "keyed":
        board.submit(name, key=f"k{number % 2}", key_limit=2)
    elif step == "turn":
        board.turn()
    elif step == "lose":
        board.silent.update(board.view.fleet.workers.values())
        board.pass_s(6)
        board.worker(f"w{next(workers)}", credit=3)
    elif step == "pass":
        board.pass_s(number)
    else:
        jobs = [job for job in board.state.jobs.values() if job.phase in OF_A_JOB[step]]
        if jobs:
            getattr(board, step)(jobs[number % len(jobs)].task_id)


def check_keys(board: Board) -> None:
    """At most so many of a key run, and of those in order only the oldest."""
    for key in ("o0", "o1", "k0", "k1"):
        of_key = [one for one in board.state.jobs.values() if one.spec.key == key]
        running = [one for one in of_key if one.phase == "assigned"]
        assert len(running) <= (1 if key.startswith("o") else 2)
        if key.startswith("o") and running:
            alive = [one for one in of_key if one.phase in {"waiting", "assigned"}]
            assert running[0].submitted_seq == min(one.submitted_seq for one in alive)


def finish(board: Board, workers: itertools.count[int]) -> None:
    """Let all that is left be run by a worker that is well."""
    board.worker(f"w{next(workers)}", credit=50)
    for _ in range(400):
        board.turn()
        for job in list(board.state.jobs.values()):
            if job.phase == "assigned":
                board.done(job.task_id)
        board.pass_s(7)
