"""Does the desk say what the log holds, page by page, and of one space alone?"""

from __future__ import annotations

import itertools

import msgspec
import pytest

from solvent.kit.jobs.desk.messages import (
    SUBJECT,
    AskJob,
    AskJobs,
    AskOverview,
    AskSchedules,
    AskWorkers,
    JobFound,
    JobPage,
    JobRow,
    Overview,
    Refused,
    Schedules,
    Workers,
)
from solvent.kit.jobs.link import JobsLink, NotLinked
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.record import (
    CHAIN_START,
    Assigned,
    Done,
    Scaled,
    Scheduled,
    Spec,
    Submitted,
    decode,
    encode,
)
from solvent.kit.testing import eventually

numbers = itertools.count()


def fresh(prefix: str = "t") -> str:
    return f"{prefix}{next(numbers)}"


async def job(queue, space: str, task_id: str) -> JobRow | None:
    return (await queue.link.ask(AskJob(space, task_id), JobFound)).row


async def until(queue, space: str, task_id: str, state: str) -> JobRow:
    found = await eventually(
        lambda: job(queue, space, task_id), until=lambda row: bool(row and row.state == state)
    )
    assert found is not None
    return found


async def test_a_job_is_shown_in_each_state(queue):
    done, dead, held, later = (fresh() for _ in range(4))
    await queue.submit("alice", done, name="run")
    await queue.submit("alice", dead, name="die", max_attempts=1)
    await queue.submit("alice", held, name="wait", key="k")
    await queue.submit("alice", later, name="run", not_before_ns=2**62)
    assert (await until(queue, "alice", done, "done")).worker == "w1"
    assert (await until(queue, "alice", dead, "dead")).error == "told to"
    row = await until(queue, "alice", held, "assigned")
    assert (row.attempt, row.key, row.worker) == (1, "k", "w1")
    assert row.fence > 0
    assert row.deadline_ns > row.assigned_ns > 0
    assert (await until(queue, "alice", later, "delayed")).due_ns == 2**62
    queue.go.set()
    await until(queue, "alice", held, "done")
    queue.go.clear()


async def test_lists_come_newest_first_in_pages_that_filters_narrow(queue):
    space = fresh("space")
    ids = [fresh() for _ in range(7)]
    for place, task_id in enumerate(ids):
        await queue.submit(space, task_id, name=f"n{place % 2}", queue=f"q{place % 3}")
    await until(queue, space, ids[-1], "waiting")
    first = await queue.link.ask(AskJobs(space, limit=3), JobPage)
    assert [row.task_id for row in first.rows] == ids[:3:-1]
    assert first.more
    before = first.rows[-1].submitted_seq
    rest = await queue.link.ask(AskJobs(space, before=before, limit=10), JobPage)
    assert [row.task_id for row in rest.rows] == ids[3::-1]
    assert not rest.more
    named = await queue.link.ask(AskJobs(space, name="n1", queue="q0"), JobPage)
    assert [row.task_id for row in named.rows] == [ids[3]]
    none = await queue.link.ask(AskJobs(space, states=("dead",)), JobPage)
    assert none.rows == []


async def test_another_space_shows_nothing(queue):
    task_id = fresh()
    await queue.submit("alice", task_id, name="run")
    await until(queue, "alice", task_id, "done")
    assert await job(queue, "mallory", task_id) is None
    assert await job(queue, "alic", task_id) is None
    for space in ("mallory", "alic", "alice.x"):
        page = await queue.link.ask(AskJobs(space), JobPage)
        assert page.rows == []
        assert (await queue.link.ask(AskWorkers(space), Workers)).rows == []
        assert (await queue.link.ask(AskOverview(space), Overview)).queues == []
        assert (await queue.link.ask(AskSchedules(space), Schedules)).rows == []


