"""How does a test run the house's jobs that are due, without a log server and without waiting?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from solvent.kit.ctx import Edge
from solvent.kit.db import Database
from solvent.kit.jobs.dispatch.fleet import Beat
from solvent.kit.jobs.dispatch.view import Proposal, View
from solvent.kit.jobs.executor import Executor
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.house import QUEUE, SPACE
from solvent.kit.jobs.log import Append, Entry, MemoryLog
from solvent.kit.jobs.record import chain_hash, encode
from solvent.kit.jobs.submit import Submitter, run_together
from solvent.kit.jobs.worker import Task
from solvent.kit.wiring import AnyJob

WORKER = "inline"
ROUNDS_MAX = 1_000
ROOM = 200


@dataclass(slots=True)
class InlineJobs:
    """The submitter, the fold, the view and the executor, in turns, on a log in memory.

    Its log's clock stands still until `rest` moves it: a job that failed waits until then.
    """

    system: Database
    edge: Edge
    functions: Mapping[str, AnyJob]
    now_ns: int = 1_000_000_000
    _log: MemoryLog = field(init=False)
    _state: State = field(default_factory=State)
    _view: View = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty log, and one worker."""
        self._log = MemoryLog(lambda: self.now_ns)
        self._view = View(self._state.jobs, by=WORKER)
        beat = Beat(worker=WORKER, space=SPACE, queues=[QUEUE], credit=ROOM)
        worker = self._view.beat(beat, self.now_ns)
        worker.probed = True
        self._view.fleet.seat(worker)

    async def run_due(self) -> int:
        """Submit what is due, run what may run; return how many were submitted."""
        submitter = Submitter(
            self.system,
            self.edge.clock,
            self._log,
            {},
            lambda: None,
            together=run_together(self.functions),
        )
        executor = Executor(self.system, self.edge, self.functions, {})
        submitted = await submitter.submit_due()
        for _ in range(ROUNDS_MAX):
            await self._follow()
            given = self._view.decide(self.now_ns, 0, room=ROOM)
            if not given:
                break
            for proposal in given:
                await self._run(proposal, executor)
        return submitted

    def rest(self, seconds: float) -> None:
        """Let time pass on the log."""
        self.now_ns += int(seconds * 1e9)

    async def _run(self, proposal: Proposal, executor: Executor) -> None:
        """Let the log take a proposal, run the job if it is an assignment, write the outcome."""
        fence = (await self._log.append([proposal.append]))[0]
        if proposal.held is None:
            return
        self._view.accepted(proposal, fence)
        job = proposal.job
        hashed = chain_hash(proposal.append.data)
        task = Task(job.task_id, fence, hashed, proposal.epoch, proposal.deadline_ns, job.spec)
        outcome = msgspec.structs.replace(await executor.perform(task), prev=hashed, fence=fence)
        await self._log.append([Append(proposal.append.subject, fence, encode(outcome))])

    async def _follow(self) -> None:
        bounds = await self._log.bounds()
        while self._state.seq < bounds.last:
            async for batch in self._log.read(self._state.seq + 1):
                self._apply(batch)
                break

    def _apply(self, batch: list[Entry]) -> None:
        self._view.now_ns = self.now_ns
        for entry in batch:
            change = self._state.apply(*entry)
            if change.job is not None:
                self._view.note(change.job, change.kind)
