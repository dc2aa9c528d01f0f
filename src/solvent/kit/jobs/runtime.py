"""Who runs the house's own jobs in this process, beside how many others?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from solvent.kit.ctx import Edge
from solvent.kit.db import Database
from solvent.kit.group import side_by_side
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.ports import Scaler
from solvent.kit.jobs.dispatch.run import make_dispatcher, node_name
from solvent.kit.jobs.executor import Executor
from solvent.kit.jobs.fold import LogCorrupt
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.house import QUEUE, SPACE
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.place import LogPlace
from solvent.kit.jobs.submit import Submitter, run_together
from solvent.kit.jobs.worker import Pulse, Worker
from solvent.kit.limits import JOB_SLOTS
from solvent.kit.log import get_logger
from solvent.kit.wiring import AnyJob, Periodic

log = get_logger(__name__)

DAMAGED_S = 30
"""How often a damaged log of jobs is told of; all else goes on meanwhile."""


@dataclass(slots=True)
class JobRuntime:
    """A submitter, a dispatcher and a worker of the house; any number of processes run one."""

    system: Database
    edge: Edge
    place: LogPlace
    functions: Mapping[str, AnyJob]
    periodics: Mapping[str, Periodic]
    slots: int = JOB_SLOTS
    scaler: Scaler | None = None
    dispatcher: Dispatcher | None = field(default=None, init=False)
    """The dispatcher of this process, once the log is open."""
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it where jobs may have become due."""

    async def run(self) -> None:
        """Work until cancelled; what runs then comes to its end, or is handed back.

        Raises:
            Unavailable: the log is not there at the start.
            LogUnsafe, LogMisconfigured: it may not be trusted with jobs.
        """
        place = self.place
        await ensure_log(place.login, replicas=place.replicas, monitor_urls=place.monitor_urls)
        on = await NatsLog.open(place.login, name="solvent-jobs")
        try:
            dispatcher = self.dispatcher = make_dispatcher(on, scaler=self.scaler)
            worker = self._worker(on)
            pulse = Pulse(worker, place.login)
            pulse.start()
            try:
                await side_by_side(
                    (_dispatch(dispatcher), self._submitter(on, dispatcher).run(), worker.run())
                )
            finally:
                pulse.stop()
        finally:
            await on.close()

    def _submitter(self, on: NatsLog, dispatcher: Dispatcher) -> Submitter:
        return Submitter(
            self.system,
            self.edge.clock,
            on,
            self.periodics,
            log_time_ns=lambda: dispatcher.now_ns() if dispatcher.is_live else None,
            together=run_together(self.functions),
            nudged=self.nudged,
        )

    def _worker(self, on: NatsLog) -> Worker:
        executor = Executor(self.system, self.edge, self.functions, self.periodics)
        return Worker(
            on,
            on.wire,
            executor.perform,
            name=f"wrk_{secrets.token_hex(8)}",
            space=SPACE,
            queues=(QUEUE,),
            slots=self.slots,
            host=node_name(),
        )


async def _dispatch(dispatcher: Dispatcher) -> None:
    """Dispatch; where the log is damaged no job is given out until somebody has seen to it."""
    try:
        await dispatcher.run()
    except LogCorrupt as damage:
        while True:
            log.exception("job_log_damaged", seq=damage.seq, reason=damage.reason)
            await asyncio.sleep(DAMAGED_S)
