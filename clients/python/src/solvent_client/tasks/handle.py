"""What has become of a job, what did it return, and how is it called off or run again?"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from solvent_client.tasks.engine import Engine, Link, awaited, remaining, waited
from solvent_client.tasks.errors import (
    JobCanceled,
    JobDead,
    JobUnknown,
    LogConflict,
    ResultTimeout,
)
from solvent_client.tasks.log import Entry, Stored
from solvent_client.tasks.payload import unpack_result
from solvent_client.tasks.record import (
    Assigned,
    Canceled,
    Carried,
    Dead,
    Done,
    Expired,
    Failed,
    Grouped,
    Record,
    Replayed,
    chain_hash,
    decode,
    encode,
    read_carriage,
    subject_of,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg

T = TypeVar("T")

State: TypeAlias = Literal["unknown", "waiting", "running", "gathering", "done", "dead", "canceled"]

_POLL_S: Final = 5.0
"""How often the log is asked anyhow: a hint is not delivered for certain."""
_HINT_PAUSES_S: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""A hint may come before the record has been stored."""
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Status:
    """What the log says of a job.

    Attributes:
        state: `waiting`, `running`, `gathering` (a group's members), `done`, `dead`, `canceled`, or
            `unknown`: the log holds nothing of it.
        worker: who runs it.
        attempt: the number of the run, from 1; 0 while it waits.
        fence: the stream sequence of the assignment.
        reason: why it is dead, was canceled, or failed the last time.
        detail: the end of the traceback.
        record: the last record itself.
    """

    state: State
    worker: str = ""
    attempt: int = 0
    fence: int = 0
    reason: str = ""
    detail: str = ""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, as it said itself: a share of 1, and a note."""

    share: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Handle:
    """A job that was submitted.

    Each question has a face for plain programs (`get`) and one for asyncio (`aget`).

    Args:
        engine: what reaches the log.
        task_id: the job.
        steps_before: the ids of the chain's steps before it.
        existed: it was not submitted now: it was there already.
        accept_pickle: a pickled result may be opened.
    """

    engine: Engine
    task_id: str
    steps_before: tuple[str, ...] = ()
    existed: bool = False
    accept_pickle: bool = False

    @property
    def id(self) -> str:
        """The job's id, as Celery calls it."""
        return self.task_id

    @property
    def parent(self) -> Handle | None:
        """The step before in its chain."""
        if not self.steps_before:
            return None
        *before, last = self.steps_before
        return Handle(self.engine, last, tuple(before), accept_pickle=self.accept_pickle)

    @property
    def subject(self) -> str:
        """Where its records stand."""
        return subject_of(self.engine.place.space, self.task_id)

    # -------------------------------------------------------------------------------------- result

    def get(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - whatever the task returns
        """Wait for the job's end and return its result.

        Raises:
            ResultTimeout: it has not ended within `timeout` seconds.
            JobDead: it has failed for good.
            JobCanceled: it was called off.
            QueueUnreachable: the log cannot be asked.
        """
        return waited(self._get(timeout))

    async def aget(self, timeout: float | None = None) -> Any:  # noqa: ANN401, ASYNC109 - see get
        """Await the job's end and return its result; raises as `get` does."""
        return await awaited(self._get(timeout))

    def _get(self, timeout: float | None) -> Future[object]:
        deadline = None if timeout is None else monotonic() + timeout

        async def work(link: Link) -> object:
            space = self.engine.place.space
            for step in self.steps_before:
                await wait_for_end(link, subject_of(space, step), deadline)
            ended = await wait_for_end(link, self.subject, deadline)
            return unpack_result(result_of(ended, self.task_id), pickle_allowed=self.accept_pickle)

        return self.engine.run(work)

    # -------------------------------------------------------------------------------------- status

    def status(self) -> Status:
        """Say what has become of it. Raises QueueUnreachable."""
        return waited(self.engine.run(self._status))

    async def astatus(self) -> Status:
        """Say what has become of it, in asyncio."""
        return await awaited(self.engine.run(self._status))

    async def _status(self, link: Link) -> Status:
        found = await link.reader.last(self.subject)
        return status_of(decode(found.data) if found else None, found.seq if found else 0)

    @property
    def state(self) -> State:
        """The word of `status()`."""
        return self.status().state

    def ready(self) -> bool:
        """Say whether it has ended, well or not."""
        return self.state in {"done", "dead", "canceled"}

    def successful(self) -> bool:
        """Say whether it has ended well."""
        return self.state == "done"

    def failed(self) -> bool:
        """Say whether it has failed for good."""
        return self.state == "dead"

    # ------------------------------------------------------------------------------------- progress

    def progress(self, within: float = 1.5) -> Progress | None:
        """Return what its run says of itself, heard within so many seconds; None: nothing."""
        return waited(self.engine.run(lambda link: self._progress(link, within)))

    async def aprogress(self, within: float = 1.5) -> Progress | None:
        """Return the same in asyncio."""
        return await awaited(self.engine.run(lambda link: self._progress(link, within)))

    async def _progress(self, link: Link, within: float) -> Progress | None:
        status = await self._status(link)
        if status.state != "running":
            return None
        heard: asyncio.Queue[Msg] = asyncio.Queue()
        beats = await link.client.subscribe(
            f"beat.{self.engine.place.space}.{status.worker}", cb=heard.put
        )
        try:
            async with asyncio.timeout(within):
                while True:
                    beat = msgspec.msgpack.decode((await heard.get()).data, type=_Beat)
                    for fence, share, note in beat.running:
                        if fence == status.fence and (share is not None or note):
                            return Progress(share, note)
        except TimeoutError:
            return None
        finally:
            await beats.unsubscribe()

    # -------------------------------------------------------------------------- calling off, replay

    def cancel(self, reason: str = "") -> bool:
        """Call the job off, before or during its run; False if it had ended already.

        A run of an async function is cancelled; one of a plain function sees
        `current_task.cancelled` and what it returns is refused.

        Raises:
            JobUnknown: the log holds nothing of it.
        """
        return waited(self.engine.run(self._cancel(reason)))

    async def acancel(self, reason: str = "") -> bool:
        """Call the job off, in asyncio."""
        return await awaited(self.engine.run(self._cancel(reason)))

    def _cancel(self, reason: str) -> Callable[[Link], Any]:
        def next_record(last: Stored, now: Record) -> Record | None:
            if isinstance(now, Done | Dead | Canceled):
                return None
            return Canceled(prev=chain_hash(last.data), reason=reason, by="client")

        return lambda link: self._follow(link, next_record)

    def replay(self) -> bool:
        """Let a dead or canceled job run again, from its first attempt; False if it is neither.

        Raises:
            JobUnknown: the log holds nothing of it.
        """
        return waited(self.engine.run(self._replay))

    async def areplay(self) -> bool:
        """Let a dead or canceled job run again, in asyncio."""
        return await awaited(self.engine.run(self._replay))

    async def _replay(self, link: Link) -> bool:
        def next_record(last: Stored, now: Record) -> Record | None:
            carried = read_carriage(now) if isinstance(now, Carried) else None
            revivable = isinstance(now, Dead | Canceled) or (
                carried is not None and carried.phase in {"dead", "canceled"}
            )
            return Replayed(prev=chain_hash(last.data), by="client") if revivable else None

        return await self._follow(link, next_record)

    async def _follow(
        self, link: Link, next_record: Callable[[Stored, Record], Record | None]
    ) -> bool:
        """Write what follows from the last record, again from the start if it was overtaken."""
        for _ in range(_TRIES):
            last = await link.reader.last(self.subject)
            if last is None:
                raise JobUnknown(f"{self.task_id}: the log holds nothing of this job")
            record = next_record(last, decode(last.data))
            if record is None:
                return False
            try:
                await link.appender.put([Entry(self.subject, last.seq, encode(record))])
            except LogConflict:
                continue
            return True
        raise LogConflict(f"{self.task_id}: overtaken {_TRIES} times")


class _Beat(msgspec.Struct):
    running: list[tuple[int, float | None, str]] = []


@dataclass(frozen=True, slots=True)
class GroupHandle:
    """Jobs that were submitted side by side."""

    engine: Engine
    group_id: str
    members: tuple[Handle, ...]

    @property
    def id(self) -> str:
        """The group's id."""
        return self.group_id

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of handles
        return iter(self.members)

    def get(self, timeout: float | None = None) -> list[Any]:
        """Wait for all and return their results in order; raises as `Handle.get` does."""
        deadline = None if timeout is None else monotonic() + timeout
        return [member.get(remaining(deadline)) for member in self.members]

    async def aget(self, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109 - as get
        """Await all and return their results in order."""
        deadline = None if timeout is None else monotonic() + timeout
        return [await member.aget(remaining(deadline)) for member in self.members]

    join = get

    def ready(self) -> bool:
        """Say whether all have ended."""
        return all(member.ready() for member in self.members)

    def successful(self) -> bool:
        """Say whether all have ended well."""
        return all(member.successful() for member in self.members)

    def completed_count(self) -> int:
        """Return how many have ended well."""
        return sum(member.successful() for member in self.members)

    def cancel(self, reason: str = "") -> int:
        """Call off what has not ended; return how many that were."""
        return sum(member.cancel(reason) for member in self.members)


# ----------------------------------------------------------------------------- reading the records


def status_of(record: Record | None, seq: int) -> Status:
    """Return what a job's last record says of it."""
    told = Status("waiting", record=record)
    match record:
        case None:
            told = Status("unknown")
        case Assigned(worker=worker, epoch=epoch):
            told = Status("running", worker=worker, attempt=epoch, fence=seq, record=record)
        case Done(fence=fence):
            told = Status("done", fence=fence, record=record)
        case Dead(reason=reason, detail=detail):
            told = Status("dead", reason=reason, detail=detail, record=record)
        case Canceled(reason=reason):
            told = Status("canceled", reason=reason, record=record)
        case Grouped():
            told = Status("gathering", record=record)
        case Failed(error=error, detail=detail):
            told = Status("waiting", reason=error, detail=detail, record=record)
        case Expired(cause=cause):
            told = Status("waiting", reason=cause, record=record)
        case Carried():
            told = _status_of_carried(record)
        case _:
            pass
    return told


def _status_of_carried(record: Carried) -> Status:
    held = read_carriage(record)
    if held is None:
        return Status("unknown", record=record)
    states: dict[str, State] = {"assigned": "running", "gathering": "gathering"}
    states |= {"done": "done", "dead": "dead", "canceled": "canceled"}
    state = states.get(held.phase, "waiting")
    return Status(state, worker=held.worker, fence=held.fence, reason=held.error, record=record)


def result_of(record: Record | None, task_id: str) -> bytes:
    """Return the result's bytes.

    Raises:
        JobDead: there is none, because it failed.
        JobCanceled: because it was called off.
        JobUnknown: the log holds nothing of it.
    """
    if isinstance(record, Done):
        return record.result
    status = status_of(record, 0)
    if status.state == "dead":
        raise JobDead(task_id, reason=status.reason, detail=status.detail)
    if status.state == "canceled":
        raise JobCanceled(f"{task_id}: {status.reason or 'called off'}")
    raise JobUnknown(f"{task_id}: the log holds nothing of this job")


def _has_ended(record: Record | None) -> bool:
    return status_of(record, 0).state in {"done", "dead", "canceled"}


async def wait_for_end(link: Link, subject: str, deadline: float | None) -> Record:
    """Wait until the job's last record is its end, and return that.

    Raises:
        ResultTimeout: it had not ended by then.
        JobDead, JobCanceled: it ended, and not well.
    """
    task_id = subject.rpartition(".")[2]
    record = await _last(link, subject)
    if not _has_ended(record):
        hints: asyncio.Queue[Msg] = asyncio.Queue()
        heard = await link.client.subscribe(subject, cb=hints.put)
        try:
            record = await _await_end(link, subject, hints, deadline)
        finally:
            await heard.unsubscribe()
    result_of(record, task_id)
    assert record is not None  # noqa: S101 - it has ended
    return record


async def _last(link: Link, subject: str) -> Record | None:
    found = await link.reader.last(subject)
    return decode(found.data) if found else None


async def _await_end(
    link: Link, subject: str, hints: asyncio.Queue[Msg], deadline: float | None
) -> Record:
    while True:
        for pause_s in _HINT_PAUSES_S:
            record = await _last(link, subject)
            if record is not None and _has_ended(record):
                return record
            if deadline is not None and monotonic() >= deadline:
                raise ResultTimeout(f"{subject}: not ended yet")
            if not pause_s and not _is_end(hints):
                break
            await asyncio.sleep(pause_s)
        try:
            bound = remaining(deadline)
            async with asyncio.timeout(_POLL_S if bound is None else min(_POLL_S, bound)):
                hints.put_nowait(await hints.get())
        except TimeoutError:
            continue


def _is_end(hints: asyncio.Queue[Msg]) -> bool:
    """Say whether what was heard so far ends the job."""
    ended = False
    while not hints.empty():
        try:
            ended |= _has_ended(decode(hints.get_nowait().data))
        except msgspec.DecodeError:
            continue
    return ended
