"""How many requests a second does a port answer? Raw sockets, kept alive, one at a time each.

    python -m paywall_parts.load PORT CUSTOMER CONNECTIONS SECONDS [RATE]

Prints one JSON object. With a RATE the requests are paced over all connections, else each
connection sends the next as soon as it has the answer.
"""

import asyncio
import collections
import json
import sys
import time

WARM_UP_S = 0.5


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, request, statuses, *, pause_s):
        self.request, self.statuses, self.pause_s = request, statuses, pause_s
        self.got = b""

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.asked_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.got += data
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self.statuses[head[9:12]] += 1
        self.got = b""
        wait_s = self.asked_at + self.pause_s - time.perf_counter()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self.ask)
        else:
            self.ask()


async def main(port, customer, connections, seconds, rate):
    statuses = collections.Counter()
    request = f"GET /export HTTP/1.1\r\nHost: bench\r\nX-Customer: {customer}\r\n\r\n".encode()
    pause_s = connections / rate if rate else 0
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(
            lambda: Asker(request, statuses, pause_s=pause_s), "127.0.0.1", port
        )
    await asyncio.sleep(WARM_UP_S)
    warm = sum(statuses.values())
    statuses.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - began
    answered = {status.decode(): count for status, count in statuses.items()}
    asked = sum(statuses.values())
    print(json.dumps({"per_s": asked / took_s, "all": warm + asked, "statuses": answered}))


if __name__ == "__main__":
    import uvloop

    port, customer, connections, seconds, *rate = sys.argv[1:]
    uvloop.run(
        main(int(port), customer, int(connections), float(seconds), float(rate[0]) if rate else 0)
    )
