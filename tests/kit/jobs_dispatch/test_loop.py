"""Do dispatchers and workers on a real log run each job once, whoever comes, goes or is deaf?"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from solvent.app.house import House
from solvent.kit.jobs import record as r
from solvent.kit.jobs.checkpoint import Keeper
from solvent.kit.jobs.dispatch.fleet import Beat
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.post import SUBJECT_PEERS, Post, encode_beat
from solvent.kit.jobs.dispatch.run import ask_server_time, make_dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append, append_each
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.schedule import tick_id
from solvent.kit.jobs.wire import Wire
from solvent.kit.jobs.worker import Outcome, Pulse, Task, Worker
from solvent.kit.testing import eventually

S = 1_000_000_000


@pytest.fixture
async def log(house: House) -> AsyncGenerator[NatsLog]:
    await ensure_log(house.log_place.login)
    async with opened(house) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(house: House) -> AsyncGenerator[NatsLog]:
    made = await NatsLog.open(house.log_place.login, name="test")
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def space(house: House) -> str:
    """A space of this test alone."""
    return house.edge.ids.new("spc")


@contextlib.asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def dispatching(
    house: House, *, post: Callable[[Wire], Post] | None = None
) -> AsyncGenerator[tuple[Dispatcher, asyncio.Task[None]]]:
    """Run a dispatcher over connections of its own."""
    async with opened(house) as on:
        made = make_dispatcher(on, host="here")
        if post is not None:
            made = Dispatcher(
                on,
                post(on.wire),
                name=house.edge.ids.new("dsp"),
                host="here",
                ask_time=lambda: ask_server_time(on.wire),
            )
        async with running(made.run()) as task:
            yield made, task


async def submit(log: NatsLog, space: str, names: list[str], **spec: object) -> None:
    records = [
        Append(
            f"job.{space}.{name}",
            0,
            r.encode(r.Submitted(r.CHAIN_START, r.Spec(**{"name": "work", **spec}))),
        )
        for name in names
    ]
    for begin in range(0, len(records), 500):
        await log.append(records[begin : begin + 500])


@dataclass
class History:
    """What stands on the log of one space."""

    kinds: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def all_of(self, kind: str) -> int:
        return sum(kinds.count(kind) for kinds in self.kinds.values())


async def history(log: NatsLog, space: str) -> History:
    """Read the whole log up to now."""
    found, bounds = History(), await log.bounds()
    async with contextlib.aclosing(log.read(max(bounds.first, 1))) as batches:
        async for batch in batches:
            for seq, _, subject, data in batch:
                _, of, task_id = (*subject.split("."), "", "")[:3]
                if of == space:
                    found.kinds[task_id].append(type(r.decode(data)).__name__)
                if seq >= bounds.last:
                    return found
    return found


async def all_ended(log: NatsLog, space: str, count: int, *, within_s: float = 40) -> History:
    """Return the history once so many jobs are done."""
    return await eventually(
        lambda: history(log, space),
        until=lambda seen: seen.all_of("Done") >= count,
        within_s=within_s,
    )


class Crowd:
    """Very many workers over one connection, each doing a job as soon as it has it."""

    def __init__(self, log: NatsLog, space: str, count: int, *, credit: int) -> None:
        self.log, self.space, self.credit = log, space, credit
        self.names = [f"w{number}" for number in range(count)]
        self.held: defaultdict[str, dict[int, None]] = defaultdict(dict)
        self.most = 0
        self.ran: Counter[str] = Counter()
        self._done: asyncio.Queue[tuple[str, Append]] = asyncio.Queue()

    def connect(self) -> None:
        """Come all at once."""
        for name in self.names:
            subject = f"work.{self.space}.{name}"
            self.log.wire.subscribe(subject, self._take)
            self.log.wire.subscribe(f"{subject}.probe", self._echo)
        self.beat()

    def beat(self) -> None:
        for name in self.names:
            held = list(self.held[name])
            told = Beat(
                worker=name,
                space=self.space,
                queues=["default"],
                host="there",
                credit=self.credit - len(held),
                held=held,
                started_ns=1,
            )
            self.log.wire.publish(f"beat.{self.space}.{name}", encode_beat(told))

    def _echo(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        self.log.wire.publish(reply.decode(), data)

    def _take(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        name = subject.decode().rpartition(".")[2]
        for task_id, fence, assignment, _, _, _ in msgspec.msgpack.decode(data):
            if fence in self.held[name]:
                continue
            self.held[name][fence] = None
            self.most = max(self.most, len(self.held[name]))
            self.ran[task_id] += 1
            record = r.encode(r.Done(assignment, fence))
            append = Append(f"job.{self.space}.{task_id}", fence, record)
            self._done.put_nowait((name, append))

    async def work(self) -> None:
        """Write what is done, and beat beside it."""
        async with running(self._beat_on()):
            await self._settle()

    async def _beat_on(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(0.5)

    async def _settle(self) -> None:
        while True:
            batch = [await self._done.get()]
            while not self._done.empty() and len(batch) < 500:
                batch.append(self._done.get_nowait())
            await append_each(self.log, [append for _, append in batch])
            for name, append in batch:
                self.held[name].pop(append.expected or 0, None)


class Deaf:
    """A post that lets no dispatcher hear another: the network between them is cut."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def publish(self, subject: str, data: bytes, *, reply: str = "") -> None:
        if subject != SUBJECT_PEERS:
            self.wire.publish(subject, data, reply=reply)

    def __getattr__(self, name: str) -> object:
        return getattr(self.wire, name)


