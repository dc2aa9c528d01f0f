"""What is known of one job at one point of the log?"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from sys import intern
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from solvent.kit.jobs.record import CHAIN_START, Scheduled, Spec

Phase: TypeAlias = Literal["waiting", "assigned", "done", "dead", "canceled", "gathering"]

WAITING: Final = "waiting"
ASSIGNED: Final = "assigned"
DONE: Final = "done"
DEAD: Final = "dead"
CANCELED: Final = "canceled"
GATHERING: Final = "gathering"

ENDED: Final = frozenset((DONE, DEAD, CANCELED))
REVIVABLE: Final = frozenset((DEAD, CANCELED))
LIVE: Final = frozenset((WAITING, ASSIGNED))
"""In these a job is in its queue or in a worker's hands; a group's header is in neither."""


@dataclass(slots=True, eq=False)
class Group:
    """How far the members of a group have come."""

    size: int
    callback: Spec | None
    done: bytearray
    """One bit a member, set once it is done."""
    done_count: int = 0
    broken: int = 0
    """How many members are dead or canceled now."""

    @property
    def is_complete(self) -> bool:
        """Whether every member is done."""
        return self.done_count >= self.size

    def note_done(self, index: int) -> bool:
        """Count a member once; return whether it had not been counted."""
        place, bit = divmod(index, 8)
        if not 0 <= index < self.size or self.done[place] >> bit & 1:
            return False
        self.done[place] |= 1 << bit
        self.done_count += 1
        return True


@dataclass(slots=True, eq=False)
class Job:
    """A job as the fold has it; it changes as records come, so keep nothing of it across awaits."""

    key: str
    """`<space>.<task id>`: its subject without the root."""
    spec: Spec
    seq: int
    """Of the last record on its subject: what the next append must expect."""
    hash: bytes
    """Of that record: what the next one must carry as `prev`."""
    origin: int
    """Of the record that this life can be folded from."""
    submitted_ns: int
    submitted_seq: int
    """Its place in the order of the log; stays when the job is carried."""
    phase: Phase = WAITING
    due_ns: int = 0
    """Not to be assigned before, by the log's clock; 0: at once."""
    attempt: int = 0
    """Assignments that count toward `max_attempts`."""
    lost: int = 0
    """How often its worker was lost."""
    fence: int = 0
    """Of the latest assignment, still valid only in the phase `assigned`; so for the next three."""
    worker: str = ""
    assigned_ns: int = 0
    deadline_ns: int = 0
    error: str = ""
    ended_ns: int = 0
    ended_seq: int = 0
    group: Group | None = None
    """Of a group's header only."""
    mark: int = 0
    """What the digest of the state counts for it now."""

    @property
    def subject(self) -> str:
        """Where its records stand."""
        return f"job.{self.key}"

    @property
    def space(self) -> str:
        """Whose it is."""
        return self.key[: self.key.index(".")]

    @property
    def task_id(self) -> str:
        """Its name within the space."""
        return self.key.partition(".")[2]


@dataclass(slots=True, eq=False)
class Schedule:
    """A schedule as the fold has it."""

    key: str
    """`<space>.<name>`."""
    told: Scheduled
    seq: int
    """Of the last record on its subject."""
    hash: bytes
    after_ns: int
    """Ticks up to here are done with; of a new one, the time at which it was declared."""

    @property
    def subject(self) -> str:
        """Where its records stand."""
        return f"cron.{self.key}"


class GroupState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group's header in bytes."""

    size: int
    done: bytes
    callback: Spec | None = None
    broken: int = 0


class JobState(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of a job that the fold needs, in bytes: the state of a `carried` record."""

    spec: Spec
    phase: Phase
    submitted_ns: int
    submitted_seq: int
    due_ns: int = 0
    attempt: int = 0
    lost: int = 0
    fence: int = 0
    worker: str = ""
    assigned_ns: int = 0
    deadline_ns: int = 0
    error: str = ""
    ended_ns: int = 0
    ended_seq: int = 0
    group: GroupState | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_QUEUE: Final = Spec(name="").queue
_DECODER: Final = msgspec.msgpack.Decoder(JobState)


def pack_job(job: Job) -> bytes:
    """Return the job's state as a `carried` record holds it."""
    group = job.group
    return _ENCODER.encode(
        JobState(
            spec=job.spec,
            phase=job.phase,
            submitted_ns=job.submitted_ns,
            submitted_seq=job.submitted_seq,
            due_ns=job.due_ns,
            attempt=job.attempt,
            lost=job.lost,
            fence=job.fence,
            worker=job.worker,
            assigned_ns=job.assigned_ns,
            deadline_ns=job.deadline_ns,
            error=job.error,
            ended_ns=job.ended_ns,
            ended_seq=job.ended_seq,
            group=group and GroupState(group.size, bytes(group.done), group.callback, group.broken),
        )
    )


def share(spec: Spec) -> None:
    """Keep one text of what many jobs have in common: their names and queues."""
    force_setattr(spec, "name", intern(spec.name))
    if spec.queue is not _QUEUE:
        force_setattr(spec, "queue", intern(spec.queue))


def unpack_job(state: bytes, *, key: str, seq: int) -> Job:
    """Return the job in these bytes, its hash still to be set.

    Raises:
        msgspec.DecodeError: they are no state of a job.
    """
    held = _DECODER.decode(state)
    share(held.spec)
    fields = {name: getattr(held, name) for name in JobState.__struct_fields__ if name != "group"}
    return Job(
        key=key, seq=seq, origin=seq, hash=CHAIN_START, group=_unpack_group(held.group), **fields
    )


def _unpack_group(held: GroupState | None) -> Group | None:
    if held is None:
        return None
    count = sum(byte.bit_count() for byte in held.done)
    return Group(held.size, held.callback, bytearray(held.done), count, held.broken)


def mark_of(job: Job) -> int:
    """Return what the digest of a state counts for this job: 256 bits of all that it is."""
    told = blake2b(f"{job.key} {job.seq} {job.hash.hex()} ".encode(), digest_size=32)
    told.update(pack_job(job))
    return int.from_bytes(told.digest(), "big")
