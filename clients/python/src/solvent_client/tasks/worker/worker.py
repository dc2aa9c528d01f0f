"""How does a worker take jobs, and what does it tell the dispatchers of itself?

What is delivered is held until its outcome is on the log, and the beats say what is held. A worker
takes a few more jobs than it runs at once, so that none of its slots waits for the network: about
what it gets done in a fifth of a second.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import platform
from collections import OrderedDict
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

import msgspec

from solvent_client.host import elapsed_ms
from solvent_client.tasks.current import Run
from solvent_client.tasks.engine import Link, LogClock
from solvent_client.tasks.errors import OptionInvalid, TaskError
from solvent_client.tasks.place import TOKEN
from solvent_client.tasks.record import decode_spec
from solvent_client.tasks.schedule import declare
from solvent_client.tasks.worker.beat import Beat, Heart
from solvent_client.tasks.worker.load import Load, rss_bytes
from solvent_client.tasks.worker.report import Reporter
from solvent_client.tasks.worker.runner import Runner
from solvent_client.tasks.worker.verdict import HandedBack

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from solvent_client.tasks.app import Tasks

log = logging.getLogger("solvent_client.tasks")

MAX_CONCURRENCY: Final = 5_000
MAX_QUEUES: Final = 100
MAX_PREFETCH: Final = 2_000
PREFETCH_S: Final = 0.2
"""A worker takes what it gets done in this time beyond what it runs."""
_WATCH_S: Final = 0.1
_SMOOTH: Final = 0.3
_SETTLED_KEPT: Final = 5_000
"""Fences whose delivery may come once more and is known to be over."""
_VERSION: Final = "0.1.0"

Delivery = tuple[str, int, bytes, int, int, bytes]
"""A job's id, fence, the hash of its assignment, attempt, deadline, and spec."""
_DELIVERIES: Final = msgspec.msgpack.Decoder(list[Delivery])
_CONTROLS: Final = msgspec.msgpack.Decoder(dict[str, int | bool])


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works.

    Args:
        concurrency: how many jobs run at once.
        queues: what it takes jobs from.
        drain: how many seconds running jobs get to end once the worker is to stop.
        name: of the worker; it must be nobody else's.
    """

    concurrency: int = 10
    queues: tuple[str, ...] = ("default",)
    drain: float = 25.0
    name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise OptionInvalid(f"concurrency: expected 1 to {MAX_CONCURRENCY}")
        if not 1 <= len(self.queues) <= MAX_QUEUES:
            raise OptionInvalid(f"queues: expected 1 to {MAX_QUEUES} of them")
        if self.name and not TOKEN.fullmatch(self.name):
            raise OptionInvalid("name: expected up to 64 letters, digits, - and _")
        if self.drain < 0:
            raise OptionInvalid("drain: expected seconds, 0 or more")


class Worker:
    """Runs an application's tasks in this process.

    Args:
        app: whose tasks.
        options: how.
    """

    def __init__(self, app: Tasks, options: WorkerOptions) -> None:
        self.app = app
        self.options = options
        self.name = options.name or f"w-{os.urandom(6).hex()}"
        self.space = app.space
        self.held: dict[int, Run] = {}
        self.done = 0
        """Runs of which nothing is left to be written."""
        self.state = "starting"
        """Or `ready`, or `draining`."""
        self._started_ns = time_ns()
        self._load = Load()
        self._clock = LogClock()
        self._settled: OrderedDict[int, None] = OrderedDict()
        self._window = options.concurrency
        self._rate = 0.0
        self._stops = 0
        self._stop = asyncio.Event()
        self._heart = Heart(app.place, self.name, self._beat)

    @property
    def refused(self) -> int:
        """How many results came too late."""
        return self._reporter.refused

    # ------------------------------------------------------------------------------------ its life

    async def run(self) -> None:
        """Work until `stop` is called, then drain.

        Raises:
            QueueUnreachable: the log cannot be reached at the start, or refuses the key.
        """
        self._link = await Link.open(self.app.place, name=f"solvent-worker {self.name}")
        self._make_parts()
        await self._subscribe()
        await self._declare()
        for hook in self.app.starting:
            await _call(hook)
        self.state = "ready"
        self._heart.start()
        watch = asyncio.create_task(self._watch())
        log.info("%s is ready for %s of %s", self.name, ", ".join(self.options.queues), self.space)
        try:
            await self._stop.wait()
            await self._drain()
        finally:
            watch.cancel()
            await self._close()

    def stop(self) -> None:
        """Take no more jobs, let the running ones end, hand back the others, and return.

        The second call hands back what runs at once.
        """
        self._stops += 1
        self._stop.set()
        if self._stops > 1 and self.state == "draining":
            self._hurry.set()

    def _make_parts(self) -> None:
        self._hurry = asyncio.Event()
        self._reporter = Reporter(
            self._link,
            space=self.space,
            by=self.name,
            clock=self._clock,
            settled=self._let_go,
            accept_pickle=self.app.accept_pickle,
        )
        self._runner = Runner(
            self.app,
            self._link,
            size=self.options.concurrency,
            ended=self._reporter.report,
            gone=self._let_go,
        )

    async def _declare(self) -> None:
        """Write the schedules; where the key may not, somebody else has to."""
        for schedule in self.app.schedules.values():
            try:
                await declare(self._link, self.space, schedule, by=self.app.by)
            except TaskError as fault:
                log.error("the schedule %s was not declared: %s", schedule.name, fault)  # noqa: TRY400

    async def _subscribe(self) -> None:
        mine = f"work.{self.space}.{self.name}"
        await self._link.client.subscribe(mine, cb=self._deliver)
        await self._link.client.subscribe(f"{mine}.probe", cb=_echo)
        await self._link.client.subscribe(f"{mine}.control", cb=self._control)
        await self._link.client.flush()

    async def _drain(self) -> None:
        self.state = "draining"
        self._heart.poke()
        running, waiting = len(self._runner.active), len(self._runner.ready)
        log.info("%s drains: %d running, %d not begun", self.name, running, waiting)
        draining = asyncio.create_task(self._runner.drain(self.options.drain))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            draining.cancel()
            await self._runner.drain(0)
        self._reporter.closing = True
        await self._reporter.settle()

    async def _close(self) -> None:
        await asyncio.to_thread(self._heart.stop)
        self._runner.close()
        for hook in self.app.stopping:
            await _call(hook)
        await self._link.client.close()

    async def _watch(self) -> None:
        """Stop what runs for too long, and take as many jobs as it gets done."""
        before = self.done
        while True:
            await asyncio.sleep(_WATCH_S)
            self._runner.cut()
            self._rate += _SMOOTH * ((self.done - before) / _WATCH_S - self._rate)
            before = self.done
            ahead = min(MAX_PREFETCH, round(self._rate * PREFETCH_S))
            window = self.options.concurrency + ahead
            if abs(window - self._window) > self._window // 10:
                self._window = window
                self._heart.poke()

    # --------------------------------------------------------------------------------- what it says

    def _beat(self) -> Beat:
        """Return what the dispatchers are told; called in the heart's thread."""
        held = list(self.held)
        runs = [(run.fence, run.progress, run.note) for run in list(self._runner.active)]
        return Beat(
            worker=self.name,
            space=self.space,
            queues=list(self.options.queues),
            host=platform.node(),
            pid=os.getpid(),
            slots=self.options.concurrency,
            credit=max(0, self._window - len(held)) if self.state == "ready" else 0,
            held=held,
            running=runs,
            state=self.state,
            cpu=self._load.cpu(),
            memory=self._load.memory(),
            rss=rss_bytes(),
            version=_VERSION,
            started_ns=self._started_ns,
        )

    # -------------------------------------------------------------------------------- what it hears

    async def _control(self, message: Msg) -> None:
        """Do what a dispatcher asks: stop a run whose permission has ended, or drain."""
        try:
            asked = _CONTROLS.decode(message.data)
        except msgspec.DecodeError:
            log.warning("an order of an unknown kind was ignored")
            return
        if asked.get("drain"):
            self.stop()
        run = self.held.get(int(asked.get("cancel", 0)))
        if run is not None:
            self._runner.cancel(run)

    async def _deliver(self, message: Msg) -> None:
        try:
            jobs = _DELIVERIES.decode(message.data)
        except msgspec.DecodeError as error:
            log.error("a delivery cannot be read: %s", error)  # noqa: TRY400
            return
        for job in jobs:
            self._take(job)
        self._runner.start()

    def _take(self, job: Delivery) -> None:
        task_id, fence, prev, attempt, deadline_ns, spec = job
        if fence in self.held or fence in self._settled:
            return  # delivered again, because a beat was late
        try:
            told = decode_spec(spec)
        except msgspec.DecodeError as error:
            log.error("%s cannot be read: %s", task_id, error)  # noqa: TRY400
            return
        run = Run(task_id, fence, fence, prev, attempt, deadline_ns, told, self.app.engine)
        self._bound(run)
        self.held[fence] = run
        if self.state == "draining":
            self._reporter.report(run, HandedBack("drained"))
        else:
            self._runner.put(run)

    def _bound(self, run: Run) -> None:
        """Find the moment on this host's clock at which the permission ends."""
        spec, left_ns = run.spec, run.spec.timeout_ns
        if spec.expires_ns:
            left_ns = min(left_ns, run.deadline_ns - self._clock.now_ns())
        else:  # then the deadline is the moment of the assignment and the timeout
            offset = run.deadline_ns - spec.timeout_ns - time_ns()
            if not self._clock.known or offset > self._clock.offset_ns:
                self._clock.offset_ns, self._clock.known = offset, True
        run.cut_at_ms = elapsed_ms() + left_ns / 1e6

    def _let_go(self, run: Run) -> None:
        """Hold a run no more: nothing is left to be written of it."""
        self.held.pop(run.fence, None)
        self._settled[run.fence] = None
        if len(self._settled) > _SETTLED_KEPT:
            self._settled.popitem(last=False)
        self.done += 1


async def _echo(message: Msg) -> None:
    """Answer the probe that comes before the first job."""
    if message.reply:
        await message.respond(message.data)


async def _call(hook: Any) -> None:  # noqa: ANN401 - a function, plain or async
    made = hook()
    if inspect.isawaitable(made):
        await made
