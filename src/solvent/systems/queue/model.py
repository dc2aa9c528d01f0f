"""What are a wanted job, its outcome, its history and the limits of a space?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

HOUSE_SPACE = "solvent"
FEATURE_RUNS = "queue_runs"
FEATURE_CONCURRENCY = "queue_concurrency"
FEATURE_QUEUES = "queue_queues"
FEATURE_WAITING = "queue_waiting"
METER_RUNS = "queue_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedJob:
    """A job as somebody asks for it; the worker's code decides what `name` does.

    `unique_key` makes jobs of one name the same job while it lives. Times are of the log's clock.
    """

    name: str
    args: Sequence[Json] = ()
    kwargs: Mapping[str, Json] = field(default_factory=dict[str, Json])
    queue: str = "default"
    priority: int = 5
    delay_s: float = 0
    at: datetime | None = None
    expires_s: float = 0
    timeout_s: float = 3600
    max_attempts: int = 5
    unique_key: str = ""
    concurrency_key: str = ""
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A job that the log has; `created` is False if it was there before."""

    task_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What a space may use; None: as much as there is."""

    concurrency: int | None = None
    queues: int | None = None
    runs_left: Decimal | None = None
    waiting: int | None = None
    """Jobs that wait or are in a worker's hands, in all queues together."""

    @property
    def may_run(self) -> bool:
        """Whether one more run is paid for."""
        return self.runs_left is None or self.runs_left > 0

    @property
    def in_dispatch(self) -> int | None:
        """How many jobs may be assigned at once: none where no run is left."""
        return self.concurrency if self.may_run else 0


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Use:
    """How much of the queue a space uses now."""

    queues: Mapping[str, int] = field(default_factory=dict[str, int])
    """Jobs that wait or are in a worker's hands, by queue."""
    scheduled: frozenset[str] = frozenset()
    """Queues that schedules submit to."""

    @property
    def waiting(self) -> int:
        """Those jobs of all queues."""
        return sum(self.queues.values())

    @property
    def open_queues(self) -> frozenset[str]:
        """The queues that are in use."""
        return self.scheduled.union(self.queues)


@dataclass(frozen=True, slots=True)
class Moment:
    """One record of a job's history, told for people and for programs."""

    seq: int
    at_ns: int
    kind: str
    text: str
    facts: Mapping[str, Json]
