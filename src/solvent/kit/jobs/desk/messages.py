"""Which questions does the desk take, and what does it answer?

One MessagePack map each way. Times are nanoseconds since 1970 by the log's clock; 0 is never.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

SUBJECT: Final = "desk.ask"
GROUP: Final = "desk"
ROWS_MAX: Final = 500

StateName: TypeAlias = Literal[
    "waiting", "delayed", "assigned", "gathering", "done", "dead", "canceled"
]
"""A job's phase as people ask for it: one that waits for its time is delayed."""

STATES: Final[tuple[StateName, ...]] = (
    "waiting",
    "delayed",
    "assigned",
    "gathering",
    "done",
    "dead",
    "canceled",
)


class AskJobs(msgspec.Struct, frozen=True, tag="jobs"):
    """Jobs, the latest submitted first; an empty filter takes all."""

    space: str = ""
    states: tuple[StateName, ...] = ()
    queue: str = ""
    name: str = ""
    before: int = 0
    """Only those submitted before this place in the log; 0: from the newest."""
    limit: int = 50


class AskJob(msgspec.Struct, frozen=True, tag="job"):
    """One job."""

    space: str
    task_id: str


class AskOverview(msgspec.Struct, frozen=True, tag="overview"):
    """Queues with their counts, and how far the log has been read."""

    space: str = ""


class AskWorkers(msgspec.Struct, frozen=True, tag="workers"):
    """Workers that are heard."""

    space: str = ""


class AskSchedules(msgspec.Struct, frozen=True, tag="schedules"):
    """Schedules in force."""

    space: str = ""


class AskInUse(msgspec.Struct, frozen=True, tag="in_use"):
    """How much of the queue a space uses."""

    space: str


Ask: TypeAlias = AskJobs | AskJob | AskOverview | AskWorkers | AskSchedules | AskInUse


class JobRow(msgspec.Struct, frozen=True):
    """A job as a line of a list."""

    space: str
    task_id: str
    name: str
    queue: str
    state: StateName
    priority: int
    attempt: int
    max_attempts: int
    lost: int
    worker: str
    submitted_ns: int
    submitted_seq: int
    due_ns: int
    assigned_ns: int
    deadline_ns: int
    ended_ns: int
    error: str
    key: str = ""
    group: str = ""
    fence: int = 0
    progress: float | None = None
    note: str = ""


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs; `more` says that there are others before the last of them."""

    rows: list[JobRow]
    more: bool


class JobFound(msgspec.Struct, frozen=True):
    """The job, if it is held; one that was done long ago stands on the log alone."""

    row: JobRow | None


class QueueRow(msgspec.Struct, frozen=True):
    """A queue and how many jobs of it are in which state."""

    space: str
    queue: str
    counts: dict[StateName, int]
    workers: int
    oldest_ns: int
    """When the job that waits the longest became due; 0 if none waits."""
    done_minute: int
    """Jobs done in the last minute, of those still held."""


class Overview(msgspec.Struct, frozen=True):
    """All queues, and where the desk stands."""

    queues: list[QueueRow]
    seq: int
    clock_ns: int
    leads: bool
    voids: int
    host: str = ""


class RunningRow(msgspec.Struct, frozen=True):
    """A job in a worker's hands."""

    task_id: str
    name: str
    fence: int
    progress: float | None
    note: str


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker as its newest beat tells."""

    space: str
    name: str
    host: str
    pid: int
    state: str
    queues: list[str]
    slots: int
    held: int
    cpu: float
    memory: float
    rss: int
    version: str
    started_ns: int
    running: list[RunningRow]


class Workers(msgspec.Struct, frozen=True):
    """The workers."""

    rows: list[WorkerRow]


class ScheduleRow(msgspec.Struct, frozen=True):
    """A schedule and when it ticks next."""

    space: str
    name: str
    cron: str
    zone: str
    catch_up: str
    task: str
    queue: str
    after_ns: int
    next_ns: int


class Schedules(msgspec.Struct, frozen=True):
    """The schedules."""

    rows: list[ScheduleRow]


class InUse(msgspec.Struct, frozen=True):
    """How many jobs wait or are assigned in each queue, and to which queues schedules submit."""

    queues: dict[str, int]
    scheduled: list[str]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The question was not understood, or cannot be answered yet."""

    reason: str


Answer: TypeAlias = JobPage | JobFound | Overview | Workers | Schedules | InUse

_ASKS: Final[msgspec.msgpack.Decoder[Ask]] = msgspec.msgpack.Decoder(Ask)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode(message: Ask | Answer | Refused) -> bytes:
    """Return the message's bytes."""
    return _ENCODER.encode(message)


def decode_ask(data: bytes) -> Ask:
    """Return a question; raises msgspec.DecodeError."""
    return _ASKS.decode(data)
