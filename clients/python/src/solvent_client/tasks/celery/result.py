"""What does Celery's AsyncResult say of a job?"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from solvent_client.tasks.celery.exceptions import Unsupported
from solvent_client.tasks.celery.marks import unmark
from solvent_client.tasks.errors import JobDead
from solvent_client.tasks.handle import GroupHandle, Handle, Status
from solvent_client.tasks.payload import unpack_result
from solvent_client.tasks.record import Done, Failed

PENDING, STARTED, RETRY = "PENDING", "STARTED", "RETRY"
SUCCESS, FAILURE, REVOKED = "SUCCESS", "FAILURE", "REVOKED"
_STATES: Final = {"running": STARTED, "done": SUCCESS, "dead": FAILURE, "canceled": REVOKED}


class AsyncResult:
    """A job, as Celery's callers know it.

    Args:
        id: the job's id; or a handle.
        app: whose job; None: the current application's.
    """

    def __init__(self, id: str | Handle, app: Any = None) -> None:  # noqa: ANN401 - Celery or Tasks
        if isinstance(id, Handle):
            self.handle = id
        else:
            if app is None:
                from solvent_client.tasks.celery.app import current_app

                app = current_app
            self.handle = app.solvent.handle(id)

    @property
    def id(self) -> str:
        """The job's id."""
        return self.handle.task_id

    task_id = id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def parent(self) -> AsyncResult | None:
        """The step before in its chain."""
        before = self.handle.parent
        return AsyncResult(before) if before else None

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED."""
        return _state_of(self.handle.status())

    status = state

    @property
    def result(self) -> Any:  # noqa: ANN401 - whatever the task returned
        """What it returned, the exception that it failed with, or None before its end."""
        status = self.handle.status()
        if isinstance(status.record, Done):
            data = status.record.result
            return unmark(unpack_result(data, pickle_allowed=self.handle.accept_pickle))
        if status.state == "dead":
            return exception_of(
                JobDead(self.id, reason=status.reason, detail=status.detail), status.reason
            )
        return None

    info = result

    @property
    def traceback(self) -> str | None:
        """The end of the traceback of its failure."""
        return self.handle.status().detail or None

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,  # noqa: FBT001, FBT002 - Celery's
        **ignored: object,
    ) -> Any:  # noqa: ANN401 - whatever the task returned
        """Wait for the result; raises what the task raised, where that is one of Python's own."""
        del ignored  # interval, no_ack, …: of other ways to wait
        try:
            return unmark(self.handle.get(timeout))
        except JobDead as dead:
            error = exception_of(dead, dead.reason)
            if not propagate:
                return error
            if error is dead:
                raise
            raise error from dead

    wait = get

    def ready(self) -> bool:
        """Say whether it has ended."""
        return self.handle.ready()

    def successful(self) -> bool:
        """Say whether it has ended well."""
        return self.handle.successful()

    def failed(self) -> bool:
        """Say whether it has failed."""
        return self.handle.failed()

    def revoke(self, **ignored: object) -> None:
        """Call it off, running or not: what `terminate=True` asks for needs no signal here."""
        del ignored
        self.handle.cancel("revoked")

    def forget(self) -> None:
        """Do nothing: results go with the compaction of the log."""

    @property
    def children(self) -> Any:  # noqa: ANN401 - never returns
        """Refuse: who follows a job stands in its chain."""
        raise Unsupported("AsyncResult.children: keep the results that you submit")


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The jobs of a group."""

    handle: GroupHandle

    @property
    def id(self) -> str:
        """The group's id."""
        return self.handle.group_id

    @property
    def results(self) -> list[AsyncResult]:
        """The members."""
        return [AsyncResult(member) for member in self.handle.members]

    children = results

    def __len__(self) -> int:
        return len(self.handle)

    def __iter__(self) -> Iterator[AsyncResult]:
        return iter(self.results)

    def __getitem__(self, index: int) -> AsyncResult:
        return self.results[index]

    def get(self, timeout: float | None = None, **options: Any) -> list[Any]:  # noqa: ANN401 - see AsyncResult
        """Wait for all results, in order."""
        return [one.get(timeout, **options) for one in self.results]

    join = get

    def ready(self) -> bool:
        """Say whether all have ended."""
        return self.handle.ready()

    def successful(self) -> bool:
        """Say whether all have ended well."""
        return self.handle.successful()

    def failed(self) -> bool:
        """Say whether one has failed."""
        return any(one.failed() for one in self.results)

    def completed_count(self) -> int:
        """Return how many have ended well."""
        return self.handle.completed_count()

    def revoke(self, **ignored: object) -> None:
        """Call off what has not ended."""
        del ignored
        self.handle.cancel("revoked")


class EagerResult:
    """What `apply()` and `task_always_eager` return: the task has run already."""

    def __init__(self, id: str, value: Any, state: str) -> None:  # noqa: ANN401 - see AsyncResult
        self.id = self.task_id = id
        self.result = self.info = value
        self.state = self.status = state

    def get(self, timeout: float | None = None, propagate: bool = True, **ignored: object) -> Any:  # noqa: ANN401, FBT001, FBT002 - Celery's
        """Return the result, or raise what the task raised."""
        del timeout, ignored
        if self.state == FAILURE and propagate:
            raise self.result
        return self.result

    wait = get

    def ready(self) -> bool:
        """Say that it has ended."""
        return True

    def successful(self) -> bool:
        """Say whether it has ended well."""
        return self.state == SUCCESS

    def failed(self) -> bool:
        """Say whether it has failed."""
        return self.state == FAILURE


def _state_of(status: Status) -> str:
    if isinstance(status.record, Failed):
        return RETRY
    return _STATES.get(status.state, PENDING)


def exception_of(dead: JobDead, reason: str) -> Exception:
    """Return the exception that a dead job's reason names, if it is one of Python's own."""
    name, _, text = reason.partition(": ")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:
            return dead
    return dead
