"""What of the queue runs beside the worker: the door, limits, metering, the scaler?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from solvent.kernel.metering import service as metering
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import TenantUnknown
from solvent.kit.clock import SystemClock
from solvent.kit.ctx import SYSTEM, Edge
from solvent.kit.db import Database
from solvent.kit.errors import SolventError
from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.ids import TenantId
from solvent.kit.jobs.access import Callout, Door, DoorSettings
from solvent.kit.jobs.beside import Beside
from solvent.kit.jobs.desk.answers import Desk, in_use
from solvent.kit.jobs.desk.serve import answering
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.link import JobsLink, reading
from solvent.kit.jobs.log import Entry
from solvent.kit.jobs.position import move_position, read_position
from solvent.kit.jobs.scale.loop import Scaler
from solvent.kit.log import get_logger
from solvent.kit.nkey import load_or_make
from solvent.systems.queue import pools
from solvent.systems.queue.limits import FOLLOW_LINGER_S, LIMITS_KEPT_S
from solvent.systems.queue.model import Limits, Use
from solvent.systems.queue.rules import refusal_of
from solvent.systems.queue.service import meter
from solvent.systems.queue.service.admit import KeyAdmitter
from solvent.systems.queue.service.limits import LimitsBook, slug_of
from solvent.systems.queue.settings import QueueSection

POSITION = "queue.follow"
RETRY_S = 5.0
START_S = 0.05
ISSUER_FILE = "nats_issuer.key"

log = get_logger(__name__)


@dataclass(slots=True)
class Runner:
    """Runs all of it in one process; each part is tried again when it fails."""

    settings: QueueSection
    authenticator: Authenticator
    refusal_log: RefusalLog
    book: LimitsBook
    door: Door | None = field(default=None, init=False)
    """As opened, for tests and for whoever asks for its port."""
    limits: dict[str, Limits] = field(default_factory=dict[str, Limits], init=False)
    """Of the spaces that are connected, as they were read last."""

    async def run(self, around: Beside) -> None:
        """Work until cancelled."""
        parts: dict[str, Callable[[Beside], Awaitable[None]]] = {
            "desk": _serve_desk,
            "limits": self._set_limits,
            "follow": self._follow,
        }
        if self.settings.door_host:
            parts["door"] = self._open_door
        if self.settings.pool != pools.NO_POOL:
            parts["scaler"] = self._scale
        async with asyncio.TaskGroup() as group:
            for name, part in parts.items():
                group.create_task(_again(name, part, around))

    async def _open_door(self, around: Beside) -> None:
        issuer = load_or_make(around.secrets_dir / ISSUER_FILE)
        admitter = KeyAdmitter(around.edge, self.authenticator, self.refusal_log)
        section = self.settings
        told = DoorSettings(
            section.door_host, section.door_port, section.door_certificate, section.door_key
        )
        url = around.link.login.url if around.link.login else ""
        async with AsyncExitStack() as stack:
            account = section.door_account
            callout = Callout(around.bus, issuer, admitter, SystemClock(), account)
            await stack.enter_async_context(callout.answering())
            doorkeeper = Doorkeeper(around.watch.dispatcher, self.limits)
            door = Door(url, issuer, admitter, told, bus=around.bus, judge=doorkeeper)
            await stack.enter_async_context(door.opened())
            self.door = door
            await asyncio.Event().wait()

    async def _set_limits(self, around: Beside) -> None:
        """Tell the dispatcher what each space that it knows may have assigned at once.

        Raises:
            TenantUnknown: the seller that the settings name is none.
        """
        if self.settings.sold_by:
            await tenants.tenant_of(around.edge, self.settings.sold_by)
        while True:
            dispatcher = around.watch.dispatcher()
            if dispatcher is not None and self.settings.sold_by:
                await set_limits(around.edge, self.book, dispatcher)
                if self.door is not None:
                    spaces = self.door.present
                    await read_again(around.edge, self.book, self.limits, spaces)
            await asyncio.sleep(LIMITS_KEPT_S)

    async def _follow(self, around: Beside) -> None:
        await Follower(around.edge, around.system, around.link, self.settings.sold_by).run()

    async def _scale(self, around: Beside) -> None:
        pools.check_pool(self.settings)
        space = await tenants.tenant_of(around.edge, self.settings.pool_space or None)
        environment = dict(around.environment)
        async with pools.provider_of(
            self.settings, environment=environment, log_dir=around.log_dir
        ) as provider:
            pool = pools.pool_of(self.settings, space=space)
            jobs_log = await around.link.log()
            await Scaler(pool, provider, around.watch, jobs_log, around.edge.ids).run()


async def set_limits(edge: Edge, book: LimitsBook, dispatcher: Dispatcher) -> None:
    """Bound what each space that the dispatcher knows may have assigned at once."""
    spaces = {space for space, _ in list(dispatcher.view.fleet.lanes)}
    for space in sorted(spaces):
        try:
            limits = await book.of(edge, space)
        except TenantUnknown:
            continue
        dispatcher.limit(space, limits.in_dispatch)


async def read_again(
    edge: Edge, book: LimitsBook, limits: dict[str, Limits], spaces: Collection[str]
) -> None:
    """Bring what the door knows of the limits of these spaces up to date; drop all others."""
    for gone in limits.keys() - set(spaces):
        del limits[gone]
    for space in sorted(spaces):
        with contextlib.suppress(TenantUnknown):
            limits[space] = await book.of(edge, space)


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Says at the door what a space may not submit: implements `kit.jobs.access` `Judge`.

    What is on its way to the log is counted once it stands there, a moment later.
    """

    dispatcher: Callable[[], Dispatcher | None]
    limits: Mapping[str, Limits]

    def __call__(self, space: str, jobs: int, queues: frozenset[str]) -> str:
        """Return the limit's code and what is to be said, or an empty text."""
        limits, dispatcher = self.limits.get(space), self.dispatcher()
        if limits is None:
            return ""
        use = Use()
        if dispatcher is not None and dispatcher.is_live:
            found = in_use(dispatcher.state, space)
            use = Use(found.queues, frozenset(found.scheduled))
        refused = refusal_of(limits, use, jobs=jobs, queues=queues)
        return f"{refused.code}: {refused}" if refused else ""


