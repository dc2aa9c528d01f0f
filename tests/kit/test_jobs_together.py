"""Are many due jobs of a tenant run at once, and does a bad one among them harm no other?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from solvent.app.house import House
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.ids import TenantId
from solvent.kit.jobs import JobPayload, count_due, enqueue, queue
from solvent.kit.jobs.executor import Executor
from solvent.kit.jobs.house import subject_of, submission
from solvent.kit.jobs.log import Append, MemoryLog
from solvent.kit.jobs.record import Dead, Done, chain_hash, decode, encode
from solvent.kit.jobs.submit import Submitter
from solvent.kit.jobs.testing import InlineJobs
from solvent.kit.jobs.worker import Task
from solvent.kit.testing import eventually
from solvent.kit.wiring import JobBatch

NAME = "test.many"
HOUR_S = 3_600


class Crowd:
    """Notes which jobs of its tenants ran together; cannot stand some of them."""

    def __init__(self, *tenant_ids: TenantId) -> None:
        self.tenant_ids = tenant_ids
        self.ran: list[list[str]] = []
        self.bad: set[str] = set()

    async def run(self, ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
        if ctx.tenant_id not in self.tenant_ids:
            return
        names = [str(one["what"]) for one in payloads]
        if found := self.bad.intersection(names):
            msg = f"not {min(found)}"
            raise ValueError(msg)
        self.ran.append(names)

    @property
    def functions(self) -> dict[str, JobBatch]:
        return {NAME: JobBatch(self.run)}


@pytest.fixture
def crowd(tenant_id: TenantId) -> Crowd:
    return Crowd(tenant_id)


@pytest.fixture
def runtime(house: House, crowd: Crowd) -> InlineJobs:
    return InlineJobs(house.system, house.edge, crowd.functions)


async def put(house: House, tenant_id: TenantId, *names: str, max_attempts: int = 10) -> None:
    """Let jobs be due, one after another."""
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for place, name in enumerate(names):
            await enqueue(
                ctx,
                NAME,
                {"what": name},
                run_at=ctx.now() - timedelta(minutes=len(names) - place),
                unique_key=name,
                max_attempts=max_attempts,
            )


async def due(house: House, tenant_id: TenantId) -> int:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await count_due(ctx)


async def rows(house: House, tenant_id: TenantId) -> list[queue.DueJob]:
    """Return the tenant's jobs in the order in which they came due."""
    async with house.system.transaction() as tx:
        found = await tx.fetch(
            "select tenant_id, id, name, max_attempts, alone from kit_job where tenant_id = $1"
            " order by run_at, id",
            tenant_id,
        )
    return [queue.DueJob(**row) for row in found]


def submitter(house: House, log: MemoryLog) -> Submitter:
    return Submitter(
        house.system, house.edge.clock, log, {}, lambda: None, together=frozenset({NAME})
    )


async def prove(house: House, tenant_id: TenantId, log: MemoryLog) -> None:
    """Let an hour pass, and the submitter look whether what was submitted still lives."""
    async with house.system.transaction() as tx:
        await tx.execute(
            "update kit_job set submitted_at = submitted_at - interval '1 hour'"
            " where tenant_id = $1",
            tenant_id,
        )
    made = submitter(house, log)
    made._proven_at_ms = float("-inf")
    await made.prove_some()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(lambda: 1_000)


async def test_due_jobs_of_a_tenant_are_run_at_once_in_their_order(
    house: House, runtime: InlineJobs, crowd: Crowd, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, "a", "b", "c")
    await runtime.run_due()
    await runtime.run_due()
    assert crowd.ran == [["a", "b", "c"]]
    assert await due(house, tenant_id) == 0


