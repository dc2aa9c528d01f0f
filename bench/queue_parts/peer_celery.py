"""How does Celery run the same three jobs?"""

import os
import sys
import time

from celery import Celery
from tally import Tally

app = Celery("peer_celery", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
tally = Tally(os.environ["BENCH_TALLY"])


@app.task
def noop():
    """Do nothing."""
    tally.done()


@app.task
def ms1():
    """Keep the processor busy for a millisecond."""
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    tally.done()


@app.task
def io():
    """Wait as for a neighbor's answer."""
    time.sleep(0.05)
    tally.done()


if __name__ == "__main__":
    task = {"noop": noop, "ms1": ms1, "io": io}[sys.argv[2]]
    print(time.perf_counter(), flush=True)
    for _ in range(int(sys.argv[3])):
        task.delay()
