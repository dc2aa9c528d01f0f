"""What do the tests of the queue share: a dispatcher, a desk, a door, workers, and clients?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx
import pytest
import pytest_asyncio

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines
from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.ids import TenantId
from solvent.kit.jobs.beside import Beside
from solvent.kit.jobs.desk.messages import AskJob, AskOverview, JobFound, JobRow, Overview
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.run import make_dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.record import Dead, Done, Failed
from solvent.kit.jobs.scale.watch import DispatcherWatch
from solvent.kit.jobs.worker import Outcome, Task, Worker
from solvent.kit.testing import eventually
from solvent.systems.queue.service.limits import LimitsBook
from solvent.systems.queue.settings import QueueSection
from solvent.systems.queue.tasks import Runner


@dataclass
class Yard:
    """The queue at work beside the house."""

    house: House
    jobs: NatsLog
    dispatcher: Dispatcher
    link: JobsLink
    runner: Runner
    go: asyncio.Event = field(default_factory=asyncio.Event)
    names: int = 0

    @property
    def door_url(self) -> str:
        assert self.runner.door is not None
        return f"nats://127.0.0.1:{self.runner.door.port}"

    async def row(self, space: str, task_id: str) -> JobRow | None:
        return (await self.link.ask(AskJob(space, task_id), JobFound)).row

    async def until(self, space: str, task_id: str, state: str) -> JobRow:
        found = await eventually(
            lambda: self.row(space, task_id), until=lambda row: bool(row and row.state == state)
        )
        assert found is not None
        return found

    @asynccontextmanager
    async def worker(self, space: str, *queues: str) -> AsyncGenerator[Worker]:
        """Let a worker serve a space: `die`, `fail`, `wait` do so, other names are done."""
        self.names += 1
        worker = Worker(
            self.jobs,
            self.jobs.wire,
            self._perform,
            f"w{self.names}",
            space,
            queues or ("default",),
            2,
            "here",
        )
        tasks = [asyncio.create_task(one) for one in (worker.run(), _beat(worker))]
        try:
            yield worker
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _perform(self, task: Task) -> Outcome:
        match task.spec.name:
            case "die":
                return Dead(task.assignment, "told to", task.fence)
            case "fail":
                return Failed(task.assignment, task.fence, "not today", 2**40)
            case "wait":
                await self.go.wait()
        return Done(task.assignment, task.fence, b'{"sum": 3}')


async def _beat(worker: Worker) -> None:
    while True:
        worker.send_beat()
        await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def yard(house: House, engines: Engines) -> AsyncGenerator[Yard]:
    """A dispatcher of our own, the desk and the door; nothing is sold."""
    login = house.log_place.login
    await ensure_log(login)
    async with AsyncExitStack() as stack:
        jobs = await NatsLog.open(login, name="queue-test")
        stack.push_async_callback(jobs.close)
        dispatcher = make_dispatcher(jobs, host="here")
        link = JobsLink()
        link.connect(login, house.bus)
        stack.push_async_callback(link.close)
        runner = Runner(
            QueueSection(door_port=0),
            house.wiring.port(Authenticator),
            house.wiring.port(RefusalLog),
            LimitsBook(""),
        )
        around = Beside(
            house.edge,
            house.system,
            house.bus,
            link,
            DispatcherWatch(house.bus, lambda: dispatcher),
            secrets_dir=engines.layout.secrets,
            log_dir=engines.layout.log,
        )
        tasks = [asyncio.create_task(one) for one in (dispatcher.run(), runner.run(around))]
        made = Yard(house, jobs, dispatcher, link, runner)
        await eventually(lambda: _answers(link))
        await eventually(lambda: _is_open(runner))
        yield made
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _answers(link: JobsLink) -> bool:
    from solvent.kit.errors import Unavailable

    with contextlib.suppress(Unavailable):
        return (await link.ask(AskOverview(), Overview)).seq >= 0
    return False


async def _is_open(runner: Runner) -> bool:
    return runner.door is not None


async def key_of(house: House, tenant_id: TenantId, *scopes: str) -> str:
    """Issue a key; without scopes it may do everything."""
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return (await tenants.issue_key(ctx, name="test", asked_scopes=scopes)).text


@asynccontextmanager
async def client_of(app, key: str) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://solvent.test/v1/queue", headers=headers
    ) as made:
        yield made


@pytest.fixture
async def people(app, house, yard, tenant_id, mallory_id) -> AsyncGenerator[SimpleNamespace]:
    """Alice owns the business, Bob looks and submits, Charlie is a stranger, Mallory another's."""
    keys = {
        "alice": await key_of(house, tenant_id),
        "bob": await key_of(house, tenant_id, "queue:read", "queue:submit"),
        "viewer": await key_of(house, tenant_id, "queue:read"),
        "nobody": await key_of(house, tenant_id, "customers:read"),
        "charlie": "",
        "mallory": await key_of(house, mallory_id),
    }
    async with AsyncExitStack() as stack:
        made = {
            name: await stack.enter_async_context(client_of(app, key)) for name, key in keys.items()
        }
        yield SimpleNamespace(**made, keys=keys, space=tenant_id, mallorys=mallory_id)


@pytest.fixture
def audited(house: House):
    """Return the newest audit actions of a tenant."""

    async def look(tenant_id: TenantId) -> list[str]:
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            return [one.entry.action for one in await audit.list_records(ctx, limit=50)]

    return look
