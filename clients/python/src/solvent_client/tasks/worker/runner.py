"""How are jobs run in this process: async functions in the event loop, plain ones in threads?"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from solvent_client.host import elapsed_ms
from solvent_client.tasks.current import Run, running
from solvent_client.tasks.errors import PayloadInvalid, TaskError
from solvent_client.tasks.handle import result_of
from solvent_client.tasks.links import member_id, unpack_links
from solvent_client.tasks.payload import unpack_args, unpack_result
from solvent_client.tasks.record import decode, subject_of
from solvent_client.tasks.worker.threads import Threads
from solvent_client.tasks.worker.verdict import (
    HandedBack,
    Raised,
    Returned,
    Verdict,
    judge,
    out_of_time,
)

if TYPE_CHECKING:
    from solvent_client.tasks.app import Tasks
    from solvent_client.tasks.engine import Link
    from solvent_client.tasks.task import Task

log = logging.getLogger("solvent_client.tasks")

_READ_AT_ONCE: Final = 100


class Runner:
    """Runs jobs, so many at once; the others are ready and wait in their order.

    Args:
        app: whose tasks.
        link: what reads the results of a group.
        size: how many at once.
        ended: is told how a run ended.
        gone: is told of a run that was called off before it began.
    """

    def __init__(
        self,
        app: Tasks,
        link: Link,
        *,
        size: int,
        ended: Callable[[Run, Verdict], None],
        gone: Callable[[Run], None],
    ) -> None:
        self.ready: deque[Run] = deque()
        self.active: set[Run] = set()
        self.idle = asyncio.Event()
        self._app = app
        self._link = link
        self._size = size
        self._ended = ended
        self._gone = gone
        self._threads = Threads(self._work, self._note, late=self._late, size=size)
        self._gathering: set[asyncio.Task[None]] = set()

    def put(self, run: Run) -> None:
        """Run it, once it is its turn and `start` is called."""
        self.ready.append(run)

    def start(self) -> None:
        """Begin as many as there is room for."""
        while self.ready and len(self.active) < self._size:
            run = self.ready.popleft()
            self.active.add(run)
            self._begin(run)

    def cancel(self, run: Run) -> None:
        """Stop a run whose permission has ended."""
        run.cancelled = True
        if run in self.active:
            if run.job is not None:
                run.job.cancel()
        elif run in self.ready:
            self.ready.remove(run)
            self._gone(run)

    def cut(self) -> None:
        """Stop what has run for too long."""
        now_ms = elapsed_ms()
        for run in [one for one in self.active if one.cut_at_ms <= now_ms and not one.timed_out]:
            run.timed_out = run.cancelled = True
            if run.job is not None:
                run.job.cancel()
            else:
                self._threads.interrupt(run)

    async def drain(self, seconds: float) -> None:
        """Hand back what has not begun, give the rest so many seconds, and hand back the others."""
        while self.ready:
            self._ended(self.ready.popleft(), HandedBack("drained"))
        try:
            async with asyncio.timeout(seconds):
                while self.active:
                    self.idle.clear()
                    await self.idle.wait()
        except TimeoutError:
            log.warning("%d running jobs are handed back", len(self.active))
        for run in list(self.active):
            run.cancelled = True
            if run.job is not None:
                run.job.cancel()
            self._note(run, HandedBack("drained"))  # what it still returns is not asked for

    def close(self) -> None:
        """Let the threads end."""
        self._threads.close()

    # ------------------------------------------------------------------------------------- one run

    def _begin(self, run: Run) -> None:
        task = self._app.tasks.get(run.spec.name)
        if task is None:
            told = f"unknown task {run.spec.name!r}: this worker's application does not define it"
            self._note(run, Raised(told))
        elif run.spec.gather:
            gathering = asyncio.get_running_loop().create_task(self._gather(run, task))
            self._gathering.add(gathering)
            gathering.add_done_callback(self._gathering.discard)
        else:
            self._launch(run, task)

    def _launch(self, run: Run, task: Task[..., Any]) -> None:
        if task.is_async:
            run.job = asyncio.get_running_loop().create_task(self._run_async(run, task))
        else:
            self._threads.put(run)

    async def _run_async(self, run: Run, task: Task[..., Any]) -> None:
        running.set(run)
        verdict: Verdict
        try:
            args, kwargs = self._arguments(run)
            made: Coroutine[Any, Any, object] = task(*args, **kwargs)
            verdict = Returned(await made)
        except PayloadInvalid as error:
            verdict = Raised(str(error), final=True)
        except BaseException as fault:  # noqa: BLE001 - whatever a task raises is its end
            verdict = judge(task, run, fault)
        self._note(run, verdict)

    def _work(self, run: Run) -> Verdict:
        """Run a plain function; called in a thread."""
        task = self._app.tasks[run.spec.name]
        try:
            args, kwargs = self._arguments(run)
            return Returned(task(*args, **kwargs))
        except PayloadInvalid as error:
            return Raised(str(error), final=True)
        except BaseException as fault:  # noqa: BLE001 - whatever a task raises is its end
            return judge(task, run, fault)

    def _late(self, run: Run) -> Verdict:
        return out_of_time(self._app.tasks[run.spec.name], run)

    def _arguments(self, run: Run) -> tuple[Sequence[object], dict[str, object]]:
        spec, gathered = run.spec, run.gathered
        args, kwargs = unpack_args(
            spec.args, codec=spec.codec, pickle_allowed=self._app.accept_pickle
        )
        return (args if gathered is None else [gathered, *args]), kwargs

    def _note(self, run: Run, verdict: Verdict) -> None:
        if run not in self.active:
            return  # it was handed back before
        self.active.discard(run)
        run.job = None
        self._ended(run, verdict)
        self.start()
        if not self.active:
            self.idle.set()

    # -------------------------------------------------------------------------------------- groups

    async def _gather(self, run: Run, task: Task[..., Any]) -> None:
        """Fetch the results of the group whose callback this is, then run it."""
        try:
            _, alone = unpack_links(run.spec.then)
            run.gathered = None if alone else await self._results(run)
        except (TaskError, msgspec.DecodeError) as error:
            self._note(run, Raised(f"the group's results cannot be read: {error}"))
            return
        if not run.cancelled:
            self._launch(run, task)

    async def _results(self, run: Run) -> list[object]:
        found: list[object] = []
        ids = [member_id(run.task_id, index) for index in range(run.spec.gather)]
        for at in range(0, len(ids), _READ_AT_ONCE):
            some = ids[at : at + _READ_AT_ONCE]
            found += await asyncio.gather(*(self._result(one) for one in some))
        return found

    async def _result(self, task_id: str) -> object:
        stored = await self._link.reader.last(subject_of(self._app.space, task_id))
        data = result_of(decode(stored.data) if stored else None, task_id)
        return unpack_result(data, pickle_allowed=self._app.accept_pickle)
