"""How does Procrastinate run the same three jobs? `schema`, `worker SLOTS`, `submit KIND COUNT`."""

import asyncio
import os
import sys
import time

from procrastinate import App, PsycopgConnector
from tally import Tally

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))
tally = Tally(os.environ["BENCH_TALLY"])


@app.task(name="noop")
async def noop():
    """Do nothing."""
    tally.done()


@app.task(name="ms1")
async def ms1():
    """Keep the processor busy for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    tally.done()


@app.task(name="io")
async def io():
    """Wait as for a neighbor's answer."""
    await asyncio.sleep(0.05)
    tally.done()


async def main(verb, *told):
    """Do what is asked for."""
    async with app.open_async():
        if verb == "schema":
            await app.schema_manager.apply_schema_async()
        elif verb == "worker":
            await app.run_worker_async(concurrency=int(told[0]), delete_jobs="always")
        else:
            task, count = {"noop": noop, "ms1": ms1, "io": io}[told[0]], int(told[1])
            print(time.perf_counter(), flush=True)
            for begin in range(0, count, 500):
                await task.batch_defer_async(*[{} for _ in range(min(500, count - begin))])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
