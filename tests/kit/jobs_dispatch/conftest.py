"""What do the tests of the dispatcher share? A log, a fold and a view, moved by hand."""

from __future__ import annotations

import pytest

from solvent.kit.jobs import record as r
from solvent.kit.jobs.dispatch.fleet import Beat, Worker
from solvent.kit.jobs.dispatch.view import Proposal, View
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.job import Job

S = 1_000_000_000
SPACE = "t1"


class Board:
    """A log of one, and a dispatcher's view of it; time stands still until it is moved."""

    def __init__(self) -> None:
        self.state = State()
        self.view = View(self.state.jobs, host="here", by="dsp")
        self.now = 1_000_000 * S
        self.mono = 1_000 * S
        self.view.now_ns = self.now
        self.seq = 0
        self.records: list[tuple[str, r.Record]] = []
        self.silent: set[Worker] = set()

    def pass_s(self, seconds: float) -> None:
        """Let time pass, in which every worker beats that is not silent."""
        for _ in range(int(seconds)):
            self._pass(S)
        self._pass(int(seconds % 1 * S))

    def _pass(self, ns: int) -> None:
        self.now += ns
        self.mono += ns
        self.view.now_ns = self.now
        for worker in list(self.view.fleet.workers.values()):
            if worker not in self.silent and worker.beat is not None and not worker.lost:
                self.view.fleet.mono_ns = self.mono
                worker.seen_at_ns = self.mono

    def rebuild(self) -> None:
        """Let a dispatcher take over that knows the log alone; the leases of all workers end."""
        self.view = View(self.state.jobs, host="here", by="dsp2")
        self.view.now_ns = self.now
        self.view.fleet.mono_ns = self.mono - 6 * S
        self.view.build(self.state.finished.values())

    # ------------------------------------------------------------------------------------ the log

    def write(self, key: str, record: r.Record) -> int:
        """Let somebody write a record; return its sequence."""
        self.seq += 1
        self.records.append((key, record))
        change = self.state.apply(self.seq, self.now, f"job.{key}", r.encode(record))
        assert change.kind != "void", change.reason
        if change.job is not None:
            self.view.note(change.job, change.kind)
        if change.header is not None:
            self.view.note_group(change.header)
        return self.seq

    def submit(self, task_id: str, space: str = SPACE, **spec: object) -> Job:
        """Submit a job."""
        key = f"{space}.{task_id}"
        ended = self.state.jobs.get(key)
        prev = ended.hash if ended else r.CHAIN_START
        self.write(key, r.Submitted(prev, r.Spec(**{"name": "work", **spec})))
        return self.state.jobs[key]

    def job(self, task_id: str, space: str = SPACE) -> Job:
        """Return a job that the fold still holds."""
        return self.state.jobs[f"{space}.{task_id}"]

    def done(self, task_id: str, space: str = SPACE) -> None:
        """Let the worker say that the job is done."""
        job = self.job(task_id, space)
        self.write(job.key, r.Done(job.hash, job.fence))

    def fail(self, task_id: str, *, retry_s: float = 0, space: str = SPACE) -> None:
        """Let the worker say that the attempt failed."""
        job = self.job(task_id, space)
        self.write(job.key, r.Failed(job.hash, job.fence, "no ink", int(retry_s * S)))

    def cancel(self, task_id: str) -> None:
        """Let somebody call the job off."""
        job = self.job(task_id)
        self.write(job.key, r.Canceled(job.hash))

    # ---------------------------------------------------------------------------- the dispatcher

    def worker(self, name: str = "w1", *, credit: int = 10, **beat: object) -> Worker:
        """Let a worker beat that has been probed."""
        told = {"space": SPACE, "queues": ["default"], "host": "here", "started_ns": 1} | beat
        worker = self.view.beat(Beat(worker=name, credit=credit, **told), self.mono)
        worker.probed = True
        self.view.fleet.seat(worker)
        return worker

    def decide(self, room: int = 500) -> list[Proposal]:
        """Return what the view proposes now, and write nothing."""
        return self.view.decide(self.now, self.mono, room=room)

    def turn(self, room: int = 500) -> list[str]:
        """Let the log take all that is proposed; tell it: `a>w1` assigned, else `a:Kind`."""
        told: list[str] = [self.accept(proposal) for proposal in self.decide(room)]
        return told

    def accept(self, proposal: Proposal) -> str:
        """Let the log take a proposal."""
        record = r.decode(proposal.append.data)
        seq = self.write(proposal.job.key, record)
        self.view.accepted(proposal, seq)
        task_id = proposal.append.subject.rpartition(".")[2]
        if isinstance(record, r.Assigned):
            return f"{task_id}>{record.worker}"
        if isinstance(record, r.Dead):
            return f"{task_id}:Dead({record.reason})"
        if isinstance(record, r.Expired):
            return f"{task_id}:Expired({record.cause})"
        return f"{task_id}:{type(record).__name__}"


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture(scope="session")
def make_board() -> type[Board]:
    return Board
