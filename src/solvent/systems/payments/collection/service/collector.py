"""How are written attempts carried to the providers until their outcomes are known?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from solvent.kit.ctx import SCOPE_ALL, Actor, Edge
from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.ids import TenantId
from solvent.kit.log import get_logger
from solvent.systems.payments.collection.limits import (
    CLAIM_MAX,
    LEASE_S,
    POLL_S,
    RETRY_S,
    STEPS_MAX,
)
from solvent.systems.payments.collection.service import ask, refunds
from solvent.systems.payments.collection.service.ask import Answer, Question
from solvent.systems.payments.collection.store.asked import ATTEMPTS, REFUNDS, Claimed
from solvent.systems.payments.errors import GatewayKeyMissing, GatewayUnavailable
from solvent.systems.payments.limits import GATEWAY_TIMEOUT_S
from solvent.systems.payments.model import Provider
from solvent.systems.payments.ports import PaymentGateway
from solvent.systems.payments.service.checkout import GatewaySource

log = get_logger(__name__)
T = TypeVar("T")

ACTOR = Actor("collector", "payments", frozenset({SCOPE_ALL}))


@dataclass(slots=True)
class Collector:
    """Asks providers for what is written down; any number of processes may have one.

    What one has claimed nobody else asks for meanwhile. If it dies, the lease ends and another asks
    the very same by the same key.
    """

    edge: Edge
    gateways: GatewaySource
    each: int = CLAIM_MAX

    async def run(self) -> None:
        """Work until cancelled; a database that is away is waited out."""
        while True:
            try:
                worked = await self.once()
            except Unavailable as away:
                log.warning("collector_waits", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
                continue
            if not worked:
                await asyncio.sleep(POLL_S)

    async def once(self) -> int:
        """Carry out what is due now and wait for its end; return how much that was."""
        lease = timedelta(seconds=LEASE_S)
        async with self.edge.db.transaction() as tx:
            attempts = await ATTEMPTS.claim(tx, limit=self.each, lease=lease)
            givebacks = await REFUNDS.claim(tx, limit=self.each, lease=lease)
        async with asyncio.TaskGroup() as group:
            for one in attempts:
                group.create_task(self._guarded(one, self.carry_out))
            for one in givebacks:
                group.create_task(self._guarded(one, self.give_back))
        return len(attempts) + len(givebacks)

    async def _guarded(
        self, one: Claimed, work: Callable[[TenantId, str], Awaitable[None]]
    ) -> None:
        """Keep what goes wrong with one from the others; its lease ends by itself."""
        try:
            await work(one.tenant_id, one.id)
        except Exception:
            log.exception("collector_failed", tenant_id=one.tenant_id, subject=one.id)

    async def carry_out(self, tenant_id: TenantId, attempt_id: str) -> None:
        """Ask about an attempt until there is nothing more to ask for now."""
        async with self.edge.open(tenant_id, ACTOR) as ctx:
            question = await ask.first_question(ctx, attempt_id)
        for _ in range(STEPS_MAX):
            if question is None:
                return
            question = await self._step(tenant_id, question)

    async def _step(self, tenant_id: TenantId, question: Question) -> Question | None:
        try:
            answer = await self.put(question)
        except SolventError as fault:
            async with self.edge.open(tenant_id, ACTOR) as ctx:
                return await ask.failed(ctx, question, fault)
        async with self.edge.open(tenant_id, ACTOR) as ctx:
            return await ask.answered(ctx, question, answer)

    async def put(self, question: Question) -> Answer:
        """Put one question to its provider, beside the loop; raises as the gateway does."""
        gateway = self._gateway(question.attempt.provider, question.api_key)
        return await self._in_thread(lambda: ask.put(gateway, question))

    async def give_back(self, tenant_id: TenantId, refund_id: str) -> None:
        """Ask for a refund, or how it stands."""
        async with self.edge.open(tenant_id, ACTOR) as ctx:
            wanted = await refunds.next_question(ctx, refund_id)
        if wanted is None:
            return
        try:
            told = await self.put_back(wanted)
        except SolventError as fault:
            async with self.edge.open(tenant_id, ACTOR) as ctx:
                await refunds.failed(ctx, wanted, fault)
            return
        async with self.edge.open(tenant_id, ACTOR) as ctx:
            await refunds.answered(ctx, wanted, told)

    async def put_back(self, wanted: refunds.Wanted) -> refunds.Told:
        """Put a refund's question to its provider; raises as the gateway does."""
        gateway = self._gateway(wanted.refund.provider, wanted.api_key)
        return await self._in_thread(lambda: refunds.put(gateway, wanted))

    def _gateway(self, provider: Provider, api_key: str) -> PaymentGateway:
        if not api_key:
            raise GatewayUnavailable(GatewayKeyMissing().message, provider=provider.value)
        return self.gateways(provider, api_key)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.wait_for(asyncio.to_thread(call), GATEWAY_TIMEOUT_S * 3)
        except TimeoutError:
            raise GatewayUnavailable from None
