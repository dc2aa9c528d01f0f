"""Does the queue hold under random faults, and would the checker see it if it did not?"""

from __future__ import annotations

import json

import chaos
import pytest
from chaos_parts import check
from chaos_parts.world import SPACE

from solvent.kit.jobs import record as r

SEEDS = (2, 1)
"""One server that is killed; three of which one is cut off and one is killed."""


@pytest.mark.parametrize("seed", SEEDS)
def test_no_acknowledged_job_is_lost_or_run_twice(seed: int, tmp_path) -> None:
    schedule = chaos.plan(seed, jobs=100, seconds=5)
    wrong, acknowledged, found = chaos.run(schedule, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert acknowledged
    assert len(found.ends) >= len(acknowledged)


def test_a_schedule_is_the_same_for_the_same_seed() -> None:
    assert chaos.plan(5, jobs=9, seconds=9) == chaos.plan(5, jobs=9, seconds=9)
    assert len({str(chaos.plan(seed, jobs=9, seconds=9).faults) for seed in range(20)}) == 20


def found_in(book) -> check.Found:
    found = check.Found()
    for entry in book.entries:
        found.take(entry)
    return found


def line(event: str, fence: int) -> str:
    return json.dumps({"event": event, "id": "a", "fence": fence})


def test_the_checker_sees_what_must_not_be(book) -> None:
    key = f"{SPACE}.a"
    book.submit(key)
    fence = book.assign(key).seq
    runs = [line("begin", fence), line("end", fence)]
    assert check.check_jobs(found_in(book), ["a"], ["a"]) == [
        "acknowledged, and assigned: a",
        f"still assigned: {key}",
    ]
    book.finish(key)
    assert check.check_jobs(found_in(book), ["a"], ["a"]) == []
    assert check.check_jobs(found_in(book), ["a", "b"], ["a", "b"]) == ["acknowledged, and lost: b"]
    assert check.check_jobs(found_in(book), [], []) == [f"nobody submitted it: {key}"]
    assert check.check_runs(found_in(book), runs) == []
    assert "ran twice" in check.check_runs(found_in(book), [runs[0], *runs])[0]
    assert "never ran" in check.check_runs(found_in(book), runs[:1])[0]
    assert "without an assignment" in check.check_runs(found_in(book), [*runs, line("begin", 9)])[0]
    book.write(key, r.Assigned, worker="w2", epoch=1, deadline_ns=1)
    assert found_in(book).voids
