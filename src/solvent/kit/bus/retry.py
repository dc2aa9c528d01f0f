"""When does a handler try its parked events again, and how do tenants not wait for each other?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from solvent.kit.bus import parked
from solvent.kit.bus.envelope import Envelope
from solvent.kit.bus.handling import Handling
from solvent.kit.bus.parked import Parked, Waiting
from solvent.kit.ctx import Actor
from solvent.kit.errors import Unavailable
from solvent.kit.group import side_by_side
from solvent.kit.ids import TenantId
from solvent.kit.limits import HANDLER_FETCH, PARKED_FAILURES_MAX, PARKED_POLL_S
from solvent.kit.log import get_logger

log = get_logger(__name__)

PAUSE_S = 0.05
"""Between two passes at least, so that a tenant whose events all fail does not keep us busy."""
RETRY_S = 0.5
LOOKING = Actor("system", "parked")


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries one handler's parked events when they are due: tenants side by side, each in order."""

    handling: Handling
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something was parked."""

    async def run(self) -> None:
        """Work until cancelled; faults of the database are waited out."""
        while True:
            try:
                wait_s = await self.once()
            except* (Unavailable, OSError) as faults:
                reason = str(faults.exceptions[0])[:200]
                log.warning("parked_wait", handler=self.handling.handler.name, reason=reason)
                wait_s = RETRY_S
            await self._rest(wait_s)

    async def recall(self) -> None:
        """Learn which tenants stand aside."""
        await self._waiting()

    async def _rest(self, wait_s: float) -> None:
        await asyncio.sleep(PAUSE_S)
        try:
            async with asyncio.timeout(min(max(wait_s - PAUSE_S, 0), PARKED_POLL_S)):
                await self.nudged.wait()
        except TimeoutError:
            pass
        self.nudged.clear()

    async def once(self) -> float:
        """Try what is due; return in how many seconds the next is."""
        waiting = await self._waiting()
        due = [one for one in waiting if one.wait_s <= 0]
        await side_by_side(self._try_tenant(one.tenant_id) for one in due)
        return 0 if due else min((one.wait_s for one in waiting), default=PARKED_POLL_S)

    async def _waiting(self) -> list[Waiting]:
        """Return the tenants that have parked events; those with untried ones stand aside."""
        seen = dict(self.handling.aside)
        async with self.handling.edge.db.transaction() as tx:  # of no tenant
            waiting = await parked.list_waiting(tx, self.handling.handler.name)
        untried = {one.tenant_id for one in waiting if one.untried}
        for tenant_id, count in seen.items():
            if tenant_id not in untried and self.handling.aside.get(tenant_id) == count:
                del self.handling.aside[tenant_id]  # nothing was parked while we looked
        for tenant_id in untried:
            self.handling.aside.setdefault(tenant_id, 0)
        return waiting

    async def _try_tenant(self, tenant_id: TenantId) -> None:
        """Try a tenant's due events in order; after some failures the others get their turn."""
        handling = self.handling
        async with handling.edge.open(tenant_id, LOOKING) as ctx:
            due = await parked.read_due(
                ctx.tx, tenant_id, handling.handler.name, limit=HANDLER_FETCH
            )
        untried = [one.envelope for one in due if not one.tries]
        if handling.handler.batch and len(untried) > 1 and await self._all_at_once(untried):
            due = [one for one in due if one.tries]
        failures = 0
        for one in due:
            failures += not await self._try(one)
            if failures >= PARKED_FAILURES_MAX:
                return

    async def _all_at_once(self, envelopes: Sequence[Envelope]) -> bool:
        try:
            await self.handling.handle(envelopes, were_parked=True)
        except Exception:  # noqa: BLE001 - each is tried by itself next, and its fault noted
            return False
        return True

    async def _try(self, one: Parked) -> bool:
        try:
            await self.handling.handle([one.envelope], were_parked=True)
        except Exception as fault:  # noqa: BLE001 - kept with the event, and logged with its trace
            await self.handling.postpone(one.envelope, fault, tries=one.tries + 1)
            return False
        return True
