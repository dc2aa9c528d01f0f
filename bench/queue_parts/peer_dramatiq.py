"""How does Dramatiq run the same three jobs?"""

import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from tally import Tally

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))
tally = Tally(os.environ["BENCH_TALLY"])


@dramatiq.actor
def noop():
    """Do nothing."""
    tally.done()


@dramatiq.actor
def ms1():
    """Keep the processor busy for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    tally.done()


@dramatiq.actor
def io():
    """Wait as for a neighbor's answer."""
    time.sleep(0.05)
    tally.done()


if __name__ == "__main__":
    actor = {"noop": noop, "ms1": ms1, "io": io}[sys.argv[2]]
    print(time.perf_counter(), flush=True)
    for _ in range(int(sys.argv[3])):
        actor.send()
