"""What is in the queue now, and what has become of a job?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.kit.jobs.desk.messages import (
    AskInUse,
    AskJob,
    AskJobs,
    AskOverview,
    AskSchedules,
    AskWorkers,
    InUse,
    JobFound,
    JobPage,
    JobRow,
    Overview,
    QueueRow,
    ScheduleRow,
    Schedules,
    StateName,
    WorkerRow,
    Workers,
)
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.log import Entry
from solvent.kit.jobs.record import Scaled, decode
from solvent.systems.queue import records
from solvent.systems.queue.errors import QueueJobUnknown
from solvent.systems.queue.model import Moment, Use
from solvent.systems.queue.settings import QueueSection


@dataclass(frozen=True, slots=True)
class JobStory:
    """A job with its history; `row` is None of one that ended long ago."""

    task_id: str
    row: JobRow | None
    history: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Scaling:
    """A decision about workers."""

    seq: int
    at_ns: int
    told: Scaled


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are meant; what is empty takes all."""

    states: tuple[StateName, ...] = ()
    queue: str = ""
    name: str = ""


async def find_jobs(
    link: JobsLink, space: str, which: Filter, *, before: int = 0, limit: int = 50
) -> JobPage:
    """Return jobs, the latest submitted first; raises DeskAway."""
    asked = AskJobs(space, which.states, which.queue, which.name, before, limit)
    return await link.ask(asked, JobPage)


async def tell_job(link: JobsLink, space: str, task_id: str) -> JobStory:
    """Return a job with its history.

    Raises:
        TaskIdMalformed: the id cannot be one.
        QueueJobUnknown: the space has no such job.
        DeskAway: nobody answers.
    """
    records.check_task_id(task_id)
    entries = await link.history(f"job.{space}.{task_id}")
    found = await link.ask(AskJob(space, task_id), JobFound)
    if not entries and found.row is None:
        raise QueueJobUnknown(field="task_id")
    return JobStory(task_id, found.row, tuple(records.tell(entry) for entry in entries))


async def overview(link: JobsLink, space: str) -> Overview:
    """Return the queues of a space (empty: of all) and how far the log has been read."""
    return await link.ask(AskOverview(space), Overview)


async def queues(link: JobsLink, space: str) -> Sequence[QueueRow]:
    """Return the queues of a space."""
    return (await overview(link, space)).queues


async def workers(link: JobsLink, space: str) -> Sequence[WorkerRow]:
    """Return the workers of a space (empty: all) that are heard."""
    return (await link.ask(AskWorkers(space), Workers)).rows


async def schedules(link: JobsLink, space: str) -> Sequence[ScheduleRow]:
    """Return the schedules of a space (empty: all)."""
    return (await link.ask(AskSchedules(space), Schedules)).rows


async def in_use(link: JobsLink, space: str) -> Use:
    """Return how much of the queue a space uses; raises DeskAway."""
    told = await link.ask(AskInUse(space), InUse)
    return Use(told.queues, frozenset(told.scheduled))


async def door_url(link: JobsLink, settings: QueueSection) -> str:
    """Return what applications are told to connect to: the door that is open, and no other's.

    Raises:
        DoorShut: none is open.
    """
    if settings.door_url:
        return settings.door_url
    port = await link.door_port()
    scheme = "tls" if settings.door_certificate else "nats"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.door_host, settings.door_host)  # noqa: S104 - not bound here
    return f"{scheme}://{host}:{port}"


async def decisions(link: JobsLink, space: str) -> list[Scaling]:
    """Return the decisions about workers of a space (empty: all), the earliest first."""
    told = [_scaling(entry) for entry in await link.decisions()]
    return [one for one in told if not space or one.told.inputs.get("space") == space]


def _scaling(entry: Entry) -> Scaling:
    told = decode(entry.data)
    known = told if isinstance(told, Scaled) else Scaled("", "unreadable", "", {})
    return Scaling(entry.seq, entry.ts_ns, known)
