"""Which requests about the queue are refused?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Denied, Invalid, LimitReached, NotFound


class QueueJobUnknown(NotFound):
    """There is no such job."""

    code = "queue.job_unknown"


class TaskIdMalformed(Invalid):
    """A task id is 1 to 64 letters, digits, - and _."""

    code = "queue.task_id_malformed"


class JobWanted(Invalid):
    """A job is not described correctly."""

    code = "queue.job_wanted"


class JobEnded(Conflict):
    """The job has ended, so it cannot be canceled."""

    code = "queue.job_ended"


class JobNotReplayable(Conflict):
    """Only a dead or canceled job can be replayed."""

    code = "queue.job_not_replayable"


class JobContended(Conflict):
    """The job moves too fast to be changed; try again."""

    code = "queue.job_contended"


class RunsExhausted(LimitReached):
    """The runs of this period are used up."""

    code = "queue.runs_exhausted"


class QueuesExhausted(LimitReached):
    """No more queues may be opened."""

    code = "queue.queues_exhausted"


class WaitingExhausted(LimitReached):
    """No more jobs may wait."""

    code = "queue.waiting_exhausted"


class BatchMalformed(Invalid):
    """A batch holds 1 to 1000 jobs, and each of them stands for itself."""

    code = "queue.batch_malformed"


class SpaceReserved(Conflict):
    """These jobs are Solvent's own: look after them by `solvent jobs failed` and `revive`."""

    code = "queue.space_reserved"


class KeyOpensNoQueue(Denied):
    """This key has neither the scope queue:submit nor queue:work."""

    code = "queue.key_opens_no_queue"


class PoolMisconfigured(Invalid):
    """The settings of the pool of workers do not fit together."""

    code = "queue.pool_misconfigured"


class RecordGone(Invalid):
    """The log does not hold this record."""

    code = "queue.record_gone"
