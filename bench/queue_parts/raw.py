"""How many records a second does the log itself take and give back, without any queue on it?"""

import asyncio
import time

import uvloop
from bench.queue_parts.stage import cluster

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog

BATCH, WRITERS = 500, 4
DATA = bytes(250)


def measure(replicas, count):
    """Return records a second appended by compare-and-set in batches, and read back."""
    with cluster.running(size=replicas) as servers:
        return uvloop.run(_measure(servers, replicas, count))


async def _measure(servers, replicas, count):
    login = NatsLogin(servers.url, cluster.USER, cluster.PASSWORD)
    await ensure_log(login, replicas=replicas, monitor_urls=servers.monitor_urls)
    log = await NatsLog.open(login, name="bench")
    started = time.perf_counter()
    await asyncio.gather(*(_write(log, name, count // WRITERS // BATCH) for name in range(WRITERS)))
    written, begin = time.perf_counter() - started, time.perf_counter()
    last, cpu = (await log.bounds()).last, time.process_time()
    async for batch in log.read(1):
        if batch[-1].seq >= last:
            break
    read, busy = time.perf_counter() - begin, time.process_time() - cpu
    await log.close()
    return {
        "log": "raw",
        "replicas": replicas,
        "records": last,
        "appended_per_s": round(last / written),
        "read_per_s": round(last / read),
        "read_cpu_us": round(busy / last * 1e6, 1),
    }


async def _write(log, name, batches):
    for number in range(batches):
        await log.append([Append(f"job.raw.{name}-{number}-{n}", 0, DATA) for n in range(BATCH)])
