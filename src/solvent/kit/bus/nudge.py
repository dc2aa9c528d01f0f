"""How is the relay woken by each commit, and yet not by hundreds a second?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from solvent.kit.bus.outbox import Nudge
from solvent.kit.clock import monotonic_ms
from solvent.kit.limits import NUDGE_EVERY_MS
from solvent.kit.log import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class Nudger:
    """Passes a lone nudge on at once; of many that follow soon it makes one, after all of them."""

    publish: Nudge
    _next_ms: float = 0
    _planned: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    async def nudge(self) -> None:
        """Wake the relay now or, if it was woken just now, some ms later."""
        now_ms = monotonic_ms()
        if now_ms >= self._next_ms:
            self._next_ms = now_ms + NUDGE_EVERY_MS
            await self.publish()
        elif not self._planned:
            task = asyncio.create_task(self._publish_later(self._next_ms - now_ms))
            self._planned.add(task)
            task.add_done_callback(self._planned.discard)

    async def _publish_later(self, wait_ms: float) -> None:
        await asyncio.sleep(wait_ms / 1000)
        self._planned.clear()
        self._next_ms = monotonic_ms() + NUDGE_EVERY_MS
        try:
            await self.publish()
        except Exception:  # the relay finds the rows at its next poll
            log.debug("nudge_lost", exc_info=True)