async def test_the_overview_counts_each_queue(queue):
    space = fresh("space")
    for place in range(5):
        await queue.submit(space, fresh(), name="run", queue="a" if place else "b")
    await queue.submit(space, fresh(), name="run", queue="a", not_before_ns=2**62)

    async def counts() -> dict[str, dict[str, int]]:
        told = await queue.link.ask(AskOverview(space), Overview)
        return {row.queue: row.counts for row in told.queues}

    expected = {"a": {"waiting": 4, "delayed": 1}, "b": {"waiting": 1}}
    await eventually(counts, until=lambda seen: seen == expected)
    told = await queue.link.ask(AskOverview(), Overview)
    assert told.leads
    assert told.seq > 0
    assert {"alice", space} <= {row.space for row in told.queues}
    [default] = [row for row in told.queues if (row.space, row.queue) == ("alice", "default")]
    assert default.workers == 1


async def test_workers_are_shown_with_what_they_run(queue):
    task_id = fresh()
    await queue.submit("alice", task_id, name="wait")
    await until(queue, "alice", task_id, "assigned")

    async def running() -> list[str]:
        [worker] = (await queue.link.ask(AskWorkers("alice"), Workers)).rows
        return [one.task_id for one in worker.running]

    await eventually(running, until=lambda ids: ids == [task_id])
    [worker] = (await queue.link.ask(AskWorkers(), Workers)).rows
    assert (worker.name, worker.space, worker.state, worker.slots) == ("w1", "alice", "ready", 2)
    assert worker.held == 1
    queue.go.set()
    await until(queue, "alice", task_id, "done")
    queue.go.clear()


async def test_schedules_are_shown_with_their_next_tick(queue):
    told = Scheduled(CHAIN_START, Spec("report", queue="slow"), "0 9 * * 1", "Europe/Berlin")
    await queue.jobs.append([Append("cron.alice.weekly", 0, encode(told))])

    async def rows() -> list[str]:
        return [one.name for one in (await queue.link.ask(AskSchedules("alice"), Schedules)).rows]

    await eventually(rows)
    [row] = (await queue.link.ask(AskSchedules("alice"), Schedules)).rows
    assert (row.name, row.task, row.queue, row.cron, row.zone) == (
        "weekly",
        "report",
        "slow",
        "0 9 * * 1",
        "Europe/Berlin",
    )
    assert row.next_ns > queue.dispatcher.state.clock_ns


async def test_a_jobs_history_is_read_from_the_log(queue):
    task_id = fresh()
    await queue.submit("alice", task_id, name="run")
    await until(queue, "alice", task_id, "done")
    entries = await queue.link.history(f"job.alice.{task_id}")
    assert [type(decode(entry.data)) for entry in entries] == [Submitted, Assigned, Done]
    assert [entry.seq for entry in entries] == sorted(entry.seq for entry in entries)
    assert entries[0].ts_ns > 1_700_000_000 * 10**9
    assert await queue.link.history("job.alice.never") == []


async def test_decisions_of_all_pools_are_read_in_order(queue):
    for number, pool in enumerate(("one", "two", "one")):
        data = encode(Scaled(pool, "start", "cpu_high", {"number": number}))
        await queue.jobs.append([Append(f"scaling.{pool}", None, data)])
    told = [decode(entry.data) for entry in await queue.link.decisions()]
    assert [one.pool for one in told if isinstance(one, Scaled)][-3:] == ["one", "two", "one"]


@pytest.mark.parametrize("data", [b"", b"junk", msgspec.msgpack.encode({"type": "else"})])
async def test_a_question_that_is_none_is_told_so(queue, data: bytes):
    told = await queue.link.bus.request(SUBJECT, data, timeout=30)
    assert msgspec.msgpack.decode(told.data, type=Refused).reason.startswith("not understood")


async def test_where_nobody_answers_it_is_told(queue):
    lone = JobsLink()
    with pytest.raises(NotLinked):
        await lone.ask(AskOverview(), Overview)
    with pytest.raises(NotLinked):
        await lone.log()
