"""What is sent on an entitlement stream, in which order, and when does it end?"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from solvent.kernel.entitlements import service as entitlements
from solvent.kit.clock import FrozenClock, monotonic_ms
from solvent.kit.ctx import Edge, Principal
from solvent.kit.errors import Denied, Unauthenticated, Unavailable
from solvent.kit.http import Authenticator, Credentials
from solvent.kit.limits import BEAT_MS
from solvent.systems.paywall import store
from solvent.systems.paywall.feed import Feed, Outlet, frame
from solvent.systems.paywall.limits import (
    BOUND_MS,
    KEEP_ALIVE_S,
    KEY_CHECK_MS,
    PROTOCOL,
    SEND_WITHIN_S,
)

KEEP_ALIVE = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens, by which credentials; asked again and again while the stream is open."""

    edge: Edge
    authenticator: Authenticator
    credentials: Credentials

    async def admit(self) -> Principal:
        """Return who listens, and where the tenant's test clock stands.

        Raises:
            Unauthenticated, Denied: the credentials do not open the stream (any more).
        """
        async with self.edge.admit(
            partial(self.authenticator, credentials=self.credentials)
        ) as ctx:
            ctx.require(entitlements.SCOPE_READ)
            stands_at = ctx.now() if isinstance(ctx.clock, FrozenClock) else None
            return Principal(ctx.tenant_id, ctx.actor, stands_at)

    async def may_go_on(self) -> bool:
        """Return whether the credentials are still good, or cannot be looked up just now."""
        try:
            await self.admit()
        except (Unauthenticated, Denied):
            return False
        except Unavailable:
            return True
        return True


async def frames(listener: Listener, who: Principal, outlet: Outlet) -> AsyncGenerator[bytes]:
    """Yield what is sent: hello, the clock, the whole state, ready, then changes and beats.

    The outlet was opened before, so that a change that the snapshot misses waits in it.
    """
    hello = {"protocol": PROTOCOL, "bound_ms": BOUND_MS, "beat_ms": BEAT_MS}
    hello |= {"at_ms": await _clock_ms(listener.edge, who)}
    yield frame("hello", hello | {"tenant": who.tenant_id})
    yield frame("clock", {"now": (await listener.admit()).frozen_at})
    async for page in _snapshot(listener.edge, who):
        yield page
    yield frame("ready", {})
    checked_ms = monotonic_ms()
    while outlet.over is None:
        yield await outlet.take(within_s=KEEP_ALIVE_S) or KEEP_ALIVE
        if monotonic_ms() - checked_ms >= KEY_CHECK_MS:
            checked_ms = monotonic_ms()
            if not await listener.may_go_on():
                outlet.end("key_refused")


async def _clock_ms(edge: Edge, who: Principal) -> int:
    """Return the database's time, read after the guard asked: with its own clock at asking, a guard
    knows that beats which all come late by the same are late.
    """
    async with edge.open(who.tenant_id, who.actor) as ctx:
        return math.ceil((await store.read_clock(ctx.tx)).timestamp() * 1000)


async def _snapshot(edge: Edge, who: Principal) -> AsyncGenerator[bytes]:
    """Yield the records in pages, each read in its own short transaction."""
    after = ""
    while True:
        async with edge.open(who.tenant_id, who.actor) as ctx:
            records = await entitlements.snapshot(ctx, after=after)
        if not records:
            return
        after = records[-1].customer_id
        yield frame("snapshot", {"customers": [entitlements.describe(one) for one in records]})


class EventStream(Response):
    """Sends a stream until it ends, its guard leaves, or its guard no longer takes anything."""

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes], *, feed: Feed, outlet: Outlet) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self.source, self.feed, self.outlet = source, feed, outlet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; the outlet is given back however it ends."""
        del scope
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.feed.close(self.outlet)
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self.source.aclose()

    async def _send(self, send: Send) -> None:
        begin = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(begin)
        with contextlib.suppress(TimeoutError, OSError, Unavailable, Unauthenticated, Denied):
            async for chunk in self.source:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    """Return when the guard has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
