"""What can go wrong between a job and who wants it done?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvent_client.errors import SolventError

if TYPE_CHECKING:
    from solvent_client.tasks.record import Record


class TaskError(SolventError):
    """What all errors of jobs are."""


class OptionInvalid(TaskError, ValueError):
    """An option of a task, a call or a worker is not what was expected; the message names it."""


class PayloadInvalid(TaskError, ValueError):
    """An argument or a result cannot be written down; the message says which and why."""


class PayloadTooLarge(PayloadInvalid):
    """An argument list or a result is larger than what may stand in the log.

    Attributes:
        size: its bytes.
        limit: how many there may be.
    """

    def __init__(self, what: str, *, size: int, limit: int) -> None:
        super().__init__(
            f"{what}: {size:,} bytes, and at most {limit:,} may go into a job; store it elsewhere"
            " (a file, a table, an object store) and pass its name"
        )
        self.size = size
        self.limit = limit


class QueueUnreachable(TaskError):
    """The log of jobs cannot be reached, or does not take this connection; nothing was written."""


class LimitReached(TaskError):
    """What the space has bought of the queue is used up; nothing was written.

    Attributes:
        code: which limit, such as `queue.runs_exhausted`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.partition(":")[0]


class OutcomeUnknown(TaskError):
    """The log was asked to take a record, and neither an answer nor a look told whether it did.

    Submitting again under the same `task_id` is safe: the log takes a job once.
    """

    def __init__(self, message: str, *, task_id: str = "") -> None:
        super().__init__(message)
        self.task_id = task_id


class LogConflict(TaskError):
    """Somebody else has written on the subject since it was looked at."""


class StaleFence(TaskError):
    """The permission to run has ended: the job was given to somebody else, or called off.

    Attributes:
        task_id: the job.
        fence: under which permission it was run here.
        record: what the log says of the job now; None where it has gone.
    """

    def __init__(self, task_id: str, *, fence: int, record: Record | None) -> None:
        now = type(record).__name__.lower() if record is not None else "gone"
        super().__init__(f"{task_id}: fence {fence} is stale, the job is {now} by now")
        self.task_id = task_id
        self.fence = fence
        self.record = record


class JobUnknown(TaskError):
    """The log holds nothing of this job: there never was one, or it ended long ago."""


class JobDead(TaskError):
    """The job has failed for good.

    Attributes:
        reason: why, in a word or a line.
        detail: the end of the traceback, where there is one.
    """

    def __init__(self, task_id: str, *, reason: str, detail: str = "") -> None:
        super().__init__(f"{task_id}: {reason}")
        self.reason = reason
        self.detail = detail


class JobCanceled(TaskError):
    """The job was called off."""


class ResultTimeout(TaskError, TimeoutError):
    """The job had not ended when the patience of who asked for its result did."""


class NotInTask(TaskError):
    """`current_task` was asked outside of a task."""


class Retry(Exception):
    """Raise it in a task to run it again later: `raise Retry(countdown=30)`.

    Args:
        reason: what stands in the log.
        countdown: seconds to wait; None: by the task's back-off.
        max_retries: how many retries there may be; None: the task's own number.
    """

    def __init__(
        self,
        reason: str = "retry",
        *,
        countdown: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.countdown = countdown
        self.max_retries = max_retries


class Reject(Exception):
    """Raise it in a task that must not be tried again: the job is dead, with this reason.

    Args:
        reason: what stands in the log.
        requeue: hand it back untried instead, for another worker.
    """

    def __init__(self, reason: str = "rejected", *, requeue: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.requeue = requeue


class TimeLimitExceeded(Exception):
    """Raised inside a task that has run for longer than its `timeout`."""
