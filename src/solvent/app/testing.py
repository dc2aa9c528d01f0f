"""How does a test get real engines? A pytest plugin: `pytest -p solvent.app.testing`.

`engines` boots PostgreSQL and NATS once a session (once a worker under xdist) on a fresh directory.
On top of it: `house` (pools, bus, wiring on a migrated database), `edge`, `tenant_id` and
`mallory_id` (fresh tenants whose test clocks stand at `EPOCH`), `ctx`, `app`, `worker`, `solvent`
(a terminal). Tests are isolated by tenant, never by truncation.
"""

# pyright: reportUnusedFunction=false

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from solvent.app.house import House, open_house
from solvent.app.migrate import migrate
from solvent.app.settings import HttpSection, Settings
from solvent.app.supervisor.access import APP, SYSTEM, role_password
from solvent.app.supervisor.engines import Engines, boot_engines
from solvent.app.supervisor.settings import EngineSettings
from solvent.app.worker import work
from solvent.kernel.tenants.service import create_business
from solvent.kit.crypto import Vault, new_master_key
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.systems.payments.settings import PaymentsSection

if TYPE_CHECKING:
    from fastapi import FastAPI

EPOCH = datetime(2026, 1, 15, 10, 0, 0, tzinfo=UTC)
"""Where the test clocks of fresh tenants stand."""

FAILURES = 1_000_000
"""All tests of a process are one address, and many of them are refused on purpose."""

NOBODY = "http://127.0.0.1:9"
"""Where payment providers are until a test says otherwise: nobody listens there."""

MEMORY = Path("/dev/shm")  # noqa: S108 - fresh directories are made in it
MEMORY_BYTES_MIN = 2 * 1024**3


def fast_directory() -> Path | None:
    """Return memory, if there is room and programs may run in it, else None: the usual place.

    A killed process loses no more there than on a disk, and no commit waits for the disk.
    """
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    state = os.statvfs(MEMORY)
    roomy = state.f_bavail * state.f_frsize > MEMORY_BYTES_MIN
    return MEMORY if roomy and not state.f_flag & os.ST_NOEXEC else None


def engine_settings(data_dir: Path) -> EngineSettings:
    """The settings of engines for tests: the binaries that SOLVENT_TEST_POSTGRES names, if any."""
    postgres = os.environ.get("SOLVENT_TEST_POSTGRES", "auto")
    return EngineSettings(data_dir=data_dir, postgres=postgres)


@contextlib.contextmanager
def fresh_engines() -> Generator[Engines]:
    """Run engines on a directory of their own, gone with everything in it at the end."""
    # Not pytest's tmp_path: it is 0700, and root's engines run as another user, who must get in.
    data_dir = Path(tempfile.mkdtemp(prefix="solvent-test-", dir=fast_directory()))
    try:
        with boot_engines(data_dir, settings=engine_settings(data_dir)) as running:
            places = (running.layout.data, running.layout.engines)
            yield running
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.asynccontextmanager
async def open_test_house(engines: Engines) -> AsyncGenerator[House]:
    """Open the whole program on a migrated database, without its processes."""
    secrets = engines.layout.secrets
    passwords = {role: role_password(secrets, role) for role in (APP, SYSTEM)}
    await migrate(engines.access.postgres.owner_dsn, passwords=passwords)
    vault = Vault((new_master_key(),))
    nobody = PaymentsSection(stripe_api=NOBODY, paddle_api=NOBODY, reconcile_minutes=0)
    settings = Settings(http=HttpSection(failures_burst=FAILURES), payments=nobody)
    async with open_house(engines.access, settings, vault=vault, name="solvent-test") as opened:
        yield opened


@pytest.fixture(scope="session")
def engines() -> Generator[Engines]:
    """Running engines for all tests of this process."""
    with fresh_engines() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(engines: Engines) -> AsyncGenerator[House]:
    """The whole program on those engines."""
    async with open_test_house(engines) as opened:
        yield opened


@pytest.fixture
def edge(house: House) -> Edge:
    """The way into a transaction."""
    return house.edge


@pytest_asyncio.fixture(loop_scope="session")
async def tenant_id(house: House) -> TenantId:
    """A fresh tenant in test mode whose clock stands at EPOCH."""
    return await fresh_tenant(house)


@pytest_asyncio.fixture(loop_scope="session")
async def mallory_id(house: House) -> TenantId:
    """Another fresh tenant, from which nothing of the first may be seen."""
    return await fresh_tenant(house)


@pytest_asyncio.fixture(loop_scope="session")
async def ctx(edge: Edge, tenant_id: TenantId) -> AsyncGenerator[Ctx]:
    """An open context of `tenant_id` with all rights; committed after the test."""
    async with edge.open(tenant_id, OPERATOR) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def worker(house: House) -> AsyncGenerator[None]:
    """Relay, handlers and jobs at work beside the test."""
    task = asyncio.create_task(work(house))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(house: House) -> AsyncGenerator[FastAPI]:
    """The API over the house, started: drive it with httpx.ASGITransport."""
    from solvent.app.http import create_app

    made = create_app(house)
    async with made.router.lifespan_context(made):
        yield made


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs `solvent …` in this process; returns how it ended and what it printed."""

    capsys: pytest.CaptureFixture[str]
    data: str

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code, the output and what was told as an error."""
        from solvent.app.cli import main

        code = 0
        try:
            main(["--data", self.data, *arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def ok(self, *arguments: str) -> str:
        """Return the output of a command that must succeed."""
        code, out, err = self(*arguments)
        assert code == 0, err
        return out


@pytest.fixture
def solvent(
    house: House,
    engines: Engines,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    """A terminal beside the running engines; what commands set in the environment is undone."""
    del house  # the commands need its migrated database
    for name in ("SOLVENT_DATA_DIR", "SOLVENT_CONFIG", "SOLVENT_TENANT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return Terminal(capsys, str(engines.layout.data))


async def fresh_tenant(house: House) -> TenantId:
    """Make a tenant in test mode whose clock stands at EPOCH; return its id."""
    slug = "t-" + house.edge.ids.new("tmp")[-20:]
    made = await create_business(house.edge, name="Test", slug=slug, test_clock_at=EPOCH)
    return made.test.id
