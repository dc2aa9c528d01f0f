"""What runs one dispatcher whose host's clock is wrong? `python dispatcher.py OFFSET_S URL …`.

At SIGTERM it prints what its fold has come to, for the checker to compare; at SIGUSR1 it says in
its log what it waits for.
"""

import asyncio
import json
import logging
import signal
import sys
import time
from functools import partial
from itertools import count

import uvloop
from say import say, tell_dispatcher

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.checkpoint import Keeper
from solvent.kit.jobs.dispatch.run import make_dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.log import JsonLines


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
            say(waits=str(error)[:200])
            await asyncio.sleep(0.5)
    log = await NatsLog.open(login, name="chaos-dispatcher")
    dispatcher = make_dispatcher(log, host="chaos")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, partial(tell_dispatcher, dispatcher, log))
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
    print(json.dumps({**told, "fault": repr(fault) if fault else ""}), flush=True)
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
            say(keeper=repr(error)[:200])


def write_log():
    """Write what happens to stderr, as lines of JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    write_log()
    skew(float(sys.argv[1]))
    uvloop.run(main(*sys.argv[2:]))
