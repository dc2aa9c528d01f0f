"""What runs one dispatcher whose host's clock is wrong? `python dispatcher.py OFFSET_S URL …`.

At SIGTERM it prints what its fold has come to, for the checker to compare.
"""

import asyncio
import json
import signal
import sys
import time
from itertools import count

import uvloop

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.checkpoint import Keeper
from solvent.kit.jobs.dispatch.run import make_dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.nats_log import NatsLog


def skew(offset_s):
    """Set this process's wall clock wrong; the monotonic clock goes on as it does."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + offset_s
    time.time_ns = lambda: right_ns() + int(offset_s * 1e9)


async def main(url, user, password, replicas, monitors):
    """Dispatch, write checkpoints and compact now and then, until told to end."""
    login = NatsLogin(url, user, password)
    while True:
        try:
            await ensure_log(login, replicas=int(replicas), monitor_urls=monitors.split(","))
            break
        except Exception as error:  # noqa: BLE001 - servers are away on purpose
            print(json.dumps({"waits": str(error)[:200]}), file=sys.stderr, flush=True)
            await asyncio.sleep(0.5)
    log = await NatsLog.open(login, name="chaos-dispatcher")
    dispatcher = make_dispatcher(log, host="chaos")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(dispatcher.run())
    keeping = asyncio.create_task(keep(log, dispatcher))
    await asyncio.wait(
        {running, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    fault = running.exception() if running.done() else None
    keeping.cancel()
    running.cancel()
    await asyncio.wait({running})
    state = dispatcher.state
    told = {"seq": state.seq, "digest": state.digest().hex(), "log": state.log_digest().hex()}
    print(json.dumps({**told, "fault": str(fault or "")}), flush=True)
    await log.close()


class Unpurged:
    """The log, from which nothing is removed: the checker wants to read all of it."""

    def __init__(self, log):
        """Hand everything else on."""
        self.append, self.last, self.bounds = log.append, log.last, log.bounds

    async def purge(self, before_seq):
        """Leave it there."""


async def keep(log, dispatcher):
    """Write checkpoints and compact all the time, so that folds are compared often."""
    for turn in count():
        await asyncio.sleep(1)
        if not dispatcher.leads:
            continue
        keeper = Keeper(Unpurged(log), dispatcher.state, by="chaos", leave_running_s=0.2)
        try:
            await (keeper.mark() if turn % 3 else keeper.compact())
        except Exception as error:  # noqa: BLE001 - another one was faster, or the log is away
            print(json.dumps({"keeper": repr(error)[:200]}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    skew(float(sys.argv[1]))
    uvloop.run(main(*sys.argv[2:]))