async def test_another_tenants_jobs_are_not_taken_along(
    house: House, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    crowd = Crowd(tenant_id, mallory_id)
    await put(house, tenant_id, "a", "b")
    await put(house, mallory_id, "m", "n")
    await InlineJobs(house.system, house.edge, crowd.functions).run_due()
    assert sorted(crowd.ran) == [["a", "b"], ["m", "n"]]


async def test_a_bad_job_holds_up_no_other_and_is_kept_with_its_reason(
    house: House, runtime: InlineJobs, crowd: Crowd, tenant_id: TenantId
) -> None:
    crowd.bad = {"b"}
    await put(house, tenant_id, "a", "b", "c", max_attempts=2)
    await runtime.run_due()
    await runtime.run_due()
    assert sorted(crowd.ran) == [["a"], ["c"]], "each was tried by itself"
    await put(house, tenant_id, "d", "e")
    await runtime.run_due()
    assert crowd.ran[2:] == [["d", "e"]], "what comes later waits for nobody"
    runtime.rest(HOUR_S)
    await runtime.run_due()
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        [dead] = await queue.list_dead(ctx)
        assert dead.last_error == "ValueError: not b"
        await queue.revive(ctx, dead.id)
    crowd.bad.clear()
    await runtime.run_due()
    assert crowd.ran[3:] == [["b"]]


async def test_a_failure_together_uses_up_no_attempt(
    house: House, runtime: InlineJobs, crowd: Crowd, tenant_id: TenantId
) -> None:
    crowd.bad = {"b"}
    await put(house, tenant_id, "a", "b", max_attempts=1)
    await runtime.run_due()
    await runtime.run_due()
    assert crowd.ran == [["a"]]
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        assert [one.last_error for one in await queue.list_dead(ctx)] == ["ValueError: not b"]


async def test_a_job_that_led_waits_for_its_own_retry_only(
    house: House, runtime: InlineJobs, crowd: Crowd, tenant_id: TenantId
) -> None:
    crowd.bad = {"a"}
    await put(house, tenant_id, "a", "b")
    await runtime.run_due()
    await runtime.run_due()
    assert crowd.ran == [["b"]]
    crowd.bad.clear()
    runtime.rest(HOUR_S)
    await runtime.run_due()
    assert crowd.ran == [["b"], ["a"]]


async def test_one_record_on_the_log_stands_for_all(
    house: House, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, "a", "b", "c")
    first, *others = await rows(house, tenant_id)
    await submitter(house, log).submit_due()
    assert await log.last(subject_of(first.id)) is not None
    assert [await log.last(subject_of(one.id)) for one in others] == [None, None]


async def test_what_a_lost_job_takes_along_is_submitted_with_it_again(
    house: House, crowd: Crowd, tenant_id: TenantId, log: MemoryLog
) -> None:
    await put(house, tenant_id, "a", "b")
    await submitter(house, log).submit_due()
    await prove(house, tenant_id, MemoryLog(lambda: 1_000))
    await InlineJobs(house.system, house.edge, crowd.functions).run_due()
    assert crowd.ran == [["a", "b"]]


async def test_what_a_job_that_was_given_up_took_along_is_run_by_itself(
    house: House, crowd: Crowd, tenant_id: TenantId, log: MemoryLog
) -> None:
    """It may be the one that kills workers."""
    await put(house, tenant_id, "a", "b", "c")
    await submitter(house, log).submit_due()
    last = await log.last(subject_of((await rows(house, tenant_id))[0].id))
    assert last is not None
    dead = Dead(chain_hash(last.data), "worker_lost")
    await log.append([Append(last.subject, last.seq, encode(dead))])
    await prove(house, tenant_id, log)
    await InlineJobs(house.system, house.edge, crowd.functions).run_due()
    assert sorted(crowd.ran) == [["b"], ["c"]]


async def test_what_waits_for_a_job_that_is_no_more_is_let_go(
    house: House, crowd: Crowd, tenant_id: TenantId, log: MemoryLog
) -> None:
    """As where an older version of the program has run the one that led."""
    await put(house, tenant_id, "a", "b")
    await submitter(house, log).submit_due()
    leader = (await rows(house, tenant_id))[0]
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        assert await queue.take(ctx, leader.id)
    await prove(house, tenant_id, log)
    await InlineJobs(house.system, house.edge, crowd.functions).run_due()
    assert crowd.ran == [["b"]]


async def test_a_worker_faster_than_the_submitters_commit_takes_all_along(
    house: House, crowd: Crowd, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, "a", "b")
    leader, other = await rows(house, tenant_id)
    record = decode(submission(leader, in_order=False).data)
    task = Task(leader.id, 2, b"", 1, 0, record.spec)
    async with house.system.transaction() as tx:
        leaders = {leader.id: None, other.id: leader.id}
        await queue.mark_submitted(tx, [leader, other], leaders)
        running = asyncio.create_task(
            Executor(house.system, house.edge, crowd.functions, {}).perform(task)
        )
        waiting = "select count(*) from pg_locks where not granted"
        await eventually(lambda: tx.fetchval(waiting), until=lambda count: count > 0)
    assert isinstance(await running, Done)
    assert crowd.ran == [["a", "b"]]
