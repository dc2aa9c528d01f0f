"""What is a task to an application of Celery, and how does it run on Solvent?"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import msgspec

from solvent_client.host import jitter
from solvent_client.tasks.celery.canvas import Signature, chain
from solvent_client.tasks.celery.exceptions import (
    Ignore,
    MaxRetriesExceededError,
    Reject,
    Retry,
    Unsupported,
)
from solvent_client.tasks.celery.marks import mark, unmark
from solvent_client.tasks.celery.result import FAILURE, SUCCESS, AsyncResult, EagerResult
from solvent_client.tasks.current import current_task
from solvent_client.tasks.options import CallSaid, Said

if TYPE_CHECKING:
    from solvent_client.tasks.celery.app import Celery
    from solvent_client.tasks.handle import Handle
    from solvent_client.tasks.signature import Chain
    from solvent_client.tasks.task import Task as NativeTask

_CALL_OPTIONS: Final = frozenset(
    {"countdown", "eta", "expires", "queue", "priority", "task_id", "ignore_result"}
)
_RENAMED: Final = {"serializer": "codec", "time_limit": "timeout", "soft_time_limit": "timeout"}
_NEEDLESS: Final = frozenset(
    {"retry", "retry_policy", "connection", "producer", "add_to_parent", "shadow", "compression"}
)
_TASK_OPTIONS: Final = frozenset(
    {
        "name", "base", "bind", "max_retries", "default_retry_delay", "autoretry_for",
        "dont_autoretry_for", "retry_kwargs", "retry_backoff", "retry_backoff_max", "retry_jitter",
        "rate_limit", "time_limit", "soft_time_limit", "ignore_result", "queue", "priority",
        "serializer", "expires", "acks_late", "track_started", "reject_on_worker_lost",
        "acks_on_failure_or_timeout", "store_errors_even_if_ignored", "typing", "shared", "throws",
        "trail", "send_events",
    }
)  # fmt: skip
_NO_TIMEOUT_S: Final = 7 * 86_400.0
"""Celery's tasks may run for ever; this is the longest that Solvent lets one."""


@dataclass(frozen=True, slots=True)
class Context:
    """What `self.request` says."""

    id: str
    task: str
    retries: int = 0
    args: list[Any] = field(default_factory=list[Any])
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    root_id: str = ""
    hostname: str = ""
    called_directly: bool = False
    is_eager: bool = False
    delivery_info: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def correlation_id(self) -> str:
        """The same as `id`."""
        return self.id


_requests: ContextVar[Context | None] = ContextVar("solvent_celery_request", default=None)


