"""What do the tests of the desk share: a log, a dispatcher, a worker, and a link to them?"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import nats
import pytest
import pytest_asyncio

from solvent.app.supervisor.engines import Engines, boot_engines
from solvent.app.supervisor.settings import EngineSettings
from solvent.app.testing import fast_directory
from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.desk.answers import Desk
from solvent.kit.jobs.desk.serve import answering
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.run import make_dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.record import CHAIN_START, Dead, Done, Spec, Submitted, encode
from solvent.kit.jobs.worker import Outcome, Task, Worker
from solvent.kit.testing import eventually


@pytest.fixture(scope="package")
def engines() -> Generator[Engines]:
    """A NATS of these tests alone."""
    data_dir = Path(tempfile.mkdtemp(prefix="solvent-test-", dir=fast_directory()))
    settings = EngineSettings(data_dir=data_dir, postgres="postgresql://nobody@127.0.0.1/none")
    try:
        with boot_engines(data_dir, settings=settings) as running:
            yield running
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


@dataclass
class Queue:
    """A queue at work: what its worker does with a job, its name says."""

    link: JobsLink
    jobs: NatsLog
    dispatcher: Dispatcher
    worker: Worker
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, space: str, task_id: str, **spec) -> int:
        data = encode(Submitted(CHAIN_START, Spec(**spec), by="test"))
        [seq] = await self.jobs.append([Append(f"job.{space}.{task_id}", 0, data)])
        return seq

    async def perform(self, task: Task) -> Outcome:
        if task.spec.name == "wait":
            await self.go.wait()
        if task.spec.name == "die":
            return Dead(task.assignment, "told to", task.fence)
        return Done(task.assignment, task.fence, b'"ok"')


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def queue(engines: Engines) -> AsyncGenerator[Queue]:
    """A dispatcher whose desk answers, and a worker for the queue `default` of `alice`."""
    access = engines.access.nats
    login = NatsLogin(access.url, access.user or "", access.password or "")
    await ensure_log(login)
    async with AsyncExitStack() as stack:
        bus = await nats.connect(access.url, user=access.user, password=access.password)
        stack.push_async_callback(bus.close)
        jobs = await NatsLog.open(login, name="test")
        stack.push_async_callback(jobs.close)
        dispatcher = make_dispatcher(jobs, host="here")
        await stack.enter_async_context(answering(bus, Desk(dispatcher, "here")))
        link = JobsLink()
        link.connect(login, bus)
        stack.push_async_callback(link.close)
        worker = Worker(jobs, jobs.wire, _nothing, "w1", "alice", ("default",), 2, "here")
        made = Queue(link, jobs, dispatcher, worker)
        worker.perform = made.perform
        tasks = [
            asyncio.create_task(one) for one in (dispatcher.run(), worker.run(), _beat(worker))
        ]
        await eventually(lambda: _is_serving(dispatcher))
        yield made
        made.go.set()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _nothing(task: Task) -> Outcome:
    raise AssertionError(task)


async def _beat(worker: Worker) -> None:
    while True:
        worker.send_beat()
        await asyncio.sleep(0.2)


async def _is_serving(dispatcher: Dispatcher) -> bool:
    return any(one.serves for one in dispatcher.view.fleet.workers.values())
