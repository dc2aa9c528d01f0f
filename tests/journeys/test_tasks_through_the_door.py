"""Does a tenant's client submit, work, schedule and look through the door, with a key alone?"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
import pytest_asyncio

from solvent.app.supervisor.engines import Engines, boot_engines
from solvent.app.supervisor.nats import ISSUER_FILE
from solvent.app.supervisor.settings import EngineSettings
from solvent.app.testing import fast_directory
from solvent.kit.bus.stream import NatsLogin
from solvent.kit.clock import SystemClock
from solvent.kit.errors import Unauthenticated
from solvent.kit.jobs.access import Callout, Door, DoorSettings, Grant
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.nkey import KeyKind, keypair_of
from solvent.kit.testing import eventually
from solvent_client.tasks import JobDead, QueueUnreachable, Tasks, chain, chord
from solvent_client.tasks.worker.worker import Worker, WorkerOptions

pytestmark = pytest.mark.journey

GRANTS = {
    "alice-key": Grant("alice", submit=True, work=True),
    "alice-submits": Grant("alice", submit=True, work=False),
    "alice-works": Grant("alice", submit=False, work=True),
    "mallory-key": Grant("mallory", submit=True, work=True),
}


async def admit(user: str, password: str) -> Grant:
    grant = GRANTS.get(password)
    if grant is None or user not in {"key", grant.space}:
        raise Unauthenticated
    return grant


@pytest.fixture(scope="module")
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
class Site:
    """A log behind a door, with a dispatcher."""

    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(engines: Engines) -> AsyncGenerator[Site]:
    access = engines.access.nats
    login = NatsLogin(access.url, access.user, access.password)
    seed = (engines.layout.secrets / ISSUER_FILE).read_text().split()[1]
    issuer = keypair_of(seed, KeyKind.ACCOUNT)
    async with AsyncExitStack() as stack:
        house = await nats.connect(access.url, user=access.user, password=access.password)
        stack.push_async_callback(house.close)
        await stack.enter_async_context(Callout(house, issuer, admit, SystemClock()).answering())
        door = Door(access.url, issuer, admit, DoorSettings("127.0.0.1", 0))
        await stack.enter_async_context(door.opened())
        await ensure_log(login)
        log = await NatsLog.open(login, name="test")
        stack.push_async_callback(log.close)
        work = asyncio.create_task(Dispatcher(log, log.wire, name="d", host="elsewhere").run())
        yield Site(f"nats://127.0.0.1:{door.port}")
        work.cancel()
        await asyncio.wait({work})


@pytest.fixture
def open_app(site: Site):
    opened: list[Tasks] = []

    def make(key: str, *, space: str = "alice") -> Tasks:
        opened.append(Tasks(site.url, space=space, key=key))
        return opened[-1]

    yield make
    for app in opened:
        app.close()


def shop(app: Tasks):
    @app.task(name="add")
    async def add(a: int, b: int) -> int:
        return a + b

    @app.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(name="broken", max_retries=0)
    def broken() -> None:
        raise ValueError("broken")

    return add, total, broken


async def test_a_tenants_key_is_all_that_a_worker_and_a_submitter_need(open_app):
    app = open_app("alice-key")
    ticks: list[int] = []

    @app.task(name="tick", cron="@every 1s")
    async def tick() -> None:
        ticks.append(1)

    shop(app)
    worker = Worker(app, WorkerOptions(drain=5.0))
    working = asyncio.create_task(worker.run())
    submitter = open_app("alice-submits")
    add, total, broken = shop(submitter)
    try:
        assert await (await add.adelay(1, 2)).aget(20) == 3
        sums = await chord([add.s(n, n) for n in range(40)], total.s()).adelay()
        assert await sums.aget(20) == 1560
        assert await (await chain(add.s(1, 1), add.s(5)).adelay()).aget(20) == 7
        with pytest.raises(JobDead, match="ValueError: broken"):
            await (await broken.adelay()).aget(20)
        handles = await submitter.asubmit_many(add.s(n, 1) for n in range(1_500))
        assert [await handle.aget(30) for handle in handles[::100]] == list(range(1, 1_501, 100))
        await eventually(lambda: _ready(len(ticks) >= 2))
    finally:
        worker.stop()
        await working


async def _ready(holds: bool) -> bool:
    return holds


async def test_a_key_that_may_only_work_runs_jobs_and_their_chains(open_app):
    app, submitter = open_app("alice-works"), open_app("alice-submits")
    add, *_ = shop(app)
    app.schedule(
        add.s(0, 0), "@daily", name="not-mine"
    )  # refused, told in the log, and passed over
    theirs, *_ = shop(submitter)
    worker = Worker(app, WorkerOptions(drain=5.0))
    working = asyncio.create_task(worker.run())
    try:
        assert await (await chain(theirs.s(1, 1), theirs.s(5)).adelay()).aget(30) == 7
    finally:
        worker.stop()
        await working
    written = submitter.engine.run(lambda link: link.reader.last("cron.alice.not-mine"))
    assert await asyncio.wrap_future(written) is None


async def test_mallory_sees_and_reaches_nothing_of_alice(open_app):
    alice, mallory = open_app("alice-key"), open_app("mallory-key", space="mallory")
    add, *_ = shop(alice)
    handle = await add.aapply_async((1, 2), countdown=3600)
    assert (await mallory.handle(handle.task_id).astatus()).state == "unknown"
    pretended = open_app("mallory-key", space="alice")
    with pytest.raises(QueueUnreachable, match="Authorization Violation"):
        await pretended.handle(handle.task_id).acancel()
    assert (await handle.astatus()).state == "waiting"
    assert await handle.acancel()


async def test_a_key_that_is_none_is_refused_by_its_name(open_app):
    add, *_ = shop(open_app("stolen"))
    with pytest.raises(QueueUnreachable, match="Authorization Violation"):
        await add.adelay(1, 2)
