"""How does a job of the house run once in effect, however often the log gives it out?

The function and the removal of the job's row are one transaction. So of two runs one finds no row
and does nothing, and a run that is killed leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solvent.kit.ctx import SCOPE_ALL, Actor, Edge
from solvent.kit.db import Database, DatabaseAway
from solvent.kit.errors import NotFound, reason_of
from solvent.kit.ids import TenantId
from solvent.kit.jobs import queue
from solvent.kit.jobs.house import NS, tenant_of
from solvent.kit.jobs.record import Dead, Done, Expired, Failed
from solvent.kit.jobs.worker import Outcome, Task
from solvent.kit.limits import JOB_BACKOFF_S
from solvent.kit.log import bind, get_logger
from solvent.kit.telemetry import JOBS_RUN, span
from solvent.kit.wiring import AnyJob, JobBatch, Periodic

log = get_logger(__name__)

AWAY_S: Final = 1
"""How long a job rests that could not begin, because the database is away."""


class JobFunctionUnknown(NotFound):
    """No function of this name runs jobs in this version of the program."""

    code = "kit.job_function_unknown"


@dataclass(slots=True)
class Executor:
    """Runs jobs and periodic functions; `perform` never raises, save for a cancellation."""

    system: Database
    edge: Edge
    functions: Mapping[str, AnyJob]
    periodics: Mapping[str, Periodic]

    async def perform(self, task: Task) -> Outcome:
        """Run what the task names; return the record of its outcome."""
        tenant_id = tenant_of(task.spec)
        if tenant_id is None:
            return await self._run_periodic(task.spec.name)
        name = task.spec.name
        try:
            with bind(job=name, job_id=task.task_id), span("job", job=name):
                count = await self._run(tenant_id, task)
        except Exception as fault:  # noqa: BLE001 - any fault of a job is retried, then kept
            return await self._note_fault(tenant_id, task, fault)
        JOBS_RUN.labels(name, "done").inc(count)
        return Done(b"", 0)

    async def _run(self, tenant_id: TenantId, task: Task) -> int:
        """Run the job, or it and all that it takes along; return how many there were to run."""
        actor = Actor("job", task.spec.name, frozenset({SCOPE_ALL}))
        function = self.functions.get(task.spec.name)
        async with self.edge.open(tenant_id, actor) as ctx:
            if isinstance(function, JobBatch):
                payloads = await queue.take_together(ctx, task.task_id)
                if payloads:
                    await function.run(ctx, payloads)
                return len(payloads)
            payload = await queue.take(ctx, task.task_id)
            if payload is None:
                return 0
            if function is None:
                raise JobFunctionUnknown(field=task.spec.name)
            await function(ctx, payload)
            return 1

    async def _note_fault(self, tenant_id: TenantId, task: Task, fault: Exception) -> Outcome:
        """Let what failed together be tried one by one, to find the bad one; else note whose it is.

        What could not be done because the database is away is tried again as it was.
        """
        name, reason = task.spec.name, reason_of(fault)
        if await self._comes_apart(tenant_id, task):
            log.warning("jobs_come_apart", job=name, job_id=task.task_id, reason=reason)
            return _refused(0)
        if isinstance(fault, DatabaseAway):
            log.warning("job_waits", job=name, job_id=task.task_id, reason=reason)
            return _refused()
        JOBS_RUN.labels(name, "failed").inc()
        return await self._note_failure(tenant_id, task, fault)

    async def _comes_apart(self, tenant_id: TenantId, task: Task) -> bool:
        if not isinstance(self.functions.get(task.spec.name), JobBatch):
            return False
        try:
            async with self.system.transaction() as tx:
                return await queue.come_apart(tx, tenant_id, task.task_id) > 0
        except DatabaseAway:
            return False

    async def _note_failure(self, tenant_id: TenantId, task: Task, fault: Exception) -> Outcome:
        name, reason = task.spec.name, reason_of(fault)
        log.error("job_failed", job=name, job_id=task.task_id, attempt=task.attempt, reason=reason)
        try:
            async with self.system.transaction() as tx:
                attempts = await queue.note_failure(tx, tenant_id, task.task_id, reason=reason)
        except DatabaseAway:
            return _refused()
        if attempts is None:
            return Dead(b"", reason, 0)
        pause_s = JOB_BACKOFF_S[min(attempts, len(JOB_BACKOFF_S)) - 1]
        return Failed(b"", 0, reason, pause_s * NS)

    async def _run_periodic(self, name: str) -> Outcome:
        """Run a periodic function; one that fails has its next turn and no other."""
        periodic = self.periodics.get(name)
        try:
            if periodic is not None:
                await periodic.run(self.edge)
        except Exception:
            log.exception("periodic_failed", periodic=name)
        return Done(b"", 0)


def _refused(rest_s: int = AWAY_S) -> Expired:
    """Return that the job is handed back, with no attempt used up."""
    return Expired(b"", 0, "refused", rest_s * NS)
