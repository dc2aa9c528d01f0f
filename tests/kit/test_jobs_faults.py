"""Does a job run once in effect where leases end, workers race, and the database goes away?"""

from __future__ import annotations

import asyncio
import contextlib

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.db import Database
from solvent.kit.ids import TenantId
from solvent.kit.jobs import JobPayload, JobRuntime, enqueue
from solvent.kit.jobs.queue import claim
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


def runtime(house: House, function: JobFunction, system: Database | None = None) -> JobRuntime:
    return JobRuntime(system or house.system, house.edge, {NAME: function}, {})


async def put(house: House, tenant_id: TenantId, count: int) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for number in range(count):
            await enqueue(ctx, NAME, {"number": number})


async def end_leases(house: House, tenant_id: TenantId) -> None:
    async with house.system.transaction() as tx:
        await tx.execute(
            "update kit_job set not_before = '-infinity' where tenant_id = $1", tenant_id
        )


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


async def test_two_runtimes_at_once_run_each_job_once(house: House, tenant_id: TenantId) -> None:
    await put(house, tenant_id, 120)
    count = Count(tenant_id)
    both = [runtime(house, count.run) for _ in range(2)]
    while sum(await asyncio.gather(*(one.run_due() for one in both))):
        pass
    assert await effects(house, tenant_id) == 120
    assert await failures(house, tenant_id) == 0


async def test_a_lease_that_ends_in_the_middle_of_a_run_gives_the_job_to_nobody_else(
    house: House, tenant_id: TenantId
) -> None:
    """What runs holds the row of its job: it is not claimed, however long the run takes."""
    await put(house, tenant_id, 2)
    slow, quick = Count(tenant_id), Count(tenant_id)
    slow.go_on.clear()
    first = asyncio.create_task(runtime(house, slow.run).run_due())
    await asyncio.wait_for(slow.begun.wait(), 10)
    async with house.system.transaction() as tx:  # the other one's lease ends, not yet begun
        await tx.execute(
            "update kit_job set not_before = '-infinity' where tenant_id = $1 and id in"
            " (select id from kit_job where tenant_id = $1 for update skip locked)",
            tenant_id,
        )
    await runtime(house, quick.run).run_due()
    slow.go_on.set()
    await first
    assert await effects(house, tenant_id) == 2
    assert await failures(house, tenant_id) == 0


async def test_a_worker_that_lost_its_lease_leaves_the_job_alone(
    house: House, tenant_id: TenantId
) -> None:
    """It was stopped between claiming and running, and comes back when another has run it."""
    await put(house, tenant_id, 1)
    count = Count(tenant_id)
    late, other = runtime(house, count.run), runtime(house, count.run)
    async with house.system.transaction() as tx:
        jobs = await claim(tx, now=house.edge.clock.now(), limit=1_000)
    held = [job for job in jobs if job.tenant_id == tenant_id]
    await end_leases(house, tenant_id)
    await other.run_due()
    assert [await late._run_one(job) for job in held] == [True]
    assert await effects(house, tenant_id) == 1


async def test_a_worker_killed_in_the_middle_of_a_run_leaves_the_job_as_it_was(
    house: House, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, 1)
    count = Count(tenant_id)
    count.go_on.clear()
    killed = asyncio.create_task(runtime(house, count.run).run_due())
    await asyncio.wait_for(count.begun.wait(), 10)
    killed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await killed
    assert await effects(house, tenant_id) == 0
    count.go_on.set()
    await end_leases(house, tenant_id)
    await runtime(house, count.run).run_due()
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
    work = asyncio.create_task(runtime(house, fail, fragile).run())
    await asyncio.wait_for(tried.wait(), 10)
    await asyncio.sleep(0.5)
    assert not work.done()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def test_a_reason_that_no_text_can_hold_is_kept_escaped(
    house: House, tenant_id: TenantId
) -> None:
    async def fail(ctx: Ctx, payload: JobPayload) -> None:
        del payload
        if ctx.tenant_id == tenant_id:
            msg = "odd \0 \ud800"
            raise ValueError(msg)

    await put(house, tenant_id, 1)
    await runtime(house, fail).run_due()
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        reason = await ctx.tx.fetchval(
            "select last_error from kit_job where tenant_id = $1", tenant_id
        )
    assert reason == r"ValueError: odd \x00 \ud800"
