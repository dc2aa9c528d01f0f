"""Which routes, handlers, jobs, commands and ports does the whole program have?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from solvent.kit.ctx import Ctx, Edge
    from solvent.kit.http.problems import Shape

JobPayload: TypeAlias = Mapping[str, str | int]
JobFunction: TypeAlias = "Callable[[Ctx, JobPayload], Awaitable[None]]"
RunBeside: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]
"""Is given a `kit.jobs.beside.Beside`."""


Check: TypeAlias = "Callable[[Ctx], Awaitable[list[tuple[str, str]]]]"
"""Looks at a tenant and returns what is wrong, as subject and detail; changes nothing."""

Wanted: TypeAlias = "Callable[[Ctx], Awaitable[bool]]"


class Event(Protocol):
    """A fact that happened: a frozen dataclass with a versioned name, `module.past_tense.v1`."""

    NAME: ClassVar[str]


class AnyEvent:
    """Stands for every event; its name is what the log's subjects are matched by."""

    NAME: ClassVar[str] = ">"


E = TypeVar("E", bound="Event")
E_contra = TypeVar("E_contra", bound="Event", contravariant=True)
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")


class Reaction(Protocol[E_contra]):
    """Runs inside the transaction that emitted, once, with all its events of the kind."""

    def __call__(self, ctx: Ctx, events: Sequence[E_contra], /) -> Awaitable[None]:
        """React before commit; raising rolls the whole transaction back."""
        ...


@dataclass(frozen=True, slots=True)
class Handler:
    """A function to run after commit, at least delivered, at most once in effect."""

    name: str
    event: type[Event]
    run: Callable[[Ctx, Any], Awaitable[None]]
    batch: bool
    linger_ms: int = 0
    """How long it rests after a batch, so that under load the next one is larger."""
    wanted: Wanted | None = None
    """Whether the tenant has any use for such events; where not, they are passed over."""


@dataclass(frozen=True, slots=True)
class JobBatch:
    """A function that runs many jobs of one tenant and name in one transaction."""

    run: Callable[[Ctx, Sequence[JobPayload]], Awaitable[None]]


AnyJob: TypeAlias = "JobFunction | JobBatch"


@dataclass(frozen=True, slots=True)
class Periodic:
    """A function to run about every so often, by one process at a time."""

    name: str
    every: timedelta
    run: Callable[[Edge], Awaitable[None]]


class AlreadyWired(RuntimeError):
    """Two modules claim one name."""


