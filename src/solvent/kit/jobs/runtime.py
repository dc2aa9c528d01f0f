"""Who runs jobs when they are due, and what happens when one fails?"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from solvent.kit.clock import monotonic_ms
from solvent.kit.ctx import SCOPE_ALL, Actor, Edge
from solvent.kit.db import Database
from solvent.kit.errors import Unavailable, reason_of
from solvent.kit.group import side_by_side
from solvent.kit.jobs.queue import Job, claim, finish, hand_back, postpone
from solvent.kit.limits import JOB_BACKOFF_S, JOB_BATCH, JOB_LOOK_MS, JOB_POLL_MS
from solvent.kit.log import bind, get_logger
from solvent.kit.telemetry import JOBS_RUN, span
from solvent.kit.wiring import JobFunction, Periodic

log = get_logger(__name__)


@dataclass(slots=True)
class JobRuntime:
    """Runs due jobs, each in one transaction with its own removal, a tenant's in their order."""

    system: Database
    edge: Edge
    functions: Mapping[str, JobFunction]
    periodics: Mapping[str, Periodic]
    nudged: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Work until cancelled; faults of the database are waited out.

        However often it is nudged, it looks a few times a second: every commit nudges.
        """
        while True:
            next_ms = monotonic_ms() + JOB_LOOK_MS
            ran = 0
            try:
                ran = await self.run_due() + await self.run_periodics()
            except* Unavailable as faults:  # a group's: tenants are worked on side by side
                log.warning("jobs_wait", reason=str(faults.exceptions[0])[:200])
            if not ran:
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: in Python 3.11 it swallows a cancellation that meets a nudge.
                    async with asyncio.timeout(JOB_POLL_MS / 1000):
                        await self.nudged.wait()
                await asyncio.sleep(max(0.0, next_ms - monotonic_ms()) / 1000)
            self.nudged.clear()

    async def run_due(self) -> int:
        """Claim and run what is due; return how many jobs were claimed."""
        async with self.system.transaction() as tx:
            jobs = await claim(tx, now=self.edge.clock.now(), limit=JOB_BATCH)
        tenants: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            tenants[job.tenant_id].append(job)
        await side_by_side(self._run_in_order(of_tenant) for of_tenant in tenants.values())
        return len(jobs)

    async def _run_in_order(self, jobs: list[Job]) -> None:
        """Run one tenant's jobs; once one fails, the later ones of its name wait."""
        failed: set[str] = set()
        skipped: list[Job] = []
        for job in jobs:
            if job.name in failed:
                skipped.append(job)
            elif not await self._run_one(job):
                failed.add(job.name)
        if skipped:
            async with self.system.transaction() as tx:
                await hand_back(tx, skipped)

    async def _run_one(self, job: Job) -> bool:
        try:
            with bind(job=job.name, job_id=job.id), span("job", job=job.name):
                await self._perform(job)
        except Exception as fault:  # noqa: BLE001 - any fault of a job is retried, then kept
            JOBS_RUN.labels(job.name, "failed").inc()
            await self._note_failure(job, fault)
            return False
        JOBS_RUN.labels(job.name, "done").inc()
        return True

    async def _perform(self, job: Job) -> None:
        actor = Actor("job", job.name, frozenset({SCOPE_ALL}))
        async with self.edge.open(job.tenant_id, actor) as ctx:
            if await finish(ctx, job):
                await self.functions[job.name](ctx, job.payload)

    async def _note_failure(self, job: Job, fault: Exception) -> None:
        log.error("job_failed", job=job.name, job_id=job.id, attempt=job.attempt)
        pause_s = JOB_BACKOFF_S[min(job.attempt, len(JOB_BACKOFF_S)) - 1]
        reason = reason_of(fault)
        async with self.system.transaction() as tx:
            await postpone(tx, job, reason=reason, pause_s=pause_s)

    async def run_periodics(self) -> int:
        """Run the periodic functions whose time has come; return how many."""
        return sum([await self._run_periodic(one) for one in self.periodics.values()])

    async def _run_periodic(self, periodic: Periodic) -> bool:
        async with self.system.transaction() as tx:
            mine = await tx.fetchval(
                "insert into kit_periodic as p (name, next_at) values ($1, clock_timestamp() + $2)"
                " on conflict (name) do update set next_at = excluded.next_at"
                " where p.next_at <= clock_timestamp() returning true",
                periodic.name,
                periodic.every if periodic.every > timedelta(0) else timedelta(seconds=1),
            )
        if mine:
            try:
                await periodic.run(self.edge)
            except Exception:
                log.exception("periodic_failed", periodic=periodic.name)
        return bool(mine)
