"""How long do 10,000 invoices with usage take, and rating a month's million events anew?

One JSON object a line. Ours, on a real PostgreSQL and JetStream in this process: a month passes,
and the worker does what it does every month, jobs end the periods, the events of that draw, book,
number and tell of the invoices (`path`); the same without the jobs and the bus, in batches of the
draw service (`close`); all usage of the month measured and rated again from the raw events, for
nothing but the proof (`rerate`), over all customers and of one alone. The peer, on the same
PostgreSQL, is the plain way: an invoice a transaction, a query a question, no proof or ledger.
Processor seconds are those of this process and of PostgreSQL, which tell more than the clock does
on a machine that others use.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg

# The root stands first, so that the parts are found.
sys.path[0] = str(Path(__file__).parents[1])
from bench.billing_parts import peer, stage  # noqa: E402

from solvent.app.process import settle  # noqa: E402
from solvent.app.supervisor.engines import boot_engines  # noqa: E402
from solvent.app.testing import engine_settings, open_test_house  # noqa: E402
from solvent.app.worker import work  # noqa: E402
from solvent.kernel.ledger import rules as ledger_rules  # noqa: E402
from solvent.kernel.ledger import service as ledger  # noqa: E402
from solvent.kernel.ledger.service.gathering import gather_own  # noqa: E402
from solvent.kernel.metering import service as metering  # noqa: E402
from solvent.kernel.metering.model import Period  # noqa: E402
from solvent.kernel.subscriptions import service as subscriptions  # noqa: E402
from solvent.systems.billing import service as billing  # noqa: E402

SUBSCRIPTIONS, EVENTS = 10_000, 1_000_000
GOAL_INVOICES_S, GOAL_RERATE_S = 60, 5
BATCH, TOGETHER = 250, 4
PATIENCE_S = 1_800


class Stopwatch:
    """Wall and processor seconds since it was made; PostgreSQL's are those of its processes."""

    def __init__(self):
        self.wall, self.own, self.server = (
            time.perf_counter(),
            time.process_time(),
            stage.server_s(),
        )

    def told(self):
        """Return what has passed."""
        return {
            "wall_s": round(time.perf_counter() - self.wall, 2),
            "cpu_python_s": round(time.process_time() - self.own, 2),
            "cpu_postgres_s": round(stage.server_s() - self.server, 2),
        }


def tell(**what):
    """Print one finding."""
    print(json.dumps(what), flush=True)


def figure(name, watch, count, *, goal_s=None, scale=1.0, **more):
    """Print a figure, with its goal brought down to the size of this run."""
    told = {"figure": name, "count": count} | watch.told() | more
    told["per_s"] = round(count / told["wall_s"])
    if goal_s is not None:
        told |= {"goal_s": round(goal_s * scale, 2), "met": told["wall_s"] < goal_s * scale}
    tell(**told)


@asynccontextmanager
async def opened(data):
    """Engines on a directory of the disk, and the whole program on them."""
    data.chmod(0o755)
    with boot_engines(data, settings=engine_settings(data)) as engines:
        stage.watch(engines)
        async with open_test_house(engines) as house:
            owner = await asyncpg.connect(engines.access.postgres.owner_dsn)
            try:
                yield house, owner
            finally:
                await owner.close()


async def in_batches(shop, things, act):
    """Run an act on batches of things, some at a time, each in a transaction of its own."""
    waiting = [things[first : first + BATCH] for first in range(0, len(things), BATCH)]
    found = []

    async def one():
        while waiting:
            some = waiting.pop(0)
            async with shop.open() as ctx:
                found.extend(await act(ctx, some))

    await asyncio.gather(*[one() for _ in range(TOGETHER)])
    return found


