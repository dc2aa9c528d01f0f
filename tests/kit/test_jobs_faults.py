"""Does a job run once in effect where workers race, are lost, and the engines go away?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.db import Database
from solvent.kit.ids import TenantId
from solvent.kit.jobs import JobPayload, enqueue, queue
from solvent.kit.jobs.executor import Executor
from solvent.kit.jobs.house import SPACE, subject_of, submission
from solvent.kit.jobs.log import Append, MemoryLog
from solvent.kit.jobs.record import (
    Assigned,
    Dead,
    Done,
    Expired,
    Failed,
    chain_hash,
    decode,
    encode,
)
from solvent.kit.jobs.runtime import JobRuntime
from solvent.kit.jobs.submit import Submitter
from solvent.kit.jobs.testing import InlineJobs
from solvent.kit.jobs.worker import Task
from solvent.kit.testing import eventually
from solvent.kit.wiring import JobFunction

NAME = "test.count"


class Count:
    """Counts one tenant's jobs, each in its own transaction: effects are counted, not runs."""

    def __init__(self, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def run(self, ctx: Ctx, payload: JobPayload) -> None:
        if ctx.tenant_id != self.tenant_id:
            return
        self.begun.set()
        await self.go_on.wait()
        await ctx.tx.execute(
            "insert into kit_handled (tenant_id, handler, event_id) values ($1, $2, $3)",
            ctx.tenant_id,
            NAME,
            f"{payload['number']}",
        )


@contextlib.asynccontextmanager
async def working(
    house: House, function: JobFunction, system: Database | None = None
) -> AsyncGenerator[asyncio.Task[None]]:
    """Run the whole runtime beside the test, on the real log."""
    system = system or house.system
    made = JobRuntime(system, house.edge, house.log_place, {NAME: function}, {})
    task = asyncio.create_task(made.run())
    yield task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def executor(house: House, function: JobFunction, system: Database | None = None) -> Executor:
    return Executor(system or house.system, house.edge, {NAME: function}, {})


def submitter(house: House, log: MemoryLog) -> Submitter:
    return Submitter(house.system, house.edge.clock, log, {}, lambda: None)


async def put(house: House, tenant_id: TenantId, count: int) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for number in range(count):
            await enqueue(ctx, NAME, {"number": number})


async def first_job(house: House, tenant_id: TenantId) -> queue.DueJob:
    async with house.system.transaction() as tx:
        row = await tx.fetchrow(
            "select tenant_id, id, name, max_attempts from kit_job where tenant_id = $1", tenant_id
        )
    assert row is not None
    return queue.DueJob(**row)


async def given(house: House, tenant_id: TenantId) -> Task:
    """Return a permission to run the tenant's only job, as a dispatcher would deliver it."""
    job = await first_job(house, tenant_id)
    record = decode(submission(job).data)
    return Task(job.id, 2, b"", 1, 0, record.spec)


async def effects(house: House, tenant_id: TenantId) -> int:
    """Return how often a job took effect; the second time of one would have been refused."""
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await ctx.tx.fetchval(
            "select count(*) from kit_handled where tenant_id = $1 and handler = $2",
            tenant_id,
            NAME,
        )


async def failures(house: House, tenant_id: TenantId) -> int:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await ctx.tx.fetchval(
            "select count(*) from kit_job where tenant_id = $1 and last_error is not null",
            tenant_id,
        )


# ------------------------------------------------------------------------------ on the real log


async def test_two_runtimes_at_once_run_each_job_once(house: House, tenant_id: TenantId) -> None:
    count = Count(tenant_id)
    async with working(house, count.run), working(house, count.run):
        await put(house, tenant_id, 120)
        await eventually(
            lambda: effects(house, tenant_id), until=lambda seen: seen >= 120, within_s=30
        )
    assert await effects(house, tenant_id) == 120
    assert await failures(house, tenant_id) == 0


async def test_a_runtime_that_stops_lets_its_job_come_to_its_end(
    house: House, tenant_id: TenantId
) -> None:
    count = Count(tenant_id)
    count.go_on.clear()
    async with working(house, count.run) as runtime:
        await put(house, tenant_id, 1)
        await asyncio.wait_for(count.begun.wait(), 20)
        runtime.cancel()
        count.go_on.set()
    assert await effects(house, tenant_id) == 1


async def test_a_database_that_goes_away_does_not_end_the_worker(
    house: House, engines: Engines, tenant_id: TenantId
) -> None:
    """Not even where a failure can no longer be noted."""
    dsn = engines.access.postgres.system_dsn
    fragile = await Database.connect(dsn, name="fragile", size_max=2)
    tried = asyncio.Event()

    async def fail(ctx: Ctx, payload: JobPayload) -> None:
        del payload
        if ctx.tenant_id == tenant_id:
            await fragile.close()
            tried.set()
            msg = "no ink"
            raise RuntimeError(msg)

    await put(house, tenant_id, 1)
    async with working(house, fail, fragile) as runtime:
        await asyncio.wait_for(tried.wait(), 20)
        await asyncio.sleep(0.5)
        assert not runtime.done()


# --------------------------------------------------------------------------- one run and another


async def test_of_two_that_hold_the_same_job_one_finds_nothing_to_do(
    house: House, tenant_id: TenantId
) -> None:
    """What runs holds the row of its job: the other one waits for its end, however late."""
    await put(house, tenant_id, 1)
    task = await given(house, tenant_id)
    slow, quick = Count(tenant_id), Count(tenant_id)
    slow.go_on.clear()
    first = asyncio.create_task(executor(house, slow.run).perform(task))
    await asyncio.wait_for(slow.begun.wait(), 60)
    second = asyncio.create_task(executor(house, quick.run).perform(task))
    slow.go_on.set()
    assert [type(one) for one in await asyncio.gather(first, second)] == [Done, Done]
    assert not quick.begun.is_set()
    assert await effects(house, tenant_id) == 1


async def test_a_worker_that_comes_back_after_another_has_run_its_job_leaves_it_alone(
    house: House, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, 1)
    task = await given(house, tenant_id)
    count = Count(tenant_id)
    await executor(house, count.run).perform(task)
    assert isinstance(await executor(house, count.run).perform(task), Done)
    assert await effects(house, tenant_id) == 1


async def test_a_worker_killed_in_the_middle_of_a_run_leaves_the_job_as_it_was(
    house: House, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, 1)
    task = await given(house, tenant_id)
    count = Count(tenant_id)
    count.go_on.clear()
    killed = asyncio.create_task(executor(house, count.run).perform(task))
    await asyncio.wait_for(count.begun.wait(), 60)
    killed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await killed
    assert await effects(house, tenant_id) == 0
    count.go_on.set()
    await executor(house, count.run).perform(task)
    assert await effects(house, tenant_id) == 1


async def test_a_job_that_cannot_begin_for_want_of_the_database_uses_up_no_attempt(
    house: House, engines: Engines, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, 1)
    task = await given(house, tenant_id)
    closed = await Database.connect(engines.access.postgres.app_dsn, name="closed", size_max=1)
    await closed.close()
    edge = type(house.edge)(
        closed, house.edge.clock, house.edge.ids, house.edge.vault, house.edge.bus
    )
    outcome = await Executor(house.system, edge, {}, {}).perform(task)
    assert isinstance(outcome, Expired)
    assert outcome.cause == "refused"
    assert await failures(house, tenant_id) == 0


async def test_a_job_that_no_function_runs_fails_and_says_so(
    house: House, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, 1)
    outcome = await Executor(house.system, house.edge, {}, {}).perform(
        await given(house, tenant_id)
    )
    assert isinstance(outcome, Failed)
    assert "JobFunctionUnknown" in outcome.error
    assert await failures(house, tenant_id) == 1


async def test_a_reason_that_no_text_can_hold_is_kept_escaped(
    house: House, tenant_id: TenantId
) -> None:
    async def fail(ctx: Ctx, payload: JobPayload) -> None:
        del payload
        if ctx.tenant_id == tenant_id:
            msg = "odd \0 \ud800"
            raise ValueError(msg)

    await put(house, tenant_id, 1)
    await InlineJobs(house.system, house.edge, {NAME: fail}).run_due()
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        reason = await ctx.tx.fetchval(
            "select last_error from kit_job where tenant_id = $1", tenant_id
        )
    assert reason == r"ValueError: odd \x00 \ud800"


# --------------------------------------------------------------------------- the row and the log


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(lambda: 1_000)


async def records(log: MemoryLog, job: queue.DueJob) -> list[str]:
    """Return the kinds of the records on a job's subject, in their order."""
    if (await log.bounds()).last < 1:
        return []
    entries = await anext(aiter(log.read(1)))
    subject = subject_of(job.id)
    return [type(decode(one.data)).__name__ for one in entries if one.subject == subject]


async def end(log: MemoryLog, job: queue.DueJob, reason: str) -> None:
    """Let the dispatchers give a job up."""
    last = await log.last(subject_of(job.id))
    assert last is not None
    dead = Dead(chain_hash(last.data), reason)
    await log.append([Append(last.subject, last.seq, encode(dead))])


async def age(house: House, tenant_id: TenantId) -> None:
    """Let the tenant's jobs have stood on the log for long."""
    async with house.system.transaction() as tx:
        await tx.execute(
            "update kit_job set submitted_at = submitted_at - interval '1 hour'"
            " where tenant_id = $1",
            tenant_id,
        )


async def prove(house: House, log: MemoryLog) -> None:
    made = submitter(house, log)
    made._proven_at_ms = float("-inf")
    await made.prove_some()


async def test_a_submitter_killed_before_its_commit_submits_nothing_twice(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, 1)
    job = await first_job(house, tenant_id)
    await submitter(house, log)._append([job])  # the row does not know of it
    await submitter(house, log).submit_due()
    assert await records(log, job) == ["Submitted"]
    await submitter(house, log).submit_due()
    assert await records(log, job) == ["Submitted"]


async def test_a_job_that_the_dispatchers_gave_up_is_dead_with_the_reason_and_can_be_revived(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, 1)
    await submitter(house, log).submit_due()
    job = await first_job(house, tenant_id)
    await end(log, job, "worker_lost")
    await age(house, tenant_id)
    await prove(house, log)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        assert [one.last_error for one in await queue.list_dead(ctx)] == ["worker_lost"]
        await queue.revive(ctx, job.id)
    await submitter(house, log).submit_due()
    assert await records(log, job) == ["Submitted", "Dead", "Submitted"]


async def test_a_job_that_the_log_has_lost_is_submitted_again(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, 1)
    await submitter(house, log).submit_due()
    job = await first_job(house, tenant_id)
    await age(house, tenant_id)
    another = MemoryLog(lambda: 1_000)
    await prove(house, another)
    await submitter(house, another).submit_due()
    assert await records(another, job) == ["Submitted"]


async def test_a_job_that_lives_on_the_log_is_left_there(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, 1)
    await submitter(house, log).submit_due()
    job = await first_job(house, tenant_id)
    last = await log.last(subject_of(job.id))
    assert last is not None
    assigned = Assigned(chain_hash(last.data), "wrk_1", 1, 10**18)
    await log.append([Append(last.subject, last.seq, encode(assigned))])
    await age(house, tenant_id)
    await prove(house, log)
    await submitter(house, log).submit_due()
    assert await records(log, job) == ["Submitted", "Assigned"]


async def test_the_log_holds_nothing_of_what_a_job_is_about(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await enqueue(ctx, NAME, {"customer": "alice@example.com"})
    await submitter(house, log).submit_due()
    last = await log.last(subject_of((await first_job(house, tenant_id)).id))
    assert last is not None
    assert last.subject.startswith(f"job.{SPACE}.job_")
    assert b"alice" not in last.data
