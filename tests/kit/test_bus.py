"""Does an event reach its handlers once in effect, and only if its transaction commits?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from solvent.app.house import House
from solvent.app.worker import work
from solvent.kit.bus import Envelope, Registry
from solvent.kit.bus.handling import Handling
from solvent.kit.bus.nudge import Nudger
from solvent.kit.bus.pull import Pull
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.ids import TenantId
from solvent.kit.testing import eventually
from solvent.kit.wiring import Handler, Wiring


@dataclass(frozen=True, slots=True)
class BellRung:
    """A bell was rung."""

    NAME: ClassVar[str] = "test.bell_rung.v1"
    tone: str


class Listener:
    """Hears bells, and fails as often as it is told to."""

    def __init__(self, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self.heard: list[str] = []
        self.failures = 0

    async def hear(self, ctx: Ctx, event: BellRung) -> None:
        if ctx.tenant_id != self.tenant_id:
            return
        if self.failures:
            self.failures -= 1
            msg = "deaf"
            raise RuntimeError(msg)
        self.heard.append(event.tone)

    async def count(self) -> int:
        return len(self.heard)


@pytest.fixture
def listener(tenant_id: TenantId) -> Listener:
    return Listener(tenant_id)


@pytest_asyncio.fixture(loop_scope="session")
async def ringing(
    house: House, listener: Listener, request: pytest.FixtureRequest
) -> AsyncGenerator[House]:
    wiring = Wiring()
    wiring.handle(BellRung, listener.hear, name=f"test.{request.node.name}")
    ours = replace(house, wiring=wiring, registry=Registry([BellRung]))
    task = asyncio.create_task(work(ours))
    yield ours
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def ring(house: House, tenant_id: TenantId, *tones: str) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        for tone in tones:
            await ctx.bus.emit(ctx, BellRung(tone))


async def test_a_committed_event_is_handled_once(
    ringing: House, listener: Listener, tenant_id: TenantId
) -> None:
    await ring(ringing, tenant_id, "a", "b", "c")
    await eventually(listener.count, until=lambda n: n >= 3)
    assert listener.heard == ["a", "b", "c"]


async def test_a_rolled_back_event_is_never_published(
    ringing: House, listener: Listener, tenant_id: TenantId
) -> None:
    with contextlib.suppress(RuntimeError):
        async with ringing.edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.bus.emit(ctx, BellRung("lost"))
            raise RuntimeError
    await ring(ringing, tenant_id, "kept")
    await eventually(listener.count)
    assert listener.heard == ["kept"]


async def test_a_handler_that_fails_gets_the_event_again(
    ringing: House, listener: Listener, tenant_id: TenantId
) -> None:
    listener.failures = 2
    await ring(ringing, tenant_id, "again")
    await eventually(listener.count)
    assert listener.heard == ["again"]


class Picky(Listener):
    """Hears bells in batches, once it wants to."""

    wanting = False

    async def wants(self, ctx: Ctx) -> bool:
        return self.wanting and ctx.tenant_id == self.tenant_id

    async def hear_all(self, ctx: Ctx, events: Sequence[BellRung]) -> None:
        for event in events:
            await self.hear(ctx, event)


async def test_of_a_tenant_that_wants_no_events_nothing_is_written(
    house: House, tenant_id: TenantId
) -> None:
    picky = Picky(tenant_id)
    handler = Handler("test.picky", BellRung, picky.hear_all, batch=True, wanted=picky.wants)
    handling = Handling(handler, house.edge, Registry([BellRung]))
    envelope = Envelope(
        "evt_1", tenant_id, BellRung.NAME, house.edge.clock.now(), "test", {"tone": "a"}
    )
    await handling.handle([envelope])
    assert picky.heard == []
    picky.wanting = True
    await handling.handle([envelope])
    await handling.handle([envelope])
    assert picky.heard == ["a"], "the event was marked as handled while nobody wanted it"


async def test_a_lone_nudge_goes_out_at_once_and_many_become_one_more() -> None:
    sent: list[str] = []

    async def publish() -> None:
        sent.append("nudge")

    async def count() -> int:
        return len(sent)

    nudger = Nudger(publish)
    await nudger.nudge()
    assert len(sent) == 1
    for _ in range(50):
        await nudger.nudge()
    await eventually(count, until=lambda n: n == 2)


@pytest_asyncio.fixture(loop_scope="session")
async def pull(house: House) -> AsyncGenerator[Pull]:
    one = await Pull.start(house.bus, "nobody", batch=1)
    one.open = 1  # nothing is asked for: what arrives comes from the test
    yield one
    await one.stop()


async def test_a_cancellation_that_meets_a_message_is_obeyed(house: House, pull: Pull) -> None:
    taking = asyncio.create_task(pull.take())
    await asyncio.sleep(0)
    pull.arrived.put_nowait(Msg(house.bus))
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert not pull.arrived.empty()


async def test_a_cancellation_that_was_swallowed_is_obeyed(pull: Pull) -> None:
    async def swallow_and_take() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await pull.take()

    taking = asyncio.create_task(swallow_and_take())
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(taking, 60)
