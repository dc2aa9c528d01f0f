"""How does each change reach every open stream of its tenant, before any later proof of freshness?

One feed a process subscribes once for all streams. A beat says that whatever was committed before
it has been published, so it may only be passed on after all that came in before it: what waits on
the other subscriptions is taken first. After a reconnect something may have been missed, so every
stream that was open before is closed; its guard comes back for a snapshot.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pydantic_core

from solvent.kernel.entitlements.events import EntitlementChanged
from solvent.kernel.tenants.events import ClockMoved
from solvent.kit.bus.envelope import SUBJECT_ROOT, decode
from solvent.kit.bus.stream import SUBJECT_BEAT
from solvent.kit.ids import TenantId
from solvent.kit.log import get_logger
from solvent.systems.paywall.errors import FeedAway, TooManyStreams
from solvent.systems.paywall.limits import (
    DRAIN_TURNS_MAX,
    FLUSH_WITHIN_S,
    FRAMES_WAITING_MAX,
    STREAMS_MAX,
    STREAMS_PER_TENANT_MAX,
)
from solvent.systems.paywall.metrics import STREAMS, STREAMS_CLOSED
from solvent.systems.paywall.ports import LiveBus, LiveMessage, LiveSubscription

log = get_logger(__name__)


def frame(event: str, data: object) -> bytes:
    """Return a server-sent event with JSON data."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), pydantic_core.to_json(data))


@dataclass(slots=True, eq=False)
class Outlet:
    """What waits to be sent on one stream; `epoch` is the connection that it began on."""

    tenant_id: TenantId
    epoch: int
    over: str | None = None
    _frames: deque[bytes] = field(default_factory=deque[bytes])
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, one: bytes) -> None:
        """Add a frame; end the stream instead if its guard is too far behind."""
        if len(self._frames) >= FRAMES_WAITING_MAX:
            self.end("too_slow")
        if self.over is None:
            self._frames.append(one)
            self._wake.set()

    def end(self, reason: str) -> None:
        """Let the stream end, for the first reason given; what waits is not sent any more."""
        if self.over is None:
            self.over = reason
            self._wake.set()

    async def take(self, *, within_s: float) -> bytes:
        """Return all frames that wait, joined; nothing after `within_s` or when it is over."""
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        except TimeoutError:
            return b""
        self._wake.clear()
        taken = b"".join(self._frames)
        self._frames.clear()
        return b"" if self.over else taken


@dataclass(slots=True)
class Feed:
    """The process's one ear on the event log, and the streams that it speaks to."""

    bus: LiveBus
    _outlets: dict[TenantId, set[Outlet]] = field(
        default_factory=lambda: defaultdict[TenantId, "set[Outlet]"](set)
    )
    _inputs: list[LiveSubscription] = field(default_factory=list[LiveSubscription])
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self, tenant_id: TenantId) -> Outlet:
        """Return an outlet that gets all changes from now on; give it back by `close`.

        Raises:
            FeedAway: the event log is away.
            TooManyStreams: of this tenant, or at all.
        """
        await self._listen()
        # Asked after the wait, with nothing between it and the entry: many may come at once.
        of_tenant = self._outlets.get(tenant_id, ())
        if len(of_tenant) >= STREAMS_PER_TENANT_MAX or self.count >= STREAMS_MAX:
            raise TooManyStreams(limit=STREAMS_PER_TENANT_MAX)
        outlet = Outlet(tenant_id, epoch=self.bus.stats["reconnects"])
        self._outlets[tenant_id].add(outlet)
        STREAMS.inc()
        return outlet

    def close(self, outlet: Outlet) -> None:
        """Forget an outlet."""
        streams = self._outlets[outlet.tenant_id]
        if outlet in streams:
            streams.remove(outlet)
            STREAMS.dec()
            STREAMS_CLOSED.labels(outlet.over or "guard_left").inc()
        if not streams:
            del self._outlets[outlet.tenant_id]

    @property
    def count(self) -> int:
        """Return how many streams are open."""
        return sum(map(len, self._outlets.values()))

    def end_all(self, reason: str) -> None:
        """Let every stream end."""
        for outlet in self._every():
            outlet.end(reason)

    async def _listen(self) -> None:
        """Be subscribed, and know that the server knows: what is published now comes in."""
        async with self._starting:
            try:
                if not self._inputs:
                    await self._subscribe()
                await self.bus.flush(FLUSH_WITHIN_S)
            except Exception as away:
                log.warning("paywall_feed_away", reason=str(away)[:200])
                raise FeedAway from away
        if not self.bus.is_connected:
            raise FeedAway

    async def _subscribe(self) -> None:
        inputs = [
            await self.bus.subscribe(f"{SUBJECT_ROOT}.*.{event.NAME}", cb=take)
            for event, take in (
                (EntitlementChanged, self._on_change),
                (ClockMoved, self._on_clock),
            )
        ]
        await self.bus.subscribe(SUBJECT_BEAT, cb=self._on_beat)
        self._inputs = inputs

    # None of the three awaits anything between taking a message and passing it on: `pending_msgs`
    # therefore counts every message that is not yet with its outlets.

    async def _on_change(self, message: LiveMessage) -> None:
        self._pass_on(message, lambda payload: frame("change", payload))

    async def _on_clock(self, message: LiveMessage) -> None:
        self._pass_on(message, lambda payload: frame("clock", {"now": payload["now"]}))

    def _pass_on(self, message: LiveMessage, render: Callable[[dict[str, object]], bytes]) -> None:
        tenant_id = TenantId(message.subject.split(".")[1])
        if tenant_id in self._outlets:
            self._push(self._outlets[tenant_id], render(decode(message.data).payload))

    async def _on_beat(self, message: LiveMessage) -> None:
        """Pass the proof on after everything that came in before it."""
        for _ in range(DRAIN_TURNS_MAX):
            if not any(one.pending_msgs for one in self._inputs):
                break
            await asyncio.sleep(0)
        else:
            return
        at_ms = json.loads(message.data)["at_ms"]
        self._push(self._every(), frame("beat", {"at_ms": int(at_ms)}))

    def _push(self, outlets: set[Outlet] | list[Outlet], one: bytes) -> None:
        epoch = self.bus.stats["reconnects"]
        for outlet in outlets:
            if outlet.epoch == epoch:
                outlet.push(one)
            else:
                outlet.end("bus_lost")

    def _every(self) -> list[Outlet]:
        return [outlet for streams in self._outlets.values() for outlet in streams]
