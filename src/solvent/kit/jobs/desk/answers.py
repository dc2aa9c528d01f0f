"""What does a dispatcher's state say to a question?

A look at many jobs goes through them in slices, so that dispatching never waits for more than one;
what was counted is kept for a while that grows with the time that counting took.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from solvent.kit.jobs.desk.messages import (
    ROWS_MAX,
    Answer,
    Ask,
    AskInUse,
    AskJob,
    AskJobs,
    AskOverview,
    AskSchedules,
    AskWorkers,
    InUse,
    JobFound,
    JobPage,
    JobRow,
    Overview,
    QueueRow,
    RunningRow,
    ScheduleRow,
    Schedules,
    StateName,
    WorkerRow,
    Workers,
)
from solvent.kit.jobs.dispatch.fleet import Beat, Worker
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.job import Job, Schedule
from solvent.kit.jobs.schedule import parse_cron

SLICE: Final = 2_000
KEPT_SHARE: Final = 20
"""What took a second to count is kept for twenty."""
KEPT_S_MIN: Final = 0.5
MINUTE_NS: Final = 60_000_000_000


@dataclass(slots=True)
class _Count:
    """What is counted of one queue."""

    states: Counter[StateName] = field(default_factory=Counter["StateName"])
    oldest_ns: int = 0
    done_minute: int = 0


_Counted = dict[tuple[str, str], _Count]


@dataclass(slots=True)
class Desk:
    """Answers from the state of the dispatcher beside it."""

    dispatcher: Dispatcher
    host: str = ""
    _counted: _Counted = field(default_factory=dict[tuple[str, str], _Count])
    _until: float = 0.0

    async def answer(self, ask: Ask) -> Answer:
        """Return what the state says now."""
        match ask:
            case AskJobs():
                return await self._jobs(ask)
            case AskJob():
                return JobFound(self._job(f"{ask.space}.{ask.task_id}"))
            case AskOverview():
                return await self._overview(ask.space)
            case AskWorkers():
                return Workers([_worker_row(one) for one in self._workers(ask.space)])
            case AskSchedules():
                return Schedules(self._schedules(ask.space))
            case AskInUse():
                return in_use(self.dispatcher.state, ask.space)

    @property
    def now_ns(self) -> int:
        """The log's time, as far as it is known here."""
        return max(self.dispatcher.view.now_ns, self.dispatcher.state.clock_ns)

    # ------------------------------------------------------------------------------------- jobs

    def _job(self, key: str) -> JobRow | None:
        state = self.dispatcher.state
        job = state.jobs.get(key) or state.finished.get(key)
        return None if job is None else _job_row(job, self._running(), self.now_ns)

    async def _jobs(self, ask: AskJobs) -> JobPage:
        limit = min(max(ask.limit, 1), ROWS_MAX)
        wanted = frozenset(ask.states)
        best: list[tuple[int, str, Job]] = []
        async for some in self._slices(ask.space):
            for job in some:
                if ask.before and job.submitted_seq >= ask.before:
                    continue
                if (ask.queue and job.spec.queue != ask.queue) or (
                    ask.name and job.spec.name != ask.name
                ):
                    continue
                if not wanted or state_of(job, self.now_ns) in wanted:
                    best.append((job.submitted_seq, job.key, job))
            best = heapq.nlargest(limit + 1, best, key=_place)
        running = self._running()
        rows = [_job_row(job, running, self.now_ns) for _, _, job in best[:limit]]
        return JobPage(rows, more=len(best) > limit)

    async def _slices(self, space: str) -> AsyncIterator[list[Job]]:
        """Give all jobs held of a space (empty: of all) in slices, others working in between."""
        state = self.dispatcher.state
        jobs = iter([*state.jobs.values(), *state.finished.values()])
        head = f"{space}."
        while some := list(islice(jobs, SLICE)):
            yield [job for job in some if not space or job.key.startswith(head)]
            await asyncio.sleep(0)

    def _running(self) -> dict[int, tuple[float | None, str]]:
        beats = [one.beat for one in self.dispatcher.view.fleet.workers.values()]
        told = chain.from_iterable(beat.running for beat in beats if beat is not None)
        return {fence: (progress, note) for fence, progress, note in told}

    # ---------------------------------------------------------------------------------- overview

    async def _overview(self, space: str) -> Overview:
        counted = await self._count()
        state = self.dispatcher.state
        serving = Counter(
            (worker.space, queue)
            for worker in self._workers(space)
            for queue in (worker.beat.queues if worker.beat else ())
        )
        keys = {key for key in {*counted, *serving} if not space or key[0] == space}
        queues = [_queue_row(key, counted.get(key), serving[key]) for key in sorted(keys)]
        return Overview(
            queues, state.seq, self.now_ns, self.dispatcher.leads, state.voids, self.host
        )

    async def _count(self) -> _Counted:
        began = time.monotonic()
        if began < self._until:
            return self._counted
        counted: _Counted = {}
        async for some in self._slices(""):
            self._add(counted, some)
        took = time.monotonic() - began
        self._counted = counted
        self._until = time.monotonic() + max(took * KEPT_SHARE, KEPT_S_MIN)
        return counted

    def _add(self, counted: _Counted, jobs: Iterable[Job]) -> None:
        now_ns = self.now_ns
        for job in jobs:
            key = job.space, job.spec.queue
            count = counted.get(key)
            if count is None:
                count = counted[key] = _Count()
            state = state_of(job, now_ns)
            count.states[state] += 1
            if state == "waiting":
                since = job.due_ns or job.submitted_ns
                count.oldest_ns = min(count.oldest_ns or since, since)
            elif state == "done" and job.ended_ns > now_ns - MINUTE_NS:
                count.done_minute += 1

    # ------------------------------------------------------------------------ workers, schedules

    def _workers(self, space: str) -> list[Worker]:
        found = self.dispatcher.view.fleet.workers.values()
        heard = [one for one in found if one.beat is not None and not one.lost]
        return sorted(
            (one for one in heard if not space or one.space == space),
            key=lambda one: (one.space, one.id),
        )

    def _schedules(self, space: str) -> list[ScheduleRow]:
        found = self.dispatcher.state.schedules
        head = f"{space}."
        return [
            _schedule_row(one, self.now_ns)
            for key, one in sorted(found.items())
            if not space or key.startswith(head)
        ][:ROWS_MAX]


