"""What do the tests of the log share?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field

import cluster
import pytest
import pytest_asyncio

from solvent.app.testing import fast_directory
from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs import record as r
from solvent.kit.jobs.fold import State, Transition
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Entry
from solvent.kit.jobs.nats_log import NatsLog

SECOND = 1_000_000_000


@dataclass
class Book:
    """A log in a list, and its fold."""

    entries: list[Entry] = field(default_factory=list)
    state: State = field(default_factory=State)
    newest: dict[str, Entry] = field(default_factory=dict)
    now_ns: int = 1_000 * SECOND

    def put(self, subject: str, data: bytes) -> Transition:
        """Write these bytes there."""
        self.now_ns += 1000
        entry = Entry(len(self.entries) + 1, self.now_ns, subject, data)
        self.entries.append(entry)
        self.newest[subject] = entry
        return self.state.apply(*entry)

    def prev(self, key: str) -> bytes:
        """Return what the next record of the job must carry."""
        newest = self.newest.get(f"job.{key}")
        return r.chain_hash(newest.data) if newest else r.CHAIN_START

    def write(self, key: str, kind: type, *, prev: bytes | None = None, **fields) -> Transition:
        """Write a record of this kind about the job."""
        prev = self.prev(key) if prev is None else prev
        return self.put(f"job.{key}", r.encode(kind(prev=prev, **fields)))

    def submit(self, key: str, **spec) -> Transition:
        """Submit a job of this key."""
        return self.write(key, r.Submitted, spec=r.Spec(**{"name": "noop", **spec}))

    def assign(self, key: str, *, worker: str = "w1", epoch: int | None = None) -> Transition:
        """Assign it to a worker for its next attempt."""
        job = self.state.jobs.get(key)
        epoch = epoch or (job.attempt + 1 if job else 1)
        return self.write(key, r.Assigned, worker=worker, epoch=epoch, deadline_ns=10**19)

    def finish(self, key: str, *, fence: int | None = None) -> Transition:
        """Let its worker say that it is done."""
        return self.write(key, r.Done, fence=fence or self.state.jobs[key].fence)

    def mark(self, *, base: int = 0) -> Transition:
        """Write the checkpoint that is due."""
        return self.put("checkpoint", r.encode(self.state.next_checkpoint(base=base)))

    def refold(self, entries: list[Entry] | None = None) -> State:
        """Fold it again from the start, or other entries."""
        state = State()
        for entry in self.entries if entries is None else entries:
            state.apply(*entry)
        return state


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture(scope="session")
def server() -> Generator[cluster.Cluster]:
    """One log server of its own for all tests of this process."""
    with cluster.running(size=1, directory=fast_directory()) as running:
        yield running


@pytest.fixture(scope="module")
def three() -> Generator[cluster.Cluster]:
    """Three log servers for the tests of a module."""
    with cluster.running(size=3, directory=fast_directory()) as running:
        yield running


def login_to(servers: cluster.Cluster) -> NatsLogin:
    return NatsLogin(servers.url, cluster.USER, cluster.PASSWORD)


@pytest.fixture
def login(server: cluster.Cluster) -> NatsLogin:
    return login_to(server)


@pytest_asyncio.fixture(loop_scope="session")
async def nats_log(server: cluster.Cluster) -> AsyncGenerator[NatsLog]:
    """The log of the one server, which other tests write to as well: use keys of your own."""
    login = login_to(server)
    await ensure_log(login, replicas=1, monitor_urls=server.monitor_urls)
    opened = await NatsLog.open(login, name="test")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def three_log(three: cluster.Cluster) -> AsyncGenerator[NatsLog]:
    """The log of the three servers."""
    login = login_to(three)
    await ensure_log(login, replicas=3, monitor_urls=three.monitor_urls)
    opened = await NatsLog.open(login, name="test")
    yield opened
    await opened.close()
