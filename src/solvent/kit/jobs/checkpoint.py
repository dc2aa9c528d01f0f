"""How does the log stay short enough to start from, and how is a wrong fold found out?

A checkpoint tells what the fold came to at the checkpoint before, and every other fold compares.
To compact, one is written (the base); then every job that began before it is written again whole,
in batches that a `vouched` of ours announces; a checkpoint that names the base closes this, a
second one confirms the state, and what is older than the base is removed. Nobody has to stop for
it: a job that moves meanwhile refuses to be carried, and is carried in its new state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import structs

from solvent.kit.jobs import record as r
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.job import ASSIGNED, Job, Schedule, pack_job
from solvent.kit.jobs.log import (
    BATCH_MAX,
    RECORD_BYTES_MAX,
    SUBJECT_CHECKPOINT,
    Append,
    Log,
    LogConflict,
    LogOutcomeUnknown,
    append_each,
)
from solvent.kit.log import get_logger

CHECKPOINT_EVERY: Final = 20_000
"""Records between two checkpoints."""

KEEP_RECORDS: Final = 100_000
"""The log is compacted once it has so many records beyond three for each job that is held."""

LEAVE_RUNNING_S: Final = 60.0
"""Jobs that run when compaction begins have so long to end before they are carried as they are."""

CARRY_BYTES_MAX: Final = 4 * RECORD_BYTES_MAX
ROUND_PAUSE_S: Final = 0.2
FOLD_POLL_S: Final = 0.005
FOLD_S: Final = 30.0

log = get_logger(__name__)


class CompactionInterrupted(Exception):
    """Another dispatcher wrote a checkpoint meanwhile, or nothing was read for long."""


class Keeper:
    """Writes checkpoints and compacts; `state` is folded by somebody else meanwhile."""

    def __init__(
        self, jobs_log: Log, state: State, *, by: str = "", leave_running_s: float = LEAVE_RUNNING_S
    ) -> None:
        """Keep this log; `by` names the dispatcher in what is written."""
        self._leave_running_s = leave_running_s
        self._log = jobs_log
        self._state = state
        self._by = by

    async def tend(self) -> bool:
        """Do what is due; return whether anything was.

        Raises:
            LogAway: as the log.
        """
        state = self._state
        if not state.whole or state.seq - state.checkpoint_seq < CHECKPOINT_EVERY:
            return False
        try:
            if await self._is_long():
                await self.compact()
            else:
                await self.mark()
        except (CompactionInterrupted, LogConflict, LogOutcomeUnknown) as why:
            log.info("checkpoint_interrupted", reason=repr(why))
        return True

    async def _is_long(self) -> bool:
        first, last = await self._log.bounds()
        return last - first > KEEP_RECORDS + 3 * len(self._state.jobs)

    async def mark(self, *, base: int = 0) -> int:
        """Write a checkpoint and wait until it is folded; return its sequence.

        Raises:
            LogConflict: another one was written meanwhile.
        """
        record = self._state.next_checkpoint(base=base, by=self._by)
        written = Append(SUBJECT_CHECKPOINT, self._state.own_seq, r.encode(record))
        [seq] = await self._log.append([written])
        await self._folded(seq)
        return seq

    async def compact(self) -> int:
        """Make the log begin anew; return the sequence that it begins with now.

        Raises:
            LogConflict, CompactionInterrupted: somebody else is at it; nothing is lost.
        """
        base = await self.mark()
        await self._carry_all(base)
        await self._carry_schedules(base)
        await self._bury_all(base)
        await self.mark(base=base)
        await self.mark()
        await self._log.purge(base)
        log.info("log_compacted", first=base, jobs=len(self._state.jobs))
        return base

    # ------------------------------------------------------------------------------------ carrying

    async def _carry_all(self, base: int) -> None:
        """Carry every job that began before the base; headers of groups once all members stand."""
        end = asyncio.get_running_loop().time() + self._leave_running_s
        while left := self._older_than(base, self._state.jobs.values()):
            while left := self._older_than(base, left):
                patient = asyncio.get_running_loop().time() < end
                members = [job for job in left if job.group is None]
                due = [job for job in members or left if job.phase != ASSIGNED or not patient]
                for batch in _batches(due):
                    held = self._older_than(base, batch)  # the others have ended meanwhile
                    await self._write_vouched([self._carried(job) for job in held])
                if not due:
                    await asyncio.sleep(ROUND_PAUSE_S)

    def _older_than(self, base: int, jobs: Iterable[Job]) -> list[Job]:
        held = self._state.jobs
        return [job for job in jobs if job.origin < base and held.get(job.key) is job]

    def _carried(self, job: Job) -> Append:
        record = r.Carried(job.hash, pack_job(job), by=self._by)
        return Append(job.subject, job.seq, r.encode(record))

    async def _write_vouched(self, records: list[Append]) -> None:
        """Write the records that nobody overtakes, and that they are ours."""
        while records:
            vouched = r.encode(r.Vouched(len(records), by=self._by))
            try:
                seqs = await self._log.append([Append(SUBJECT_CHECKPOINT, None, vouched), *records])
            except LogConflict as conflict:
                overtaken = frozenset(conflict.subjects)
                records = [one for one in records if one.subject not in overtaken]
                await asyncio.sleep(FOLD_POLL_S)  # until what was faster is folded
            else:
                await self._folded(seqs[-1])
                return

    async def _carry_schedules(self, base: int) -> None:
        """Declare every schedule again that was declared before the base, as it stands now."""
        while left := [one for one in self._state.schedules.values() if one.seq < base]:
            records = [self._declared(one) for one in left[:BATCH_MAX]]
            seqs = [seq for seq in await append_each(self._log, records) if seq]
            await self._folded(max(seqs, default=0))
            await asyncio.sleep(0)

    def _declared(self, one: Schedule) -> Append:
        told = structs.replace(one.told, prev=one.hash, after_ns=one.after_ns, by=self._by)
        return Append(one.subject, one.seq, r.encode(told))

    async def _bury_all(self, base: int) -> None:
        """Say of jobs that are no more so where their records would mislead who begins there."""
        while gone := list(islice(self._gone(base), BATCH_MAX - 1)):
            await self._write_vouched([one for key in gone if (one := await self._bury(key))])

    async def _bury(self, key: str) -> Append | None:
        newest = await self._log.last(f"job.{key}")
        if newest is None:
            del self._state.voided[key]
            return None
        record = r.Carried(r.chain_hash(newest.data), b"", by=self._by)
        return Append(newest.subject, newest.seq, r.encode(record))

    def _gone(self, base: int) -> Iterator[str]:
        state = self._state
        return (k for k, seq in state.voided.items() if seq > base and k not in state.jobs)

    async def _folded(self, seq: int) -> None:
        """Wait until whoever folds has come there."""
        end = asyncio.get_running_loop().time() + FOLD_S
        while self._state.seq < seq:
            if asyncio.get_running_loop().time() > end:
                raise CompactionInterrupted
            await asyncio.sleep(FOLD_POLL_S)


def _batches(jobs: list[Job]) -> Iterator[list[Job]]:
    """Cut the jobs into appends that are neither too many nor too long."""
    batch: list[Job] = []
    size = 0
    for job in jobs:
        if batch and (len(batch) >= BATCH_MAX - 1 or size > CARRY_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += len(job.spec.args)
    if batch:
        yield batch
