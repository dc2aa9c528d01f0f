"""How long is a canceled customer still served, in the normal case and with the stream cut?"""

import asyncio
import os
import signal
import time

from paywall_parts.stage import wait_live

SETTLE_S = 0.05
GIVE_UP_S = 15
BOUND_MS = 1000


class Watcher:
    """Asks one application for one customer without a pause, on a connection of its own."""

    def __init__(self, port, customer):
        self.port = port
        self.request = (
            f"GET /export HTTP/1.1\r\nHost: bench\r\nX-Customer: {customer}\r\n\r\n".encode()
        )
        self.last_served_at = None
        self.first_refused_at = None
        self.served = asyncio.Event()
        self.refused = asyncio.Event()

    async def watch(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not self.refused.is_set():
                writer.write(self.request)
                self._note(await _answer(reader))
                await asyncio.sleep(0.0005)
        finally:
            writer.close()

    def _note(self, status):
        now = time.perf_counter()
        if status == b"200":
            self.last_served_at = now
            self.first_refused_at = None
            self.served.set()
        elif self.served.is_set():
            self.first_refused_at = now
            self.refused.set()


async def _answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head[9:12]


async def cancel(stage, subscription):
    """Cancel now; return when it was asked for: the commit comes after."""
    asked_at = time.perf_counter()
    await asyncio.to_thread(stage.post, f"/v1/subscriptions/{subscription}/cancel", {"when": "now"})
    return asked_at


async def refused_after_ms(stage, ports, customer, subscription):
    """Cancel while every port is asked; return after how long each refused, in ms."""
    watchers = [Watcher(port, customer) for port in ports]
    tasks = [asyncio.create_task(each.watch()) for each in watchers]
    async with asyncio.timeout(GIVE_UP_S):
        await asyncio.gather(*(each.served.wait() for each in watchers))
        await asyncio.sleep(SETTLE_S)
        asked_at = await cancel(stage, subscription)
        await asyncio.gather(*(each.refused.wait() for each in watchers))
    await asyncio.gather(*tasks)
    return [(each.first_refused_at - asked_at) * 1000 for each in watchers]


async def served_for_ms(stage, port, customer, subscription, *, fault, heal):
    """Break the stream, cancel, and return for how long the customer was served after it, in ms."""
    await asyncio.to_thread(wait_live, port)
    watcher = Watcher(port, customer)
    task = asyncio.create_task(watcher.watch())
    try:
        async with asyncio.timeout(GIVE_UP_S):
            await watcher.served.wait()
            fault()
            asked_at = await cancel(stage, subscription)
            await watcher.refused.wait()
            await task
    finally:
        heal()
    return max(0.0, (watcher.last_served_at - asked_at) * 1000)


def stop_relay(stage):
    """Return what freezes the process that carries changes to the log, and what lets it go on."""
    pid = stage.worker_pid
    return (lambda: os.kill(pid, signal.SIGSTOP)), (lambda: os.kill(pid, signal.SIGCONT))
