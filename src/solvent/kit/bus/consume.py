"""How does a handler get each event once in effect, and what becomes of one that it cannot take?"""

# nats-py types its keywords in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from solvent.kit.bus import dead_letters
from solvent.kit.bus.envelope import SUBJECT_ROOT, Envelope, Registry, decode
from solvent.kit.bus.pull import Pull
from solvent.kit.bus.stream import STREAM
from solvent.kit.ctx import SCOPE_ALL, Actor, Edge
from solvent.kit.errors import Unavailable, reason_of
from solvent.kit.group import side_by_side
from solvent.kit.ids import TenantId
from solvent.kit.limits import HANDLER_BACKOFF_S, HANDLER_DELIVERIES_MAX, HANDLER_FETCH
from solvent.kit.log import bind, get_logger
from solvent.kit.telemetry import DEAD_LETTERS, HANDLER_FAILURES, span
from solvent.kit.wiring import Handler

log = get_logger(__name__)

ACK_WAIT_S = 10
"""What a killed worker had taken comes again after this; a slow handler is guarded by its mark."""
RETRY_S = 0.5

Arrived = tuple[Msg, Envelope]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Feeds one handler from its own durable place in the log."""

    handler: Handler
    edge: Edge
    bus: Client
    registry: Registry
    deliveries_max: int = HANDLER_DELIVERIES_MAX

    async def run(self) -> None:
        """Work until cancelled; subscribe anew after any fault of the connection."""
        while True:
            try:
                await self._consume()
            except* (Unavailable, nats.errors.Error, TimeoutError, OSError) as faults:  # a group's
                reason = str(faults.exceptions[0])[:200]
                log.warning("handler_waits", handler=self.handler.name, reason=reason)
                await asyncio.sleep(RETRY_S)

    async def _consume(self) -> None:
        pull = await self._subscribe()
        try:
            while True:
                await self.take(await pull.take())
                if self.handler.linger_ms:
                    await asyncio.sleep(self.handler.linger_ms / 1000)
        finally:
            await pull.stop()

    async def _subscribe(self) -> Pull:
        name = self.handler.name.replace(".", "-")
        config = ConsumerConfig(
            durable_name=name,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=HANDLER_FETCH * 4,
            filter_subject=f"{SUBJECT_ROOT}.*.{self.handler.event.NAME}",
        )
        await self.bus.jetstream().add_consumer(STREAM, config)
        return await Pull.start(self.bus, name, batch=HANDLER_FETCH)

    async def take(self, messages: Sequence[Msg]) -> None:
        """Run the handler for messages: tenants side by side, each tenant's in order."""
        tenants: dict[TenantId, list[Arrived]] = defaultdict(list)
        for message in messages:
            envelope = await self._envelope_of(message)
            if envelope is not None:
                tenants[envelope.tenant_id].append((message, envelope))
        await side_by_side(self._take_of_tenant(arrived) for arrived in tenants.values())

    async def _envelope_of(self, message: Msg) -> Envelope | None:
        """Return the envelope; what is none is given up, as it would end every worker in turn."""
        try:
            return decode(message.data)
        except ValueError:
            log.exception("event_unreadable", handler=self.handler.name, subject=message.subject)
            await message.term()
            return None

    async def _take_of_tenant(self, arrived: list[Arrived]) -> None:
        groups = [arrived] if self.handler.batch else [[one] for one in arrived]
        for group in groups:
            await self._settle(group)

    async def _settle(self, group: list[Arrived]) -> None:
        """Handle and acknowledge; a batch that fails is tried one by one, to find the bad event."""
        try:
            await self.handle([envelope for _, envelope in group])
        except Exception as fault:
            if len(group) > 1:
                for one in group:
                    await self._settle([one])
                return
            log.exception("handler_failed", handler=self.handler.name, event_id=group[0][1].id)
            await self._refuse(*group[0], fault)
            return
        for message, _ in group:
            await message.ack()

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Run the handler in one transaction for those events it has not handled yet."""
        actor = Actor("handler", self.handler.name, frozenset({SCOPE_ALL}))
        name = self.handler.name
        with bind(handler=name, event_id=envelopes[0].id), span("handler", handler=name):
            async with self.edge.open(envelopes[0].tenant_id, actor) as ctx:
                fresh = await dead_letters.mark_handled(
                    ctx.tx, ctx.tenant_id, self.handler.name, [one.id for one in envelopes]
                )
                events = [self.registry.event_of(one) for one in envelopes if one.id in fresh]
                if self.handler.batch and events:
                    await self.handler.run(ctx, events)
                elif events:
                    await self.handler.run(ctx, events[0])

    async def _refuse(self, message: Msg, envelope: Envelope, fault: Exception) -> None:
        """Ask for the event again later, or keep it as a dead letter after the last delivery.

        What is only away for the moment is waited for, however long that takes.
        """
        delivered = message.metadata.num_delivered or 1
        HANDLER_FAILURES.labels(self.handler.name).inc()
        if delivered < self.deliveries_max or isinstance(fault, Unavailable):
            await message.nak(delay=HANDLER_BACKOFF_S[min(delivered, len(HANDLER_BACKOFF_S)) - 1])
            return
        reason = reason_of(fault)
        async with self.edge.open(envelope.tenant_id, Actor("handler", self.handler.name)) as ctx:
            await dead_letters.keep(ctx.tx, envelope, handler=self.handler.name, reason=reason)
        DEAD_LETTERS.labels(self.handler.name).inc()
        await message.term()
