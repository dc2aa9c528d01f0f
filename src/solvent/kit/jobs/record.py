"""What may be written of a job, and how do its bytes look in the log?

Each record is one MessagePack map on the subject `job.<space>.<task_id>` (a schedule's:
`cron.<space>.<name>`), tagged by `kind`. It
carries the hash of the record before it on that subject, so a job's history is a chain. Times are
nanoseconds since 1970 by the log server's clock, durations nanoseconds; a `fence` is the stream
sequence of the assignment that the writer acts under. docs/reference/queue-protocol.md is the
same for other languages.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Literal, TypeAlias

import msgspec

CHAIN_START: Final = bytes(16)
"""What stands for the hash of the record before the first."""


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How long a failed job waits: base * factor**(attempt - 1), at most `max_ms`, jittered."""

    base_ms: int = 1_000
    factor: float = 2.0
    max_ms: int = 600_000
    jitter: float = 0.5
    """The share of the pause that chance may take away, 0 to 1."""


class Rate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """At most `count` starts in `per_ns` of all jobs that name this key."""

    key: str
    count: int
    per_ns: int


class Spec(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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
    """Concurrency key: at most `key_limit` jobs of the space with this key are assigned at once."""
    key_limit: int = 1
    in_order: bool = False
    """Jobs of the key run strictly in log order, so one that waits for its retry holds them up."""
    rate: Rate | None = None
    keep_result: bool = True
    then: bytes = b""
    """The links of a chain that follow, in the client's encoding; opaque to the fold."""
    group: str = ""
    """The task id of the group's header; members are `<group>-<index>`."""
    gather: int = 0
    """How many members' results the job wants, where it is a group's callback."""
    root: str = ""
    trace: str = ""


class Submitted(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="submitted"):
    """The job exists; also the next life of one that has ended (unique jobs, group callbacks)."""

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
    """The end of the traceback."""
    by: str = ""


ExpiryCause: TypeAlias = Literal["worker_lost", "timeout", "drained", "refused"]


class Expired(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="expired"):
    """The permission has ended without a word of success or failure; the job waits again.

    `worker_lost` counts toward the poison cap, `drained` and `refused` (handed back unstarted)
    use up no attempt.
    """

    prev: bytes
    fence: int
    cause: ExpiryCause
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
    """A job's whole state, written again so that the older part of the log may go.

    It counts where a `vouched` in the same batch announces it. A worker whose result meets it
    appends the result again on top of it, as long as the state holds its fence.
    """

    prev: bytes
    state: bytes
    """Empty: no job lives here, whatever the older records say."""
    by: str = ""


class Checkpoint(
    msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="checkpoint"
):
    """What the fold came to at the checkpoint before: any other fold must come to the same."""

    upto: int
    """The sequence of the checkpoint before; 0 for the first, which has nothing to compare."""
    log_digest: bytes
    """A running hash over (sequence, record) of everything before that one."""
    state_digest: bytes
    live: int
    base: int = 0
    """The older checkpoint from which all can be folded: everything before that one may go."""
    by: str = ""


class Vouched(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="vouched"):
    """The next `count` records, of the same batch, are `carried` by the dispatchers themselves.

    It stands on a subject that nobody else may write to; any other `carried` counts for nothing.
    """

    count: int
    by: str = ""


class Scaled(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="scaled"):
    """A decision about workers, with all that it was decided on."""

    pool: str
    decision: str
    reason: str
    inputs: dict[str, float | int | str]
    by: str = ""


CatchUp: TypeAlias = Literal["one", "all", "none"]


class Scheduled(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="scheduled"):
    """Jobs of this spec are submitted at the times of a cron expression, on `cron.<space>.<name>`.

    Each tick writes it again with its time in `after_ns`, in one batch with the job that it
    submits; declaring it anew keeps `after_ns`; `canceled` ends it.
    """

    prev: bytes
    spec: Spec
    """Its `not_before_ns` and `expires_ns` count from the tick."""
    cron: str
    """Five fields as Debian's cron reads them, six with seconds first, or `@every 90s`."""
    zone: str = "UTC"
    """An IANA time zone."""
    catch_up: CatchUp = "one"
    """Of the ticks that an outage swallowed: the last one, all of them, or none is made up for."""
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
    | Checkpoint
    | Vouched
    | Scaled
    | Scheduled
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Record]] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the record's bytes."""
    return _ENCODER.encode(record)


def decode(data: bytes) -> Record:
    """Return the record in these bytes.

    Raises:
        msgspec.DecodeError: they are no record; its message names what was expected.
    """
    return _DECODER.decode(data)


def chain_hash(data: bytes) -> bytes:
    """Return what the next record on the subject must carry as `prev`: BLAKE2b, 16 bytes."""
    return blake2b(data, digest_size=16).digest()
