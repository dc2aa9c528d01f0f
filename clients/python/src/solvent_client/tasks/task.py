"""What is a task, and how is one called later?"""

from __future__ import annotations

import inspect
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    NoReturn,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
)

import msgspec

from solvent_client.tasks.current import CurrentTask, current_task
from solvent_client.tasks.errors import OptionInvalid, Retry
from solvent_client.tasks.links import TaskLink, pack_links
from solvent_client.tasks.options import (
    MAX_ATTEMPTS,
    MAX_KEY_CHARACTERS,
    CallSaid,
    Moment,
    Options,
    Said,
    moment_ns,
    nanoseconds,
    parsed_backoff,
    parsed_rate,
)
from solvent_client.tasks.payload import pack_args
from solvent_client.tasks.place import TOKEN
from solvent_client.tasks.record import Spec
from solvent_client.tasks.signature import Chain, Signature

if TYPE_CHECKING:
    from solvent_client.tasks.app import Tasks
    from solvent_client.tasks.handle import Handle

P = ParamSpec("P")
R = TypeVar("R")

UNIQUE_IDS: Final = uuid.UUID("5a0fd9c2-2f0e-5a52-8f3c-4f4b0f1f9a10")
"""The namespace of ids of unique jobs (RFC 9562, version 5)."""
MAX_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a task, ready to be written."""

    task_id: str
    """Empty: a fresh one is to be made."""
    spec: Spec
    unique: bool
    """A next life may begin once the one before has ended."""


class Task(Generic[P, R]):
    """A function that can be called later: `task.delay(…)`. Calling it runs it here and now.

    Args:
        app: whose it is.
        function: plain or async.
        name: what it is called in the log; the workers must know it by the same name.
        options: of its calls.
        bind: the function takes the task itself first, as `self`.
    """

    def __init__(
        self, app: Tasks, function: Callable[P, R], *, name: str, options: Options, bind: bool
    ) -> None:
        if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
            raise OptionInvalid("name: expected 1 to 200 printable characters")
        self.app = app
        self.function = function
        self.name = name
        self.options = options
        self.bind = bind
        self.is_async = inspect.iscoroutinefunction(function)
        self.__name__ = getattr(function, "__name__", name)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now; of an async one, return its coroutine."""
        if self.bind:
            return self.function(self, *args, **kwargs)  # type: ignore[arg-type]
        return self.function(*args, **kwargs)

    @property
    def request(self) -> CurrentTask:
        """What `current_task` says; for functions that take `self`."""
        return current_task

    def retry(
        self,
        *,
        countdown: float | None = None,
        exc: BaseException | None = None,
        max_retries: int | None = None,
    ) -> NoReturn:
        """Stop this run and try again: `raise self.retry(countdown=30)`.

        Args:
            countdown: seconds to wait; None: by the back-off.
            exc: why; after the last retry the job is dead with it.
            max_retries: how many there may be; None: the task's own number.
        """
        reason = f"{type(exc).__name__}: {exc}" if exc is not None else "retry"
        raise Retry(reason, countdown=countdown, max_retries=max_retries) from exc

    # ----------------------------------------------------------------------------------- signatures

    def s(self, *args: Any, **kwargs: Any) -> Signature:  # noqa: ANN401 - the task's own
        """Return the call, unmade; in a chain the result before comes first."""
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:  # noqa: ANN401 - the task's own
        """Return the call, unmade; it takes exactly these arguments."""
        return Signature(self, args, kwargs, immutable=True)

    signature = s

    # -------------------------------------------------------------------------------------- calling

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Submit a call; returns once a majority of the log has it.

        Raises:
            PayloadInvalid: an argument cannot be written down.
            QueueUnreachable: the log cannot be reached; nothing was written.
            OutcomeUnknown: whether it was written could not be found out in time.
        """
        return self.app.submit_call(self.call(args, kwargs))

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Submit a call from asyncio; raises as `delay` does."""
        return await self.app.asubmit_call(self.call(args, kwargs))

    def apply_async(
        self,
        args: Iterable[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        link: Signature | None = None,
        **options: Unpack[CallSaid],
    ) -> Handle:
        """Submit a call with options.

        Args:
            args: positional arguments.
            kwargs: named arguments.
            link: what runs then, with the result.
            options: `countdown` (seconds) or `eta` (a time with its offset) before which it does
                not run; `expires` or `deadline` (seconds or a time) after which it is dead unless
                finished; `task_id`; and what a task's own options are (`Options`).

        Raises:
            OptionInvalid: an option is not one.
        """
        call = self.call(tuple(args), kwargs or {}, **options)
        return self.app.submit_call(_followed(call, link))

    async def aapply_async(
        self,
        args: Iterable[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        link: Signature | None = None,
        **options: Unpack[CallSaid],
    ) -> Handle:
        """Submit a call with options from asyncio; as `apply_async`."""
        call = self.call(tuple(args), kwargs or {}, **options)
        return await self.app.asubmit_call(_followed(call, link))

    def delay_many(self, calls: Iterable[Iterable[object]]) -> list[Handle]:
        """Submit one call for each tuple of arguments, in few large batches."""
        return self.app.submit_many(Signature(self, tuple(args)) for args in calls)

    # ---------------------------------------------------------------------------------------- specs

    def call(
        self,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        **said: Unpack[CallSaid],
    ) -> Call:
        """Return the call ready to be written. Raises PayloadInvalid, OptionInvalid."""
        begin, task_id, rest = _split(said) if said else (None, None, None)
        options = self.options.changed(**rest) if rest else self.options
        spec = self._spec(args, kwargs, options)
        if begin is not None or options.expires is not None:
            spec = self._timed(spec, begin, options.expires)
        if options.unique and task_id is None:
            return Call(self._unique_id(spec, args, kwargs, options), spec, unique=True)
        return Call(task_id or "", spec, unique=False)

    def _spec(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], options: Options
    ) -> Spec:
        limit = options.max_retries
        rate_key = options.rate_key(*args, **kwargs) if options.rate_key else self.name
        return Spec(
            name=self.name,
            args=pack_args(args, dict(kwargs), codec=options.codec),
            codec=options.codec,
            queue=options.queue,
            priority=options.priority,
            timeout_ns=nanoseconds(options.timeout),
            max_attempts=limit + 1 if limit is not None else MAX_ATTEMPTS,
            backoff=parsed_backoff(options.backoff),
            key=_concurrency_key(options, args, kwargs),
            key_limit=options.concurrency,
            in_order=options.in_order,
            rate=parsed_rate(rate_key, options.rate_limit),
            keep_result=not options.ignore_result,
        )

    def _timed(self, spec: Spec, begin: Moment | None, expires: Moment | None) -> Spec:
        now_ns = self.app.now_ns()
        return msgspec.structs.replace(
            spec,
            not_before_ns=moment_ns("eta", begin, now_ns=now_ns) if begin is not None else 0,
            expires_ns=moment_ns("expires", expires, now_ns=now_ns) if expires is not None else 0,
        )

    def _unique_id(
        self, spec: Spec, args: tuple[object, ...], kwargs: Mapping[str, object], options: Options
    ) -> str:
        if callable(options.unique):
            key = options.unique(*args, **kwargs)
        else:
            key = blake2b(spec.args, digest_size=16).hexdigest()
        return str(uuid.uuid5(UNIQUE_IDS, f"{self.app.space}/{self.name}/{key}"))

    def link_of(self, call: Signature) -> TaskLink:
        """Return a call as it stands in a chain, a group or a schedule. Raises as `call` does."""
        said = CallSaid(**call.options)
        delay = said.pop("countdown", None)
        life = said.pop("expires", said.pop("deadline", self.options.expires))
        if said.get("unique", self.options.unique) or said.get("task_id"):
            raise OptionInvalid(
                f"{self.name}: expected neither unique nor task_id within a chain, a group or a"
                " schedule"
            )
        relative = life if isinstance(life, int | float | timedelta) else None
        said["expires"] = life if relative is None else None
        return TaskLink(
            self.call(call.args, call.kwargs, **said).spec,
            immutable=call.immutable,
            delay_ns=nanoseconds(delay) if delay is not None else 0,
            life_ns=nanoseconds(relative) if relative is not None else 0,
        )


def _split(said: CallSaid) -> tuple[Moment | None, str | None, Said]:
    """Return when a call begins, as what it is submitted, and its other options."""
    rest = CallSaid(**said)
    countdown, eta = rest.pop("countdown", None), rest.pop("eta", None)
    task_id, deadline = rest.pop("task_id", None), rest.pop("deadline", None)
    if countdown is not None and eta is not None:
        raise OptionInvalid("eta: expected either it or countdown")
    if task_id is not None and not TOKEN.fullmatch(task_id):
        raise OptionInvalid("task_id: expected up to 64 letters, digits, - and _")
    if deadline is not None:
        rest["expires"] = deadline
    return (countdown if countdown is not None else eta), task_id, cast("Said", rest)


def _concurrency_key(
    options: Options, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> str:
    said = options.concurrency_key
    key = said(*args, **kwargs) if callable(said) else said or ""
    if type(key) is not str or len(key) > MAX_KEY_CHARACTERS or (key and not key.isprintable()):
        raise OptionInvalid(
            f"concurrency_key: expected up to 200 printable characters, got {key!r:.80}"
        )
    return key


def _followed(call: Call, after: Signature | Chain | None) -> Call:
    """Return the call with what runs after it."""
    if after is None:
        return call
    links = after.links() if isinstance(after, Chain) else [after.link()]
    spec = msgspec.structs.replace(call.spec, then=pack_links(list(links)))
    return replace(call, spec=spec)


def name_of(function: Callable[..., object]) -> str:
    """Return the name that a function has in the log: its module's and its own."""
    module = function.__module__
    if module == "__main__":
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        module = spec.name if spec else Path(getattr(main, "__file__", "main")).stem
    return f"{module}.{function.__qualname__}"
