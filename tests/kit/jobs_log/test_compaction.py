"""Is a compacted log folded to the very state that the whole one comes to?"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solvent.kit.jobs import record as r
from solvent.kit.jobs.checkpoint import CompactionInterrupted, Keeper
from solvent.kit.jobs.fold import LogCorrupt, State
from solvent.kit.jobs.job import ASSIGNED, GATHERING, LIVE, REVIVABLE, WAITING
from solvent.kit.jobs.log import Append, LogConflict, MemoryLog
from solvent.kit.jobs.verify import ReplayOutOfRange, replay

SECOND = 1_000_000_000


@dataclass
class World:
    """A log that is folded while it grows, and somebody who does what comes to mind."""

    seed: int
    now_ns: int = SECOND
    state: State = field(default_factory=State)
    damage: LogCorrupt | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.log = MemoryLog(self.tell)
        self.keeper = Keeper(self.log, self.state, by="test", leave_running_s=0)
        self.last_data: dict[str, tuple[int, bytes]] = {}

    def tell(self) -> int:
        self.now_ns += 7 * SECOND
        return self.now_ns

    async def fold(self) -> None:
        """Fold what comes; damage is told by whoever waits for it."""
        try:
            await self.follow()
        except LogCorrupt as error:
            self.damage = error

    async def follow(self) -> None:
        async for batch in self.log.read(1):
            for entry in batch:
                self.state.apply(*entry)
                self.last_data[entry.subject] = entry.seq, entry.data

    async def act(self, count: int) -> None:
        for _ in range(count):
            with contextlib.suppress(LogConflict):
                await self.step()
            await asyncio.sleep(0)

    async def step(self) -> None:
        space = self.chance.choice(["solvent", "ten_mallory"])
        key = f"{space}.{self.chance.randrange(12)}"
        if self.chance.random() < 0.3:
            key = f"{space}.g{self.chance.randrange(2)}"
        job = self.state.jobs.get(key)
        if space == "ten_mallory" and self.chance.random() < 0.3:
            await self.spoil(key)
        elif job is None:
            await self.begin(key)
        else:
            record = self.next_record(job)
            if record is not None:
                await self.log.append([Append(job.subject, job.seq, r.encode(record))])

    async def spoil(self, key: str) -> None:
        """Write what no honest writer would, at the place where it is taken."""
        newest = await self.log.last(f"job.{key}")
        prev = self.chance.choice(
            [r.CHAIN_START, b"?" * 16, r.chain_hash(newest.data) if newest else r.CHAIN_START]
        )
        job = self.state.jobs.get(key)
        fence = job.fence if job else 1
        record = self.chance.choice(
            [
                r.Submitted(prev, r.Spec("bad", group="g1")),
                r.Assigned(prev, "w", 1, 10**19),
                r.Done(prev, fence),
                r.Replayed(prev),
                r.Canceled(prev),
                r.Carried(prev, b""),
                r.Carried(prev, b"\x80"),
                r.Vouched(3),
            ]
        )
        data = self.chance.choice([r.encode(record), r.encode(record), b"\xc1"])
        await self.log.append([Append(f"job.{key}", newest.seq if newest else 0, data)])

    async def begin(self, key: str) -> None:
        newest = await self.log.last(f"job.{key}")
        prev = r.chain_hash(newest.data) if newest else r.CHAIN_START
        record: r.Record = r.Submitted(prev, r.Spec("fine", args=b"x" * self.chance.randrange(9)))
        records = []
        if ".g" in key:
            size = self.chance.randrange(4)
            record = r.Grouped(prev, size, self.chance.choice([None, r.Spec("sum")]))
            records = await self.members(key, size)
        expected = newest.seq if newest else 0
        await self.log.append([Append(f"job.{key}", expected, r.encode(record)), *records])

    async def members(self, key: str, size: int) -> list[Append]:
        made = []
        for place in range(size):
            subject = f"job.{key}-{place}"
            newest = await self.log.last(subject)
            prev = r.chain_hash(newest.data) if newest else r.CHAIN_START
            spec = r.Spec("part", group=key.partition(".")[2])
            record = r.encode(r.Submitted(prev, spec))
            made.append(Append(subject, newest.seq if newest else 0, record))
        return made

    def next_record(self, job) -> r.Record | None:
        if self.chance.random() < 0.15 and job.phase not in REVIVABLE:
            return self.chance.choice([r.Canceled(job.hash), r.Dead(job.hash, "boom")])
        if job.phase == WAITING:
            return r.Assigned(job.hash, "w1", job.attempt + 1, 10**19)
        if job.phase == ASSIGNED:
            return self.chance.choice(
                [
                    r.Done(job.hash, job.fence),
                    r.Failed(job.hash, job.fence, "boom", SECOND),
                    r.Expired(job.hash, job.fence, "worker_lost"),
                    r.Expired(job.hash, job.fence, "drained"),
                ]
            )
        if job.phase == GATHERING and job.group.is_complete:
            spec = job.group.callback
            return r.Submitted(job.hash, spec) if spec else r.Done(job.hash, 0)
        if job.phase in REVIVABLE:
            return self.chance.choice(
                [r.Replayed(job.hash), r.Submitted(job.hash, r.Spec("again")), None]
            )
        return None

    async def compact(self) -> int:
        """Compact, unless the fold finds damage first."""
        compacting = asyncio.create_task(self.keeper.compact())
        while not compacting.done() and not self.damage:
            await asyncio.sleep(0.001)
        if self.damage:
            compacting.cancel()
            raise self.damage
        return await compacting

    async def settle(self) -> None:
        """Wait until all is folded."""
        last = (await self.log.bounds()).last
        while self.state.seq < last:
            if self.damage:
                raise self.damage
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def world_of(seed: int) -> AsyncGenerator[World]:
    world = World(seed)
    folding = asyncio.create_task(world.fold())
    try:
        yield world
    finally:
        folding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await folding


def told(state: State) -> dict:
    """What two folds must agree on."""
    return {
        "digest": state.digest(),
        "log": state.log_digest(),
        "jobs": sorted((job.key, job.phase, job.seq, job.hash) for job in state.jobs.values()),
        "dead": list(state.dead),
        "live": {space: state.live(space) for space in {job.space for job in state.jobs.values()}},
    }


def recounted(state: State, space: str) -> dict[str, int]:
    """Count what waits or is assigned without the fold's own counts."""
    held = [job for job in state.jobs.values() if job.space == space and job.phase in LIVE]
    return dict(Counter(job.spec.queue for job in held))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