async def as_seen(truth: bool) -> bool:
    return truth


# ------------------------------------------------------------------------------ many of everything


async def test_dispatchers_that_cannot_hear_each_other_assign_each_job_once(
    house: House, log: NatsLog, space: str
) -> None:
    names = [f"j{number}" for number in range(400)]
    async with (
        dispatching(house, post=Deaf) as (one, _),
        dispatching(house, post=Deaf) as (other, _),
        opened(house) as hands,
    ):
        crowd = Crowd(hands, space, 4, credit=20)
        crowd.connect()
        async with running(crowd.work()):
            await submit(log, space, names)
            seen = await all_ended(log, space, len(names))
        assert one.leads
        assert other.leads
    assert Counter(map(tuple, seen.kinds.values())) == {
        ("Submitted", "Assigned", "Done"): len(names)
    }
    assert set(crowd.ran.values()) == {1}


async def test_of_dispatchers_that_hear_each_other_one_leads_and_the_next_goes_on(
    house: House, log: NatsLog, space: str
) -> None:
    async with dispatching(house) as (one, task):
        await eventually(lambda: as_seen(one.leads))
        async with dispatching(house) as (other, _), opened(house) as hands:
            await eventually(lambda: as_seen(other.is_live))
            await eventually(lambda: as_seen(not other.leads))
            assert one.leads
            crowd = Crowd(hands, space, 1, credit=20)
            crowd.connect()
            async with running(crowd.work()):
                await submit(log, space, ["before"])
                await all_ended(log, space, 1)
                task.cancel()
                await submit(log, space, ["after"])
                await all_ended(log, space, 2)
            assert other.leads


async def test_a_herd_of_jobs_and_workers_is_served_in_few_batches_within_everybodys_credit(
    house: House, log: NatsLog, space: str
) -> None:
    """10,000 jobs due at the same moment, and 500 workers that connect at once (Hatchet #2604)."""
    jobs, workers, credit = 10_000, 500, 10
    async with dispatching(house) as (dispatcher, _), opened(house) as hands:
        await eventually(lambda: as_seen(dispatcher.leads))
        at_ns = dispatcher.now_ns() + 2 * S
        names = [f"j{number}" for number in range(jobs)]
        await submit(log, space, names, not_before_ns=at_ns)
        counted = Counting(dispatcher._log, space)
        dispatcher._log = counted
        crowd = Crowd(hands, space, workers, credit=credit)
        crowd.connect()
        async with running(crowd.work()):
            await eventually(lambda: as_seen(len(crowd.ran) == jobs), within_s=100)
            seen = await all_ended(log, space, jobs)
            await eventually(lambda: as_seen(not dispatcher.view.has_work))  # else it would spin
    assert set(map(tuple, seen.kinds.values())) == {("Submitted", "Assigned", "Done")}
    assert set(crowd.ran.values()) == {1}
    assert crowd.most <= credit
    assert counted.records == jobs, "nothing was proposed for nothing"
    assert counted.batches < jobs / 5


