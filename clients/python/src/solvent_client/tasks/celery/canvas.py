"""How are Celery's signatures, chains, groups and chords said to Solvent?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from solvent_client.tasks import signature as native
from solvent_client.tasks.celery.exceptions import Unsupported
from solvent_client.tasks.celery.marks import mark
from solvent_client.tasks.celery.result import AsyncResult, EagerResult, GroupResult
from solvent_client.tasks.handle import Handle

if TYPE_CHECKING:
    from solvent_client.tasks.celery.app import Celery
    from solvent_client.tasks.celery.task import Task


class Canvas:
    """What all of them have in common: `a | b`, `delay`, `apply_async`, calling."""

    @property
    def app(self) -> Celery:
        """The application of the first task."""
        raise NotImplementedError

    def native(self) -> native.Node:
        """Return it as Solvent knows it."""
        raise NotImplementedError

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Canvas:
        """Return it with arguments put before those of its first calls."""
        raise NotImplementedError

    def __or__(self, after: Any) -> Canvas:  # noqa: ANN401 - any of them
        return chain(self, after)

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> Any:  # noqa: ANN401 - AsyncResult or GroupResult
        """Submit it; the options are those of its first calls."""
        made = self.with_arguments(tuple(args or ()), kwargs or {})
        if options:
            made = made.set(**options)
        if made.app.conf.task_always_eager:
            return made.apply()
        handle: Any = made.app.solvent.submit(cast("native.Chain", made.native()))
        return AsyncResult(handle) if isinstance(handle, Handle) else GroupResult(handle)

    def delay(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Submit it with arguments put first."""
        return self.apply_async(args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Submit it, as calling a chain or a group does in Celery."""
        return self.apply_async(args, kwargs)

    def set(self, **options: Any) -> Any:  # noqa: ANN401 - of the same kind
        """Return it with options."""
        raise NotImplementedError

    def apply(self) -> Any:  # noqa: ANN401 - EagerResult
        """Refuse to run it here."""
        raise Unsupported(f"{type(self).__name__}: task_always_eager runs single tasks and chains")


@dataclass(frozen=True, slots=True)
class Signature(Canvas):
    """A call of a task that has not been made."""

    type: Task
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    immutable: bool = False

    @property
    def task(self) -> str:
        """The task's name."""
        return self.type.name

    @property
    def app(self) -> Celery:
        """The task's application."""
        return self.type.app

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Run it here and now, as calling a signature does in Celery."""
        call = self.clone(args, kwargs)
        return self.type(*call.args, **call.kwargs)

    def clone(
        self,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> Signature:
        """Return it with arguments put first, and options."""
        made = self.with_arguments(tuple(args), kwargs or {})
        return made.set(**options) if options else made

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Signature:
        """Return it with arguments put first; an immutable one takes none."""
        if self.immutable or not (args or kwargs):
            return self
        return replace(self, args=(*args, *self.args), kwargs={**self.kwargs, **kwargs})

    def set(self, *, immutable: bool | None = None, **options: Any) -> Signature:  # noqa: ANN401 - Celery's
        """Return it with options."""
        fixed = self.immutable if immutable is None else immutable
        return replace(self, options={**self.options, **options}, immutable=fixed)

    def link(self, *_: object) -> NoReturn:
        """Refuse: what follows is a chain."""
        raise Unsupported("Signature.link: write chain(this, that)")

    link_error = link

    def apply(self) -> EagerResult:
        """Run it here and now."""
        return self.type.apply(self.args, self.kwargs)

    def native(self) -> native.Signature:
        """Return it as Solvent knows it."""
        from solvent_client.tasks.celery.task import call_options

        task = self.app.native_of(self.type)
        args, kwargs = tuple(self.args), dict(self.kwargs)
        if task.options.codec == "json":
            args = tuple(mark(item) for item in args)
            kwargs = {key: mark(item) for key, item in kwargs.items()}
        options = call_options(self.type, self.options)
        return native.Signature(task, args, kwargs, options, immutable=self.immutable)


class chain(Canvas):  # noqa: N801 - Celery's name
    """Calls one after the other, each taking what the one before returned."""

    def __init__(self, *steps: Any) -> None:  # noqa: ANN401 - signatures, or an iterable of them
        self.tasks: list[Any] = []
        for step in _flat(steps):
            self.tasks += step.tasks if isinstance(step, chain) else [step]
        if not self.tasks:
            raise Unsupported("chain: expected at least one step")

    @property
    def app(self) -> Celery:
        """The application of the first step."""
        return self.tasks[0].app

    def native(self) -> native.Node:
        """Return it as Solvent knows it."""
        return native.chain(*(step.native() for step in self.tasks))

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> chain:
        """Return it with arguments put before those of the first step."""
        first, *rest = self.tasks
        return chain(first.with_arguments(args, kwargs), *rest)

    def set(self, **options: Any) -> chain:  # noqa: ANN401 - Celery's
        """Return it with options of the first step."""
        first, *rest = self.tasks
        return chain(first.set(**options), *rest)

    def apply(self) -> EagerResult:
        """Run it here and now."""
        result: EagerResult = self.tasks[0].apply()
        for step in self.tasks[1:]:
            result = step.clone((result.get(),)).apply()
        return result


class group(Canvas):  # noqa: N801 - Celery's name
    """Calls side by side."""

    def __init__(self, *members: Any) -> None:  # noqa: ANN401 - signatures, or an iterable of them
        self.tasks: list[Any] = _flat(members)

    @property
    def app(self) -> Celery:
        """The application of the first member."""
        if not self.tasks:
            raise Unsupported("group: expected at least one member to submit")
        return self.tasks[0].app

    def __len__(self) -> int:
        return len(self.tasks)

    def native(self) -> native.Group:
        """Return it as Solvent knows it."""
        return native.group(*(member.native() for member in self.tasks))

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> group:
        """Return it with arguments put before those of each member."""
        return group(*(member.with_arguments(args, kwargs) for member in self.tasks))

    def set(self, **options: Any) -> group:  # noqa: ANN401 - Celery's
        """Return it with options of each member."""
        return group(*(member.set(**options) for member in self.tasks))


class chord(Canvas):  # noqa: N801 - Celery's name
    """A group, and a call that takes the list of its results; `chord(header)(body)` submits it."""

    def __init__(self, header: Any, body: Any = None) -> None:  # noqa: ANN401 - group or iterable
        self.header = header if isinstance(header, group) else group(*_flat([header]))
        self.body = body

    @property
    def app(self) -> Celery:
        """The application of the header."""
        return self.header.app

    @property
    def tasks(self) -> list[Any]:
        """The header's members."""
        return self.header.tasks

    def __call__(self, body: Any = None, **options: Any) -> Any:  # noqa: ANN401 - AsyncResult
        """Submit it, with a body if it has none yet."""
        return chord(self.header, body or self.body).apply_async(**options)

    def native(self) -> native.Node:
        """Return it as Solvent knows it."""
        if self.body is None:
            raise Unsupported("chord: expected a body")
        return native.chord(self.header.native(), self.body.native())

    def with_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> chord:
        """Return it with arguments put before those of each member."""
        return chord(self.header.with_arguments(args, kwargs), self.body)

    def set(self, **options: Any) -> chord:  # noqa: ANN401 - Celery's
        """Return it with options of each member."""
        return chord(self.header.set(**options), self.body)


def _flat(items: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in items:
        flat += [item] if isinstance(item, Canvas) else _flat(item)
    return flat