def in_use(state: State, space: str) -> InUse:
    """Return how much of the queue a space uses; costs no look at its jobs."""
    head = f"{space}."
    schedules = [one for key, one in state.schedules.items() if key.startswith(head)]
    scheduled = {one.told.spec.queue for one in schedules}
    return InUse(state.live(space), sorted(scheduled))


def state_of(job: Job, now_ns: int) -> StateName:
    """Return the job's state as people call it."""
    return "delayed" if job.phase == "waiting" and job.due_ns > now_ns else job.phase


def _place(one: tuple[int, str, Job]) -> tuple[int, str]:
    return one[:2]


def _job_row(job: Job, running: dict[int, tuple[float | None, str]], now_ns: int) -> JobRow:
    assigned = job.phase == "assigned"
    progress, note = running.get(job.fence, (None, "")) if assigned else (None, "")
    return JobRow(
        space=job.space,
        task_id=job.task_id,
        name=job.spec.name,
        queue=job.spec.queue,
        state=state_of(job, now_ns),
        priority=job.spec.priority,
        attempt=job.attempt,
        max_attempts=job.spec.max_attempts,
        lost=job.lost,
        worker=job.worker if job.assigned_ns else "",
        submitted_ns=job.submitted_ns,
        submitted_seq=job.submitted_seq,
        due_ns=job.due_ns,
        assigned_ns=job.assigned_ns,
        deadline_ns=job.deadline_ns if assigned else 0,
        ended_ns=job.ended_ns,
        error=job.error,
        key=job.spec.key,
        group=job.spec.group,
        fence=job.fence if assigned else 0,
        progress=progress,
        note=note,
    )


def _queue_row(key: tuple[str, str], count: _Count | None, workers: int) -> QueueRow:
    count = count or _Count()
    return QueueRow(*key, dict(count.states), workers, count.oldest_ns, count.done_minute)


def _worker_row(worker: Worker) -> WorkerRow:
    beat = worker.beat or Beat(worker.id, worker.space, [])
    names = {held.fence: held.job for held in worker.held.values()}
    running = [
        RunningRow(job.task_id, job.spec.name, fence, progress, note)
        for fence, progress, note in beat.running
        if (job := names.get(fence)) is not None
    ]
    return WorkerRow(
        space=worker.space,
        name=worker.id,
        host=beat.host,
        pid=beat.pid,
        state=beat.state if worker.probed else "unprobed",
        queues=list(beat.queues),
        slots=beat.slots,
        held=len(worker.held),
        cpu=beat.cpu,
        memory=beat.memory,
        rss=beat.rss,
        version=beat.version,
        started_ns=beat.started_ns,
        running=running,
    )


def _schedule_row(one: Schedule, now_ns: int) -> ScheduleRow:
    told = one.told
    space, _, name = one.key.partition(".")
    following = parse_cron(told.cron, told.zone).next_after(max(one.after_ns, now_ns))
    return ScheduleRow(
        space=space,
        name=name,
        cron=told.cron,
        zone=told.zone,
        catch_up=told.catch_up,
        task=told.spec.name,
        queue=told.spec.queue,
        after_ns=one.after_ns,
        next_ns=following or 0,
    )
