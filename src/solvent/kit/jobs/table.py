"""What does one record change of the jobs that are held?

The transitions of a job, one method a kind of record; `fold` says which records count.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from solvent.kit.jobs import record as r
from solvent.kit.jobs.job import (
    ASSIGNED,
    CANCELED,
    DEAD,
    DONE,
    GATHERING,
    LIVE,
    REVIVABLE,
    WAITING,
    Group,
    Job,
    Phase,
    share,
)

FINISHED_KEPT_MAX: Final = 10_000
"""Done jobs kept for listings; they are no part of the state's digest."""

DEAD_KEPT_MAX: Final = 10_000
"""Dead and canceled jobs that can be replayed; beyond them the ones that ended first are left."""

GROUP_SIZE_MAX: Final = 100_000
ERROR_KEPT_CHARS: Final = 200
FINISHED_ARGS_BYTES: Final = 256
"""Longer arguments of done jobs are not kept in memory."""

DIGEST_BYTES: Final = 32
_NOTHING: Final = r.Spec(name="")

Kind: TypeAlias = Literal[
    "submitted",
    "grouped",
    "assigned",
    "done",
    "failed",
    "expired",
    "dead",
    "canceled",
    "replayed",
    "carried",
    "checkpoint",
    "vouched",
    "scaled",
    "scheduled",
    "void",
    "orphan",
]


class Transition(NamedTuple):
    """What one record changed."""

    kind: Kind
    """The record's kind; `void` if it counts for nothing, `orphan` if its job began before the
    log does (only until the state is whole)."""
    seq: int
    record: r.Record | None
    """None only where the bytes of a void record are none."""
    job: Job | None = None
    """The job as it is now."""
    before: Phase | None = None
    """Its phase before this record; None if the fold did not hold it."""
    header: Job | None = None
    """The header of the job's group, if its counts changed."""
    reason: str = ""
    """Why the record is void."""


class Void(Exception):
    """This record does not follow from the state."""


class Broken(Void):
    """And if its writer is one of ours, its bytes or those before it are not as they were."""


class Seen(NamedTuple):
    """Where a record of a job stands, and its hash."""

    seq: int
    ts_ns: int
    key: str
    data: bytes
    hash: bytes


Change: TypeAlias = "Callable[[Job | None, Any, Seen], Transition]"


