"""Is the way from a commit to the event log alive, as far as this process can see?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg

from solvent.kit.bus.stream import SUBJECT_BEAT
from solvent.kit.clock import monotonic_ms

FRESH_MS = 2000


@dataclass(slots=True)
class BeatWatch:
    """Notes when the relay's last proof arrived."""

    last_ms: float = float("-inf")

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, bus: Client) -> AsyncGenerator[BeatWatch]:
        """Watch the relay's beats."""
        watch = cls()
        subscription = await bus.subscribe(SUBJECT_BEAT, cb=watch.note)
        try:
            yield watch
        finally:
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()

    async def note(self, message: Msg) -> None:
        """Note a beat."""
        del message
        self.last_ms = monotonic_ms()

    def is_fresh(self) -> bool:
        """Return whether a beat came within two seconds."""
        return monotonic_ms() - self.last_ms < FRESH_MS
