"""How does a due job of the house come from its row to the log, once, in its tenant's order?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from solvent.kit.clock import Clock, monotonic_ms
from solvent.kit.db import Database, Tx
from solvent.kit.errors import Unavailable
from solvent.kit.jobs import queue
from solvent.kit.jobs.house import ended_by, subject_of, submission, tick, turn_of
from solvent.kit.jobs.log import Append, Entry, Log, append_each
from solvent.kit.jobs.record import CHAIN_START, chain_hash
from solvent.kit.limits import (
    JOB_BATCH,
    JOB_LOOK_MS,
    JOB_POLL_MS,
    JOB_PROVEN_BATCH,
    JOB_PROVEN_S,
)
from solvent.kit.log import get_logger
from solvent.kit.wiring import AnyJob, JobBatch, Periodic

log = get_logger(__name__)

LOCK_KEY: Final = 0x501F_0B5
RETRY_S: Final = 0.5


def run_together(functions: Mapping[str, AnyJob]) -> frozenset[str]:
    """Return the names of the jobs of which many are run at once."""
    return frozenset(name for name, run in functions.items() if isinstance(run, JobBatch))


@dataclass(slots=True)
class Submitter:
    """Brings due rows to the log; one submitter works at a time, so that the order is kept."""

    system: Database
    clock: Clock
    log: Log
    periodics: Mapping[str, Periodic]
    log_time_ns: Callable[[], int | None]
    """The log's clock; None while it is not known."""
    together: Collection[str] = frozenset()
    """The names of the jobs of which many are run at once."""
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: dict[str, int] = field(default_factory=dict[str, int])
    _proven_at_ms: float = field(default_factory=monotonic_ms)

    async def run(self) -> None:
        """Work until cancelled; faults of database and log are waited out.

        However often it is nudged, it looks a few times a second: every commit nudges.
        """
        while True:
            next_ms = monotonic_ms() + JOB_LOOK_MS
            self.nudged.clear()
            submitted = 0
            try:
                submitted = await self.submit_due()
                await self.submit_ticks()
                await self.prove_some()
            except Unavailable as away:
                log.warning("jobs_wait", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
            if submitted < JOB_BATCH:
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: in Python 3.11 it swallows a cancellation that meets a nudge.
                    async with asyncio.timeout(JOB_POLL_MS / 1000):
                        await self.nudged.wait()
                await asyncio.sleep(max(0.0, next_ms - monotonic_ms()) / 1000)

    async def submit_due(self) -> int:
        """Bring the jobs that are due to the log; return how many.

        Killed between the log and the commit, it finds them on the log the next time.
        """
        async with self.system.transaction() as tx:
            if not await _is_alone(tx):
                return 0
            jobs = await queue.read_due(tx, now=self.clock.now(), limit=JOB_BATCH)
            if jobs:
                leaders = self._leaders(jobs)
                await self._append([job for job in jobs if leaders[job.id] is None])
                await queue.mark_submitted(tx, jobs, leaders)
        return len(jobs)

    def _leaders(self, jobs: Sequence[queue.DueJob]) -> dict[str, str | None]:
        """Return by which job each is taken along; None: it goes to the log itself."""
        first: dict[tuple[str, str], str] = {}
        leaders: dict[str, str | None] = dict.fromkeys(job.id for job in jobs)
        for job in jobs:
            if job.name in self.together and not job.alone:
                leader = first.setdefault((job.tenant_id, job.name), job.id)
                leaders[job.id] = leader if leader != job.id else None
        return leaders

    async def _append(self, jobs: Sequence[queue.DueJob]) -> None:
        seqs = await append_each(self.log, [self._submission(job) for job in jobs])
        for job, seq in zip(jobs, seqs, strict=True):
            if seq is None:
                await self._append_again(job)

    async def _append_again(self, job: queue.DueJob) -> None:
        """Let a job that has ended on the log live again; one that has not is there already."""
        last = await self.log.last(subject_of(job.id))
        if last is not None and ended_by(last):
            again = self._submission(job, prev=chain_hash(last.data), expected=last.seq)
            await append_each(self.log, [again])

    def _submission(
        self, job: queue.DueJob, *, prev: bytes = CHAIN_START, expected: int = 0
    ) -> Append:
        in_order = job.name not in self.together
        return submission(job, in_order=in_order, prev=prev, expected=expected)

    async def submit_ticks(self) -> None:
        """Submit the turn of each periodic function, unless another process has."""
        now_ns = self.log_time_ns()
        if now_ns is None:
            return
        turns = {name: turn_of(one, now_ns) for name, one in self.periodics.items()}
        new = [name for name, turn in turns.items() if turn != self._turns.get(name)]
        if new:
            await append_each(self.log, [tick(self.periodics[name], turns[name]) for name in new])
            self._turns = turns

    async def prove_some(self) -> None:
        """Look whether jobs that have stood on the log for long are still alive there.

        One that the dispatchers gave up is dead here too; one that the log has lost, with its disk
        or before a backup of the database, is submitted again.
        """
        if monotonic_ms() - self._proven_at_ms < JOB_PROVEN_S * 1000 / 4:
            return
        self._proven_at_ms = monotonic_ms()
        async with self.system.transaction() as tx:
            if await _is_alone(tx):
                await queue.free_forsaken(tx, age_s=JOB_PROVEN_S)
                for job in await queue.read_unproven(
                    tx, age_s=JOB_PROVEN_S, limit=JOB_PROVEN_BATCH
                ):
                    await self._prove(tx, job, await self.log.last(subject_of(job.id)))

    async def _prove(self, tx: Tx, job: queue.DueJob, last: Entry | None) -> None:
        end = ended_by(last) if last is not None else "done"
        if end == "done":
            await queue.mark_unsubmitted(tx, job)
        elif end:
            log.error("job_given_up", job=job.name, job_id=job.id, reason=end)
            await queue.come_apart(tx, job.tenant_id, job.id)
            await queue.give_up(tx, job.tenant_id, job.id, reason=end)


async def _is_alone(tx: Tx) -> bool:
    return await tx.fetchval("select pg_try_advisory_xact_lock($1)", LOCK_KEY)
