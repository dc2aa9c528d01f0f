"""How does what came of a run get onto the log, whatever becomes of the connection?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from solvent_client.host import jitter
from solvent_client.tasks.errors import LogConflict, TaskError
from solvent_client.tasks.links import Start
from solvent_client.tasks.worker.settle import settle_conflict
from solvent_client.tasks.worker.verdict import Desk, Gone, Verdict, entries_of

if TYPE_CHECKING:
    from solvent_client.tasks.current import Run
    from solvent_client.tasks.engine import Link, LogClock

log = logging.getLogger("solvent_client.tasks")


class Reporter:
    """Writes the ends of runs, in batches with whatever else ends at the time.

    Args:
        link: the connection.
        space: whose jobs.
        by: the worker's name.
        clock: the log's.
        settled: is told once nothing is left to be written of a run.
        accept_pickle: pickled arguments of what comes next may be opened.
    """

    def __init__(
        self,
        link: Link,
        *,
        space: str,
        by: str,
        clock: LogClock,
        settled: Callable[[Run], None],
        accept_pickle: bool,
    ) -> None:
        self.refused = 0
        """Results that came too late."""
        self.closing = False
        """Nobody waits for the log any longer."""
        self._link = link
        start = Start(space, 0, by=by, accept_pickle=accept_pickle)
        self._desk = Desk(start, clock, jitter, by)
        self._settled = settled
        self._conflicts: set[asyncio.Task[None]] = set()

    def report(self, run: Run, verdict: Verdict) -> None:
        """Have a run's end written."""
        if isinstance(verdict, Gone):
            self._settled(run)
            return
        written = self._link.appender.put(entries_of(run, verdict, self._desk))
        written.add_done_callback(partial(self._note, run, verdict))

    async def settle(self) -> None:
        """Wait until all is written."""
        await self._link.appender.settle()
        while self._conflicts:
            await asyncio.wait(list(self._conflicts))

    def _note(self, run: Run, verdict: Verdict, written: asyncio.Future[None]) -> None:
        fault = None if written.cancelled() else written.exception()
        if fault is None:
            self._settled(run)
        elif isinstance(fault, LogConflict):
            task = asyncio.get_running_loop().create_task(self._settle_conflict(run, verdict))
            self._conflicts.add(task)
            task.add_done_callback(self._conflicts.discard)
        else:
            self._again(run, verdict, fault)

    def _again(self, run: Run, verdict: Verdict, fault: BaseException) -> None:
        """Try again for as long as the worker lives: what was done must not be done again."""
        if self.closing:
            log.error("what became of %s could not be written: %s", run.task_id, fault)
            self._settled(run)
        else:
            log.warning("what became of %s waits: %s", run.task_id, fault)
            self.report(run, verdict)

    async def _settle_conflict(self, run: Run, verdict: Verdict) -> None:
        """Find out who wrote on the job meanwhile, and whether our word still counts."""
        try:
            stale = await settle_conflict(self._link, run, verdict, self._desk)
        except TaskError as fault:
            self._again(run, verdict, fault)
            return
        if stale is not None:
            self.refused += 1
            log.warning("a late result is refused: %s", stale)
        self._settled(run)
