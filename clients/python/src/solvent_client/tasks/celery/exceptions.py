"""Which exceptions does an application of Celery import, and what are they here?"""

from __future__ import annotations

from solvent_client.tasks.errors import JobCanceled, ResultTimeout, TimeLimitExceeded
from solvent_client.tasks.errors import Reject as _Reject
from solvent_client.tasks.errors import Retry as Retry  # noqa: PLC0414 - re-exported


class CeleryError(Exception):
    """What Celery's own errors are."""


class Unsupported(CeleryError, NotImplementedError):
    """Solvent has nothing that does what is asked here; the message says what to do instead."""


class ImproperlyConfigured(CeleryError):
    """A setting is missing or wrong."""


class NotRegistered(CeleryError, KeyError):
    """There is no task of this name."""


class MaxRetriesExceededError(CeleryError):
    """The task was to be tried again, and has no try left."""


class Ignore(Exception):
    """Raised in a task: it has ended, and keeps no result."""


class Reject(_Reject):
    """Raised in a task: it is dead, or with `requeue=True` handed back."""

    def __init__(self, reason: object = "rejected", requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's
        super().__init__(str(reason), requeue=requeue)


SoftTimeLimitExceeded = TimeLimitExceeded
TimeoutError = ResultTimeout  # noqa: A001 - Celery's name for it
TaskRevokedError = JobCanceled
