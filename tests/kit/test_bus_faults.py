"""What becomes of events when handlers fail, relays die, the log goes away, or two work at once?"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines
from solvent.kit.bus import Registry, dead_letters
from solvent.kit.bus.consume import Consumer
from solvent.kit.bus.relay import Relay
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.db import Database
from solvent.kit.errors import Unavailable
from solvent.kit.ids import TenantId
from solvent.kit.limits import HANDLER_TOGETHER
from solvent.kit.testing import eventually
from solvent.kit.wiring import Handler

Hear = Callable[[Ctx, "GongStruck"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class GongStruck:
    """A gong was struck."""

    NAME: ClassVar[str] = "test.gong_struck.v1"
    tone: str


@dataclass(slots=True)
class Ear:
    """Hears the gongs of one tenant; refuses them while it is deaf."""

    tenant_id: TenantId
    heard: list[str]
    deaf: bool = False

    async def hear(self, ctx: Ctx, event: GongStruck) -> None:
        if ctx.tenant_id != self.tenant_id:
            return
        if self.deaf:
            msg = "deaf\0\ud800"
            raise RuntimeError(msg)
        self.heard.append(event.tone)

    async def all(self) -> list[str]:
        return sorted(self.heard)


def consumer(house: House, hear: Hear, name: str, *, deliveries_max: int = 2) -> Consumer:
    handler = Handler(f"test.{name}", GongStruck, hear, batch=False)
    return Consumer(handler, house.edge, house.bus, Registry([GongStruck]), deliveries_max)


@contextlib.asynccontextmanager
async def at_work(*work: Awaitable[None]) -> AsyncGenerator[list[asyncio.Task[None]]]:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield tasks
        assert not any(task.done() for task in tasks), "somebody has given up"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def strike(house: House, tenant_id: TenantId, *tones: str) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for tone in tones:
            await ctx.bus.emit(ctx, GongStruck(tone))


async def letters(house: House, tenant_id: TenantId) -> list[dead_letters.DeadLetter]:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await dead_letters.list_kept(ctx)


async def test_a_dead_event_is_kept_with_its_reason_and_replayed_to_who_refused_it(
    house: House, tenant_id: TenantId
) -> None:
    deaf, keen = Ear(tenant_id, [], deaf=True), Ear(tenant_id, [])
    both = consumer(house, deaf.hear, "deaf").run(), consumer(house, keen.hear, "keen").run()
    async with at_work(Relay(house.system, house.bus).run(), *both):
        await strike(house, tenant_id, "gong")
        kept = await eventually(lambda: letters(house, tenant_id))
        assert [(one.handler, one.reason) for one in kept] == [
            ("test.deaf", "RuntimeError: deaf\\x00\\ud800")
        ]
        await eventually(keen.all)
        deaf.deaf = False
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            assert await dead_letters.replay(ctx, kept[0].event_id) == 1
        await eventually(deaf.all)
        await strike(house, tenant_id, "last")
        await eventually(keen.all, until=lambda heard: "last" in heard)
    assert await letters(house, tenant_id) == []
    assert (deaf.heard[0], keen.heard) == ("gong", ["gong", "last"])


async def test_events_that_wait_share_a_transaction_and_the_bad_one_fails_alone(
    house: House, tenant_id: TenantId
) -> None:
    """Those beside it are taken in their order, ten at most in one transaction, and kept."""
    tones = [f"{number:02}" for number in range(25)]

    async def hear(ctx: Ctx, event: GongStruck) -> None:
        if ctx.tenant_id == tenant_id and event.tone == "13":
            raise RuntimeError

    async def transactions() -> list[str]:
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            rows = await ctx.tx.fetch(
                "select xmin::text from kit_handled where tenant_id = $1 and handler = $2",
                tenant_id,
                "test.sharing",
            )
        return [row["xmin"] for row in rows]

    await strike(house, tenant_id, *tones)
    work = consumer(house, hear, "sharing")
    async with at_work(Relay(house.system, house.bus).run(), work.run()):
        taken = await eventually(transactions, until=lambda seen: len(seen) == len(tones) - 1)
        await eventually(lambda: letters(house, tenant_id))
    assert len(set(taken)) < len(taken)
    assert max(Counter(taken).values()) <= HANDLER_TOGETHER


async def test_mallory_replays_nothing_of_ours(
    house: House, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    deaf = Ear(tenant_id, [], deaf=True)
    work = consumer(house, deaf.hear, "theirs", deliveries_max=1)
    async with at_work(Relay(house.system, house.bus).run(), work.run()):
        await strike(house, tenant_id, "gong")
        kept = await eventually(lambda: letters(house, tenant_id))
    assert await letters(house, mallory_id) == []
    with pytest.raises(dead_letters.DeadLetterUnknown):
        async with house.edge.open(mallory_id, OPERATOR) as ctx:
            await dead_letters.replay(ctx, kept[0].event_id)


async def test_a_relay_that_dies_after_publishing_publishes_nothing_twice(
    house: House, tenant_id: TenantId
) -> None:
    """It is killed between the log's acknowledgement and its commit: the rows are still there."""
    ear = Ear(tenant_id, [])
    await strike(house, tenant_id, "once")
    dying = Relay(house.system, house.bus)
    with contextlib.suppress(RuntimeError):
        async with house.system.transaction() as tx:
            await dying._drain(tx)
            raise RuntimeError
    before = (await house.bus.jetstream().stream_info("EVENTS")).state.messages
    async with at_work(
        Relay(house.system, house.bus).run(), consumer(house, ear.hear, "twice").run()
    ):
        await strike(house, tenant_id, "after")
        await eventually(ear.all, until=lambda heard: "after" in heard)
    after = (await house.bus.jetstream().stream_info("EVENTS")).state.messages
    assert (ear.heard, after - before) == (["once", "after"], 1)


