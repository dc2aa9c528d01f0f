"""How does a program of any color (threads, a forked web worker, asyncio) reach the log?

All that waits for the log happens in one event loop in one thread, with one connection, that are
there from the first use on. Callers hand work over and get a `concurrent.futures.Future`: a
plain program waits for it, an asyncio program awaits it. A forked child makes its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Final, TypeVar

from solvent_client.tasks.errors import QueueUnreachable, TaskError
from solvent_client.tasks.log import Appender, Entry, Reader
from solvent_client.tasks.place import Faults, Place, connect

if TYPE_CHECKING:
    from nats.aio.client import Client

T = TypeVar("T")

_CLOSE_S: Final = 2.0


@dataclass(slots=True)
class LogClock:
    """What time is it at the log? This host's clock, put right by what the log has stamped."""

    offset_ns: int = 0
    known: bool = False

    def now_ns(self) -> int:
        """Return nanoseconds since 1970 by the log's clock, as far as it is known."""
        return time_ns() + self.offset_ns

    def note(self, at_ns: int, *, sent_ns: int, answered_ns: int) -> None:
        """Learn from a record that the log stamped while we waited for its answer."""
        early, late = at_ns - answered_ns, at_ns - sent_ns
        self.known = True
        if not early <= self.offset_ns <= late:
            self.offset_ns = (early + late) // 2


@dataclass(slots=True)
class Link:
    """A connection and what reads and writes through it; lives in one event loop."""

    client: Client
    reader: Reader
    appender: Appender

    @classmethod
    async def open(cls, place: Place, *, name: str) -> Link:
        """Connect. Raises QueueUnreachable."""
        faults = Faults()
        client = await connect(place, name=name, faults=faults)
        reader = Reader(client, faults)
        return cls(client, reader, Appender(client, reader))


class Engine:
    """The thread, loop and connection of one place.

    Args:
        place: where the log is.
        give_up_s: how long a submission may wait for the log's answer.
    """

    def __init__(self, place: Place, *, give_up_s: float) -> None:
        self.place = place
        self.give_up_s = give_up_s
        self.clock = LogClock()
        self._reset()
        _engines.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._link: asyncio.Task[Link] | None = None
        self._handed: deque[tuple[list[Entry], Future[None]]] = deque()
        self._woken = False

    # ---------------------------------------------------------------------------- from any thread

    def append(self, entries: list[Entry]) -> Future[None]:
        """Have records written that stand or fall together; see `Appender.put` for what it raises.

        What many threads hand over at the same time goes to the log in few batches.
        """
        settled: Future[None] = Future()
        loop = self._running()
        self._handed.append((entries, settled))
        if (
            not self._woken
        ):  # unset before the loop takes what was handed over, so nothing is missed
            self._woken = True
            loop.call_soon_threadsafe(self._take)
        return settled

    def run(self, work: Callable[[Link], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run a coroutine in the loop, with the connection."""

        async def linked() -> T:
            return await work(await self._linked())

        return asyncio.run_coroutine_threadsafe(linked(), self._running())

    def close(self) -> None:
        """Close the connection and end the thread; the next use starts anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), loop)
        if thread is not threading.current_thread():
            thread.join(_CLOSE_S)

    def after_fork(self) -> None:
        """Forget the parent's thread and connection, and what was the parent's to write."""
        self._reset()

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._link = None
                self._thread = threading.Thread(
                    target=_run_loop, args=(self._loop,), name="solvent-tasks", daemon=True
                )
                self._thread.start()
            return self._loop

    # ------------------------------------------------------------------------------- in the thread

    def _take(self) -> None:
        """Pass on what was handed over, once there is a connection."""
        asyncio.ensure_future(self._linked()).add_done_callback(self._pass_on)

    def _pass_on(self, opened: asyncio.Future[Link]) -> None:
        fault = None if opened.cancelled() else opened.exception()
        if opened.cancelled():
            fault = QueueUnreachable("closed")
        self._woken = False
        while self._handed:
            entries, settled = self._handed.popleft()
            if fault is not None:
                settled.set_exception(fault)
                continue
            link = opened.result()
            written = link.appender.put(entries, give_up_s=self.give_up_s)
            written.add_done_callback(_copy_to(settled))
            if not self.clock.known:
                self.clock.known = True
                self._learning = asyncio.ensure_future(self._learn(link, written, entries[0]))

    async def _learn(self, link: Link, written: asyncio.Future[None], entry: Entry) -> None:
        """Find out what the log's clock says: once a process, by the stamp of its first record."""
        sent_ns = time_ns()
        try:
            await asyncio.shield(written)
            stored = await link.reader.last(entry.subject)
        except TaskError:
            self.clock.known = False
            return
        if stored is not None:
            self.clock.note(stored.at_ns, sent_ns=sent_ns, answered_ns=time_ns())

    async def _linked(self) -> Link:
        """Return the connection, made by whoever needs it first; a failure is not kept."""
        if self._link is None:
            self._link = asyncio.create_task(Link.open(self.place, name="solvent-client tasks"))
        opening = self._link
        try:
            return await asyncio.shield(opening)
        except QueueUnreachable:
            if self._link is opening:
                self._link = None
            raise

    async def _hang_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._link is not None and self._link.done() and not self._link.exception():
                await asyncio.wait_for(self._link.result().client.close(), _CLOSE_S / 2)
        finally:
            loop.stop()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


def _copy_to(settled: Future[None]) -> Callable[[asyncio.Future[None]], None]:
    def copy(written: asyncio.Future[None]) -> None:
        if written.cancelled():
            settled.set_exception(QueueUnreachable("closed"))
        elif fault := written.exception():
            settled.set_exception(fault)
        else:
            settled.set_result(None)

    return copy


def waited(future: Future[T], timeout_s: float | None = None) -> T:
    """Wait for what the engine does: the blocking face."""
    return future.result(timeout_s)


def awaited(future: Future[T]) -> Awaitable[T]:
    """Await what the engine does, in whatever loop is running: the asyncio face."""
    return asyncio.wrap_future(future)


def remaining(deadline: float | None) -> float | None:
    """Return the seconds until a moment of the monotonic clock, at least 0; None: no bound."""
    return None if deadline is None else max(0.0, deadline - monotonic())


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_engines):
        engine.after_fork()


def _at_exit() -> None:
    for engine in list(_engines):
        engine.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
