"""Which jobs wait, which are due, and which have failed for good?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from solvent.kit.db import STAGE_OUTBOX
from solvent.kit.errors import NotFound
from solvent.kit.ids import TenantId
from solvent.kit.limits import JOB_ATTEMPTS_MAX, JOB_LEASE_S
from solvent.kit.wiring import JobPayload

if TYPE_CHECKING:
    from solvent.kit.ctx import Ctx
    from solvent.kit.db import Tx


DEAD_LISTED_MAX = 500

_ENQUEUE = (
    "insert into kit_job (tenant_id, id, name, payload, run_at, unique_key, max_attempts)"
    " values ($1, $2, $3, $4, $5, $6, $7)"
    " on conflict (tenant_id, name, unique_key) where unique_key is not null do nothing"
)


class JobUnknown(NotFound):
    """There is no such failed job."""

    code = "kit.job_unknown"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; `attempt` counts from one."""

    tenant_id: TenantId
    id: str
    name: str
    payload: Mapping[str, str | int]
    run_at: datetime
    attempt: int
    max_attempts: int


async def enqueue(
    ctx: Ctx,
    name: str,
    payload: JobPayload,
    *,
    run_at: datetime | None = None,
    unique_key: str | None = None,
    max_attempts: int = JOB_ATTEMPTS_MAX,
) -> bool:
    """Write a job in this transaction, due at `run_at` of the tenant's time (None: at once).

    Returns whether it was written: False where a waiting job of this name has the unique key.
    """
    written = await ctx.tx.execute(
        _ENQUEUE,
        ctx.tenant_id,
        ctx.ids.new("job"),
        name,
        dict(payload),
        run_at or ctx.now(),
        unique_key,
        max_attempts,
    )
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)
    return written > 0


def enqueue_at_end(
    ctx: Ctx, name: str, payload: JobPayload, *, run_at: datetime, unique_key: str
) -> None:
    """As `enqueue`, written just before this transaction commits, with all that it has collected.

    For whom it is one whether a waiting job has the unique key already.
    """
    row = (
        ctx.tenant_id,
        ctx.ids.new("job"),
        name,
        dict(payload),
        run_at,
        unique_key,
        JOB_ATTEMPTS_MAX,
    )
    ctx.tx.collect("kit.jobs", row, flush=partial(ctx.tx.executemany, _ENQUEUE), stage=STAGE_OUTBOX)
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)


async def count_due(ctx: Ctx) -> int:
    """Return how many of the tenant's jobs are due now and not yet done: zero means settled."""
    return await ctx.tx.fetchval(
        "select count(*) from kit_job where tenant_id = $1 and not dead and run_at <= $2",
        ctx.tenant_id,
        ctx.now(),
    )


async def claim(tx: Tx, *, now: datetime, limit: int) -> list[Job]:
    """Lease due jobs of all tenants, earliest first by the tenant's own time."""
    rows = await tx.fetch(
        "with due as ("
        "  select j.tenant_id, j.id from kit_job j left join kit_test_clock c using (tenant_id)"
        "  where not j.dead and j.not_before <= clock_timestamp()"
        "    and j.run_at <= coalesce(c.now_at, $1)"
        "  order by j.run_at, j.id limit $2 for update of j skip locked)"
        " update kit_job j set attempts = attempts + 1,"
        "   not_before = clock_timestamp() + make_interval(secs => $3)"
        " from due where j.tenant_id = due.tenant_id and j.id = due.id"
        " returning j.tenant_id, j.id, j.name, j.payload, j.run_at, j.attempts as attempt,"
        "   j.max_attempts",
        now,
        limit,
        JOB_LEASE_S,
    )
    return sorted((Job(**row) for row in rows), key=lambda job: (job.run_at, job.id))


async def finish(ctx: Ctx, job: Job) -> bool:
    """Remove a job in the transaction of its effects; False if somebody else has finished it."""
    gone = await ctx.tx.execute(
        "delete from kit_job where tenant_id = $1 and id = $2 and attempts = $3",
        job.tenant_id,
        job.id,
        job.attempt,
    )
    return gone > 0


async def postpone(tx: Tx, job: Job, *, reason: str, pause_s: float) -> None:
    """Note a failure; the job is tried again after the pause, or is dead after its last attempt."""
    await tx.execute(
        "update kit_job set last_error = $3, dead = attempts >= max_attempts,"
        "  not_before = clock_timestamp() + make_interval(secs => $4)"
        " where tenant_id = $1 and id = $2",
        job.tenant_id,
        job.id,
        reason,
        pause_s,
    )


async def hand_back(tx: Tx, jobs: Sequence[Job]) -> None:
    """Give up the lease of jobs that were claimed and not begun."""
    await tx.execute(
        "update kit_job set not_before = clock_timestamp(), attempts = attempts - 1"
        " where id = any($1::text[])",
        [job.id for job in jobs],
    )


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that failed at its last attempt."""

    id: str
    name: str
    run_at: datetime
    last_error: str


async def list_dead(ctx: Ctx) -> list[DeadJob]:
    """Return the tenant's failed jobs, the earliest first."""
    rows = await ctx.tx.fetch(
        "select id, name, run_at, coalesce(last_error, '') as last_error from kit_job"
        " where tenant_id = $1 and dead order by run_at, id limit $2",
        ctx.tenant_id,
        DEAD_LISTED_MAX,
    )
    return [DeadJob(**row) for row in rows]


async def revive(ctx: Ctx, job_id: str) -> None:
    """Let a dead job run again, from its first attempt.

    Raises:
        JobUnknown: the tenant has no dead job of this id.
    """
    revived = await ctx.tx.execute(
        "update kit_job set dead = false, attempts = 0, not_before = clock_timestamp()"
        " where tenant_id = $1 and id = $2 and dead",
        ctx.tenant_id,
        job_id,
    )
    if not revived:
        raise JobUnknown(field="job_id")
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)
