"""What do the workers of a fault schedule run, and what do they write down of it?"""

import asyncio
import json
import os
import signal
import time

from say import tell_workers

from solvent_client.tasks import Tasks, current_task
from solvent_client.tasks.worker.worker import Worker

signal.signal(signal.SIGUSR1, lambda *_: tell_workers(Worker))

app = Tasks()


def note(**what):
    """Write a line of this worker's history, whole."""
    line = json.dumps({**what, "pid": os.getpid(), "at": time.monotonic_ns()}) + "\n"
    with open(f"{os.environ['CHAOS_HISTORY']}/{os.getpid()}.jsonl", "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(line)


@app.task(max_retries=20, timeout=30)
async def step(pause_s, fails):
    """Run for a while; fail as often as is asked for."""
    note(event="begin", id=current_task.id, fence=current_task.fence)
    await asyncio.sleep(pause_s)
    if current_task.attempt <= fails:
        raise RuntimeError("asked for")
    note(event="end", id=current_task.id, fence=current_task.fence)
