"""How does a process of ours take jobs from the log, run them, and say what became of them?

Applications use the worker of `solvent-client`, which keeps the same protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import msgspec
import psutil

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import Unavailable
from solvent.kit.jobs import record as r
from solvent.kit.jobs.dispatch.fleet import Beat
from solvent.kit.jobs.dispatch.post import Post, encode_beat, work_subject
from solvent.kit.jobs.job import ASSIGNED, unpack_job
from solvent.kit.jobs.log import BATCH_MAX, Append, Log, append_each
from solvent.kit.jobs.wire import Wire
from solvent.kit.log import get_logger

log = get_logger(__name__)

BEAT_S: Final = 1.0
RETRY_S: Final = 0.3
FORGOTTEN_AFTER: Final = 20_000
"""Fences remembered after their jobs have ended, so that a late delivery is not taken for new."""

CARRIED_READS_MAX: Final = 3
DRAIN_S: Final = 5.0
PREFETCHED: Final = 4
"""Jobs waiting in a worker's hands for each one that it runs at once."""


class Task(NamedTuple):
    """One permission to run a job, as it was delivered."""

    task_id: str
    fence: int
    assignment: bytes
    """The hash of the assignment's record, which the record of the outcome carries on."""
    attempt: int
    deadline_ns: int
    spec: r.Spec


Outcome: TypeAlias = r.Done | r.Failed | r.Dead | r.Expired
Perform: TypeAlias = Callable[[Task], Awaitable[Outcome]]

_DELIVERIES: Final = msgspec.msgpack.Decoder(list[tuple[str, int, bytes, int, int, bytes]])
_SPECS: Final = msgspec.msgpack.Decoder(r.Spec)


class _Control(msgspec.Struct):
    cancel: int = 0
    drain: bool = False


_CONTROLS: Final = msgspec.msgpack.Decoder(_Control)


