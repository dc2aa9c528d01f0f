"""Does a tenant whose events fail step aside, in its own order, and is nothing of it lost?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from solvent.app.house import House
from solvent.kit.bus import Registry, dead_letters, parked
from solvent.kit.bus.consume import Consumer
from solvent.kit.bus.relay import Relay
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.errors import Unavailable
from solvent.kit.ids import TenantId
from solvent.kit.testing import eventually
from solvent.kit.wiring import Handler

FLOOD = 1_000
FLOOD_S = 120
"""What the first seven pauses come to: so long the flood held up the others."""


@dataclass(frozen=True, slots=True)
class DrumBeaten:
    """A drum was beaten."""

    NAME: ClassVar[str] = "test.drum_beaten.v1"
    tone: str


@dataclass(slots=True)
class Band:
    """Hears the drums of its tenants, and fails on the tones that it cannot bear."""

    tenants: Sequence[TenantId]
    bad: set[str] = field(default_factory=set[str])
    fault: type[Exception] = RuntimeError
    tried: list[str] = field(default_factory=list[str])
    heard: list[str] = field(default_factory=list[str])

    async def hear(self, ctx: Ctx, event: DrumBeaten) -> None:
        if ctx.tenant_id not in self.tenants:
            return
        self.tried.append(event.tone)
        if event.tone in self.bad:
            raise self.fault
        self.heard.append(event.tone)

    async def hear_all(self, ctx: Ctx, events: Sequence[DrumBeaten]) -> None:
        for event in events:
            await self.hear(ctx, event)

    async def all(self) -> list[str]:
        return list(self.heard)


def consumer(
    house: House, band: Band, name: str, *, batch: bool = False, deliveries_max: int = 8
) -> Consumer:
    run = band.hear_all if batch else band.hear
    handler = Handler(f"test.{name}", DrumBeaten, run, batch=batch)
    return Consumer(handler, house.edge, house.bus, Registry([DrumBeaten]), deliveries_max)


@contextlib.asynccontextmanager
async def at_work(house: House, *consumers: Consumer) -> AsyncGenerator[None]:
    work = [Relay(house.system, house.bus).run(), *(one.run() for one in consumers)]
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
        assert not any(task.done() for task in tasks), "somebody has given up"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def beat(house: House, tenant_id: TenantId, *tones: str) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for tone in tones:
            await ctx.bus.emit(ctx, DrumBeaten(tone))


async def waiting(house: House, tenant_id: TenantId) -> list[parked.ParkedShown]:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await parked.list_parked(ctx)


@pytest.mark.parametrize("batch", [False, True], ids=["one by one", "in batches"])
@pytest.mark.parametrize("fault", [RuntimeError, Unavailable])
async def test_a_thousand_failing_events_of_mallory_hold_up_nobody(
    house: House, tenant_id: TenantId, mallory_id: TenantId, batch: bool, fault: type[Exception]
) -> None:
    bad = [f"bad-{number}" for number in range(FLOOD)]
    band = Band([tenant_id, mallory_id], set(bad), fault)
    flooded = consumer(house, band, f"flooded-{batch}-{fault.__name__}", batch=batch)
    async with at_work(house, flooded):
        await beat(house, mallory_id, *bad)
        await beat(house, tenant_id, "ours")
        await eventually(band.all, within_s=FLOOD_S / 4)
        assert band.heard == ["ours"]
        assert len(await waiting(house, mallory_id)) > 0
        assert await waiting(house, tenant_id) == []
        await beat(house, tenant_id, "again")
        await eventually(band.all, until=lambda heard: len(heard) == 2, within_s=FLOOD_S / 4)


@pytest.mark.parametrize("batch", [False, True], ids=["one by one", "in batches"])
async def test_a_tenants_order_stays_but_for_what_failed(
    house: House, tenant_id: TenantId, batch: bool
) -> None:
    tones = [f"{number:03}" for number in range(300)]
    band = Band([tenant_id], {"007"})
    async with at_work(house, consumer(house, band, f"orderly-{batch}", batch=batch)):
        for start in range(0, 300, 50):
            await beat(house, tenant_id, *tones[start : start + 50])
        good = [tone for tone in tones if tone != "007"]
        await eventually(band.all, until=lambda heard: len(set(heard)) == len(good), within_s=30)
        if not batch:  # a batch that fails is rolled back, with what its handler had heard
            assert band.heard == good
        band.bad.clear()
        await eventually(band.all, until=lambda heard: "007" in heard, within_s=30)
        await beat(house, tenant_id, "last")
        await eventually(band.all, until=lambda heard: "last" in heard)
    assert await waiting(house, tenant_id) == []


async def test_what_was_parked_outlives_the_worker_in_its_order(
    house: House, tenant_id: TenantId
) -> None:
    """The worker dies with events untried behind a bad one; what comes later waits behind them."""
    band = Band([tenant_id], {"bad"})
    dying = consumer(house, band, "mortal")
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.bus.emit(ctx, DrumBeaten("bad"))
    async with at_work(house, dying):
        await eventually(lambda: waiting(house, tenant_id))
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update kit_parked set tries = 0, not_before = now() + interval '1 hour'"
            " where tenant_id = $1",
            tenant_id,
        )
    reborn = consumer(house, band, "mortal")
    band.bad.clear()
    async with at_work(house, reborn):
        await beat(house, tenant_id, "later")
        await eventually(lambda: waiting(house, tenant_id), until=lambda found: len(found) == 2)
        assert band.heard == []
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(
                "update kit_parked set not_before = now() where tenant_id = $1", tenant_id
            )
        await eventually(band.all, until=lambda heard: len(heard) == 2)
    assert band.heard == ["bad", "later"]


async def test_two_workers_try_a_parked_event_once(house: House, tenant_id: TenantId) -> None:
    tones = [f"{number:02}" for number in range(40)]
    band = Band([tenant_id], set(tones))
    async with at_work(house, *(consumer(house, band, "twins") for _ in range(2))):
        await beat(house, tenant_id, *tones)
        await eventually(
            lambda: waiting(house, tenant_id), until=lambda found: len(found) == len(tones)
        )
        band.bad.clear()
        await eventually(band.all, until=lambda heard: len(heard) >= len(tones), within_s=30)
        await beat(house, tenant_id, "last")
        await eventually(band.all, until=lambda heard: "last" in heard)
    assert sorted(band.heard) == [*tones, "last"]


async def test_a_parked_event_that_never_succeeds_is_a_dead_letter(
    house: House, tenant_id: TenantId
) -> None:
    band = Band([tenant_id], {"bad"})

    async def letters() -> list[dead_letters.DeadLetter]:
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            return await dead_letters.list_kept(ctx)

    async with at_work(house, consumer(house, band, "doomed", deliveries_max=3)):
        await beat(house, tenant_id, "bad")
        await eventually(letters)
        assert await waiting(house, tenant_id) == []
    assert band.tried == ["bad"] * 3


async def test_what_was_parked_and_handled_is_not_run_again(
    house: House, tenant_id: TenantId
) -> None:
    """Killed between the parking and the acknowledgement: the log brings it again, and it works."""
    band = Band([tenant_id])
    twice = consumer(house, band, "redelivered")
    async with at_work(house, twice):
        await beat(house, tenant_id, "once")
        await eventually(band.all)
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(
                "insert into kit_parked (tenant_id, handler, event_id, envelope, tries, not_before)"
                " select tenant_id, handler, event_id, $2, 1, now() from kit_handled"
                " where tenant_id = $1 and handler = 'test.redelivered'",
                tenant_id,
                await envelope_of(house, tenant_id),
            )
        twice._retry.nudged.set()
        await eventually(lambda: waiting(house, tenant_id), until=lambda found: not found)
    assert band.heard == ["once"]


async def envelope_of(house: House, tenant_id: TenantId) -> bytes:
    """Return the last event of the tenant as it stands in the log."""
    found = await house.bus.jetstream().get_last_msg("EVENTS", f"ev.{tenant_id}.{DrumBeaten.NAME}")
    assert found.data is not None
    return found.data


async def test_mallory_sees_none_of_our_parked_events(
    house: House, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    band = Band([tenant_id], {"bad"})
    async with at_work(house, consumer(house, band, "private")):
        await beat(house, tenant_id, "bad")
        await eventually(lambda: waiting(house, tenant_id))
        assert await waiting(house, mallory_id) == []
