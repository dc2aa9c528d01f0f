"""How do messages of a durable consumer come as soon as they are there, many at once?

The client library's `fetch(n)` waits for all n or its whole timeout, and so would a lone event.
Here one pull request stays open, messages are taken as they arrive, and the server's idle
heartbeats tell a quiet log from a lost connection.
"""

# nats-py types its keywords in part only.
# pyright: reportUnknownVariableType=false
from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from solvent.kit.bus.stream import STREAM

EXPIRES_S = 30
HEARTBEAT_S = 2
SILENCE_S = 5
"""More than two heartbeats missed: the pull request is lost."""

HEARTBEAT = "100"
NS = 1_000_000_000


@dataclass(slots=True)
class Pull:
    """One open pull request of a durable consumer, renewed when it is used up or has expired."""

    bus: Client
    consumer: str
    batch: int
    subscription: Subscription
    arrived: asyncio.Queue[Msg]
    open: int = 0

    @classmethod
    async def start(cls, bus: Client, consumer: str, *, batch: int) -> Pull:
        """Listen for what is pulled; `stop` it in the end."""
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        subscription = await bus.subscribe(bus.new_inbox(), cb=arrived.put)
        return cls(bus, consumer, batch, subscription, arrived)

    async def stop(self) -> None:
        """Listen no more; what was not acknowledged comes again."""
        with contextlib.suppress(nats.errors.Error):  # the connection is gone, and it with it
            await self.subscription.unsubscribe()

    async def take(self) -> list[Msg]:
        """Return the messages that are there, after the first has come; maybe none.

        Raises:
            TimeoutError: neither message nor heartbeat came: subscribe anew.
        """
        _stop_if_cancelled()
        if self.open <= 0:
            await self._request()
        async with asyncio.timeout(SILENCE_S):
            taken = [await self.arrived.get()]
        while len(taken) < self.batch and not self.arrived.empty():
            taken.append(self.arrived.get_nowait())
        return [one for one in taken if self._is_event(one)]

    async def _request(self) -> None:
        request = {
            "batch": self.batch,
            "expires": EXPIRES_S * NS,
            "idle_heartbeat": HEARTBEAT_S * NS,
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self.consumer}"
        await self.bus.publish(subject, json.dumps(request).encode(), self.subscription.subject)
        self.open = self.batch

    def _is_event(self, message: Msg) -> bool:
        """Tell events from the server's own words: a heartbeat, or that the request has ended."""
        status = (message.headers or {}).get("Status")
        if status is None:
            self.open -= 1
        elif status != HEARTBEAT:
            self.open = 0
        return status is None


def _stop_if_cancelled() -> None:
    """Obey a cancellation that the client library has swallowed.

    It waits by `asyncio.wait_for`, which in Python 3.11 swallows one that meets the answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
