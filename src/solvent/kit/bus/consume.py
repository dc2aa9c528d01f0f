"""How does a handler get each event once in effect, and what becomes of one that it cannot take?"""

# nats-py types its keywords in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from solvent.kit.bus.envelope import SUBJECT_ROOT, Envelope, Registry, decode
from solvent.kit.bus.handling import Handling, pause_s
from solvent.kit.bus.pull import Pull
from solvent.kit.bus.retry import Retry
from solvent.kit.bus.stream import STREAM
from solvent.kit.ctx import Edge
from solvent.kit.errors import Unavailable
from solvent.kit.group import side_by_side
from solvent.kit.ids import TenantId
from solvent.kit.limits import HANDLER_DELIVERIES_MAX, HANDLER_FETCH, HANDLER_TOGETHER
from solvent.kit.log import get_logger
from solvent.kit.wiring import Handler

log = get_logger(__name__)

ACK_WAIT_S = 10
"""What a killed worker had taken comes again after this; a slow handler is guarded by its mark."""
RETRY_S = 0.5

Arrived = tuple[Msg, Envelope]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Feeds one handler from its own durable place in the log.

    What it fails on leaves that place: it is parked and tried again from there, so that a tenant
    whose events fail holds up nobody else's.
    """

    handler: Handler
    edge: Edge
    bus: Client
    registry: Registry
    deliveries_max: int = HANDLER_DELIVERIES_MAX
    _handling: Handling = field(init=False)
    _retry: Retry = field(init=False)

    def __post_init__(self) -> None:
        """Share one handling between the log and what is parked."""
        handling = Handling(self.handler, self.edge, self.registry, self.deliveries_max)
        object.__setattr__(self, "_handling", handling)
        object.__setattr__(self, "_retry", Retry(handling))

    async def run(self) -> None:
        """Work until cancelled; subscribe anew after any fault of the connection."""
        await self._recall()
        await side_by_side((self._follow(), self._retry.run()))

    async def _recall(self) -> None:
        """Learn which tenants stood aside when the program ended, before any event is taken."""
        while True:
            try:
                await self._retry.recall()
            except (Unavailable, OSError) as fault:
                log.warning("handler_waits", handler=self.handler.name, reason=str(fault)[:200])
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _follow(self) -> None:
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
        """Handle a tenant's events; from the first that fails on, they are parked in their order.

        They are tried again at once, but no longer here, where all the others pass.
        """
        if arrived[0][1].tenant_id in self._handling.aside:
            await self._step_aside(arrived)
            return
        size = len(arrived) if self.handler.batch else HANDLER_TOGETHER
        for start in range(0, len(arrived), size):
            some = arrived[start : start + size]
            if await self._is_handled(some):
                continue
            for place, one in enumerate(some, start=start + 1):
                if not await self._settle(one):
                    await self._step_aside(arrived[place:])
                    return

    async def _is_handled(self, arrived: Sequence[Arrived]) -> bool:
        """Handle several whole; if that fails they are tried one by one, to find the bad event."""
        if len(arrived) == 1:
            return False
        try:
            await self._handling.handle([envelope for _, envelope in arrived])
        except Exception:  # noqa: BLE001 - each is tried by itself next, and its fault noted
            return False
        await _acknowledge(arrived)
        return True

    async def _settle(self, one: Arrived) -> bool:
        """Handle an event, or park it; return whether it was handled."""
        message, envelope = one
        try:
            await self._handling.handle([envelope])
        except Exception as fault:  # noqa: BLE001 - kept with the event, and logged with its trace
            await self._park(message, envelope, fault)
            return False
        await message.ack()
        return True

    async def _park(self, message: Msg, envelope: Envelope, fault: Exception) -> None:
        """Park an event that failed; where not even that can be done, the log keeps it."""
        delivered = message.metadata.num_delivered or 1
        try:
            await self._handling.park(envelope, fault, tries=delivered)
        except Unavailable:
            await message.nak(delay=pause_s(delivered))
            return
        await message.ack()
        self._retry.nudged.set()

    async def _step_aside(self, arrived: list[Arrived]) -> None:
        if not arrived:
            return
        try:
            await self._handling.step_aside([envelope for _, envelope in arrived])
        except Unavailable:
            for message, _ in arrived:
                await message.nak(delay=RETRY_S)
            return
        await _acknowledge(arrived)
        self._retry.nudged.set()


async def _acknowledge(arrived: Sequence[Arrived]) -> None:
    for message, _ in arrived:
        await message.ack()