@dataclass(slots=True)
class Worker:
    """Runs the jobs of some queues of one space; `run` it."""

    log: Log
    post: Post
    perform: Perform
    """Runs one job and returns the record of its outcome; what it raises is a bug of ours."""
    name: str
    space: str
    queues: Sequence[str]
    slots: int
    host: str
    state: str = "starting"
    started_ns: int = field(default_factory=time.time_ns)
    _waiting: deque[Task] = field(default_factory=deque[Task])
    _held: dict[int, Task] = field(default_factory=dict[int, Task])
    _running: dict[int, asyncio.Task[None]] = field(default_factory=dict[int, "asyncio.Task[None]"])
    _past: OrderedDict[int, None] = field(default_factory=OrderedDict[int, None])
    _ended: deque[tuple[Task, Outcome]] = field(default_factory=deque["tuple[Task, Outcome]"])
    _something_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Take jobs until cancelled or told to drain; then let those that run come to their end."""
        subject = work_subject(self.space, self.name)
        sids = [
            self.post.subscribe(subject, self._on_delivery),
            self.post.subscribe(f"{subject}.probe", self._on_probe),
            self.post.subscribe(f"{subject}.control", self._on_control),
        ]
        settling = asyncio.create_task(self._settle())
        self.state = "ready"
        self.send_beat()
        try:
            await self._drained.wait()
        finally:
            await self._come_to_an_end()
            settling.cancel()
            for sid in sids:
                self.post.unsubscribe(sid)

    def beat(self) -> bytes:
        """Return what is to be said of this worker now; it may be asked from any thread."""
        held = list(self._held)
        credit = self.slots * (1 + PREFETCHED) - len(held)
        running: list[tuple[int, float | None, str]] = [(f, None, "") for f in list(self._running)]
        return encode_beat(
            Beat(
                worker=self.name,
                space=self.space,
                queues=list(self.queues),
                host=self.host,
                pid=os.getpid(),
                slots=self.slots,
                credit=max(credit, 0) if self.state == "ready" else 0,
                held=held,
                running=running,
                state=self.state,
                cpu=psutil.cpu_percent(None) / 100,
                memory=psutil.virtual_memory().percent / 100,
                started_ns=self.started_ns,
            )
        )

    @property
    def beat_subject(self) -> str:
        """Where its beats go."""
        return f"beat.{self.space}.{self.name}"

    def send_beat(self) -> None:
        """Say at once what has changed."""
        self.post.publish(self.beat_subject, self.beat())

    # --------------------------------------------------------------------------------- hearing

    def _on_probe(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del subject, head
        if reply and self.state == "ready":
            self.post.publish(reply.decode(), data)

    def _on_control(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del subject, reply, head
        told = _CONTROLS.decode(data)
        if told.drain:
            self._drained.set()
        task = self._held.pop(told.cancel, None)
        if task is None:
            return
        log.info("job_taken_away", job_id=task.task_id, fence=task.fence)
        running = self._running.get(task.fence)
        if running is not None:
            running.cancel()

    def _on_delivery(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del subject, reply, head
        for task_id, fence, assignment, attempt, deadline_ns, spec in _DELIVERIES.decode(data):
            if fence not in self._held and fence not in self._past:
                task = Task(task_id, fence, assignment, attempt, deadline_ns, _SPECS.decode(spec))
                self._held[fence] = task
                self._waiting.append(task)
        self._begin_some()

    # --------------------------------------------------------------------------------- running

    def _begin_some(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            task = self._waiting.popleft()
            if task.fence in self._held:
                self._running[task.fence] = asyncio.create_task(self._run_one(task))

    async def _run_one(self, task: Task) -> None:
        try:
            outcome = await self.perform(task)
            if task.fence in self._held:
                self._end(task, outcome)
        finally:
            self._running.pop(task.fence, None)
            self._begin_some()

    def _end(self, task: Task, outcome: Outcome) -> None:
        self._ended.append((task, outcome))
        self._something_ended.set()

    # -------------------------------------------------------------------------------- settling

    async def _settle(self) -> None:
        """Write outcomes, many at once, until each stands or is refused."""
        while True:
            await self._something_ended.wait()
            self._something_ended.clear()
            while self._ended:
                batch = [self._ended.popleft() for _ in range(min(len(self._ended), BATCH_MAX))]
                await self._write(batch)

    async def _write(self, batch: Sequence[tuple[Task, Outcome]]) -> None:
        """Write a batch; while nobody can say what became of it, ask again."""
        appends = [self._append(task, outcome) for task, outcome in batch]
        while True:
            try:
                seqs = await append_each(self.log, appends)
                break
            except Unavailable as away:
                log.warning("outcome_waits", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
        for (task, outcome), seq in zip(batch, seqs, strict=True):
            if seq is None:
                await self._write_after_carried(task, outcome)
            self._forget(task)

    def _append(self, task: Task, outcome: Outcome) -> Append:
        record = msgspec.structs.replace(
            outcome, prev=task.assignment, fence=task.fence, by=self.name
        )
        return Append(self._subject(task), task.fence, r.encode(record))

    def _subject(self, task: Task) -> str:
        return f"job.{self.space}.{task.task_id}"

    async def _write_after_carried(self, task: Task, outcome: Outcome) -> None:
        """Write on top of what compaction wrote meanwhile; what lost its permission is refused."""
        for _ in range(CARRIED_READS_MAX):
            with contextlib.suppress(Unavailable):
                last = await self.log.last(self._subject(task))
                if last is None or not _carries(last.data, task):
                    break
                record = msgspec.structs.replace(
                    outcome, prev=r.chain_hash(last.data), fence=task.fence, by=self.name
                )
                append = Append(last.subject, last.seq, r.encode(record))
                if (await append_each(self.log, [append]))[0] is not None:
                    return
        log.warning("late_result_refused", job_id=task.task_id, fence=task.fence)

    def _forget(self, task: Task) -> None:
        self._held.pop(task.fence, None)
        if not self._held:
            self._empty.set()
        self._past[task.fence] = None
        if len(self._past) > FORGOTTEN_AFTER:
            self._past.popitem(last=False)

    # ------------------------------------------------------------------------------------ ending

    async def _come_to_an_end(self) -> None:
        """Hand back what has not begun, and wait for what has."""
        self.state = "draining"
        self.send_beat()
        for task in self._waiting:
            self._end(task, r.Expired(b"", 0, "drained"))
        self._waiting.clear()
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=DRAIN_S)
        late = list(self._running.items())
        for _, running in late:
            running.cancel()
        if late:
            await asyncio.wait([running for _, running in late])
        for fence, _ in late:
            if fence in self._held:
                self._end(self._held[fence], r.Expired(b"", 0, "drained"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._held:
                    self._empty.clear()
                    await self._empty.wait()
        self.send_beat()


def _carries(data: bytes, task: Task) -> bool:
    """Return whether a record only carries on the assignment of this task."""
    try:
        record = r.decode(data)
    except msgspec.DecodeError:
        return False
    if type(record) is not r.Carried:
        return False
    job = unpack_job(record.state, key=task.task_id, seq=task.fence)
    return job.phase == ASSIGNED and job.fence == task.fence


class Pulse(threading.Thread):
    """Sends a worker's beats each second over a connection of its own, whatever its loop does."""

    def __init__(self, worker: Worker, login: NatsLogin) -> None:
        """Prepare; `start` it, and `stop` it in the end."""
        super().__init__(name="pulse", daemon=True)
        self._worker = worker
        self._login = login
        self._enough = threading.Event()

    def run(self) -> None:
        """Beat until stopped."""
        with contextlib.suppress(Unavailable):  # never let in: the worker's own wire tells why
            asyncio.run(self._beat())

    async def _beat(self) -> None:
        wire = await Wire.open(self._login, name="solvent-pulse")
        try:
            while not self._enough.is_set():
                wire.publish(self._worker.beat_subject, self._worker.beat())
                await asyncio.sleep(BEAT_S)
        finally:
            await wire.close()

    def stop(self) -> None:
        """Beat no more, soon."""
        self._enough.set()