@dataclass(slots=True)
class Wiring:
    """The registry that each module's `wire` fills and the app reads; nothing runs here."""

    handlers: dict[str, Handler] = field(default_factory=dict[str, Handler])
    reactions: dict[str, list[Reaction[Any]]] = field(
        default_factory=dict[str, "list[Reaction[Any]]"]
    )
    jobs: dict[str, AnyJob] = field(default_factory=dict[str, "AnyJob"])
    periodics: dict[str, Periodic] = field(default_factory=dict[str, Periodic])
    kept_days: dict[str, int] = field(default_factory=dict[str, int])
    besides: dict[str, RunBeside] = field(default_factory=dict[str, RunBeside])
    commands: dict[str, typer.Typer] = field(default_factory=dict[str, "typer.Typer"])
    ports: dict[type, object] = field(default_factory=dict[type, object])
    shapes: dict[str, Shape] = field(default_factory=dict[str, "Shape"])
    checks: dict[str, Check] = field(default_factory=dict[str, "Check"])
    settings: Mapping[type, object] = field(default_factory=dict[type, object])
    _routes: list[tuple[str, tuple[object, ...]]] = field(
        default_factory=list["tuple[str, tuple[object, ...]]"]
    )
    _routers: list[APIRouter] = field(default_factory=list["APIRouter"])

    def routes(self, reference: str, *given: object, often: bool = False) -> None:
        """Mount a module's routes, named as `package.module:name`; `often` ones are matched first.

        What is named is a router, several, or a function that makes them of what is `given`. It is
        imported when somebody serves: the terminal's commands start in half the time without.
        """
        self._routes.insert(0 if often else len(self._routes), (reference, given))

    @property
    def routers(self) -> list[APIRouter]:
        """The routers of all modules, imported when they are first asked for."""
        if not self._routers:
            self._routers = [one for named in self._routes for one in _resolved(*named)]
        return self._routers

    def handle(
        self, event: type[E], run: Callable[[Ctx, E], Awaitable[None]], *, name: str
    ) -> None:
        """Run a function after commit for each event, retried, then dead-lettered.

        Up to ten events of a tenant that wait share a transaction; if it fails, each gets its own.
        """
        self._claim(self.handlers, name, Handler(name, event, run, batch=False))

    def handle_batch(
        self,
        event: type[E],
        run: Callable[[Ctx, Sequence[E]], Awaitable[None]],
        *,
        name: str,
        linger_ms: int = 0,
        wanted: Wanted | None = None,
    ) -> None:
        """As `handle`, with many events of one tenant at once in one transaction.

        It rests for `linger_ms` after a batch: a lone event is taken at once, many come together.
        `wanted` is asked first: of a tenant that has no use for them nothing is written.
        """
        handler = Handler(name, event, run, batch=True, linger_ms=linger_ms, wanted=wanted)
        self._claim(self.handlers, name, handler)

    def handle_any(
        self,
        run: Callable[[Ctx, Sequence[Any]], Awaitable[None]],
        *,
        name: str,
        linger_ms: int = 0,
        wanted: Wanted | None = None,
    ) -> None:
        """As `handle_batch`, with each `kit.bus.Envelope` of whatever event, in their order."""
        handler = Handler(name, AnyEvent, run, batch=True, linger_ms=linger_ms, wanted=wanted)
        self._claim(self.handlers, name, handler)

    def react(self, event: type[E], run: Reaction[E]) -> None:
        """Run a function inside the emitting transaction, before it commits."""
        self.reactions.setdefault(event.NAME, []).append(run)

    def job(self, name: str, run: JobFunction) -> None:
        """Name the function that runs the jobs of this name, a tenant's in their order."""
        self._claim(self.jobs, name, run)

    def job_batch(
        self, name: str, run: Callable[[Ctx, Sequence[JobPayload]], Awaitable[None]]
    ) -> None:
        """As `job`, with many due jobs of one tenant at once in one transaction.

        If it fails each gets its own, so that one that cannot be done holds up no other: it waits
        and is tried again by itself. So the function must need no order among the jobs.
        """
        self._claim(self.jobs, name, JobBatch(run))

    def periodic(
        self, name: str, *, every: timedelta, run: Callable[[Edge], Awaitable[None]]
    ) -> None:
        """Run a function about every so often."""
        self._claim(self.periodics, name, Periodic(name, every, run))

    def forget(self, table: str, *, after_days: int) -> None:
        """Forget rows of a table once they are so old, in all tenants.

        Which moment counts, and what is spared, its migration says: a row of `kit_forgetting`.
        """
        self._claim(self.kept_days, table, after_days)

    def beside(self, name: str, run: RunBeside) -> None:
        """Run a function beside the worker for as long as that lives; it must not end by itself."""
        self._claim(self.besides, name, run)

    def shape_errors(self, prefix: str, shape: Shape) -> None:
        """Tell errors of addresses that begin so as the foreign clients there expect them."""
        self._claim(self.shapes, prefix, shape)

    def command(self, app: typer.Typer, *, name: str) -> None:
        """Mount a module's commands as `solvent NAME …`; "a b" stands below another's `a`."""
        self._claim(self.commands, name, app)

    def check(self, name: str, run: Check) -> None:
        """Let `solvent doctor` look whether something of the module that must hold does hold."""
        self._claim(self.checks, name, run)

    def bind(self, port: type[P], implementation: P) -> None:
        """Say what implements a port."""
        self._claim(self.ports, port, implementation)

    def port(self, port: type[P]) -> P:
        """Return what implements a port; `KeyError` names one that nobody bound."""
        return self.ports[port]  # pyright: ignore[reportReturnType] - bind() took it as a P

    def setting(self, kind: type[P]) -> P:
        """Return the module's slice of the settings, by its class."""
        return self.settings[kind]  # pyright: ignore[reportReturnType] - keyed by its own class

    def _claim(self, registry: dict[K, V], name: K, value: V) -> None:
        if name in registry:
            raise AlreadyWired(str(name))
        registry[name] = value


def _resolved(reference: str, given: tuple[object, ...]) -> Sequence[APIRouter]:
    found = resolve_name(reference)
    made: APIRouter | Sequence[APIRouter] = found(*given) if given else found
    return made if isinstance(made, Sequence) else (made,)