async def measure_path(house, shop, owner, count, scale):
    """A month passes; wait until the worker has made every invoice final."""
    await stage.move_clock(shop, stage.EPOCH + timedelta(days=31, minutes=1))
    watch = Stopwatch()
    task = asyncio.create_task(work(house))
    end = time.monotonic() + PATIENCE_S
    while (done := await stage.count_final(owner, shop)) < count:
        if time.monotonic() > end or task.done():
            sys.exit(f"bench: {done} of {count} invoices are final ({task})")
        await asyncio.sleep(0.1)
    figure("path", watch, count, goal_s=GOAL_INVOICES_S, scale=scale)
    await stage.drained(owner)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def measure_close(shop, owner, ids, scale):
    """The next month passes; end the periods, then draw and finalize their invoices in batches."""
    await stage.move_clock(shop, stage.EPOCH + timedelta(days=60))
    watch = Stopwatch()

    await in_batches(shop, ids, subscriptions.renew_all)
    figure("periods ended", watch, len(ids))
    period = Period(*(stage.boundary(month) for month in (1, 2)))
    watch = Stopwatch()
    asked = [(id_, period) for id_ in ids]
    drawn = await in_batches(shop, asked, billing.close_periods)
    figure("close", watch, len(drawn), goal_s=GOAL_INVOICES_S, scale=scale)
    assert await stage.gapless(owner, shop) == 2 * len(ids)


async def measure_rerate(shop, ids, events, scale):
    """Measure and rate the first month again from its events; it must come to the invoices."""
    async with shop.open() as ctx:
        held = {one.id: one for one in await subscriptions.get_many(ctx, ids)}
    first = await stage.first_invoices(shop)
    watch = Stopwatch()

    async def again(ctx, some):
        asked = [(held[one.draft.subscription_id], one.draft) for one in some]
        given = await gather_own(ctx, asked, places=[None for _ in asked])
        return [(one, ledger_rules.draft(each)) for one, each in zip(some, given, strict=True)]

    found = await in_batches(shop, first, again)
    figure("rerate", watch, events, goal_s=GOAL_RERATE_S, scale=scale, invoices=len(found))
    assert all(one.draft == each for one, each in found)


async def measure_one(shop, events, scale):
    """One customer's events, measured by themselves."""
    period = Period(*(stage.boundary(month) for month in (0, 1)))
    watch = Stopwatch()
    async with shop.open() as ctx:
        told = await metering.measure(ctx, "gb", customer_ref=stage.WHALE, period=period)
    figure("rerate one customer", watch, events, goal_s=GOAL_RERATE_S, scale=scale)
    assert told.event_count == events


async def measure(options, data):
    """Run all of it and print the figures."""
    count, events = options.subscriptions, options.events
    scale = count / SUBSCRIPTIONS
    async with opened(data) as (house, owner):
        shop = await stage.make_shop(house)
        watch = Stopwatch()
        ids = await stage.fill(shop, owner, count=count, events=events)
        settle()  # as the worker's process does
        tell(
            figure="set up",
            subscriptions=count,
            events=events,
            cores=os.cpu_count(),
            **watch.told(),
        )
        await measure_path(house, shop, owner, count, scale)
        await measure_rerate(shop, ids, events, events / EVENTS)
        await measure_close(shop, owner, ids, scale)
        await stage.add_whale(shop, owner, events)
        await measure_one(shop, events, events / EVENTS)
        watch = Stopwatch()
        drawn = await peer.invoice_all(owner, shop.tenant_id, limit=options.peer or count)
        figure("peer: an invoice a transaction", watch, drawn)
        async with shop.open() as ctx:
            report = await ledger.verify(ctx)
        tell(figure="books", sound=report.sound, invoices=report.invoices)


def main():
    """Measure at full size, or at a twentieth of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=SUBSCRIPTIONS)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--peer", type=int, default=2_000, help="invoices of the peer; 0: all")
    parser.add_argument("--quick", action="store_true", help="a twentieth of all")
    options = parser.parse_args()
    if options.quick:
        options.subscriptions, options.events, options.peer = SUBSCRIPTIONS // 20, EVENTS // 20, 500
    data = Path(tempfile.mkdtemp(prefix="solvent-bench-billing-"))
    try:
        asyncio.run(measure(options, data))
    finally:
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
