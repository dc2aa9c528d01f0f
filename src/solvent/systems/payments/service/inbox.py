"""How does a webhook become durable, once, before it is answered?

Verified webhooks of a tenant that arrive soon after a commit began share the next one, so that the
cost of a commit is paid once for all of them, and a lone webhook waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeAlias

from solvent.contracts.payments import WebhooksReceived
from solvent.kernel.audit import service as audit
from solvent.kit.bus.outbox import sealed
from solvent.kit.ctx import Actor, Ctx, Edge
from solvent.kit.ids import IdSource, TenantId
from solvent.systems.payments.errors import InboxFull
from solvent.systems.payments.limits import (
    FLUSH_EVERY_MS,
    FLUSH_ROWS_MAX,
    FLUSHES_MAX,
    QUEUE_ROWS_MAX,
)
from solvent.systems.payments.model import Admission, Arrival, EventState
from solvent.systems.payments.store import inbox as inbox_store

Key: TypeAlias = tuple[str, str]
"""A provider and its id of an event."""

ACTOR = Actor("provider", "webhook")


@dataclass(frozen=True, slots=True)
class _Waiting:
    arrival: Arrival
    answer: asyncio.Future[Admission]


@dataclass(slots=True)
class _Line:
    """A tenant's webhooks that wait for their commit, and the commits that are under way."""

    waiting: deque[_Waiting] = field(default_factory=deque["_Waiting"])
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FLUSHES_MAX))
    commits: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    drain: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Inbox:
    """Takes verified webhooks in; one a process, shared by its requests."""

    edge: Edge
    _lines: dict[TenantId, _Line] = field(
        default_factory=lambda: defaultdict[TenantId, _Line](_Line)
    )
    _waiting: int = 0

    async def take(self, tenant_id: TenantId, arrival: Arrival) -> Admission:
        """Return what became of the webhook, after the commit that made it durable.

        Emits payments.webhooks_received.v1 with those that are new and matter.

        Raises:
            InboxFull: too many wait already.
            Unavailable: the database is away; nothing was stored.
        """
        if self._waiting >= QUEUE_ROWS_MAX:
            raise InboxFull
        waiting = _Waiting(arrival, asyncio.get_running_loop().create_future())
        line = self._lines[tenant_id]
        line.waiting.append(waiting)
        self._waiting += 1
        if line.drain is None:
            line.drain = asyncio.create_task(self._drain(tenant_id, line))
        return await waiting.answer

    async def _drain(self, tenant_id: TenantId, line: _Line) -> None:
        """Commit what waits, batch after batch, until nothing does; they begin some ms apart.

        Some are under way at once, so that one that is slow holds up few others.
        """
        while line.waiting:
            await line.places.acquire()
            count = min(len(line.waiting), FLUSH_ROWS_MAX)
            batch = [line.waiting.popleft() for _ in range(count)]
            self._waiting -= count
            commit = asyncio.create_task(self._commit(tenant_id, batch))
            line.commits.add(commit)
            commit.add_done_callback(partial(self._leave, tenant_id, line))
            await asyncio.sleep(FLUSH_EVERY_MS / 1000)
        line.drain = None
        self._forget(tenant_id, line)

    def _leave(self, tenant_id: TenantId, line: _Line, commit: asyncio.Task[None]) -> None:
        line.commits.discard(commit)
        line.places.release()
        self._forget(tenant_id, line)

    def _forget(self, tenant_id: TenantId, line: _Line) -> None:
        """Keep nothing of a tenant of whom nothing waits and nothing is under way."""
        if line.drain is None and not line.commits:
            self._lines.pop(tenant_id, None)

    async def _commit(self, tenant_id: TenantId, batch: Sequence[_Waiting]) -> None:
        try:
            admissions = await self._take(tenant_id, [one.arrival for one in batch])
        except Exception as fault:  # noqa: BLE001 - told to each of those who wait
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(fault)
            return
        for one, admission in zip(batch, admissions, strict=True):
            if not one.answer.done():
                one.answer.set_result(admission)

    async def _take(self, tenant_id: TenantId, arrivals: Sequence[Arrival]) -> list[Admission]:
        """Store arrivals in one round trip; only what was there before is looked at again."""
        edge, first = self.edge, _first(arrivals)
        at = edge.clock.now()
        announced = _announced(tenant_id, edge.ids, first.values(), at=at, actor=ACTOR)
        stored = await inbox_store.take_arrivals(
            edge.db, tenant_id, _rows(edge.ids, first), announced
        )
        if stored:
            with contextlib.suppress(Exception):  # the relay finds the row at its next poll
                await edge.bus.nudge()
        if len(stored) == len(first):
            admissions = _judged(arrivals, first, stored, _known(first.values()))
            if Admission.CHANGED not in admissions:
                return admissions
        async with edge.open(tenant_id, ACTOR) as ctx:
            return await _admissions(ctx, arrivals, first, stored)


