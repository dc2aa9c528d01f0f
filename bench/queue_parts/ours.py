"""What does our client run and submit? `python ours.py submit KIND COUNT [PER_SECOND]`."""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from tally import Tally

from solvent_client.tasks import Tasks

CHUNK = 2_000
IO_S = 0.05
app = Tasks()
tally = Tally(os.environ.get("BENCH_TALLY", "."))


@app.task(ignore_result=True)
async def noop(sent_ns=0):
    """Do nothing."""
    tally.done(sent_ns)


@app.task(ignore_result=True)
async def ms1(sent_ns=0):
    """Keep the processor busy for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    tally.done(sent_ns)


@app.task(ignore_result=True)
async def io(sent_ns=0):
    """Wait as for a neighbor's answer."""
    await asyncio.sleep(IO_S)
    tally.done(sent_ns)


def submit(kind, count):
    """Submit as fast as the log takes it; tell when it began and how long each tenth took."""
    task = {"noop": noop, "ms1": ms1, "io": io}[kind]
    tenth = max(count // 10, 1)
    print(time.perf_counter(), flush=True)
    for begin in range(0, count, tenth):
        started = time.perf_counter()
        todo = min(tenth, count - begin)
        while todo > 0:
            some = min(todo, CHUNK)
            task.delay_many([()] * some)
            todo -= some
        print(f"{time.perf_counter() - started:.4f}", flush=True)


async def pace(count, per_second):
    """Submit one after the other at a steady rate, each with the time of its submission."""
    begin, flying = time.perf_counter(), set()
    print(begin, flush=True)
    for place in range(count):
        await asyncio.sleep(max(begin + place / per_second - time.perf_counter(), 0))
        one = asyncio.ensure_future(noop.adelay(time.monotonic_ns()))
        flying.add(one)
        one.add_done_callback(flying.discard)
    await asyncio.gather(*flying)


if __name__ == "__main__":
    kind, count = sys.argv[2], int(sys.argv[3])
    if len(sys.argv) > 4:
        asyncio.run(pace(count, int(sys.argv[4])))
    else:
        submit(kind, count)
    app.close()
