"""What do the tests of tasks share? A NATS server, the real dispatcher, applications, workers."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from solvent_client.tasks import Tasks
from solvent_client.tasks.worker.worker import Worker, WorkerOptions

HERE = Path(__file__).parent
NATS = shutil.which("nats-server", path=str(Path(sys.executable).parent))
CONFIG = """
host: 127.0.0.1
port: {port}
jetstream {{ store_dir: "{data}", sync_interval: always }}
"""
WITHIN_S = 60


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for_port(port):
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise TimeoutError(port)


class Log:
    """A NATS server that syncs always, and a dispatcher on it; each can be stopped and started."""

    def __init__(self, data):
        self.data = data
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.config = data / "nats.conf"
        self.config.write_text(CONFIG.format(port=self.port, data=data / "store"))
        self.server = self.dispatcher = None

    def start_server(self):
        self.server = subprocess.Popen(
            [NATS, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port)

    def start_dispatcher(self):
        self.dispatcher = subprocess.Popen(
            [sys.executable, str(HERE / "dispatching.py"), self.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "SHOW" not in os.environ else None,
        )
        assert self.dispatcher.stdout.readline() == b"ready\n"
        self.dispatcher.stdout.close()

    def stop(self):
        for process in (self.dispatcher, self.server):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextlib.contextmanager
def running_log(*, dispatcher=True):
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh folder
    data = Path(tempfile.mkdtemp(prefix="solvent-tasks-", dir=memory))
    log = Log(data)
    try:
        log.start_server()
        if dispatcher:
            log.start_dispatcher()
        yield log
    finally:
        log.stop()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def queue():
    """A log with a dispatcher, for all tests of this process."""
    with running_log() as log:
        yield log


@pytest.fixture(scope="session")
def own_queue():
    """Makes a log of its own for a test that breaks it."""
    return running_log


@pytest.fixture
def space():
    """A space that no other test uses."""
    return f"t-{uuid.uuid4().hex[:16]}"


@pytest.fixture
def open_app(queue, space):
    """Make applications on the queue; they are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(url=None, **options):
            made = Tasks(url or queue.url, space=options.pop("space", space), **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def app(open_app):
    """An application on the queue."""
    return open_app()


@pytest.fixture
def working():
    """A worker of an application, in the test's event loop."""

    @contextlib.asynccontextmanager
    async def run(app, **options):
        worker = Worker(app, WorkerOptions(**{"drain": 5.0, **options}))
        task = asyncio.create_task(worker.run())
        try:
            await eventually(lambda: worker.state == "ready" or task.done())
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, WITHIN_S)

    return run


async def eventually(look, *, until=bool, within_s=WITHIN_S):
    """Look again and again until what is seen satisfies `until`; return it."""
    end = time.monotonic() + within_s
    while True:
        seen = look()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if until(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"after {within_s} s still: {seen!r}")
        await asyncio.sleep(0.02)