class Table:
    """The jobs that are held, and what each kind of record does to one."""

    def __init__(self) -> None:
        """Begin with none."""
        self.whole = True
        """False from the start of a compacted log to the checkpoint that makes it complete: until
        then follow no transitions; then begin with `jobs`."""
        self.jobs: dict[str, Job] = {}
        """Every job that waits, is assigned, gathers, is dead or canceled, by its key."""
        self.finished: OrderedDict[str, Job] = OrderedDict()
        """The newest done jobs, the oldest first."""
        self.dead: OrderedDict[str, Job] = OrderedDict()
        """Those of `jobs` that are dead or canceled, the first to end first."""
        self.change: dict[type[r.Record], Change] = {
            r.Submitted: self._submitted,
            r.Grouped: self._grouped,
            r.Assigned: self._assigned,
            r.Done: self._done,
            r.Failed: self._failed,
            r.Expired: self._expired,
            r.Dead: self._dead,
            r.Canceled: self._canceled,
            r.Replayed: self._replayed,
        }
        """What takes in a record of each kind that a job's subject may hold."""
        self.voided: dict[str, int] = {}
        """Keys under which a record was void, and the sequence of the latest, until compaction has
        said what stands there."""
        self._queues: dict[str, dict[str, int]] = {}
        self._sum = 0
        self._dirty: set[Job] = set()

    def live(self, space: str) -> dict[str, int]:
        """Return how many jobs wait or are assigned in each queue of a space."""
        return dict(self._queues.get(space, ()))

    def _enter(self, job: Job) -> None:
        """Count a job that waits from now on, or is assigned."""
        space, queue = job.space, job.spec.queue
        queues = self._queues.get(space)
        if queues is None:
            self._queues[space] = {queue: 1}
        else:
            queues[queue] = queues.get(queue, 0) + 1

    def _leave(self, job: Job) -> None:
        """Count a job no more that waited or was assigned, before its phase changes."""
        if job.phase not in LIVE:
            return
        queue, queues = job.spec.queue, self._queues[job.space]
        left = queues[queue] - 1
        if left:
            queues[queue] = left
        else:
            del queues[queue]

    def _advance(self, job: Job, seen: Seen) -> None:
        job.seq = seen.seq
        job.hash = seen.hash
        self._dirty.add(job)

    def _orphan(self, record: r.Record, seen: Seen) -> Transition:
        """Pass over what belongs to a job that began before the log does."""
        if self.whole:
            raise Void("there is no such job")
        return Transition("orphan", seen.seq, record)

    # ------------------------------------------------------------------------------ a job's begin

    def _submitted(self, job: Job | None, record: r.Submitted, seen: Seen) -> Transition:
        before = self._make_room(job, record.prev)
        made = self._make(record.spec, seen)
        made.due_ns = record.spec.not_before_ns
        self._enter(made)
        return Transition("submitted", seen.seq, record, made, before, self._unbreak(job))

    def _grouped(self, job: Job | None, record: r.Grouped, seen: Seen) -> Transition:
        if not 0 <= record.size <= GROUP_SIZE_MAX:
            raise Void(f"a group has 0 to {GROUP_SIZE_MAX} members, not {record.size}")
        before = self._make_room(job, record.prev)
        made = self._make(record.callback or _NOTHING, seen)
        made.phase = GATHERING
        made.group = Group(record.size, record.callback, bytearray((record.size + 7) // 8))
        return Transition("grouped", seen.seq, record, made, before, self._unbreak(job))

    def _make_room(self, job: Job | None, prev: bytes) -> Phase | None:
        """Remove the job whose place a new life takes; return its phase.

        Where no job is alive any `prev` will do: neither those that are done nor all that are dead
        are held, and a fold that began later must come to the same.
        """
        if job is None:
            return None
        if job.phase not in REVIVABLE:
            if not _is_gathered(job):
                raise Void(f"the job is {job.phase} already")
            _check_chain(job, prev)
        self._drop(job)
        return job.phase

    def _make(self, spec: r.Spec, seen: Seen) -> Job:
        seq, ts_ns, key = seen.seq, seen.ts_ns, seen.key
        origin = 0 if key in self.voided else seq
        share(spec)
        job = Job(key, spec, seq, seen.hash, origin, ts_ns, seq)
        self.jobs[key] = job
        self._dirty.add(job)
        self.finished.pop(key, None)
        return job

    def _replayed(self, job: Job | None, record: r.Replayed, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        _check_chain(job, record.prev)
        if job.phase not in REVIVABLE:
            raise Void(f"the job is {job.phase}, not dead or canceled")
        before = job.phase
        del self.dead[job.key]
        job.phase = GATHERING if job.group else WAITING
        job.attempt = job.lost = job.due_ns = job.ended_ns = job.ended_seq = 0
        job.submitted_ns, job.submitted_seq = seen.ts_ns, seen.seq
        if job.phase == WAITING:
            self._enter(job)
        self._advance(job, seen)
        return Transition("replayed", seen.seq, record, job, before, self._unbreak(job))

    # ------------------------------------------------------------------------------- a job's runs

    def _assigned(self, job: Job | None, record: r.Assigned, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        _check_chain(job, record.prev)
        if job.phase != WAITING:
            raise Void(f"the job is {job.phase}, not waiting")
        if record.epoch != job.attempt + 1:
            raise Void(f"the next attempt is {job.attempt + 1}, not {record.epoch}")
        job.phase = ASSIGNED
        job.attempt = record.epoch
        job.fence = seen.seq
        job.worker = record.worker
        job.assigned_ns = seen.ts_ns
        job.deadline_ns = record.deadline_ns
        self._advance(job, seen)
        return Transition("assigned", seen.seq, record, job, WAITING)

    def _failed(self, job: Job | None, record: r.Failed, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        _check_fence(job, record.prev, record.fence)
        self._wait_again(job, seen, record.retry_in_ns, record.error)
        return Transition("failed", seen.seq, record, job, ASSIGNED)

    def _expired(self, job: Job | None, record: r.Expired, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        _check_fence(job, record.prev, record.fence)
        if record.cause == "worker_lost":
            job.lost += 1
        elif record.cause != "timeout":
            job.attempt -= 1
        self._wait_again(job, seen, record.retry_in_ns, record.cause)
        return Transition("expired", seen.seq, record, job, ASSIGNED)

    def _wait_again(self, job: Job, seen: Seen, retry_in_ns: int, error: str) -> None:
        job.phase = WAITING
        job.due_ns = seen.ts_ns + retry_in_ns
        job.error = error[:ERROR_KEPT_CHARS]
        self._advance(job, seen)

    # ------------------------------------------------------------------------------- a job's end

    def _done(self, job: Job | None, record: r.Done, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        before = job.phase
        if _is_gathered(job) and not record.fence:
            _check_chain(job, record.prev)
        else:
            _check_fence(job, record.prev, record.fence)
        self._drop(job)
        self._close(job, DONE, seen)
        if len(job.spec.args) > FINISHED_ARGS_BYTES:
            job.spec = msgspec.structs.replace(job.spec, args=b"")
        self.finished[job.key] = job
        if len(self.finished) > FINISHED_KEPT_MAX:
            self.finished.popitem(last=False)
        header = self._count_done(job) if job.spec.group else None
        return Transition("done", seen.seq, record, job, before, header)

    def _dead(self, job: Job | None, record: r.Dead, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        if record.fence:
            _check_fence(job, record.prev, record.fence)
        before = self._give_up(job, record.prev, DEAD, seen)
        job.error = record.reason[:ERROR_KEPT_CHARS]
        return Transition("dead", seen.seq, record, job, before, self._break(job))

    def _canceled(self, job: Job | None, record: r.Canceled, seen: Seen) -> Transition:
        if job is None:
            return self._orphan(record, seen)
        before = self._give_up(job, record.prev, CANCELED, seen)
        job.error = record.reason[:ERROR_KEPT_CHARS]
        return Transition("canceled", seen.seq, record, job, before, self._break(job))

    def _give_up(self, job: Job, prev: bytes, phase: Phase, seen: Seen) -> Phase:
        _check_chain(job, prev)
        before = job.phase
        if before in REVIVABLE:
            raise Void(f"the job is {before} already")
        self._leave(job)
        self._close(job, phase, seen)
        self._dirty.add(job)
        self._keep_dead(job)
        return before

    def _close(self, job: Job, phase: Phase, seen: Seen) -> None:
        job.phase = phase
        job.seq = job.ended_seq = seen.seq
        job.hash = seen.hash
        job.ended_ns = seen.ts_ns

    def _keep_dead(self, job: Job) -> None:
        self.dead[job.key] = job
        if self.whole and len(self.dead) > DEAD_KEPT_MAX:
            self._drop(next(iter(self.dead.values())))

    def _drop(self, job: Job) -> None:
        """Hold the job no more."""
        self._leave(job)
        del self.jobs[job.key]
        self.dead.pop(job.key, None)
        self._dirty.discard(job)
        self._sum -= job.mark
        job.mark = 0

    # ------------------------------------------------------------------------------------- groups

    def _header(self, job: Job) -> Job | None:
        """Return the header of the group that the job says it belongs to, if it may."""
        if not job.spec.group:
            return None
        header = self.jobs.get(f"{job.space}.{job.spec.group}")
        return header if header is not None and header.group is not None else None

    def _count_done(self, job: Job) -> Job | None:
        header = self._header(job)
        if header is None or header.group is None:
            return None
        index = job.key.removeprefix(f"{header.key}-")
        if not index.isdecimal() or not header.group.note_done(int(index)):
            return None
        self._dirty.add(header)
        return header

    def _break(self, job: Job) -> Job | None:
        return self._count_broken(job, 1)

    def _unbreak(self, job: Job | None) -> Job | None:
        return self._count_broken(job, -1) if job is not None else None

    def _count_broken(self, job: Job, by: int) -> Job | None:
        header = self._header(job)
        if header is None or header.group is None:
            return None
        header.group.broken = max(header.group.broken + by, 0)
        self._dirty.add(header)
        return header


def misplaced(job: Job | None, record: r.Record, seen: Seen) -> Transition:
    """Refuse a record of a kind that a job's subject cannot hold."""
    del job, seen
    raise Void(f"a job has no record of this kind: {type(record).__name__}")


def decode(data: bytes) -> r.Record:
    """Return the record in these bytes.

    Raises:
        Broken: they are none.
    """
    try:
        return r.decode(data)
    except msgspec.DecodeError as error:
        raise Broken(f"it is no record: {error}") from None


def _check_chain(job: Job, prev: bytes) -> None:
    if prev != job.hash:
        raise Broken(f"it does not follow record {job.seq}, the last on its subject")


def _check_fence(job: Job, prev: bytes, fence: int) -> None:
    _check_chain(job, prev)
    if job.phase != ASSIGNED:
        raise Void(f"the job is {job.phase}, not assigned")
    if fence != job.fence:
        raise Void(f"its fence is {fence}, the job's is {job.fence}")


def _is_gathered(job: Job) -> bool:
    return job.phase == GATHERING and job.group is not None and job.group.is_complete