async def admit(ctx: Ctx, arrivals: Sequence[Arrival]) -> list[Admission]:
    """Store what is new of these arrivals, and say of each what it was."""
    first = _first(arrivals)
    announced = _announced(ctx.tenant_id, ctx.ids, first.values(), at=ctx.now(), actor=ctx.actor)
    rows = _rows(ctx.ids, first)
    stored = await inbox_store.take_arrivals(ctx.tx, ctx.tenant_id, rows, announced)
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)
    return await _admissions(ctx, arrivals, first, stored)


def _first(arrivals: Sequence[Arrival]) -> dict[Key, Arrival]:
    return {arrival.key: arrival for arrival in reversed(arrivals)}


def _rows(ids: IdSource, first: Mapping[Key, Arrival]) -> list[tuple[str, Arrival]]:
    return [(ids.new("pev"), arrival) for arrival in first.values()]


def _announced(
    tenant_id: TenantId, ids: IdSource, arrivals: Iterable[Arrival], *, at: datetime, actor: Actor
) -> list[tuple[str, str, bytes]]:
    """Return what the worker is told, once a provider: a commit is one message, not hundreds.

    It may name repeats beside what is new: they have been worked on, and are not again.
    """
    matters = [one for one in arrivals if one.state is EventState.RECEIVED]
    return [
        sealed(
            WebhooksReceived(
                provider, tuple(one.envelope.id for one in matters if one.provider is provider)
            ),
            tenant_id,
            ids.new("evt"),
            at=at,
            actor=actor,
        )
        for provider in sorted({one.provider for one in matters})
    ]


async def _admissions(
    ctx: Ctx, arrivals: Sequence[Arrival], first: Mapping[Key, Arrival], stored: set[Key]
) -> list[Admission]:
    """Say of each arrival what it was; record those that say something else than before."""
    known = _known(first.values())
    if old := [key for key in first if key not in stored]:
        known |= await inbox_store.read_digests(ctx.tx, ctx.tenant_id, old)
    admissions = _judged(arrivals, first, stored, known)
    for arrival, admission in zip(arrivals, admissions, strict=True):
        if admission is Admission.CHANGED:
            audit.record(
                ctx,
                action="payments.event_changed",
                subject=arrival.envelope.id,
                data={"provider": arrival.provider, "secret_id": arrival.secret_id},
            )
    return admissions


Said: TypeAlias = tuple[str, bytes]
"""The API version of an event, and the digest of what it says."""


def _known(arrivals: Iterable[Arrival]) -> dict[Key, Said]:
    return {one.key: (one.envelope.api_version, one.envelope.digest) for one in arrivals}


def _judged(
    arrivals: Sequence[Arrival],
    first: Mapping[Key, Arrival],
    stored: set[Key],
    known: Mapping[Key, Said],
) -> list[Admission]:
    return [
        Admission.STORED
        if arrival.key in stored and first[arrival.key] is arrival
        else _repeated(arrival, known[arrival.key])
        for arrival in arrivals
    ]


def _repeated(arrival: Arrival, known: Said) -> Admission:
    """Tell repeated from changed.

    Two endpoints of different API versions get one event in two shapes (that is how Stripe has
    versions upgraded), so only a change under the same version is one.
    """
    version, digest = known
    same = version != arrival.envelope.api_version or digest == arrival.envelope.digest
    return Admission.DUPLICATE if same else Admission.CHANGED
