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
from solvent.kit.limits import JOB_ATTEMPTS_MAX
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


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that is due, or stands on the log."""

    tenant_id: TenantId
    id: str
    name: str
    max_attempts: int
    alone: bool = False
    """Whether a run with others failed: from then on it is run by itself."""


async def read_due(tx: Tx, *, now: datetime, limit: int) -> list[DueJob]:
    """Return due jobs of all tenants that are not on the log, by the tenant's own time."""
    rows = await tx.fetch(
        "select j.tenant_id, j.id, j.name, j.max_attempts, j.alone"
        " from kit_job j left join kit_test_clock c using (tenant_id)"
        " where not j.dead and j.submitted_at is null and j.run_at <= coalesce(c.now_at, $1)"
        " order by j.run_at, j.id limit $2 for update of j skip locked",
        now,
        limit,
    )
    return [DueJob(**row) for row in rows]


async def read_unproven(tx: Tx, *, age_s: float, limit: int) -> list[DueJob]:
    """Return jobs that have stood on the log for long, those first that were looked at longest ago.

    They count as looked at now. What another one takes along does not stand there.
    """
    rows = await tx.fetch(
        "with old as ("
        "  select tenant_id, id from kit_job"
        "  where submitted_at < clock_timestamp() - make_interval(secs => $1)"
        "   and not dead and led_by is null"
        "  order by submitted_at limit $2 for update skip locked)"
        " update kit_job j set submitted_at = clock_timestamp() from old"
        " where j.tenant_id = old.tenant_id and j.id = old.id"
        " returning j.tenant_id, j.id, j.name, j.max_attempts",
        age_s,
        limit,
    )
    return [DueJob(**row) for row in rows]


async def mark_submitted(tx: Tx, jobs: Sequence[DueJob], leaders: Mapping[str, str | None]) -> None:
    """Note that these jobs are on the log, or by which of them, that is, they are taken along."""
    await tx.execute(
        "update kit_job j set submitted_at = clock_timestamp(), led_by = on_log.led_by"
        " from unnest($1::text[], $2::text[], $3::text[]) as on_log (tenant_id, id, led_by)"
        " where j.tenant_id = on_log.tenant_id and j.id = on_log.id",
        [job.tenant_id for job in jobs],
        [job.id for job in jobs],
        [leaders[job.id] for job in jobs],
    )


async def mark_unsubmitted(tx: Tx, job: DueJob) -> None:
    """Note that the log has no job of this row: it, and what it takes along, is to go there."""
    await tx.execute(
        "update kit_job set submitted_at = null, led_by = null"
        " where tenant_id = $1 and (id = $2 or led_by = $2) and not dead",
        job.tenant_id,
        job.id,
    )


async def free_forsaken(tx: Tx, *, age_s: float) -> None:
    """Let go to the log what was long to be taken along by a job that is no more."""
    await tx.execute(
        "update kit_job j set submitted_at = null, led_by = null"
        " where submitted_at < clock_timestamp() - make_interval(secs => $1)"
        "  and not dead and led_by is not null and not exists ("
        "   select from kit_job leader where leader.tenant_id = j.tenant_id"
        "    and leader.id = j.led_by and not leader.dead)",
        age_s,
    )


async def come_apart(tx: Tx, tenant_id: TenantId, leader_id: str) -> int:
    """Let the jobs that one takes along go to the log, each alone; return how many there were."""
    freed = await tx.execute(
        "update kit_job set submitted_at = null, led_by = null, alone = true"
        " where tenant_id = $1 and led_by = $2 and not dead",
        tenant_id,
        leader_id,
    )
    if freed:
        await tx.execute(
            "update kit_job set alone = true where tenant_id = $1 and id = $2", tenant_id, leader_id
        )
    return freed


async def take(ctx: Ctx, job_id: str) -> Mapping[str, str | int] | None:
    """Remove a job in the transaction of its effects; return its payload.

    None if there is nothing left to do: somebody has run it, or it is dead.
    """
    return await ctx.tx.fetchval(
        "delete from kit_job where tenant_id = $1 and id = $2 and not dead returning payload",
        ctx.tenant_id,
        job_id,
    )


async def take_together(ctx: Ctx, job_id: str) -> list[JobPayload]:
    """Remove a job and all that it takes along, as `take`; return their payloads as they came due.

    Its own row is locked first: who has just brought it to the log may not have committed yet, and
    until then what it takes along is not seen.
    """
    await ctx.tx.execute(
        "select from kit_job where tenant_id = $1 and id = $2 for update", ctx.tenant_id, job_id
    )
    rows = await ctx.tx.fetch(
        "with taken as ("
        "  delete from kit_job where tenant_id = $1 and (id = $2 or led_by = $2) and not dead"
        "  returning id, run_at, payload)"
        " select payload from taken order by run_at, id",
        ctx.tenant_id,
        job_id,
    )
    return [row["payload"] for row in rows]


async def note_failure(tx: Tx, tenant_id: TenantId, job_id: str, *, reason: str) -> int | None:
    """Count a failed attempt; return how many there were, None if the job is dead by now."""
    row = await tx.fetchrow(
        "update kit_job set attempts = attempts + 1, last_error = $3,"
        "  dead = attempts + 1 >= max_attempts"
        " where tenant_id = $1 and id = $2 and not dead returning attempts, dead",
        tenant_id,
        job_id,
        reason,
    )
    return None if row is None or row["dead"] else row["attempts"]


async def give_up(tx: Tx, tenant_id: TenantId, job_id: str, *, reason: str) -> None:
    """Let a job be dead because the log says so."""
    await tx.execute(
        "update kit_job set dead = true, last_error = $3"
        " where tenant_id = $1 and id = $2 and not dead",
        tenant_id,
        job_id,
        reason,
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
        "update kit_job set dead = false, attempts = 0, submitted_at = null"
        " where tenant_id = $1 and id = $2 and dead",
        ctx.tenant_id,
        job_id,
    )
    if not revived:
        raise JobUnknown(field="job_id")
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)