async def test_a_compacted_log_folds_to_the_state_of_the_whole(seed: int) -> None:
    async with world_of(seed) as world:
        await world.act(150)
        await world.settle()
        for _ in range(2):
            acting = asyncio.create_task(world.act(400))
            try:
                await world.compact()
            except LogConflict:
                pytest.fail("nobody else writes checkpoints here")
            await acting
            await world.settle()
            await world.keeper.mark()
            await world.keeper.mark()
            again = await replay(world.log)
            assert told(again) == told(world.state)
            for space in {job.space for job in again.jobs.values()}:
                assert again.live(space) == recounted(again, space)
        assert (await world.log.bounds()).first > 1


async def test_replay_rebuilds_the_state_at_any_record() -> None:
    async with world_of(7) as world:
        await world.act(100)
        await world.settle()
        last = (await world.log.bounds()).last
        whole = State()
        async for batch in world.log.read(1):
            for entry in batch:
                whole.apply(*entry)
                if entry.seq in {1, 20, 50, last}:
                    assert told(await replay(world.log, until=entry.seq)) == told(whole)
            if whole.seq == last:
                break


async def test_replay_says_what_it_cannot_tell() -> None:
    async with world_of(8) as world:
        with pytest.raises(ReplayOutOfRange, match="until: the log holds the records 1 to 0"):
            await replay(world.log, until=5)
        assert (await replay(world.log)).seq == 0
        await world.act(60)
        await world.settle()
        base = await world.compact()
        with pytest.raises(ReplayOutOfRange, match="the log was compacted"):
            await replay(world.log, until=base)
        with pytest.raises(ReplayOutOfRange, match="the log holds the records"):
            await replay(world.log, until=base - 1)


async def test_a_log_that_was_cut_by_hand_is_refused() -> None:
    async with world_of(9) as world:
        await world.act(60)
        await world.settle()
        seq = await world.keeper.mark()
        await world.act(10)
        await world.log.purge(seq)
        with pytest.raises(LogCorrupt, match="nothing makes it whole"):
            await replay(world.log)


async def test_two_that_compact_at_once_do_no_harm() -> None:
    async with world_of(10) as world:
        await world.act(200)
        await world.settle()
        other = Keeper(world.log, world.state, by="other", leave_running_s=0)
        outcomes = await asyncio.gather(
            world.keeper.compact(), other.compact(), world.act(100), return_exceptions=True
        )
        faults = [one for one in outcomes if isinstance(one, Exception)]
        assert all(isinstance(one, LogConflict | CompactionInterrupted) for one in faults)
        await world.settle()
        assert told(await replay(world.log))["jobs"] == told(world.state)["jobs"]
