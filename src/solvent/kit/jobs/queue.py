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


async def read_due(tx: Tx, *, now: datetime, limit: int) -> list[DueJob]:
    """Return due jobs of all tenants that are not on the log, by the tenant's own time."""
    rows = await tx.fetch(
        "select j.tenant_id, j.id, j.name, j.max_attempts"
        " from kit_job j left join kit_test_clock c using (tenant_id)"
        " where not j.dead and j.submitted_at is null and j.run_at <= coalesce(c.now_at, $1)"
        " order by j.run_at, j.id limit $2 for update of j skip locked",
        now,
        limit,
    )
    return [DueJob(**row) for row in rows]


async def read_unproven(tx: Tx, *, age_s: float, limit: int) -> list[DueJob]:
    """Return jobs that have stood on the log for long, those first that were looked at longest ago.

    They count as looked at now.
    """
    rows = await tx.fetch(
        "with old as ("
        "  select tenant_id, id from kit_job"
        "  where submitted_at < clock_timestamp() - make_interval(secs => $1) and not dead"
        "  order by submitted_at limit $2 for update skip locked)"
        " update kit_job j set submitted_at = clock_timestamp() from old"
        " where j.tenant_id = old.tenant_id and j.id = old.id"
        " returning j.tenant_id, j.id, j.name, j.max_attempts",
        age_s,
        limit,
    )
    return [DueJob(**row) for row in rows]


async def mark_submitted(tx: Tx, jobs: Sequence[DueJob]) -> None:
    """Note that these jobs are on the log."""
    await tx.execute(
        "update kit_job j set submitted_at = clock_timestamp()"
        " from unnest($1::text[], $2::text[]) as on_log (tenant_id, id)"
        " where j.tenant_id = on_log.tenant_id and j.id = on_log.id",
        [job.tenant_id for job in jobs],
        [job.id for job in jobs],
    )


async def mark_unsubmitted(tx: Tx, job: DueJob) -> None:
    """Note that the log has no job of this row: it is to be submitted again."""
    await tx.execute(
        "update kit_job set submitted_at = null where tenant_id = $1 and id = $2 and not dead",
        job.tenant_id,
        job.id,
    )


async def take(ctx: Ctx, job_id: str) -> Mapping[str, str | int] | None:
    """Remove a job in the transaction of its effects; return its payload.

    None if there is nothing left to do: somebody has run it, or it is dead.
    """
    return await ctx.tx.fetchval(
        "delete from kit_job where tenant_id = $1 and id = $2 and not dead returning payload",
        ctx.tenant_id,
        job_id,
    )


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
