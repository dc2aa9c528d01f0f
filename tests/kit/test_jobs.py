"""Does a job exist exactly when its cause does, and is it run once, in its tenant's time?"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from solvent.app.house import House
from solvent.app.testing import EPOCH
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.ids import TenantId
from solvent.kit.jobs import JobPayload, count_due, enqueue
from solvent.kit.jobs.queue import JobUnknown, revive
from solvent.kit.jobs.testing import InlineJobs


class Diary:
    """Notes which jobs of its tenant ran; fails as often as it is told to."""

    def __init__(self, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self.ran: list[str] = []
        self.failures = 0

    async def write(self, ctx: Ctx, payload: JobPayload) -> None:
        if ctx.tenant_id != self.tenant_id:
            return
        if self.failures:
            self.failures -= 1
            msg = "no ink"
            raise RuntimeError(msg)
        self.ran.append(str(payload["what"]))


@pytest.fixture
def diary(tenant_id: TenantId) -> Diary:
    return Diary(tenant_id)


@pytest.fixture
def runtime(house: House, diary: Diary) -> InlineJobs:
    return InlineJobs(house.system, house.edge, {"test.write": diary.write})


async def put(house: House, tenant_id: TenantId, what: str, *, after_h: int = 0) -> bool:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        run_at = ctx.now() + timedelta(hours=after_h)
        return await enqueue(ctx, "test.write", {"what": what}, run_at=run_at, unique_key=what)


async def move_clock(house: House, tenant_id: TenantId, *, hours: int) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update kit_test_clock set now_at = $2 where tenant_id = $1",
            tenant_id,
            EPOCH + timedelta(hours=hours),
        )


PAUSE_S = 2
"""Longer than a job rests after its first failure."""


async def test_a_due_job_runs_once(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    await put(house, tenant_id, "now")
    await runtime.run_due()
    await runtime.run_due()
    assert diary.ran == ["now"]


async def test_a_job_of_a_rolled_back_transaction_never_exists(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    with contextlib.suppress(RuntimeError):
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await enqueue(ctx, "test.write", {"what": "ghost"})
            raise RuntimeError
    await runtime.run_due()
    assert diary.ran == []


async def test_a_moved_test_clock_makes_jobs_due_in_their_order(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    for after_h in (3, 1, 2, 9):
        await put(house, tenant_id, f"hour {after_h}", after_h=after_h)
    await runtime.run_due()
    assert diary.ran == []
    await move_clock(house, tenant_id, hours=3)
    await runtime.run_due()
    assert diary.ran == ["hour 1", "hour 2", "hour 3"]


async def test_a_waiting_unique_job_is_not_written_twice(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    assert await put(house, tenant_id, "same")
    assert not await put(house, tenant_id, "same")
    await runtime.run_due()
    assert diary.ran == ["same"]


async def test_a_failed_job_waits_and_runs_again(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    diary.failures = 1
    await put(house, tenant_id, "stubborn")
    await runtime.run_due()
    assert diary.ran == []
    await runtime.run_due()
    assert diary.ran == [], "it must wait for its pause"
    runtime.rest(PAUSE_S)
    await runtime.run_due()
    assert diary.ran == ["stubborn"]


async def test_after_a_failure_later_jobs_of_the_tenant_keep_their_place(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    diary.failures = 1
    for after_h in (1, 2):
        await put(house, tenant_id, f"period {after_h}", after_h=after_h)
    await move_clock(house, tenant_id, hours=2)
    await runtime.run_due()
    runtime.rest(PAUSE_S)
    await runtime.run_due()
    assert diary.ran == ["period 1", "period 2"]


async def test_a_job_that_always_fails_is_kept_with_its_reason_and_can_be_revived(
    house: House, runtime: InlineJobs, diary: Diary, tenant_id: TenantId
) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await enqueue(ctx, "test.write", {"what": "last"}, max_attempts=1)
    diary.failures = 1
    await runtime.run_due()
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        row = await ctx.tx.fetchrow(
            "select id, dead, last_error from kit_job where tenant_id = $1", tenant_id
        )
        assert row is not None
        assert (row["dead"], row["last_error"]) == (True, "RuntimeError: no ink")
        await revive(ctx, row["id"])
    await runtime.run_due()
    assert diary.ran == ["last"]


async def test_another_tenants_job_cannot_be_revived(
    house: House, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    await put(house, tenant_id, "mine", after_h=1)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        job_id = await ctx.tx.fetchval("select id from kit_job where tenant_id = $1", tenant_id)
    with pytest.raises(JobUnknown):
        async with house.edge.open(mallory_id, OPERATOR) as ctx:
            await revive(ctx, job_id)


async def test_due_jobs_are_counted_in_the_tenants_time(house: House, tenant_id: TenantId) -> None:
    await put(house, tenant_id, "now")
    await put(house, tenant_id, "later", after_h=5)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        assert await count_due(ctx) == 1
