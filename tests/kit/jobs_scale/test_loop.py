"""Does a scaler write down what it decides before it does it, and give way to another one?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from solvent.kit.errors import Unavailable
from solvent.kit.ids import SequentialIds
from solvent.kit.jobs.log import Append, MemoryLog
from solvent.kit.jobs.record import Assigned, Expired, Scaled, Spec, Submitted, chain_hash, decode
from solvent.kit.jobs.record import encode as record
from solvent.kit.jobs.scale.loop import Scaler
from solvent.kit.jobs.scale.model import Act, Pool, S, Seen
from solvent.kit.jobs.scale.ports import InHand, ProviderRefused

POOL = Pool(
    name="house", space="solvent", queues=frozenset({"default"}), least=0, most=3, cooldown_s=10
)


@dataclass
class Site:
    """A provider and a watch in memory: what is started serves at the next sample."""

    at: int = 1_000 * S
    names: list[str] = field(default_factory=list)
    cpu: float = 0.99
    held: int = 1
    pending_now: int = 5
    refuses: bool = False
    drained: list[str] = field(default_factory=list)
    stopped: list[tuple[str, bool]] = field(default_factory=list)
    hands: list[InHand] = field(default_factory=list)

    async def start(self, name: str) -> None:
        if self.refuses:
            raise ProviderRefused("no room")
        self.names.append(name)

    async def stop(self, name: str, *, force: bool) -> None:
        self.stopped.append((name, force))
        self.names.remove(name)

    async def running(self) -> frozenset[str]:
        return frozenset(self.names)

    def now_ns(self) -> int:
        return self.at

    def workers(self, pool: Pool) -> list[Seen]:
        return [
            Seen(name=name, serves=True, held=self.held, cpu=self.cpu, memory=0.1)
            for name in self.names
        ]

    def pending(self, pool: Pool) -> int:
        return self.pending_now

    def wanting(self, pool: Pool) -> bool:
        return bool(self.pending_now) and not self.names

    def in_hands(self, pool: Pool, worker: str) -> list[InHand]:
        return self.hands

    async def drain(self, pool: Pool, worker: str) -> None:
        self.drained.append(worker)


@pytest.fixture
def jobs() -> MemoryLog:
    ticks = itertools.count(1)
    return MemoryLog(lambda: next(ticks))


def scaler(site: Site, jobs: MemoryLog, *, by: str = "one", pool: Pool = POOL) -> Scaler:
    return Scaler(pool, site, site, jobs, SequentialIds(), by)


async def looks(one: Scaler, site: Site, count: int, *, every_s: float = 5) -> list[Act]:
    made: list[Act] = []
    for _ in range(count):
        made += [decision.act for decision in await one.look()]
        site.at += round(every_s * S)
    return made


async def written(jobs: MemoryLog) -> list[Scaled]:
    bounds = await jobs.bounds()
    if bounds.last < bounds.first:
        return []
    async for batch in jobs.read(1):
        found = [decode(entry.data) for entry in batch if entry.subject == "scaling.house"]
        return [one for one in found if isinstance(one, Scaled)]
    return []


async def test_each_decision_is_on_the_log_with_its_inputs(jobs: MemoryLog):
    site = Site()
    one = scaler(site, jobs)
    assert await looks(one, site, 1) == [Act.START]
    assert await looks(one, site, 3) == [Act.START]
    first, second = await written(jobs)
    assert (first.pool, first.decision, first.reason, first.by) == (
        "house",
        "start",
        "no_worker_free",
        "one",
    )
    assert first.inputs["pending"] == 5
    assert (second.decision, second.reason) == ("start", "cpu_high")
    assert second.inputs["cpu_mean"] == 0.99
    assert second.inputs["out_above"] == 0.85
    assert second.inputs["serving"] == 1


async def test_idle_workers_are_drained_then_stopped(jobs: MemoryLog):
    site = Site(cpu=0.0, held=0, pending_now=0, names=["w1"])
    one = scaler(site, jobs)
    acts = await looks(one, site, 65)
    assert acts == [Act.DRAIN, Act.STOP]
    assert (site.drained, site.stopped) == (["w1"], [("w1", False)])
    told = await written(jobs)
    assert [scaled.inputs["worker"] for scaled in told] == ["w1", "w1"]


async def test_what_a_drain_leaves_in_hand_is_requeued_with_the_reason(jobs: MemoryLog):
    submitted = record(Submitted(bytes(16), Spec("x")))
    [first] = await jobs.append([Append("job.solvent.a", 0, submitted)])
    assigned = record(Assigned(chain_hash(submitted), "w1", 1, 10))
    [fence] = await jobs.append([Append("job.solvent.a", first, assigned)])
    site = Site(cpu=0.0, held=0, pending_now=0, names=["w1"])
    site.hands = [InHand("job.solvent.a", fence, chain_hash(assigned), fence)]
    one = scaler(site, jobs)
    assert await looks(one, site, 61) == [Act.DRAIN]
    site.held = 1
    assert await looks(one, site, 12) == [Act.REQUEUE, Act.STOP]
    assert site.stopped == [("w1", True)]
    newest = await jobs.last("job.solvent.a")
    assert newest is not None
    told = decode(newest.data)
    assert told == Expired(chain_hash(assigned), fence, "drained", by="one")


async def test_a_job_that_ended_meanwhile_is_not_requeued(jobs: MemoryLog):
    site = Site(cpu=0.0, held=0, pending_now=0, names=["w1"])
    [last] = await jobs.append([Append("job.solvent.a", 0, b"done meanwhile")])
    site.hands = [InHand("job.solvent.a", last - 1, bytes(16), last - 1)]
    one = scaler(site, jobs)
    await looks(one, site, 61)
    site.held = 1
    assert await looks(one, site, 12) == [Act.REQUEUE, Act.STOP]
    newest = await jobs.last("job.solvent.a")
    assert newest is not None
    assert newest.data == b"done meanwhile"


async def test_of_two_scalers_of_one_pool_one_decides(jobs: MemoryLog):
    """The log lets one of them write; the other waits out the cool-down and sees what came."""
    site = Site()
    one, two = scaler(site, jobs, by="one"), scaler(site, jobs, by="two")
    one.last_seq = two.last_seq = 0  # both have read the empty subject
    made = [len(await one.look()), len(await two.look())]
    assert made == [1, 0]
    assert len(site.names) == 1
    assert len(await written(jobs)) == 1
    assert await looks(two, site, 2) == []


async def test_a_provider_that_refuses_stops_nobody(jobs: MemoryLog):
    site = Site(refuses=True)
    pool = Pool(
        name="house", space="solvent", queues=frozenset({"default"}), least=1, cooldown_s=10
    )
    one = scaler(site, jobs, pool=pool)
    assert await looks(one, site, 1) == [Act.START]
    site.refuses = False
    assert Act.START in await looks(one, site, 40)
    assert site.names


async def test_while_the_log_is_away_nothing_is_done(jobs: MemoryLog):
    class Away(MemoryLog):
        async def append(self, records):
            raise Unavailable

    site = Site()
    one = scaler(site, Away(lambda: 1))
    with pytest.raises(Unavailable):
        await one.look()
    assert site.names == []