async def test_two_workers_at_once_handle_each_event_once(
    house: House, tenant_id: TenantId
) -> None:
    ears = Ear(tenant_id, []), Ear(tenant_id, [])
    tones = [f"{number:03}" for number in range(60)]
    relays = (Relay(house.system, house.bus).run() for _ in range(2))
    async with at_work(*relays, *(consumer(house, ear.hear, "shared").run() for ear in ears)):
        for some in (tones[:20], tones[20:40], tones[40:]):
            await strike(house, tenant_id, *some)

        async def heard() -> list[str]:
            return sorted(ears[0].heard + ears[1].heard)

        await eventually(heard, until=lambda all_: len(all_) >= len(tones))
    assert await heard() == tones


async def test_what_is_no_event_does_not_end_the_worker(house: House, tenant_id: TenantId) -> None:
    ear = Ear(tenant_id, [])
    async with at_work(
        Relay(house.system, house.bus).run(), consumer(house, ear.hear, "picky").run()
    ):
        subject = f"ev.{tenant_id}.{GongStruck.NAME}"
        await house.bus.jetstream().publish(subject, b"\xff not an envelope")
        await strike(house, tenant_id, "gong")
        await eventually(ear.all)
    assert ear.heard == ["gong"]


async def test_a_database_that_goes_away_does_not_end_the_worker(
    house: House, engines: Engines, tenant_id: TenantId
) -> None:
    """Not even where it is away for the dead letter as well."""
    dsn = engines.access.postgres.app_dsn
    fragile = await Database.connect(dsn, name="fragile", size_max=2)
    tried = asyncio.Event()

    async def fail(ctx: Ctx, event: GongStruck) -> None:
        del event
        if ctx.tenant_id == tenant_id:
            tried.set()
            fragile._pool.terminate()

    broken = replace(house, edge=replace(house.edge, db=fragile))
    frail = consumer(broken, fail, "frail", deliveries_max=1)
    async with at_work(Relay(house.system, house.bus).run(), frail.run()):
        await strike(house, tenant_id, "gong")
        await asyncio.wait_for(tried.wait(), 60)
        await asyncio.sleep(0.3)


async def test_the_relay_grows_by_nothing_however_much_it_carries(
    house: House, tenant_id: TenantId
) -> None:
    """Each context of the client's subscribes for acknowledgements, and is never unsubscribed."""
    ear = Ear(tenant_id, [])
    async with at_work(
        Relay(house.system, house.bus).run(), consumer(house, ear.hear, "steady").run()
    ):
        for number in range(6):
            await strike(house, tenant_id, str(number))
            await eventually(ear.all, until=lambda heard, number=number: len(heard) > number)
            if number == 0:
                before = len(house.bus._subs)
        assert len(house.bus._subs) <= before


async def test_the_log_may_be_restarted_in_the_middle(
    house: House, engines: Engines, tenant_id: TenantId
) -> None:
    """What is emitted while it is away comes through after it, once."""
    assert engines.nats is not None
    ear = Ear(tenant_id, [])
    async with at_work(
        Relay(house.system, house.bus).run(), consumer(house, ear.hear, "patient").run()
    ):
        await strike(house, tenant_id, "before")
        await eventually(ear.all)
        await asyncio.to_thread(engines.nats.kill)
        await strike(house, tenant_id, "during")
        await asyncio.to_thread(engines.nats.start)
        await asyncio.to_thread(engines.nats.wait_ready, within_s=20)
        await strike(house, tenant_id, "after")
        await eventually(ear.all, until=lambda heard: len(heard) >= 3, within_s=60)
    assert ear.heard == ["before", "during", "after"]


async def test_what_is_only_away_is_waited_for_and_never_given_up(
    house: House, tenant_id: TenantId
) -> None:
    tries: list[str] = []

    async def away_thrice(ctx: Ctx, event: GongStruck) -> None:
        if ctx.tenant_id == tenant_id:
            tries.append(event.tone)
            if len(tries) <= 3:
                raise Unavailable

    async def count() -> int:
        return len(tries)

    patient = consumer(house, away_thrice, "patient", deliveries_max=1)
    async with at_work(Relay(house.system, house.bus).run(), patient.run()):
        await strike(house, tenant_id, "gong")
        await eventually(count, until=lambda seen: seen == 4)
        await strike(house, tenant_id, "next")
        await eventually(count, until=lambda seen: seen == 5)
    assert await letters(house, tenant_id) == []
