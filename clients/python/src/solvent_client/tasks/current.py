"""What may a running task know and say of itself?

`current_task` answers for whatever task the calling code runs in, in threads and in asyncio.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from solvent_client.host import elapsed_ms
from solvent_client.tasks.engine import Engine, Link, awaited, waited
from solvent_client.tasks.errors import NotInTask, Retry, StaleFence
from solvent_client.tasks.record import Spec, decode, subject_of

if TYPE_CHECKING:
    import asyncio

MAX_NOTE_CHARACTERS = 200


@dataclass(slots=True, eq=False)
class Run:
    """One run of a job in this process, from its assignment to its end."""

    task_id: str
    fence: int
    base: int
    """The sequence that the next record on the job's subject must expect: first the fence."""
    prev: bytes
    """What the next record on the job's subject must carry."""
    attempt: int
    deadline_ns: int
    spec: Spec
    engine: Engine
    cut_at_ms: float = 0.0
    """When it is stopped, by the clock of `elapsed_ms`."""
    progress: float | None = None
    note: str = ""
    cancelled: bool = False
    timed_out: bool = False
    thread_id: int = 0
    """Of the thread that runs it, while it runs."""
    job: asyncio.Task[None] | None = None
    """What runs it, where it is an async function."""
    gathered: list[object] | None = None
    """The results of a group's members, where it is the group's callback."""


running: ContextVar[Run | None] = ContextVar("solvent_current_task", default=None)


class CurrentTask:
    """The task that the calling code runs in. Every question raises NotInTask outside of one."""

    __slots__ = ()

    @property
    def active(self) -> bool:
        """Whether there is one."""
        return running.get() is not None

    @property
    def id(self) -> str:
        """The job's id."""
        return _run().task_id

    @property
    def name(self) -> str:
        """The task's name."""
        return _run().spec.name

    @property
    def fence(self) -> int:
        """The fencing token of this run: larger than that of every run of the job before it.

        Hand it to what the task changes (`update … where fence < :fence`), so that a run that was
        overtaken can change nothing any more.
        """
        return _run().fence

    @property
    def attempt(self) -> int:
        """The number of this run, from 1."""
        return _run().attempt

    @property
    def retries(self) -> int:
        """How often it was tried before."""
        return _run().attempt - 1

    @property
    def queue(self) -> str:
        """The queue that it came through."""
        return _run().spec.queue

    @property
    def root(self) -> str:
        """The id of the first job of its chain or group."""
        return _run().spec.root or _run().task_id

    @property
    def deadline(self) -> datetime:
        """When the permission to run ends, by the log's clock."""
        return datetime.fromtimestamp(_run().deadline_ns / 1e9, UTC)

    @property
    def seconds_left(self) -> float:
        """How long it may still run, by this host's forward-only clock."""
        return max(0.0, (_run().cut_at_ms - elapsed_ms()) / 1000.0)

    @property
    def cancelled(self) -> bool:
        """Whether it was called off, has run out of time or is handed back: stop, it is in vain."""
        return _run().cancelled

    def progress(self, share: float | None, note: str = "") -> None:
        """Say how far it has come: a share from 0 to 1 or None, and a few words.

        Raises:
            ValueError: the share is not from 0 to 1.
        """
        if share is not None and not 0.0 <= share <= 1.0:
            raise ValueError(f"share: expected 0 to 1, got {share}")
        run = _run()
        run.progress = share
        run.note = note[:MAX_NOTE_CHARACTERS]

    def retry(self, countdown: float | None = None, *, reason: str = "retry") -> NoReturn:
        """Stop this run and try again after so many seconds, or by the task's back-off."""
        _run()
        raise Retry(reason, countdown=countdown)

    def check(self) -> None:
        """Ask the log whether this run still has its permission, before what cannot be undone.

        Raises:
            StaleFence: it has not; the job is somebody else's by now, or over.
            QueueUnreachable: the log cannot be asked.
        """
        run = _run()
        waited(run.engine.run(lambda link: _check(link, run)))

    async def acheck(self) -> None:
        """Ask the same in asyncio."""
        run = _run()
        await awaited(run.engine.run(lambda link: _check(link, run)))


async def _check(link: Link, run: Run) -> None:
    last = await link.reader.last(subject_of(run.engine.place.space, run.task_id))
    if last is None or last.seq != run.fence:
        record = decode(last.data) if last else None
        raise StaleFence(run.task_id, fence=run.fence, record=record)


def _run() -> Run:
    run = running.get()
    if run is None:
        raise NotInTask("there is no current task here")
    return run


current_task = CurrentTask()
