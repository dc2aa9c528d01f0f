"""Does a tenant whose events fail step aside, in its own order, and is nothing of it lost?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from itertools import count
from typing import Any

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

numbers = count(1)
FLOOD = 1_000
SOON_S = 30
"""What a worker had taken when it was stopped comes again after ten seconds."""

soon = partial(eventually, within_s=SOON_S)


def drum() -> type[Any]:
    """Return an event type of its own: a consumer gets all of its type, other tests' floods too."""
    made = make_dataclass("DrumBeaten", [("tone", str)], frozen=True)
    made.NAME = f"test.drum_{next(numbers)}_beaten.v1"
    return made


@dataclass(slots=True)
class Band:
    """Hears the drums of its tenants, and fails on the tones that it cannot bear."""

    tenants: Sequence[TenantId]
    bad: set[str] = field(default_factory=set[str])
    fault: type[Exception] = RuntimeError
    tried: list[str] = field(default_factory=list[str])
    heard: list[str] = field(default_factory=list[str])
    drum: type[Any] = field(default_factory=drum)

    async def hear(self, ctx: Ctx, event: Any) -> None:
        if ctx.tenant_id not in self.tenants:
            return
        self.tried.append(event.tone)
        if event.tone in self.bad:
            raise self.fault

        async def note() -> None:
            self.heard.append(event.tone)

        ctx.tx.after_commit(f"heard.{event.tone}", note)  # what was rolled back was not heard

    async def hear_all(self, ctx: Ctx, events: Sequence[Any]) -> None:
        for event in events:
            await self.hear(ctx, event)

    async def all(self) -> list[str]:
        return list(self.heard)


def consumer(
    house: House, band: Band, name: str, *, batch: bool = False, deliveries_max: int = 8
) -> Consumer:
    run = band.hear_all if batch else band.hear
    handler = Handler(f"test.{name}", band.drum, run, batch=batch)
    return Consumer(handler, house.edge, house.bus, Registry([band.drum]), deliveries_max)


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


async def beat(house: House, band: Band, tenant_id: TenantId, *tones: str) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for tone in tones:
            await ctx.bus.emit(ctx, band.drum(tone))


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
        await beat(house, band, mallory_id, *bad)
        await beat(house, band, tenant_id, "ours")
        await soon(band.all)
        assert band.heard == ["ours"]
        assert len(await waiting(house, mallory_id)) > 0
        assert await waiting(house, tenant_id) == []
        await beat(house, band, tenant_id, "again")
        await soon(band.all, until=lambda heard: len(heard) == 2)


@pytest.mark.parametrize("batch", [False, True], ids=["one by one", "in batches"])
async def test_a_tenants_order_stays_but_for_what_failed(
    house: House, tenant_id: TenantId, batch: bool
) -> None:
    tones = [f"{number:03}" for number in range(300)]
    band = Band([tenant_id], {"007"})
    async with at_work(house, consumer(house, band, f"orderly-{batch}", batch=batch)):
        for start in range(0, 300, 50):
            await beat(house, band, tenant_id, *tones[start : start + 50])
        good = [tone for tone in tones if tone != "007"]
        await soon(band.all, until=lambda heard: len(set(heard)) == len(good))
        assert band.heard == good
        band.bad.clear()
        await soon(band.all, until=lambda heard: "007" in heard)
        await beat(house, band, tenant_id, "last")
        await soon(band.all, until=lambda heard: "last" in heard)
    assert await waiting(house, tenant_id) == []


async def test_what_was_parked_outlives_the_worker_in_its_order(
    house: House, tenant_id: TenantId
) -> None:
    """The worker dies with events untried behind a bad one; what comes later waits behind them."""
    band = Band([tenant_id], {"bad"})
    dying = consumer(house, band, "mortal")
    await beat(house, band, tenant_id, "bad")
    async with at_work(house, dying):
        await soon(lambda: waiting(house, tenant_id))
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update kit_parked set tries = 0, not_before = now() + interval '1 hour'"
            " where tenant_id = $1",
            tenant_id,
        )
    reborn = consumer(house, band, "mortal")
    band.bad.clear()
    async with at_work(house, reborn):
        await beat(house, band, tenant_id, "later")
        await soon(lambda: waiting(house, tenant_id), until=lambda found: len(found) == 2)
        assert band.heard == []
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(
                "update kit_parked set not_before = now() where tenant_id = $1", tenant_id
            )
        await soon(band.all, until=lambda heard: len(heard) == 2)
    assert band.heard == ["bad", "later"]


async def test_two_workers_try_a_parked_event_once(house: House, tenant_id: TenantId) -> None:
    tones = [f"{number:02}" for number in range(40)]
    band = Band([tenant_id], set(tones))
    async with at_work(house, *(consumer(house, band, "twins") for _ in range(2))):
        await beat(house, band, tenant_id, *tones)
        await soon(
            lambda: waiting(house, tenant_id),
            until=lambda found: len(found) == len(tones),
        )
        band.bad.clear()
        await soon(band.all, until=lambda heard: len(heard) >= len(tones))
        await beat(house, band, tenant_id, "last")
        await soon(band.all, until=lambda heard: "last" in heard)
    assert sorted(band.heard) == [*tones, "last"]


async def test_a_parked_event_that_never_succeeds_is_a_dead_letter(
    house: House, tenant_id: TenantId
) -> None:
    band = Band([tenant_id], {"bad"})

    async def letters() -> list[dead_letters.DeadLetter]:
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            return await dead_letters.list_kept(ctx)

    async with at_work(house, consumer(house, band, "doomed", deliveries_max=3)):
        await beat(house, band, tenant_id, "bad")
        await soon(letters)
        assert await waiting(house, tenant_id) == []
    assert band.tried == ["bad"] * 3


async def test_what_was_parked_and_handled_is_not_run_again(
    house: House, tenant_id: TenantId
) -> None:
    """Killed between the parking and the acknowledgement: the log brings it again, and it works."""
    band = Band([tenant_id])
    twice = consumer(house, band, "redelivered")
    async with at_work(house, twice):
        await beat(house, band, tenant_id, "once")
        await soon(band.all)
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(
                "insert into kit_parked (tenant_id, handler, event_id, envelope, tries, not_before)"
                " select tenant_id, handler, event_id, $2, 1, now() from kit_handled"
                " where tenant_id = $1 and handler = 'test.redelivered'",
                tenant_id,
                await envelope_of(house, band, tenant_id),
            )
        twice._retry.nudged.set()
        await soon(lambda: waiting(house, tenant_id), until=lambda found: not found)
    assert band.heard == ["once"]


async def envelope_of(house: House, band: Band, tenant_id: TenantId) -> bytes:
    """Return the last event of the tenant as it stands in the log."""
    found = await house.bus.jetstream().get_last_msg("EVENTS", f"ev.{tenant_id}.{band.drum.NAME}")
    assert found.data is not None
    return found.data


async def test_mallory_sees_none_of_our_parked_events(
    house: House, tenant_id: TenantId, mallory_id: TenantId
) -> None:
    band = Band([tenant_id], {"bad"})
    async with at_work(house, consumer(house, band, "private")):
        await beat(house, band, tenant_id, "bad")
        await soon(lambda: waiting(house, tenant_id))
        assert await waiting(house, mallory_id) == []
