"""What does the queue tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDied:
    """A job will not run again unless somebody replays it; `seq` is its place in the log.

    A job that is replayed and dies again dies at another place.
    """

    NAME: ClassVar[str] = "queue.job_died.v1"

    task_id: str
    reason: str
    seq: int
    died_at: datetime
