"""Does the Python client come through the door, hear what it may and understand a refusal?"""

from __future__ import annotations

import asyncio
import contextlib
import json

import msgspec
import pytest
from nats.aio.client import Client

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs import record
from solvent.kit.jobs.access.protocol import let_in
from solvent.kit.jobs.link import DoorShut, JobsLink
from solvent_client.tasks import LimitReached, Progress, Signature, Tasks, chord, group

SUBMITTED = record.encode(record.Submitted(record.CHAIN_START, record.Spec("mail.send"), by="test"))
EXPECTED = "Nats-Expected-Last-Subject-Sequence"


async def append(client: Client, subject: str, data: bytes, *, last: int = 0) -> int:
    """Append as a client of the queue does; return the sequence."""
    answer = await client.request(subject, data, timeout=5, headers={EXPECTED: str(last)})
    return json.loads(answer.data)["seq"]


async def stored(site) -> int:
    return (await site.house.jetstream().stream_info("JOBS")).state.last_seq


def through_door(site, space: str, key: str) -> Tasks:
    return Tasks(f"nats://127.0.0.1:{site.door.port}", space=space, key=key, by="test")


def call_of(tasks: Tasks) -> Signature:
    return tasks.task(name="mail.send")(elsewhere).s()


def elsewhere() -> None:
    """Stand for a function that only workers have."""


async def test_who_submits_hears_how_far_their_jobs_are(site):
    tasks = through_door(site, "alice", "alice-submits")
    handle = tasks.handle(task := "heard")
    async with site.through("alice-key") as worker:
        first = await append(worker, f"job.alice.{task}", SUBMITTED)
        assigned = record.Assigned(record.chain_hash(SUBMITTED), "w1", 1, 2**62)
        fence = await append(site.house, f"job.alice.{task}", record.encode(assigned), last=first)
        beat = msgspec.msgpack.encode({"running": [(fence, 0.4, "two of five")]})
        hearing = asyncio.create_task(handle.aprogress(10))
        while not hearing.done():
            await worker.publish("beat.alice.w1", beat)
            await asyncio.wait({hearing}, timeout=0.02)
    assert await hearing == Progress(0.4, "two of five")
    await asyncio.to_thread(tasks.close)


REASON = "queue.runs_exhausted: The runs of this period are used up."


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "in_a_batch"])
async def test_a_space_that_is_refused_submits_nothing_and_is_told_why(site, count: int):
    site.door.judge = lambda space, *_: REASON if space == "mallory" else ""
    before = await stored(site)
    with contextlib.closing(through_door(site, "mallory", "mallory-key")) as tasks:
        calls = [call_of(tasks) for _ in range(count)]
        with pytest.raises(LimitReached, match="used up") as told:
            await tasks.asubmit_many(calls)
        assert told.value.code == "queue.runs_exhausted"
        assert await stored(site) == before
        with contextlib.closing(through_door(site, "alice", "alice-key")) as others:
            await others.asubmit_many([call_of(others)])
        site.door.judge = let_in
        await tasks.asubmit_many(calls)
    assert await stored(site) == before + count + 1


async def test_the_door_is_told_how_many_jobs_are_wanted_and_for_which_queues(site):
    asked: list[tuple[str, int, frozenset[str]]] = []

    def judge(space: str, jobs: int, queues: frozenset[str]) -> str:
        asked.append((space, jobs, queues))
        return "" if jobs < 3 else REASON

    site.door.judge = judge
    with contextlib.closing(through_door(site, "mallory", "mallory-key")) as tasks:
        add = tasks.task(name="mail.send")(elsewhere)
        await tasks.asubmit_many([add.s().set(queue="a"), add.s().set(queue="b")])
        await tasks.asubmit(group([add.s(), add.s()]))
        with pytest.raises(LimitReached):
            await tasks.asubmit(chord([add.s(), add.s()], add.s().set(queue="c")))
        tasks.schedule(add.s().set(queue="d"), "@hourly")
        await asyncio.to_thread(tasks.declare_schedules)
    assert asked == [
        ("mallory", 2, frozenset({"a", "b"})),
        ("mallory", 2, frozenset({"default"})),
        ("mallory", 3, frozenset({"default", "c"})),
        ("mallory", 0, frozenset({"d"})),
    ]


async def test_only_a_door_that_is_open_says_where_it_is(site, engines):
    """Whose port another program has taken would send its keys to that program."""
    access, link = engines.access.nats, JobsLink()
    link.connect(NatsLogin(access.url, access.user, access.password), site.house)
    assert await link.door_port() == site.door.port
    await site.opened.aclose()
    with pytest.raises(DoorShut):
        await link.door_port()
