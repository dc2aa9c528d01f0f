"""How do messages that are due get to their endpoints, and what is written about it?

A delivery waits in its row, by real time: the tenant's own may stand still. Whoever leases it may
attempt it; no transaction is open while somebody outside answers. Who dies leaves a lease
that ends: a message is sent at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from solvent.contracts.webhooks import MessageBypassed, MessageFailed
from solvent.kit.ctx import SCOPE_ALL, Actor, Ctx, Edge
from solvent.kit.errors import Unavailable
from solvent.kit.ids import TenantId
from solvent.kit.log import get_logger
from solvent.kit.telemetry import WEBHOOK_ATTEMPTS, span
from solvent.systems.webhooks.limits import (
    EACH,
    EACH_UNDER_WAY_MAX,
    LEASE_S,
    POLL_S,
    RETRY_S,
    SLOTS,
    SLOTS_FAILING,
)
from solvent.systems.webhooks.model import (
    Answer,
    Attempt,
    Delivery,
    Endpoint,
    Outcome,
    Parcel,
    State,
)
from solvent.systems.webhooks.rules.schedule import Verdict, judge
from solvent.systems.webhooks.rules.signature import Key, sign
from solvent.systems.webhooks.sender import Sender
from solvent.systems.webhooks.service.endpoints import keys_of, shut
from solvent.systems.webhooks.store import deliveries as store
from solvent.systems.webhooks.store import endpoints as endpoints_store
from solvent.systems.webhooks.store import messages as messages_store
from solvent.systems.webhooks.store.deliveries import Claimed, Wanted

log = get_logger(__name__)

ACTOR = Actor("webhooks", "delivery", frozenset({SCOPE_ALL}))
PAUSE_S = 0.005
"""Between two claims at least, so that under load one takes several."""

SETTLE_TRIES = 3
OWN = "webhooks."
"""What fails of our own messages makes no further messages: else each would make the next."""


@dataclass(frozen=True, slots=True)
class Due:
    """A parcel with what it takes to send it."""

    tenant_id: TenantId
    parcel: Parcel
    keys: Sequence[Key]


@dataclass(slots=True)
class Pump:
    """Attempts what is due, many at once and few of one endpoint; each process may run one."""

    edge: Edge
    sender: Sender
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: Counter[str] = field(default_factory=Counter[str])
    _failing: int = 0

    async def run(self) -> None:
        """Work until cancelled; what is under way then is sent again after its lease."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.woken.clear()
                wait_s = POLL_S
                try:
                    for due in await self._take():
                        group.create_task(self._attempt(due))
                        wait_s = 0
                except Unavailable as away:
                    log.warning("webhooks_wait", reason=str(away)[:200])
                    wait_s = RETRY_S
                await self._rest(wait_s)

    async def once(self) -> int:
        """Attempt what is due now and wait for its end; return how much that was."""
        due = await self._take()
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._attempt(one))
        return len(due)

    async def _rest(self, wait_s: float) -> None:
        await asyncio.sleep(PAUSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self.woken.wait()

    async def _take(self) -> list[Due]:
        """Claim what there is room for: of endpoints that fail less, so that they starve nobody."""
        claimed = await self._claim(failing=False)
        claimed += await self._claim(failing=True)
        tenants: dict[TenantId, list[Claimed]] = defaultdict(list)
        for one in claimed:
            tenants[one.tenant_id].append(one)
        taken: list[Due] = []
        for tenant_id, of_tenant in tenants.items():
            async with self.edge.open(tenant_id, ACTOR) as ctx:
                taken += await _load(ctx, of_tenant, now=self.edge.clock.now())
        for due in taken:
            self._note(due, +1)
        return taken

    async def _claim(self, *, failing: bool) -> list[Claimed]:
        room = SLOTS - self._under_way.total()
        limit = min(room, SLOTS_FAILING - self._failing) if failing else room
        if limit <= 0:
            return []
        most = 1 if failing else EACH_UNDER_WAY_MAX
        busy = tuple(name for name, many in self._under_way.items() if many >= most)
        wanted = Wanted(failing, 1 if failing else EACH, limit, busy)
        async with self.edge.db.transaction() as tx:
            return await store.claim(tx, wanted, now=self.edge.clock.now(), lease_s=LEASE_S)

    async def _attempt(self, due: Due) -> None:
        """Send one parcel and write what came of it."""
        parcel = due.parcel
        try:
            with span("webhook", endpoint=parcel.endpoint.id):
                at = self.edge.clock.now()
                headers = sign(due.keys, id=parcel.delivery.message_id, at=at, body=parcel.body)
                answer = await self.sender.send(parcel.endpoint.url, headers, parcel.body)
            WEBHOOK_ATTEMPTS.labels(answer.outcome.value).inc()
            await self._settle(due, answer, at=at)
        except Exception:
            log.exception("webhook_not_settled", message_id=parcel.delivery.message_id)
        finally:
            self._note(due, -1)
            self.woken.set()

    async def _settle(self, due: Due, answer: Answer, *, at: datetime) -> None:
        """Write the outcome; where the database is away for long the message is sent again."""
        for _ in range(SETTLE_TRIES):
            try:
                async with self.edge.open(due.tenant_id, ACTOR) as ctx:
                    await settle(ctx, due.parcel, answer, at=at, now=self.edge.clock.now())
            except Unavailable as away:
                log.warning("webhook_settle_waits", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _note(self, due: Due, change: int) -> None:
        endpoint = due.parcel.endpoint
        self._under_way[endpoint.id] += change
        if not self._under_way[endpoint.id]:
            del self._under_way[endpoint.id]
        self._failing += change if endpoint.failing_since else 0


async def _load(ctx: Ctx, claimed: Sequence[Claimed], *, now: datetime) -> list[Due]:
    """Return what was claimed of one tenant with all that it takes to send it."""
    pairs = [(one.endpoint_id, one.message_id) for one in claimed]
    deliveries = await store.find_deliveries(ctx.tx, ctx.tenant_id, pairs, now=now)
    endpoint_ids = list({one.endpoint_id for one in deliveries})
    found = await endpoints_store.find_endpoints(ctx.tx, ctx.tenant_id, endpoint_ids)
    endpoints = {one.id: one for one in found}
    message_ids = list({one.message_id for one in deliveries})
    messages = await messages_store.find_messages(ctx.tx, ctx.tenant_id, message_ids)
    bodies = {one.id: one.body for one in messages}
    keys = await keys_of(ctx, endpoint_ids)
    return [
        Due(
            ctx.tenant_id,
            Parcel(one, endpoints[one.endpoint_id], bodies[one.message_id]),
            keys[one.endpoint_id],
        )
        for one in deliveries
    ]


async def settle(ctx: Ctx, parcel: Parcel, answer: Answer, *, at: datetime, now: datetime) -> None:
    """Write an attempt and what follows from it, for the message and for the endpoint.

    What was removed, replayed or settled meanwhile is left as it is.
    """
    told = parcel.delivery
    held = await store.lock_delivery(ctx.tx, ctx.tenant_id, told.endpoint_id, told.message_id)
    if held is None or held.state is not State.PENDING or held.attempts != told.attempts:
        return
    endpoint = await _endpoint_of(ctx, parcel, answer)
    verdict = judge(held, endpoint, answer, now=now)
    after = replace(
        held,
        state=verdict.state,
        attempts=held.attempts + 1,
        first_at=held.first_at or at,
        next_at=verdict.next_at,
        aside_at=verdict.aside_at,
    )
    await store.settle(ctx.tx, ctx.tenant_id, after, at=now)
    await store.insert_attempt(ctx.tx, ctx.tenant_id, _attempt(ctx, after, answer, at=at))
    await _follow(ctx, endpoint, after, verdict)


async def _endpoint_of(ctx: Ctx, parcel: Parcel, answer: Answer) -> Endpoint:
    """Return the endpoint as it is now, locked where its health will change."""
    endpoint = parcel.endpoint
    if answer.outcome is Outcome.DELIVERED and not endpoint.failures:
        return endpoint
    await endpoints_store.lock_endpoint(ctx.tx, ctx.tenant_id, endpoint.id)
    (fresh,) = await endpoints_store.find_endpoints(ctx.tx, ctx.tenant_id, [endpoint.id])
    return fresh


async def _follow(ctx: Ctx, endpoint: Endpoint, delivery: Delivery, verdict: Verdict) -> None:
    """Write how the endpoint fares, and tell what somebody should know."""
    if verdict.failures or endpoint.failures:
        await endpoints_store.note_health(
            ctx.tx,
            ctx.tenant_id,
            endpoint.id,
            failing_since=verdict.failing_since,
            failures=verdict.failures,
            resume_at=verdict.resume_at,
        )
    if verdict.disable:
        failing = replace(endpoint, failing_since=verdict.failing_since)
        await shut(ctx, failing, reason=verdict.disable)
    if delivery.type.startswith(OWN):
        return
    names = (delivery.endpoint_id, delivery.message_id, delivery.type)
    if verdict.state is State.FAILED:
        await ctx.bus.emit(ctx, MessageFailed(*names, attempts=delivery.attempts))
    if verdict.steps_aside and delivery.aside_at:
        await ctx.bus.emit(ctx, MessageBypassed(*names, since=delivery.aside_at))


def _attempt(ctx: Ctx, delivery: Delivery, answer: Answer, *, at: datetime) -> Attempt:
    return Attempt(
        id=ctx.ids.new("wha"),
        endpoint_id=delivery.endpoint_id,
        message_id=delivery.message_id,
        number=delivery.attempts,
        at=at,
        duration_ms=answer.duration_ms,
        outcome=answer.outcome,
        status=answer.status,
        told=answer.told,
        next_at=delivery.next_at,
    )
