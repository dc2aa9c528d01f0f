"""Where do plain functions run, and how is one stopped that runs for too long?"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

from solvent_client.tasks.current import Run, running
from solvent_client.tasks.errors import TimeLimitExceeded
from solvent_client.tasks.worker.verdict import Gone, Returned, Verdict

log = logging.getLogger("solvent_client.tasks")

Work: TypeAlias = "Callable[[Run], Verdict]"
Ended: TypeAlias = "Callable[[Run, Verdict], None]"


class Threads:
    """Threads that run plain functions, as many as there are at once, made when needed.

    Args:
        work: runs one; in a thread. It returns a verdict on everything but a time limit.
        ended: is told in the event loop.
        late: says what a time limit means.
        size: how many threads there may be.
    """

    def __init__(
        self, work: Work, ended: Ended, *, late: Callable[[Run], Verdict], size: int
    ) -> None:
        self._work = work
        self._ended = ended
        self._late = late
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._todo: SimpleQueue[Run | None] = SimpleQueue()
        self._done: deque[tuple[Run, Verdict]] = deque()
        self._told = False
        self._threads = 0
        self._busy = 0
        self._guard = threading.Lock()

    def put(self, run: Run) -> None:
        """Run it in a thread."""
        self._busy += 1
        if self._busy > self._threads and self._threads < self._size:
            self._threads += 1
            name = f"solvent-task-{self._threads}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._todo.put(run)

    def interrupt(self, run: Run) -> None:
        """Raise TimeLimitExceeded in the run's thread; C code notices once it returns."""
        with self._guard:
            if not run.thread_id:
                return
            import ctypes

            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(run.thread_id), ctypes.py_object(TimeLimitExceeded)
            )

    def close(self) -> None:
        """Let idle threads end."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _serve(self) -> None:
        while (run := self._todo.get()) is not None:
            self._done.append((run, self._run(run)))
            del run
            if not self._told:  # unset before the loop takes them, so none is missed
                self._told = True
                try:
                    self._loop.call_soon_threadsafe(self._tell)
                except RuntimeError:
                    return  # the loop has ended: nobody waits for this any more

    def _run(self, run: Run) -> Verdict:
        token = running.set(run)
        verdict: Verdict = Gone()
        try:
            run.thread_id = threading.get_ident()
            verdict = self._work(run)
            with self._guard:
                run.thread_id = 0
            if run.timed_out:  # what was raised from outside arrives at the latest in a loop
                for _ in range(100):
                    pass
        except TimeLimitExceeded:
            if not isinstance(verdict, Returned):
                verdict = self._late(run)
        finally:
            run.thread_id = 0
            running.reset(token)
        return verdict

    def _tell(self) -> None:
        self._told = False
        while self._done:
            run, verdict = self._done.popleft()
            self._busy -= 1
            self._ended(run, verdict)
