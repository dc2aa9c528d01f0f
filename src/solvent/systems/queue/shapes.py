"""What do jobs, queues, workers and decisions look like in JSON?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from solvent.kit.jobs.access.check import KEY_CHARS_MAX, NAME_CHARS_MAX
from solvent.kit.jobs.desk.messages import JobRow, QueueRow, ScheduleRow, StateName, WorkerRow
from solvent.systems.queue.limits import BATCH_MAX, REASON_CHARS_MAX, REPLAY_MAX
from solvent.systems.queue.look import JobStory, Scaling
from solvent.systems.queue.model import Moment, WantedJob

NS = 1_000_000_000


class NewJobBody(BaseModel):
    """A job to be done by a worker that knows its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
    args: list[JsonValue] = []
    kwargs: dict[str, JsonValue] = {}
    queue: str = "default"
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    delay_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    at: AwareDatetime | None = None
    expires_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    unique_key: Annotated[str, Field(max_length=KEY_CHARS_MAX)] = ""
    concurrency_key: Annotated[str, Field(max_length=KEY_CHARS_MAX)] = ""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 1

    def wanted(self) -> WantedJob:
        """Return the job as the service takes it."""
        return WantedJob(**{name: getattr(self, name) for name in type(self).model_fields})


class NewJobsBody(BaseModel):
    """Many jobs at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jobs: Annotated[list[NewJobBody], Field(min_length=1, max_length=BATCH_MAX)]


class CancelJobBody(BaseModel):
    """Why a job is called off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(max_length=REASON_CHARS_MAX)] = ""


class ReplayJobsBody(BaseModel):
    """Which dead or canceled jobs are to run again; `dry_run` only shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: list[StateName] = ["dead"]
    queue: str = ""
    name: str = ""
    limit: Annotated[int, Field(ge=1, le=REPLAY_MAX)] = REPLAY_MAX
    dry_run: bool = False


class SubmittedShown(BaseModel):
    """A job that the log has; `created` is false where it was there before."""

    task_id: str
    created: bool


class SubmittedMany(BaseModel):
    """The jobs of a batch, in its order."""

    jobs: list[SubmittedShown]


class JobShown(BaseModel):
    """A job as it stands."""

    task_id: str
    name: str
    queue: str
    state: StateName
    priority: int
    attempt: int
    max_attempts: int
    lost: int
    worker: str
    progress: float | None
    note: str
    error: str
    concurrency_key: str
    group: str
    submitted_at: datetime | None
    due_at: datetime | None
    assigned_at: datetime | None
    deadline: datetime | None
    ended_at: datetime | None


class MomentShown(BaseModel):
    """A record of a job's history."""

    seq: int
    at: datetime | None
    kind: str
    text: str
    facts: dict[str, Any]


class JobStoryShown(BaseModel):
    """A job with its history; `job` is null of one that ended long ago."""

    task_id: str
    job: JobShown | None
    history: list[MomentShown]


class JobsReplayedShown(BaseModel):
    """What was matched and what now waits again; `more` says that the filter has more."""

    matched: list[str]
    replayed: list[str]
    more: bool
    dry_run: bool


class QueueShown(BaseModel):
    """A queue with its counts."""

    queue: str
    waiting: int
    delayed: int
    assigned: int
    gathering: int
    dead: int
    canceled: int
    done_last_minute: int
    workers: int
    oldest_waiting_since: datetime | None


class RunningShown(BaseModel):
    """A job that a worker runs."""

    task_id: str
    name: str
    progress: float | None
    note: str


class WorkerShown(BaseModel):
    """A worker as its newest beat tells; CPU and memory are shares of what it may use."""

    name: str
    host: str
    pid: int
    state: str
    queues: list[str]
    slots: int
    held: int
    cpu: float
    memory: float
    rss_bytes: int
    version: str
    started_at: datetime | None
    running: list[RunningShown]


class ScheduleShown(BaseModel):
    """A schedule and its next tick."""

    name: str
    task: str
    queue: str
    cron: str
    zone: str
    catch_up: str
    next_at: datetime | None


class ScalingShown(BaseModel):
    """A decision about workers with what it was made of."""

    seq: int
    at: datetime | None
    pool: str
    decision: str
    reason: str
    inputs: dict[str, float | int | str]


class ConnectionShown(BaseModel):
    """Where an application's workers and submitters connect; the password is an API key."""

    url: str
    space: str


def moment(ns: int) -> datetime | None:
    """Return a time of the log; None for never."""
    return datetime.fromtimestamp(ns // 1_000 / 1_000_000, UTC) if 0 < ns < 2**62 else None


def show_job(row: JobRow) -> JobShown:
    """Return a job's line."""
    return JobShown(
        task_id=row.task_id,
        name=row.name,
        queue=row.queue,
        state=row.state,
        priority=row.priority,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        lost=row.lost,
        worker=row.worker,
        progress=row.progress,
        note=row.note,
        error=row.error,
        concurrency_key=row.key,
        group=row.group,
        submitted_at=moment(row.submitted_ns),
        due_at=moment(row.due_ns),
        assigned_at=moment(row.assigned_ns),
        deadline=moment(row.deadline_ns),
        ended_at=moment(row.ended_ns),
    )


def show_story(story: JobStory) -> JobStoryShown:
    """Return a job with its history."""
    return JobStoryShown(
        task_id=story.task_id,
        job=show_job(story.row) if story.row else None,
        history=[show_moment(one) for one in story.history],
    )


def show_moment(one: Moment) -> MomentShown:
    """Return a record of a history."""
    facts = dict(one.facts)
    return MomentShown(seq=one.seq, at=moment(one.at_ns), kind=one.kind, text=one.text, facts=facts)


def show_queue(row: QueueRow) -> QueueShown:
    """Return a queue's line."""
    counts = row.counts
    return QueueShown(
        queue=row.queue,
        waiting=counts.get("waiting", 0),
        delayed=counts.get("delayed", 0),
        assigned=counts.get("assigned", 0),
        gathering=counts.get("gathering", 0),
        dead=counts.get("dead", 0),
        canceled=counts.get("canceled", 0),
        done_last_minute=row.done_minute,
        workers=row.workers,
        oldest_waiting_since=moment(row.oldest_ns),
    )


def show_worker(row: WorkerRow) -> WorkerShown:
    """Return a worker's line."""
    return WorkerShown(
        name=row.name,
        host=row.host,
        pid=row.pid,
        state=row.state,
        queues=row.queues,
        slots=row.slots,
        held=row.held,
        cpu=round(row.cpu, 4),
        memory=round(row.memory, 4),
        rss_bytes=row.rss,
        version=row.version,
        started_at=moment(row.started_ns),
        running=[
            RunningShown(task_id=one.task_id, name=one.name, progress=one.progress, note=one.note)
            for one in row.running
        ],
    )


def show_schedule(row: ScheduleRow) -> ScheduleShown:
    """Return a schedule's line."""
    return ScheduleShown(
        name=row.name,
        task=row.task,
        queue=row.queue,
        cron=row.cron,
        zone=row.zone,
        catch_up=row.catch_up,
        next_at=moment(row.next_ns),
    )


def show_scaling(one: Scaling) -> ScalingShown:
    """Return a decision's line."""
    told = one.told
    return ScalingShown(
        seq=one.seq,
        at=moment(one.at_ns),
        pool=told.pool,
        decision=told.decision,
        reason=told.reason,
        inputs=dict(told.inputs),
    )
