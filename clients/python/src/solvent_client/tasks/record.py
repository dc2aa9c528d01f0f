"""What does the log of jobs hold, as far as a client writes or reads it?

The bytes are those of docs/reference/queue-protocol.md: each record is a MessagePack map on the
subject `job.<space>.<task_id>`, tagged by `kind`, that carries the hash of the record before it.
Times are nanoseconds since 1970 by the log's clock, durations nanoseconds. A `fence` is the stream
sequence of the assignment under which a worker writes.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

CHAIN_START: Final = bytes(16)
"""What stands for the hash of the record before the first."""

STREAM: Final = "JOBS"


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long a failed job waits: base * factor**(attempt - 1), at most `max_ms`, jittered."""

    base_ms: int = 1_000
    factor: float = 2.0
    max_ms: int = 600_000
    jitter: float = 0.5
    """The share of the pause that chance may take away, 0 to 1."""


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """At most `count` starts in `per_ns` of all jobs that name this key."""

    key: str
    count: int
    per_ns: int


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be done, as its submitter said it once and for all."""

    name: str
    args: bytes = b""
    codec: str = "json"
    queue: str = "default"
    priority: int = 5
    """0 (last) to 9 (first)."""
    not_before_ns: int = 0
    expires_ns: int = 0
    """A job not finished by then (queue and run time together) is dead; 0: never."""
    timeout_ns: int = 3_600_000_000_000
    """How long one attempt may run."""
    max_attempts: int = 5
    backoff: Backoff = Backoff()
    key: str = ""
    """At most `key_limit` jobs of the space with this key are assigned at once."""
    key_limit: int = 1
    in_order: bool = False
    rate: Rate | None = None
    keep_result: bool = True
    then: bytes = b""
    """The links of a chain that follow: see `links`."""
    group: str = ""
    """The task id of the group's header; members are `<group>-<index>`."""
    gather: int = 0
    """How many members' results the job wants, where it is a group's callback."""
    root: str = ""
    """What the job came from: the first job of its chain, its group, or `cron:…`."""
    trace: str = ""


class Submitted(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="submitted"):
    """The job exists; also the next life of one that has ended."""

    prev: bytes
    spec: Spec
    by: str = ""


class Grouped(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="grouped"):
    """A group exists; once `size` members are done, `callback` is submitted on this subject."""

    prev: bytes
    size: int
    callback: Spec | None = None
    by: str = ""


class Assigned(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="assigned"):
    """One worker may run it now; this record's sequence is the fence of that permission."""

    prev: bytes
    worker: str
    epoch: int
    """The attempt, from 1."""
    deadline_ns: int
    by: str = ""


class Done(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="done"):
    """It ran to its end."""

    prev: bytes
    fence: int
    result: bytes = b""
    by: str = ""


class Failed(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="failed"):
    """This attempt failed and the job waits `retry_in_ns` from this record's time."""

    prev: bytes
    fence: int
    error: str
    retry_in_ns: int
    detail: str = ""
    by: str = ""


class Expired(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="expired"):
    """The permission has ended without a word of success or failure; the job waits again."""

    prev: bytes
    fence: int
    cause: str
    """`worker_lost`, `timeout`, `drained` or `refused`; the last two use up no attempt."""
    retry_in_ns: int = 0
    by: str = ""


class Dead(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="dead"):
    """It will not run again unless somebody replays it."""

    prev: bytes
    reason: str
    fence: int = 0
    detail: str = ""
    by: str = ""


class Canceled(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="canceled"):
    """Somebody called it off, before or during its run."""

    prev: bytes
    reason: str = ""
    by: str = ""


class Replayed(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="replayed"):
    """A dead or canceled job waits again, from its first attempt."""

    prev: bytes
    by: str = ""


class Carried(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="carried"):
    """A job's whole state, written again so that the older part of the log may go."""

    prev: bytes
    state: bytes
    """Empty: no job lives here."""
    by: str = ""


class Carriage(msgspec.Struct, frozen=True):
    """What a client wants to know of a carried state."""

    phase: str
    fence: int = 0
    worker: str = ""
    error: str = ""


class Scheduled(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="scheduled"):
    """Jobs of this spec are submitted at the times of a cron expression, on `cron.<space>.<name>`.

    The dispatchers submit the jobs; declaring a schedule anew keeps its `after_ns`.
    """

    prev: bytes
    spec: Spec
    cron: str
    """Five fields as Debian's cron reads them, six with seconds first, or `@every 90s`."""
    zone: str = "UTC"
    """An IANA time zone."""
    catch_up: str = "one"
    """`one`, `all` or `none`: which ticks that an outage swallowed are made up for."""
    after_ns: int = 0
    """Ticks up to here are done with."""
    by: str = ""


Record: TypeAlias = (
    Submitted
    | Grouped
    | Assigned
    | Done
    | Failed
    | Expired
    | Dead
    | Canceled
    | Replayed
    | Carried
    | Scheduled
)
Ended: TypeAlias = Done | Dead | Canceled
"""After these a job runs no more of itself."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Record]] = msgspec.msgpack.Decoder(Record)
_SPECS: Final = msgspec.msgpack.Decoder(Spec)
_CARRIAGES: Final = msgspec.msgpack.Decoder(Carriage)


def encode(record: Record | Spec) -> bytes:
    """Return the bytes of a record, or of a spec alone."""
    return _ENCODER.encode(record)


def decode(data: bytes) -> Record:
    """Return the record in these bytes.

    Raises:
        msgspec.DecodeError: they are no record; its message names what was expected.
    """
    return _DECODER.decode(data)


def decode_spec(data: bytes) -> Spec:
    """Return the spec in these bytes; raises as `decode` does."""
    return _SPECS.decode(data)


def read_carriage(record: Carried) -> Carriage | None:
    """Return what a carried state says of its job; None: that there is no job any more."""
    return _CARRIAGES.decode(record.state) if record.state else None


def chain_hash(data: bytes) -> bytes:
    """Return what the next record on the subject must carry as `prev`: BLAKE2b, 16 bytes."""
    return blake2b(data, digest_size=16).digest()


def subject_of(space: str, task_id: str) -> str:
    """Return the subject that a job's records are on."""
    return f"job.{space}.{task_id}"
