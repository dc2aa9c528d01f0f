"""How do the dispatchers hear that this worker lives, even while a task blocks its event loop?

The beats come from a thread of their own with a connection of its own. What no thread survives is
C code that holds Python's lock: after 5 s the worker counts as lost and its jobs go elsewhere.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import nats.errors

from solvent_client.tasks.errors import QueueUnreachable
from solvent_client.tasks.place import Place, connect

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger("solvent_client.tasks")

BEAT_S: Final = 1.0
_LEAST_PAUSE_S: Final = 0.02
_JOIN_S: Final = 3.0


class Beat(msgspec.Struct, frozen=True):
    """What a worker says of itself, each second and at changes."""

    worker: str
    space: str
    queues: list[str]
    host: str
    pid: int
    slots: int
    credit: int
    """How many more jobs it would take."""
    held: list[int]
    """The fences of the jobs that it has and whose outcome is not on the log yet."""
    running: list[tuple[int, float | None, str]]
    state: str
    cpu: float
    memory: float
    rss: int
    version: str
    started_ns: int


class Heart:
    """Publishes what `look` returns, each second and soon after `poke`.

    Args:
        place: where.
        worker: the worker's name.
        look: returns the beat; it is called in the heart's thread.
    """

    def __init__(self, place: Place, worker: str, look: Callable[[], Beat]) -> None:
        self._place = place
        self._subject = f"beat.{place.space}.{worker}"
        self._look = look
        self._encoder = msgspec.msgpack.Encoder()
        self._loop = asyncio.new_event_loop()
        self._due = asyncio.Event()
        self._poked = False
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="solvent-heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def poke(self) -> None:
        """Beat soon: something has changed that the dispatchers wait for."""
        if not self._poked and not self._ending:
            self._poked = True
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._due.set)

    def stop(self) -> None:
        """Beat once more and end."""
        self._ending = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._due.set)
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._beat())
        finally:
            self._loop.close()

    async def _beat(self) -> None:
        client = await self._connected()
        while client is not None:
            ending, self._poked = self._ending, False
            self._due.clear()
            try:
                await client.publish(self._subject, self._encoder.encode(self._look()))
                await client.flush()
            except (TimeoutError, nats.errors.Error) as error:
                log.warning("no heartbeat: %s", error)
            if ending:
                await client.close()
                return
            await asyncio.sleep(_LEAST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._due.wait()

    async def _connected(self) -> Client | None:
        while not self._ending:
            try:
                return await connect(self._place, name="solvent-worker heart")
            except QueueUnreachable as error:
                log.warning("no heartbeat: %s", error)
                await asyncio.sleep(BEAT_S)
        return None