@dataclass(slots=True)
class Follower:
    """Reads the log on from where it was left, counts runs and tells of deaths.

    Each tenant's and the seller's news are written in a transaction of their own, with what makes
    them once; only then does the place move. So a process that dies tells nothing twice.
    """

    edge: Edge
    system: Database
    link: JobsLink
    sold_by: str
    slugs: dict[str, str] = field(default_factory=dict[str, str])

    async def run(self) -> None:
        """Follow the log until cancelled."""
        if self.sold_by:
            seller = await tenants.tenant_of(self.edge, self.sold_by)
            async with self.edge.open(seller, SYSTEM) as ctx:
                await metering.define_meter(ctx, meter.RUNS)
        jobs_log = await self.link.log()
        bounds = await jobs_log.bounds()
        place = await self.place()
        async with reading(jobs_log, max(place + 1, bounds.first)) as batches:
            async for batch in batches:
                await self.take(batch)
                await asyncio.sleep(FOLLOW_LINGER_S)

    async def place(self) -> int:
        """Return up to which record everything was told."""
        async with self.system.transaction() as tx:
            return await read_position(tx, POSITION)

    async def take(self, batch: list[Entry]) -> None:
        """Count and tell what these records say, and note that it was done."""
        for space, endings in meter.endings_of(batch).items():
            try:
                await self._tell(TenantId(space), endings)
            except TenantUnknown:
                log.warning("queue_space_of_nobody", space=space)
        async with self.system.transaction() as tx:
            await move_position(tx, POSITION, to=batch[-1].seq)

    async def _tell(self, space: TenantId, endings: list[meter.Ending]) -> None:
        if space not in self.slugs:
            self.slugs[space] = await slug_of(self.edge, space)
        async with self.edge.open(space, SYSTEM) as ctx:
            await meter.tell_deaths(ctx, endings)
        if not self.sold_by:
            return
        seller = await tenants.tenant_of(self.edge, self.sold_by)
        if seller != space:
            async with self.edge.open(seller, SYSTEM) as ctx:
                await meter.count_runs(ctx, self.slugs[space], endings)


async def _serve_desk(around: Beside) -> None:
    dispatcher = await _dispatcher(around)
    async with answering(around.bus, Desk(dispatcher)):
        await asyncio.Event().wait()


async def _dispatcher(around: Beside) -> Dispatcher:
    while True:
        found = around.watch.dispatcher()
        if found is not None:
            return found
        await asyncio.sleep(START_S)


async def _again(name: str, part: Callable[[Beside], Awaitable[None]], around: Beside) -> None:
    """Run a part for ever; what goes wrong in it stops nothing else."""
    while True:
        try:
            await part(around)
        except (SolventError, OSError) as fault:
            log.warning("queue_part_waits", part=name, reason=str(fault)[:200])
        except Exception:
            log.exception("queue_part_failed", part=name)
        await asyncio.sleep(RETRY_S)


@asynccontextmanager
async def running(runner: Runner, around: Beside) -> AsyncGenerator[None]:
    """Run it for the length of a block."""
    task = asyncio.create_task(runner.run(around))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
