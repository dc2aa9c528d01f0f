"""What do the worker processes of the tests run? The address comes from the environment."""

import asyncio
import os
import signal
import time
from pathlib import Path

from solvent_client.tasks import Backoff, Tasks, current_task

app = Tasks()
NOTES = Path(os.environ.get("SHOP_NOTES", os.devnull))


def note(text):
    with NOTES.open("a") as notes:
        notes.write(f"{text}\n")


@app.task(name="add")
def add(a, b):
    return a + b


@app.task(name="noop")
async def noop(n):
    return None


@app.task(name="fence")
def fence(seconds):
    note(f"begin {current_task.fence} {current_task.attempt}")
    time.sleep(seconds)
    note(f"end {current_task.fence}")
    return current_task.fence


@app.task(name="block", timeout=60)
async def block(seconds):
    note(f"begin {current_task.attempt}")
    time.sleep(seconds)  # noqa: ASYNC251 - it blocks the event loop, and that is the point
    return current_task.attempt


@app.task(name="hold", timeout=60, backoff=Backoff(base_ms=10))
def hold(seconds):
    """Hold Python's lock in C code, where no other thread runs."""
    import ctypes

    note(f"begin {current_task.attempt}")
    if current_task.attempt == 1:
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return current_task.attempt


@app.task(name="nap")
async def nap(seconds):
    note(f"begin {current_task.attempt}")
    await asyncio.sleep(seconds)
    note(f"end {current_task.attempt}")
    return current_task.attempt


@app.task(name="poison")
def poison():
    note(f"begin {current_task.attempt}")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="fails", max_retries=0, ignore_result=True)
def fails(n):
    ballast = bytearray(300_000)
    raise ValueError(f"{n} {len(ballast)}")


@app.task(name="pid")
def pid():
    time.sleep(0.2)
    return os.getpid()
