"""What stands in for `celery.Celery`, and what is the current application?"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

from solvent_client.tasks.app import Tasks
from solvent_client.tasks.celery.canvas import Canvas, Signature
from solvent_client.tasks.celery.conf import NEEDLESS, UNDERSTOOD, Conf
from solvent_client.tasks.celery.exceptions import (
    ImproperlyConfigured,
    NotRegistered,
    Unsupported,
)
from solvent_client.tasks.celery.result import AsyncResult
from solvent_client.tasks.celery.schedules import cron_of
from solvent_client.tasks.celery.task import Task, check_options
from solvent_client.tasks.task import Task as NativeTask
from solvent_client.tasks.task import name_of

_SHARED: Final[list[tuple[Callable[..., Any], dict[str, Any]]]] = []
_applications: Final[list[Celery]] = []


class Celery:
    """An application of Celery's, run by Solvent.

    Args:
        main: the name of the main module, for the names of tasks that are defined in it.
        broker: the queue's address, `nats://host:4222`; else SOLVENT_QUEUE_URL.
        space: whose jobs; else SOLVENT_QUEUE_SPACE.
        key: an API key; else SOLVENT_QUEUE_KEY.
        backend: any or none: results are kept with the jobs.
        include: modules with tasks, imported by the workers.
        settings: as `app.conf` takes them.

    Raises:
        Unsupported: a setting means nothing to Solvent.
    """

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | None = None,
        space: str | None = None,
        key: str | None = None,
        backend: str | None = None,
        include: Iterable[str] = (),
        **settings: Any,  # noqa: ANN401 - of many types
    ) -> None:
        del backend
        self.main = main
        self._place = (broker, space, key)
        self.conf = Conf(**{"include": tuple(include), **settings})
        self.tasks: dict[str, Any] = {}
        self.on_after_configure = Signal()
        self.on_after_finalize = self.on_after_configure
        self.Task = Task
        self._tasks_app: Tasks | None = None
        self._native: dict[str, NativeTask[..., Any]] = {}
        self._periodic: list[tuple[Any, Signature, str]] = []
        self._loaded = False
        _applications.append(self)
        for function, options in _SHARED:
            self.task(**options)(function)

    def __repr__(self) -> str:
        return f"<Celery {self.main or '__main__'} on Solvent>"

    # ------------------------------------------------------------------------------------- settings

    def config_from_object(self, source: Any, namespace: str | None = None, **_: object) -> None:  # noqa: ANN401 - a module, a class, a mapping or a name
        """Take the settings of an object, or of the module or `module:name` that a text names."""
        told = _settings_of(_imported(source) if isinstance(source, str) else source)
        prefix = f"{namespace}_" if namespace else ""
        for name, value in told.items():
            if not name.startswith(prefix) or name.startswith("__"):
                continue
            setting = name.removeprefix(prefix).lower()
            # A module also holds what it imports and what is its own.
            if prefix or setting in UNDERSTOOD or setting in NEEDLESS:
                self.conf[setting] = value

    def config_from_envvar(self, name: str) -> None:
        """Refuse: which module holds the settings is said in the code."""
        raise Unsupported(f"config_from_envvar({name!r}): use config_from_object")

    # ---------------------------------------------------------------------------------------- tasks

    def task(self, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - a decorator, or a task
        """Make a task of a function: `@app.task` or `@app.task(bind=True, …)`."""
        if given:
            return self._make(given[0], {})
        return partial(self._make, options=options)

    def _make(self, function: Callable[..., Any], options: dict[str, Any]) -> Task:
        name = str(options.get("name") or self._name_of(function))
        check_options(name, options)
        base: type[Task] = options.get("base") or self.Task
        attributes = {
            key: value for key, value in options.items() if key not in {"name", "base", "bind"}
        }
        run = function if options.get("bind") else staticmethod(function)
        attributes |= {"run": run, "name": name, "__doc__": function.__doc__, "abstract": False}
        attributes["__module__"] = function.__module__
        made = type(function.__name__, (base,), attributes)()
        made.__wrapped__ = function  # type: ignore[attr-defined]
        return self.register_task(made)

    def _name_of(self, function: Callable[..., Any]) -> str:
        name = name_of(function)
        if function.__module__ == "__main__" and self.main:
            return f"{self.main}.{function.__qualname__}"
        return name

    def register_task(self, task: Any) -> Any:  # noqa: ANN401 - a Task, or a class of them
        """Take in a task, or a class of one."""
        made: Task = task() if isinstance(task, type) else task
        made.name = made.name or f"{type(made).__module__}.{type(made).__qualname__}"
        made.app = self
        self.tasks[made.name] = made
        if self._tasks_app is not None:
            self.native_of(made)
        return made

    def native_of(self, task: Task) -> NativeTask[..., Any]:
        """Return the task of Solvent that runs a task of Celery's."""
        native = self._native.get(task.name)
        if native is None:
            decorate = self._tasks().task(name=task.name, **task.native_options())
            native = self._native[task.name] = task.native = decorate(task.runner())
        return native

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        related_name: str = "tasks",
        **_: object,
    ) -> None:
        """Import the `tasks` modules of packages; of Django's installed ones without a list."""
        if packages is None:
            packages = _django_packages()
        found = packages() if callable(packages) else packages
        names = [f"{package}.{related_name}" for package in found]
        self.conf.include = (*self.conf.include, *(name for name in names if _exists(name)))

    def signature(self, name: str | Signature, *args: Any, **options: Any) -> Signature:  # noqa: ANN401 - Celery's
        """Return a call of a task by its name."""
        if isinstance(name, Signature):
            return name
        return self._task(name).signature(*args, **options)

    def send_task(
        self,
        name: str,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> Any:  # noqa: ANN401 - AsyncResult
        """Submit a call of a task by its name, also of one that only the workers define."""
        known = self.tasks.get(name)
        task = known if known is not None else self.register_task(_Elsewhere(name))
        return task.apply_async(args, kwargs, **options)

    def _task(self, name: str) -> Task:
        self.load()
        if name not in self.tasks:
            raise NotRegistered(name)
        return self.tasks[name]

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - Celery's name
        """Return the result of a job by its id."""
        return AsyncResult(task_id, app=self)

    @property
    def control(self) -> Control:
        """What may be done to jobs from outside."""
        return Control(self)

    # ------------------------------------------------------------------------------------ schedules

    def add_periodic_task(  # noqa: PLR0917 - Celery's
        self,
        schedule: Any,  # noqa: ANN401 - crontab, timedelta or seconds
        call: Signature,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **options: Any,  # noqa: ANN401 - Celery's
    ) -> str:
        """Have a call submitted at the times of a schedule."""
        made = call.clone(tuple(args), kwargs, **options)
        self._periodic.append((schedule, made, name or repr_of(made)))
        return self._periodic[-1][2]

    def _schedule_all(self, app: Tasks) -> None:
        entries = list(self._periodic)
        for name, entry in dict(self.conf.beat_schedule).items():
            call = self._task(entry["task"]).signature(
                entry.get("args", ()), entry.get("kwargs"), **entry.get("options", {})
            )
            entries.append((entry["schedule"], call, name))
        for when, call, name in entries:
            app.schedule(call.native(), cron_of(when), name=name, tz=str(self.conf.timezone))

    # -------------------------------------------------------------------------------------- Solvent

    @property
    def solvent(self) -> Tasks:
        """The application of Solvent behind this one, with all its tasks."""
        self.load()
        return self._tasks()

    def load(self) -> None:
        """Import the modules that hold tasks, and take in the schedules; once."""
        if self._loaded:
            return
        self._loaded = True
        for module in (*self.conf.include, *self.conf.imports):
            importlib.import_module(module)
        self.on_after_configure.send(self)
        for task in list(self.tasks.values()):
            self.native_of(task)
        self._schedule_all(self._tasks())

    finalize = load

    def _tasks(self) -> Tasks:
        if self._tasks_app is None:
            broker, space, key = self._place
            pickles = "pickle" in self.conf.accept_content
            self._tasks_app = Tasks(
                broker or self.conf.broker_url, space=space, key=key, accept_pickle=pickles
            )
        return self._tasks_app

    def close(self) -> None:
        """Close the connection."""
        if self._tasks_app is not None:
            self._tasks_app.close()

    def worker_main(self, argv: Iterable[str] | None = None) -> None:
        """Refuse: workers are started by `solvent-worker`."""
        del argv
        raise Unsupported("worker_main: start workers by `solvent-worker package.module:app`")


class _Elsewhere(Task):
    """A task that only the workers define."""

    def __init__(self, name: str) -> None:
        self.name = name


class Signal:
    """Calls what was connected to it."""

    def __init__(self) -> None:
        self._connected: list[Callable[..., Any]] = []

    def connect(self, receiver: Callable[..., Any] | None = None, **_: object) -> Any:  # noqa: ANN401 - a decorator, or the receiver
        """Have a function called: as a decorator with or without arguments."""
        if receiver is None:
            return self.connect
        self._connected.append(receiver)
        return receiver

    def send(self, sender: Celery) -> None:
        """Call all, with the application as sender."""
        for receiver in self._connected:
            receiver(sender)


class Control:
    """What may be done to jobs from outside."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def revoke(self, task_id: str | list[str], **ignored: object) -> None:
        """Call jobs off, running or not."""
        del ignored
        for one in [task_id] if isinstance(task_id, str) else task_id:
            self._app.solvent.handle(one).cancel("revoked")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - never returns
        raise Unsupported(f"app.control.{name}: see `solvent queue`")


class CurrentApp:
    """Stands for the application that was made last."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the application has
        if not _applications:
            raise ImproperlyConfigured("there is no application: make one by Celery(…)")
        return getattr(_applications[-1], name)


current_app: Any = CurrentApp()


class SharedTask:
    """A task of whatever application is the current one when it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the task has
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(current_app.tasks[self._name], name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the task's own
        """Run it here and now."""
        return current_app.tasks[self._name](*args, **kwargs)

    def __repr__(self) -> str:
        return f"<@shared_task: {self._name}>"


def shared_task(*given: Any, **options: Any) -> Any:  # noqa: ANN401 - a decorator, or a task
    """Make a task of every application, those to come too."""

    def make(function: Callable[..., Any]) -> SharedTask:
        name = str(options.get("name") or name_of(function))
        check_options(name, options)
        _SHARED.append((function, {**options, "name": name}))
        for application in _applications:
            application.task(**{**options, "name": name})(function)
        return SharedTask(name)

    return make(given[0]) if given else make


def signature(name: str | Canvas, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's
    """Return a call of a task of the current application by its name."""
    return name if isinstance(name, Canvas) else current_app.signature(name, *args, **options)


def repr_of(call: Signature) -> str:
    """Return a text that names a call: the same for the same call."""
    return f"{call.task}({', '.join(map(repr, call.args))})"


def _imported(place: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what stands at `module` or `module:name`."""
    module, _, name = place.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _settings_of(source: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a map or an object
    if isinstance(source, Mapping):
        return cast("Mapping[str, Any]", source)
    return cast("dict[str, Any]", vars(source))


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _django_packages() -> list[str]:
    try:
        apps = importlib.import_module("django.apps").apps
    except ModuleNotFoundError:
        raise Unsupported("autodiscover_tasks(): name the packages; there is no Django") from None
    return [config.name for config in apps.get_app_configs()]
