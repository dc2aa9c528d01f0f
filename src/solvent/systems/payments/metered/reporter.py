"""How is drafted usage carried to Stripe, none of it twice?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from solvent.kit.ctx import SYSTEM, Edge
from solvent.kit.ids import TenantId
from solvent.kit.log import get_logger
from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.metered import service, store
from solvent.systems.payments.metered.limits import CLAIM_MAX, PAIRS_MAX, ROUNDS_MAX
from solvent.systems.payments.metered.model import MeterEvent, Outgoing, SendState

log = get_logger(__name__)


class Meters(Protocol):
    """One account's meters at Stripe; blocking, so it is called in a thread."""

    def send(self, one: Outgoing) -> None:
        """Tell of one event, by its identifier; raises GatewayRefused, GatewayUnavailable."""
        ...

    def has(self, one: Outgoing) -> bool | None:
        """Return whether an event is there already; None: one cannot say."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one event."""

    event: MeterEvent
    state: SendState
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Drafts and sends; any number of processes may have one, a lease keeps them apart."""

    edge: Edge
    meters: Callable[[str], Meters]
    """Makes the meters of an API key."""

    async def run(self) -> None:
        """Draft and send what is due in every tenant; what goes wrong in one stays there."""
        async with self.edge.db.transaction() as tx:
            found = await store.list_tenants(tx)
        for tenant_id in found:
            try:
                await self.run_in(tenant_id)
            except Exception:
                log.exception("metered_failed", tenant_id=tenant_id)

    async def run_in(self, tenant_id: TenantId) -> int:
        """Draft and send what is due in one tenant; return how many events were sent."""
        for _ in range(ROUNDS_MAX):
            async with self.edge.open(tenant_id, SYSTEM) as ctx:
                looked = await service.draft(ctx)
            if looked < PAIRS_MAX:
                break
        sent = 0
        for _ in range(ROUNDS_MAX):
            claimed, went = await self.send_some(tenant_id)
            sent += went
            if claimed < CLAIM_MAX:
                break
        return sent

    async def send_some(self, tenant_id: TenantId) -> tuple[int, int]:
        """Send a batch; return how many were claimed and how many arrived.

        No transaction is open while Stripe is asked. What it was asked is committed before, so that
        whoever comes after a crash asks the same by the same identifier.
        """
        async with self.edge.open(tenant_id, SYSTEM) as ctx:
            batch = await service.prepare(ctx)
        if not batch.outgoing:
            return batch.claimed, 0
        outcomes = await self._carry(tenant_id, self.meters(batch.api_key), batch.outgoing)
        async with self.edge.open(tenant_id, SYSTEM) as ctx:
            for one in outcomes:
                if one.state is SendState.WAITING:
                    await service.put_off(ctx, one.event, reason=one.reason or "")
                else:
                    await service.settle(ctx, one.event, one.state, reason=one.reason)
        return batch.claimed, sum(one.state is SendState.SENT for one in outcomes)

    async def _carry(
        self, tenant_id: TenantId, meters: Meters, outgoing: tuple[Outgoing, ...]
    ) -> list[Outcome]:
        """Send one after another; when Stripe is away the rest waits, too."""
        outcomes: list[Outcome] = []
        for one in outgoing:
            try:
                outcomes.append(await self._carry_one(tenant_id, meters, one))
            except GatewayRefused as refused:
                outcomes.append(Outcome(one.event, SendState.REFUSED, str(refused)))
            except GatewayUnavailable as away:
                left = outgoing[len(outcomes) :]
                return outcomes + [Outcome(it.event, SendState.WAITING, str(away)) for it in left]
        return outcomes

    async def _carry_one(self, tenant_id: TenantId, meters: Meters, one: Outgoing) -> Outcome:
        """Send an event; one that was tried too long ago is looked for first."""
        if one.in_doubt:
            there = await asyncio.to_thread(meters.has, one)
            if there is None:
                word = "tried long ago, and what Stripe has of that hour does not say"
                return Outcome(one.event, SendState.UNCLEAR, word)
            if there:
                return Outcome(one.event, SendState.SENT, service.ALREADY_THERE)
            async with self.edge.open(tenant_id, SYSTEM) as ctx:
                await service.begin_anew(ctx, one.event)
        await asyncio.to_thread(meters.send, one)
        return Outcome(one.event, SendState.SENT)
