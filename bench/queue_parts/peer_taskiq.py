"""How does taskiq run the same three jobs?"""

import asyncio
import os
import sys
import time

from tally import Tally
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_REDIS"])
tally = Tally(os.environ["BENCH_TALLY"])


@broker.task
async def noop():
    """Do nothing."""
    tally.done()


@broker.task
async def ms1():
    """Keep the processor busy for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    tally.done()


@broker.task
async def io():
    """Wait as for a neighbor's answer."""
    await asyncio.sleep(0.05)
    tally.done()


async def submit(task, count):
    """Submit as fast as one process does it, fifty at a time."""
    await broker.startup()
    print(time.perf_counter(), flush=True)
    for begin in range(0, count, 50):
        await asyncio.gather(*(task.kiq() for _ in range(min(50, count - begin))))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(submit({"noop": noop, "ms1": ms1, "io": io}[sys.argv[2]], int(sys.argv[3])))
