"""Does the feed pass on proofs only after what came in before them, and never across a gap?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from solvent.kernel.entitlements.events import EntitlementChanged
from solvent.kit.bus import Envelope
from solvent.kit.ids import TenantId
from solvent.systems.paywall.errors import FeedAway, TooManyStreams
from solvent.systems.paywall.feed import Feed, Outlet
from solvent.systems.paywall.limits import FRAMES_WAITING_MAX, STREAMS_PER_TENANT_MAX

ALICE, MALLORY = TenantId("ten_alice"), TenantId("ten_mallory")


@dataclass
class Message:
    subject: str
    data: bytes


@dataclass
class Place:
    """A subscription: messages wait here until `deliver` gives them to the call-back."""

    take: Callable[[Message], Awaitable[None]]
    waiting: list[Message] = field(default_factory=list)

    @property
    def pending_msgs(self) -> int:
        return len(self.waiting)

    async def deliver(self) -> None:
        while self.waiting:
            await self.take(self.waiting.pop(0))


@dataclass
class InMemoryBus:
    """A bus whose messages move when the test says so."""

    is_connected: bool = True
    stats: dict[str, int] = field(default_factory=lambda: {"reconnects": 0})
    places: dict[str, Place] = field(default_factory=dict)

    async def subscribe(self, subject: str, *, cb) -> Place:
        self.places[subject] = Place(cb)
        return self.places[subject]

    async def flush(self, timeout: int) -> None:
        if not self.is_connected:
            raise ConnectionError

    def place(self, end: str) -> Place:
        return next(place for subject, place in self.places.items() if subject.endswith(end))

    def publish_change(self, tenant_id: TenantId, customer: str) -> None:
        event = Envelope(
            "evt_1",
            tenant_id,
            EntitlementChanged.NAME,
            datetime(2026, 1, 1, tzinfo=UTC),
            "test",
            {"customer": customer},
        )
        message = Message(event.subject(), event.encode())
        self.place("entitlement_changed.v1").waiting.append(message)

    async def beat(self, at_ms: int) -> None:
        await self.place("relay.beat").take(
            Message("relay.beat", json.dumps({"at_ms": at_ms}).encode())
        )


@pytest.fixture
def bus() -> InMemoryBus:
    return InMemoryBus()


@pytest.fixture
def feed(bus: InMemoryBus) -> Feed:
    return Feed(bus)


async def taken(outlet: Outlet) -> list[str]:
    text = (await outlet.take(within_s=0.01)).decode()
    return [line.removeprefix("event: ") for line in text.splitlines() if "event: " in line]


async def test_a_beat_waits_for_what_came_in_before_it(bus: InMemoryBus, feed: Feed) -> None:
    import asyncio

    outlet = await feed.open(ALICE)
    bus.publish_change(ALICE, "ann")
    beating = asyncio.create_task(bus.beat(5))
    await asyncio.sleep(0)
    assert await taken(outlet) == []
    await bus.place("entitlement_changed.v1").deliver()
    await beating
    assert await taken(outlet) == ["change", "beat"]


async def test_a_stream_does_not_outlive_a_gap(bus: InMemoryBus, feed: Feed) -> None:
    before = await feed.open(ALICE)
    bus.stats["reconnects"] += 1
    after = await feed.open(ALICE)
    await bus.beat(5)
    assert (before.over, after.over) == ("bus_lost", None)
    assert (await taken(before), await taken(after)) == ([], ["beat"])


async def test_no_stream_begins_while_the_log_is_away(bus: InMemoryBus, feed: Feed) -> None:
    bus.is_connected = False
    with pytest.raises(FeedAway):
        await feed.open(ALICE)
    assert feed.count == 0


async def test_a_guard_too_far_behind_is_cut_off(bus: InMemoryBus, feed: Feed) -> None:
    slow, quick = await feed.open(ALICE), await feed.open(ALICE)
    for at_ms in range(FRAMES_WAITING_MAX + 1):
        await bus.beat(at_ms)
        await taken(quick)
    assert (slow.over, quick.over) == ("too_slow", None)


async def test_changes_stay_with_their_tenant(bus: InMemoryBus, feed: Feed) -> None:
    ours, theirs = await feed.open(ALICE), await feed.open(MALLORY)
    bus.publish_change(ALICE, "ann")
    await bus.place("entitlement_changed.v1").deliver()
    assert (await taken(ours), await taken(theirs)) == (["change"], [])


async def test_a_tenant_has_so_many_streams(feed: Feed) -> None:
    opened = [await feed.open(ALICE) for _ in range(STREAMS_PER_TENANT_MAX)]
    with pytest.raises(TooManyStreams):
        await feed.open(ALICE)
    await feed.open(MALLORY)
    feed.close(opened[0])
    await feed.open(ALICE)


async def test_many_at_once_get_no_more_streams_than_one_after_the_other(feed: Feed) -> None:
    asked = [feed.open(ALICE) for _ in range(STREAMS_PER_TENANT_MAX + 20)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, TooManyStreams) for one in answers) == 20
    assert feed.count == STREAMS_PER_TENANT_MAX


async def test_all_streams_end_when_the_process_stops(feed: Feed) -> None:
    outlets = [await feed.open(ALICE), await feed.open(MALLORY)]
    feed.end_all("stopping")
    assert [outlet.over for outlet in outlets] == ["stopping", "stopping"]
    for outlet in outlets:
        feed.close(outlet)
    assert feed.count == 0