class Task:
    """The base of tasks: of functions by `@app.task`, and of classes with a `run`.

    Its attributes are Celery's and mean the same, with Celery's defaults.
    """

    name: str = ""
    abstract: bool = True
    max_retries: int | None = 3
    default_retry_delay: float = 180.0
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | int = False
    retry_backoff_max: int = 600
    retry_jitter: bool = True
    rate_limit: str | float | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    ignore_result: bool | None = None
    queue: str | None = None
    priority: int | None = None
    serializer: str | None = None
    expires: Any = None

    app: Celery
    native: NativeTask[..., Any]

    Retry = Retry
    MaxRetriesExceededError = MaxRetriesExceededError

    def run(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Do the work."""
        raise NotImplementedError(f"{self.name}: define run()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Run it here and now."""
        return self.run(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<@task: {self.name}>"

    # ---------------------------------------------------------------------------------------- hooks

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - Celery's
        """Is called before a run."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - Celery's
        """Is called after a run that ended well."""

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:  # noqa: ANN401, PLR0917 - Celery's
        """Is called after a run that failed for good."""

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:  # noqa: ANN401, PLR0917 - Celery's
        """Is called after a run that will be tried again."""

    def after_return(  # noqa: PLR0917 - Celery's
        self,
        status: str,
        retval: Any,  # noqa: ANN401 - Celery's
        task_id: str,
        args: Any,  # noqa: ANN401 - Celery's
        kwargs: Any,  # noqa: ANN401 - Celery's
        einfo: Any,  # noqa: ANN401 - Celery's
    ) -> None:
        """Is called after each run that ended."""

    # --------------------------------------------------------------------------------- within a run

    @property
    def request(self) -> Context:
        """What is known of the current run."""
        return _requests.get() or Context("", self.name, called_directly=True)

    def retry(
        self,
        *,
        exc: BaseException | None = None,
        throw: bool = True,
        countdown: float | None = None,
        eta: datetime | None = None,
        max_retries: int | None = None,
        **unsupported: object,
    ) -> Retry:
        """Have the task tried again; raise, unless told not to, what says so.

        Raises:
            MaxRetriesExceededError: there is no try left, and no `exc` to raise instead.
        """
        if unsupported:
            raise Unsupported(f"retry({next(iter(unsupported))}=…): a retry keeps its arguments")
        request = self.request
        limit = self.max_retries if max_retries is None else max_retries
        if request.called_directly or (limit is not None and request.retries >= limit):
            raise exc or MaxRetriesExceededError(f"{self.name}[{request.id}]: no try is left")
        if eta is not None:
            countdown = (_aware(eta) - datetime.now(UTC)).total_seconds()
        pause = self.default_retry_delay if countdown is None else countdown
        reason = f"{type(exc).__name__}: {exc}" if exc is not None else "retry"
        made = Retry(reason, countdown=max(0.0, pause))
        if throw:
            raise made from exc
        return made

    def update_state(
        self,
        task_id: str | None = None,
        state: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell how far it has come: `meta` with `current` and `total` makes a share."""
        del task_id
        if not current_task.active:
            return
        told = meta or {}
        total = told.get("total")
        share = min(1.0, max(0.0, told.get("current", 0) / total)) if total else None
        note = msgspec.json.encode(told, enc_hook=str).decode() if told else state or ""
        current_task.progress(share, note)

    # -------------------------------------------------------------------------------------- calling

    def s(self, *args: Any, **kwargs: Any) -> Signature:  # noqa: ANN401 - the task's own
        """Return the call, unmade."""
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:  # noqa: ANN401 - the task's own
        """Return the call, unmade, that takes no result before it."""
        return Signature(self, args, kwargs, immutable=True)

    def signature(
        self,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> Signature:
        """Return the call, unmade."""
        return Signature(self, tuple(args), dict(kwargs or {}), options, immutable=immutable)

    subtask = signature

    def delay(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - AsyncResult, or Eager
        """Submit a call."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        link: Any = None,  # noqa: ANN401 - a signature, or a list of one
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> Any:  # noqa: ANN401 - AsyncResult, or EagerResult
        """Submit a call with Celery's options; one that Solvent has not raises Unsupported."""
        call = Signature(self, tuple(args or ()), dict(kwargs or {}), options)
        if self.app.conf.task_always_eager:
            return call.apply()
        if link is not None:
            steps = cast("Chain", chain(call, link).native())
            handle = cast("Handle", self.app.solvent.submit(steps))
            return AsyncResult(handle.parent or handle)
        native = call.native()
        return AsyncResult(native.task.apply_async(native.args, native.kwargs, **native.options))

    def apply(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - ignored, as by Celery
    ) -> EagerResult:
        """Run it here and now, with a request, as if by a worker."""
        del options
        given, named = list(args or ()), dict(kwargs or {})
        request = Context("", self.name)
        for retries in range((self.max_retries or 0) + 1):
            request = Context(str(uuid.uuid4()), self.name, retries, given, named, is_eager=True)
            token = _requests.set(request)
            try:
                return EagerResult(request.id, self._ended(request), SUCCESS)
            except Retry:
                continue
            except Exception as error:
                if self.app.conf.task_eager_propagates:
                    raise
                return EagerResult(request.id, error, FAILURE)
            finally:
                _requests.reset(token)
        return EagerResult(request.id, MaxRetriesExceededError(self.name), FAILURE)

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - Celery's name
        """Return the result of a job by its id."""
        return AsyncResult(task_id, app=self.app)

    # ---------------------------------------------------------------------------------- in a worker

    def native_options(self) -> Said:
        """Return what Solvent is told of the task."""
        conf = self.app.conf
        retries = [self.max_retries, self.retry_kwargs.get("max_retries", self.max_retries)]
        said = Said(
            max_retries=None if None in retries else max(one for one in retries if one is not None),
            retry_on=(),  # what is tried again says so by Retry
            timeout=self.soft_time_limit
            or self.time_limit
            or conf.task_soft_time_limit
            or conf.task_time_limit
            or _NO_TIMEOUT_S,
            queue=self.queue or conf.queue_of(self.name) or conf.task_default_queue,
            priority=self.priority if self.priority is not None else conf.task_default_priority,
            codec=self.serializer or conf.codec,
            expires=self.expires,
        )
        ignored = conf.task_ignore_result if self.ignore_result is None else self.ignore_result
        said["ignore_result"] = bool(ignored)
        said["rate_limit"] = _rate(self.rate_limit or conf.task_default_rate_limit)
        return said

    def runner(self) -> Callable[..., Any]:
        """Return the function that a worker of Solvent runs."""

        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
            request = self._request(args, kwargs)
            token = _requests.set(request)
            try:
                return mark(self._ended(request))
            finally:
                _requests.reset(token)

        async def run_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
            request = self._request(args, kwargs)
            _requests.set(request)
            try:
                value = await self.run(*request.args, **request.kwargs)
            except Ignore:
                return None
            except Exception as error:
                self._failed(error, request)
                raise
            self._succeeded(value, request)
            return mark(value)

        return run_async if inspect.iscoroutinefunction(self.run) else run

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context:
        given = [unmark(item) for item in args]
        named = {key: unmark(item) for key, item in kwargs.items()}
        return Context(
            current_task.id,
            self.name,
            current_task.retries,
            given,
            named,
            root_id=current_task.root,
            delivery_info={"routing_key": current_task.queue, "exchange": ""},
        )

    def _ended(self, request: Context) -> Any:  # noqa: ANN401 - whatever it returns
        """Run the task with its hooks."""
        self.before_start(request.id, request.args, request.kwargs)
        try:
            value = self.run(*request.args, **request.kwargs)
        except Ignore:
            return None
        except Exception as error:
            self._failed(error, request)
            raise
        self._succeeded(value, request)
        return value

    def _succeeded(self, value: Any, request: Context) -> None:  # noqa: ANN401 - see above
        self.on_success(value, request.id, request.args, request.kwargs)
        self.after_return(SUCCESS, value, request.id, request.args, request.kwargs, None)

    def _failed(self, error: Exception, request: Context) -> None:
        """Call the hooks, or raise Retry where it is to be tried again."""
        if isinstance(error, Reject):
            return
        if isinstance(error, Retry):
            self.on_retry(error.__cause__ or error, request.id, request.args, request.kwargs, None)
            return
        wanted = isinstance(error, self.autoretry_for)
        if wanted and not isinstance(error, self.dont_autoretry_for):
            self._retry_by_itself(error, request)
        self.on_failure(error, request.id, request.args, request.kwargs, None)
        self.after_return(FAILURE, error, request.id, request.args, request.kwargs, None)

    def _retry_by_itself(self, error: Exception, request: Context) -> None:
        """Raise Retry, unless there is no try left."""
        limit = self.retry_kwargs.get("max_retries", self.max_retries)
        if request.called_directly or (limit is not None and request.retries >= limit):
            return
        pause = self.retry_kwargs.get("countdown", self.default_retry_delay)
        if self.retry_backoff:
            longest = min(self.retry_backoff_max, int(self.retry_backoff) * 2**request.retries)
            pause = longest * jitter() if self.retry_jitter else longest
        try:
            self.retry(exc=error, countdown=pause, max_retries=limit)
        except Retry as again:
            self.on_retry(error, request.id, request.args, request.kwargs, None)
            raise again from error


def call_options(task: Task, options: Mapping[str, Any]) -> CallSaid:
    """Return a call's options as Solvent knows them. Raises Unsupported."""
    said: dict[str, Any] = {}
    for name, value in options.items():
        if name in _NEEDLESS or value is None:
            continue
        if name in _RENAMED:
            said[_RENAMED[name]] = value
        elif name in _CALL_OPTIONS:
            said[name] = _aware(value) if isinstance(value, datetime) else value
        else:
            raise Unsupported(f"{task.name}: apply_async({name}=…) means nothing to Solvent")
    return CallSaid(**said)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Let only options of a task pass that mean something here. Raises Unsupported."""
    unknown = sorted(options.keys() - _TASK_OPTIONS)
    if unknown:
        raise Unsupported(f"{name}: task({unknown[0]}=…) means nothing to Solvent")


def _aware(moment: datetime) -> datetime:
    """Return the moment with its offset: without one it is UTC's, as Celery takes it."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rate(said: str | float | None) -> str | None:
    if said is None or isinstance(said, str):
        return said if not isinstance(said, str) or "/" in said else f"{said}/s"
    if said != int(said):
        raise Unsupported(f"rate_limit: expected a whole number a second, or '10/m', got {said}")
    return f"{int(said)}/s"


def refuse(what: str) -> NoReturn:
    """Raise Unsupported."""
    raise Unsupported(what)
