"""Does a job that waits cost one entry in one heap, however many others wait?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.jobs.dispatch.heaps import SWEPT_MIN, JobHeap
from solvent.kit.jobs.job import Job
from solvent.kit.jobs.record import CHAIN_START, Spec

if TYPE_CHECKING:
    from conftest import Board

MANY = 60_000
SPEC = Spec(name="work")


def entries(board: Board) -> int:
    """Return how many entries the view keeps, of whatever kind."""
    view = board.view
    lanes = sum(lane.backlog for lane in view.fleet.lanes.values())
    return lanes + len(view._timers) + len(view.held) + len(view._keys) + len(view._to_end)


def test_a_backlog_costs_one_entry_a_job_and_a_turn_looks_at_no_more_than_it_gives(
    board: Board,
) -> None:
    for number in range(MANY):
        board.submit(f"j{number}")
        assert len(board.view.fleet.round) == 1
    assert entries(board) == MANY
    board.worker(credit=10_000)
    assert len(board.decide(room=500)) == 500
    assert entries(board) == MANY, "500 left the lane, and are held"
    assert board.view.fleet.lanes["t1", "default"].backlog == MANY - 500


def test_what_was_canceled_is_swept_out_before_it_fills_the_memory(board: Board) -> None:
    """A queue that nobody serves, and jobs that are called off as fast as they come."""
    for number in range(10 * SWEPT_MIN):
        board.submit(f"j{number}")
        board.cancel(f"j{number}")
    assert entries(board) <= 2 * SWEPT_MIN


def test_deadlines_of_jobs_that_are_done_are_swept_out(board: Board) -> None:
    """Each job leaves a timer an hour ahead: ten thousand a second would be 36 million."""
    board.worker(credit=10)
    for number in range(4 * SWEPT_MIN):
        board.submit(f"j{number}")
        board.turn()
        board.done(f"j{number}")
    assert entries(board) <= 2 * SWEPT_MIN


def test_jobs_parked_at_a_key_are_looked_at_once_and_not_at_each_turn(board: Board) -> None:
    for number in range(5_000):
        board.submit(f"j{number}", key="k")
    board.worker(credit=50)
    assert len(board.turn()) == 1
    lane = board.view.fleet.lanes["t1", "default"]
    assert lane.backlog == 0
    board.done("j0")
    assert lane.backlog == 1, "one has room, and one comes back"


@given(st.lists(st.tuples(st.sampled_from(["push", "change", "pop"]), st.integers(0, 50))))
def test_a_heap_gives_the_lowest_rank_of_what_has_not_changed(
    steps: list[tuple[str, int]],
) -> None:
    heap, model = JobHeap(), dict[int, tuple[int, int]]()
    jobs: list[Job] = []
    for step, number in steps:
        if step == "push":
            job = Job(f"t1.j{len(jobs)}", SPEC, len(jobs) + 1, CHAIN_START, 0, 0, 0)
            jobs.append(job)
            heap.push(number, job)
            model[len(jobs) - 1] = (number, len(jobs))
        elif step == "change" and jobs:
            jobs[number % len(jobs)].seq += 1_000
            model.pop(number % len(jobs), None)
        elif step == "pop":
            expected = min(model, key=lambda one: model[one], default=None)
            assert heap.pop() is (None if expected is None else jobs[expected])
            model.pop(expected or 0, None) if expected is not None else None
