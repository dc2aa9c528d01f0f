"""Does a worker's word count where the log was only rewritten, and not where the job moved on?"""

from dataclasses import dataclass, replace

import msgspec
import pytest
from conftest import eventually

from solvent_client.tasks.current import Run
from solvent_client.tasks.engine import Link, LogClock
from solvent_client.tasks.links import Start
from solvent_client.tasks.log import Entry, Reader, Stored
from solvent_client.tasks.place import place_of
from solvent_client.tasks.record import (
    CHAIN_START,
    Assigned,
    Canceled,
    Carried,
    Done,
    Spec,
    Submitted,
    chain_hash,
    decode,
    encode,
    subject_of,
)
from solvent_client.tasks.worker.settle import settle_conflict
from solvent_client.tasks.worker.verdict import Desk, Returned

SPEC = Spec(name="x")


@pytest.fixture(scope="module")
def bare(own_queue):
    """A log on which no dispatcher writes."""
    with own_queue() as log:
        log.dispatcher.terminate()
        log.dispatcher.wait(10)
        yield log


@pytest.fixture
async def link(bare, space):
    opened = await Link.open(place_of(bare.url, space, None), name="test")
    yield opened
    await opened.client.close()


async def append(link, subject, record):
    """Write a record after the last one; return it as the log has it."""
    last = await link.reader.last(subject)
    await link.appender.put([Entry(subject, last.seq if last else 0, encode(record))])
    return await link.reader.last(subject)


async def assigned(link, space):
    subject = subject_of(space, "job-1")
    first = await append(link, subject, Submitted(CHAIN_START, SPEC))
    given = await append(link, subject, Assigned(chain_hash(first.data), "w", 1, 9))
    run = Run("job-1", given.seq, given.seq, chain_hash(given.data), 1, 9, SPEC, None)
    return subject, given, run


def desk(space):
    return Desk(Start(space, 0, by="w"), LogClock(), lambda: 0.5, "w")


async def test_a_result_is_written_on_top_of_a_carried_state_that_holds_its_fence(link, space):
    subject, given, run = await assigned(link, space)
    state = msgspec.msgpack.encode({"phase": "assigned", "fence": given.seq, "worker": "w"})
    carried = await append(link, subject, Carried(chain_hash(given.data), state))
    assert await settle_conflict(link, run, Returned(3), desk(space)) is None
    done = decode((await link.reader.last(subject)).data)
    assert isinstance(done, Done)
    assert (done.fence, done.prev, done.result) == (given.seq, chain_hash(carried.data), b"3")


@dataclass
class Behind:
    """Reads from a replica that has been away, and catches up after some questions."""

    reader: Reader
    answers: list

    async def last(self, subject):
        return self.answers.pop(0) if self.answers else await self.reader.last(subject)


async def test_a_replica_that_is_behind_refuses_no_result(link, space):
    """It does not have the assignment yet: the job is `submitted` there, or nothing at all."""
    subject, given, run = await assigned(link, space)
    first = Stored(given.seq - 1, encode(Submitted(CHAIN_START, SPEC)), given.at_ns)
    state = msgspec.msgpack.encode({"phase": "assigned", "fence": given.seq, "worker": "w"})
    await append(link, subject, Carried(chain_hash(given.data), state))
    behind = replace(link, reader=Behind(link.reader, [None, first, given]))
    assert await settle_conflict(behind, run, Returned(3), desk(space)) is None
    assert decode((await link.reader.last(subject)).data).fence == given.seq
    assert not behind.reader.answers


@pytest.mark.parametrize(
    "state",
    [
        {"phase": "assigned", "fence": 1},
        {"phase": "waiting", "fence": 0},
        {"phase": "dead", "fence": 0, "error": "timeout"},
        None,
    ],
)
async def test_a_carried_state_of_another_fence_refuses_the_result(link, space, state):
    subject, given, run = await assigned(link, space)
    packed = msgspec.msgpack.encode(state) if state else b""
    await append(link, subject, Carried(chain_hash(given.data), packed))
    stale = await settle_conflict(link, run, Returned(3), desk(space))
    assert (stale.fence, stale.task_id) == (given.seq, "job-1")
    assert isinstance(decode((await link.reader.last(subject)).data), Carried)


async def test_a_job_that_moved_on_refuses_the_result_and_says_what_it_is_now(link, space):
    subject, given, run = await assigned(link, space)
    await append(link, subject, Canceled(chain_hash(given.data), "off"))
    stale = await settle_conflict(link, run, Returned(3), desk(space))
    assert isinstance(stale.record, Canceled)
    assert str(stale) == f"job-1: fence {given.seq} is stale, the job is canceled by now"


async def test_the_next_life_of_a_unique_job_is_followed_by_a_next_life_of_its_chain(app, working):
    ran = []

    @app.task(name="first", unique=True)
    async def first(n):
        ran.append("first")
        return n

    @app.task(name="second")
    async def second(n):
        ran.append("second")
        return n

    async with working(app) as worker:
        for life in range(2):
            handle = await first.aapply_async((1,), link=second.s())
            assert (handle.existed, await handle.aget(20)) == (False, 1)
            await eventually(lambda life=life: ran.count("second") == life + 1 and not worker.held)
    assert ran == ["first", "second"] * 2
