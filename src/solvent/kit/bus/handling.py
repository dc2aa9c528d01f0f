"""How does a handler take events in one transaction, and where do those go that it cannot take?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from solvent.kit.bus import dead_letters, parked
from solvent.kit.bus.envelope import Envelope, Registry
from solvent.kit.ctx import SCOPE_ALL, Actor, Ctx, Edge
from solvent.kit.errors import Unavailable, reason_of
from solvent.kit.ids import TenantId
from solvent.kit.limits import HANDLER_BACKOFF_S, HANDLER_DELIVERIES_MAX
from solvent.kit.log import bind, get_logger
from solvent.kit.telemetry import DEAD_LETTERS, HANDLER_FAILURES, span
from solvent.kit.wiring import AnyEvent, Event, Handler

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handling:
    """Runs one handler, on events from the log and on those that were parked."""

    handler: Handler
    edge: Edge
    registry: Registry
    deliveries_max: int = HANDLER_DELIVERIES_MAX
    aside: dict[TenantId, int] = field(default_factory=dict[TenantId, int])
    """The tenants whose events wait behind untried ones, each with a count of what was parked."""

    async def handle(self, envelopes: Sequence[Envelope], *, were_parked: bool = False) -> None:
        """Run the handler in one transaction for those events it has not handled yet."""
        name, tenant_id = self.handler.name, envelopes[0].tenant_id
        actor = Actor("handler", name, frozenset({SCOPE_ALL}))
        with bind(handler=name, event_id=envelopes[0].id), span("handler", handler=name):
            async with self.edge.open(tenant_id, actor) as ctx:
                ids = [one.id for one in envelopes]
                if not were_parked and not await self._is_wanted(ctx):
                    return
                if were_parked:
                    ids = list(await parked.claim(ctx.tx, tenant_id, name, ids))
                fresh = await dead_letters.mark_handled(ctx.tx, tenant_id, name, ids)
                events = [self._told(one) for one in envelopes if one.id in fresh]
                for taken in [events] if self.handler.batch and events else events:
                    await self.handler.run(ctx, taken)

    async def _is_wanted(self, ctx: Ctx) -> bool:
        return self.handler.wanted is None or await self.handler.wanted(ctx)

    def _told(self, envelope: Envelope) -> Event | Envelope:
        """Return what the handler is given: the event, or where it hears all, its envelope."""
        if self.handler.event is AnyEvent:
            return envelope
        return self.registry.event_of(envelope)

    async def step_aside(self, envelopes: Sequence[Envelope]) -> None:
        """Park events untried, behind one of the same tenant that failed, or behind such."""
        if not envelopes:
            return
        tenant_id = envelopes[0].tenant_id
        async with self.edge.open(tenant_id, self._actor()) as ctx:
            await parked.park(ctx.tx, self.handler.name, envelopes, tries=0, wait_s=0)
        self.aside[tenant_id] = self.aside.get(tenant_id, 0) + 1

    async def park(self, envelope: Envelope, fault: Exception, *, tries: int) -> None:
        """Park an event that failed until its next try, or give it up after the last.

        Raises:
            Unavailable: the database is away; nothing was kept.
        """
        self._note(envelope, fault)
        if self._is_last(fault, tries):
            await self._give_up(envelope, fault)
            return
        name = self.handler.name
        async with self.edge.open(envelope.tenant_id, self._actor()) as ctx:
            wait_s, reason = pause_s(tries), reason_of(fault)
            await parked.park(ctx.tx, name, [envelope], tries=tries, wait_s=wait_s, reason=reason)

    async def postpone(self, envelope: Envelope, fault: Exception, *, tries: int) -> None:
        """As `park`, for an event that is parked already and failed once more."""
        self._note(envelope, fault)
        if self._is_last(fault, tries):
            await self._give_up(envelope, fault)
            return
        tenant_id, name = envelope.tenant_id, self.handler.name
        async with self.edge.open(tenant_id, self._actor()) as ctx:
            wait_s, reason = pause_s(tries), reason_of(fault)
            await parked.postpone(
                ctx.tx, tenant_id, name, envelope.id, wait_s=wait_s, reason=reason
            )

    def _is_last(self, fault: Exception, tries: int) -> bool:
        """Return whether to give up; what is only away is waited for, however long that takes."""
        return tries >= self.deliveries_max and not isinstance(fault, Unavailable)

    async def _give_up(self, envelope: Envelope, fault: Exception) -> None:
        reason, name = reason_of(fault), self.handler.name
        async with self.edge.open(envelope.tenant_id, self._actor()) as ctx:
            await parked.claim(ctx.tx, envelope.tenant_id, name, [envelope.id])
            await dead_letters.keep(ctx.tx, envelope, handler=name, reason=reason)
        DEAD_LETTERS.labels(name).inc()

    def _note(self, envelope: Envelope, fault: Exception) -> None:
        log.error("handler_failed", handler=self.handler.name, event_id=envelope.id, exc_info=fault)
        HANDLER_FAILURES.labels(self.handler.name).inc()

    def _actor(self) -> Actor:
        return Actor("handler", self.handler.name)


def pause_s(tries: int) -> float:
    """Return how long to wait after so many tries."""
    return HANDLER_BACKOFF_S[min(max(tries, 1), len(HANDLER_BACKOFF_S)) - 1]