class Counting:
    """A log that counts what is written through it about a space."""

    def __init__(self, log: NatsLog, space: str) -> None:
        self._log, self._root = log, f"job.{space}."
        self.batches = self.records = 0

    async def append(self, records: list[Append]) -> list[int]:
        mine = sum(one.subject.startswith(self._root) for one in records)
        self.batches += mine > 0
        self.records += mine
        return await self._log.append(records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


async def test_a_dispatcher_that_starts_again_in_the_middle_loses_and_repeats_nothing(
    house: House, log: NatsLog, space: str
) -> None:
    names = [f"j{number}" for number in range(600)]
    async with opened(house) as hands:
        crowd = Crowd(hands, space, 3, credit=15)
        crowd.connect()
        async with running(crowd.work()):
            async with dispatching(house):
                await submit(log, space, names)
                await all_ended(log, space, 50)
            async with dispatching(house):
                seen = await all_ended(log, space, len(names))
    assert set(crowd.ran.values()) == {1}
    assert seen.all_of("Assigned") == len(names)


async def test_jobs_that_wait_outlive_a_compaction_and_the_dispatcher(
    house: House, log: NatsLog, space: str
) -> None:
    """Compaction writes them anew under other sequences, and removes what stood before."""
    names = [f"j{number}" for number in range(30)]
    await submit(log, space, names, key="k", in_order=True)
    async with dispatching(house) as (dispatcher, _), opened(house) as far:
        await eventually(lambda: as_seen(dispatcher.leads))
        base = await Keeper(log, dispatcher.state, leave_running_s=0).compact()
        crowd = Crowd(far, space, 2, credit=10)
        crowd.connect()
        async with running(crowd.work()):
            await all_ended(log, space, 10)
    assert (await log.bounds()).first == base
    async with opened(house) as far:
        crowd.log = far
        crowd.connect()
        async with running(crowd.work()), dispatching(house):
            await all_ended(log, space, len(names))
    assert set(crowd.ran.values()) == {1}


async def test_two_schedulers_on_a_real_log_submit_each_tick_once(
    house: House, log: NatsLog, space: str
) -> None:
    async with dispatching(house, post=Deaf), dispatching(house, post=Deaf):
        told = r.Scheduled(r.CHAIN_START, r.Spec(name="report"), "@every 1s")
        await log.append([Append(f"cron.{space}.often", 0, r.encode(told))])
        seen = await eventually(
            lambda: history(log, space),
            until=lambda seen: seen.all_of("Submitted") >= 3,
            within_s=20,
        )
        last = await log.last(f"cron.{space}.often")
        assert last is not None
        end = r.Canceled(r.chain_hash(last.data))
        await append_each(log, [Append(last.subject, last.seq, r.encode(end))])
    jobs = [name for name in seen.kinds if name != "often"]
    reached = r.decode(last.data)
    assert isinstance(reached, r.Scheduled)
    turns = range(reached.after_ns // S - 60, reached.after_ns // S + 1)
    assert set(jobs) <= {tick_id(space, "often", turn * S) for turn in turns}
    assert all(kinds == ["Submitted"] for name, kinds in seen.kinds.items() if name in jobs)


# -------------------------------------------------------------------------------- one worker's life


@dataclass
class Hands:
    """One worker of the house's kind, and what it ran."""

    worker: Worker
    ran: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


def hands(log: NatsLog, space: str, name: str, *, slots: int = 2) -> Hands:
    async def perform(task: Task) -> Outcome:
        made.ran.append(task.task_id)
        await made.gate.wait()
        return r.Done(b"", 0)

    worker = Worker(log, log.wire, perform, name, space, ("default",), slots, "here")
    made = Hands(worker)
    made.gate.set()
    return made


@contextlib.contextmanager
def beating(house: House, worker: Worker):
    pulse = Pulse(worker, house.log_place.login)
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()


async def test_a_worker_that_drains_ends_what_runs_and_hands_back_the_rest(
    house: House, log: NatsLog, space: str
) -> None:
    names = [f"j{number}" for number in range(8)]
    first, second = hands(log, space, "w1"), hands(log, space, "w2")
    first.gate.clear()
    async with dispatching(house):
        with beating(house, first.worker):
            async with running(first.worker.run()) as leaving:
                await submit(log, space, names)
                await eventually(lambda: as_seen(len(first.ran) == 2))
                log.wire.publish(
                    f"work.{space}.w1.control", msgspec.msgpack.encode({"drain": True})
                )
                await asyncio.sleep(0.2)
                first.gate.set()
                await leaving
        with beating(house, second.worker):
            async with running(second.worker.run()):
                seen = await all_ended(log, space, len(names))
    assert sorted(first.ran + second.ran) == names
    assert seen.all_of("Expired") == len(names) - 2
    assert seen.all_of("Done") == len(names)


async def test_a_worker_that_falls_silent_loses_its_job_and_its_late_result(
    house: House, log: NatsLog, space: str
) -> None:
    late, other = hands(log, space, "w1", slots=1), hands(log, space, "w2", slots=1)
    late.gate.clear()
    async with dispatching(house), opened(house) as far, running(late.worker.run()):
        await submit(log, space, ["a"])
        await eventually(lambda: as_seen(late.ran == ["a"]))
        other.worker.log, other.worker.post = far, far.wire  # w1 beats no more from here on
        with beating(house, other.worker):
            async with running(other.worker.run()):
                seen = await all_ended(log, space, 1)
        late.gate.set()
        await eventually(lambda: as_seen(not late.worker._held))
    assert other.ran == ["a"]
    assert seen.kinds["a"] == ["Submitted", "Assigned", "Expired", "Assigned", "Done"]
    assert (await history(log, space)).kinds["a"] == seen.kinds["a"]


async def test_a_delivery_that_got_lost_comes_again_under_the_same_fence(
    house: House, log: NatsLog, space: str
) -> None:
    fences: list[int] = []

    def lose(subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        fences.extend(one[1] for one in msgspec.msgpack.decode(data))

    def echo(subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        log.wire.publish(reply.decode(), data)

    log.wire.subscribe(f"work.{space}.w1", lose)
    log.wire.subscribe(f"work.{space}.w1.probe", echo)
    beat = Beat("w1", space, ["default"], credit=5, started_ns=1)

    async def look() -> list[int]:
        log.wire.publish(f"beat.{space}.w1", encode_beat(beat))
        await asyncio.sleep(0.2)
        return fences

    async with dispatching(house):
        await submit(log, space, ["a"])
        await eventually(look, until=lambda seen: len(seen) >= 2)
    assert len(set(fences)) == 1
    assert (await history(log, space)).kinds["a"] == ["Submitted", "Assigned"]


async def test_a_job_of_later_runs_at_its_time_on_a_log_where_nothing_else_happens(
    house: House, log: NatsLog, space: str
) -> None:
    """The dispatcher starts on an old log: its clock is the server's, not that of the records."""
    now_ns = await ask_server_time(log.wire)
    assert now_ns is not None
    await submit(log, space, ["a"], not_before_ns=now_ns + 2 * S)
    one = hands(log, space, "w1")
    async with dispatching(house), running(one.worker.run()):
        with beating(house, one.worker):
            await all_ended(log, space, 1)
    ended_ns = await ask_server_time(log.wire)
    assert ended_ns is not None
    assert ended_ns >= now_ns + 2 * S


async def test_beats_count_for_the_space_of_their_subject_whatever_they_say(
    house: House, log: NatsLog, space: str
) -> None:
    """Mallory may publish below her own space; her beat claims to be a worker of another one."""
    forged = Beat("w1", space, ["default"], credit=50, started_ns=1)
    async with dispatching(house) as (dispatcher, _):
        await eventually(lambda: as_seen(dispatcher.is_live))
        log.wire.publish(f"beat.mallory{space}.w9", encode_beat(forged))
        await eventually(
            lambda: as_seen((f"mallory{space}", "w9") in dispatcher.view.fleet.workers)
        )
        log.wire.publish(f"beat.{space}.w1", b"nonsense")
        log.wire.publish(f"beat.{space}.w1", encode_beat(forged))
        await eventually(lambda: as_seen((space, "w1") in dispatcher.view.fleet.workers))
        assert (space, "w9") not in dispatcher.view.fleet.workers
