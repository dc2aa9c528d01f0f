"""What happens to webhooks behind the requests: intake and delivery?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from solvent.kit.bus import Envelope
from solvent.kit.ctx import Ctx
from solvent.kit.jobs.beside import Beside
from solvent.systems.webhooks import service
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.sender import open_sender
from solvent.systems.webhooks.service.deliver import Pump


@dataclass(slots=True)
class Delivering:
    """Takes events in, and runs the pump beside the worker; one a process."""

    guard: Guard
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_events(self, ctx: Ctx, envelopes: Sequence[Envelope]) -> None:
        """Make messages of events, and wake the pump once they are there."""
        if await service.take_events(ctx, envelopes):
            ctx.tx.after_commit("webhooks.wake", self._wake)

    async def run(self, around: Beside) -> None:
        """Deliver until cancelled."""
        async with open_sender(self.guard) as sender:
            await Pump(around.edge, sender, self.woken).run()

    async def _wake(self) -> None:
        self.woken.set()
