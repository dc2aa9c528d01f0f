"""Is a record written once, whatever happens to the log's answers?"""

import asyncio
import uuid

import pytest
from proxy import Proxy

from solvent_client.tasks import LogConflict, OutcomeUnknown, QueueUnreachable
from solvent_client.tasks.engine import Link
from solvent_client.tasks.log import Entry
from solvent_client.tasks.place import place_of
from solvent_client.tasks.record import CHAIN_START, Canceled, Spec, Submitted, chain_hash, encode

ACK = b'{"stream":"JOBS"'


@pytest.fixture(scope="module")
def bare(own_queue):
    """A log on which no dispatcher writes: the records of a test are the only ones."""
    with own_queue() as log:
        log.dispatcher.terminate()
        log.dispatcher.wait(10)
        yield log


@pytest.fixture
def subject(space):
    return lambda: f"job.{space}.{uuid.uuid4()}"


def submitted(note=""):
    return encode(Submitted(prev=CHAIN_START, spec=Spec(name="x"), by=note))


async def opened(url, space):
    return await Link.open(place_of(url, space, None), name="test")


async def test_units_are_written_together_in_their_order(bare, space, subject):
    link = await opened(bare.url, space)
    entries = [Entry(subject(), 0, submitted(str(n))) for n in range(1_200)]
    await asyncio.gather(*(link.appender.put([entry]) for entry in entries))
    stored = [await link.reader.last(entry.subject) for entry in entries]
    assert [one.data for one in stored] == [entry.data for entry in entries]
    sequences = [one.seq for one in stored]
    assert sequences == list(range(sequences[0], sequences[0] + 1_200))
    await link.client.close()


async def test_one_conflict_in_a_batch_fails_alone(bare, space, subject):
    link = await opened(bare.url, space)
    taken = subject()
    await link.appender.put([Entry(taken, 0, submitted("first"))])
    others = [subject() for _ in range(20)]
    made = [link.appender.put([Entry(one, 0, submitted())]) for one in others[:10]]
    made.append(link.appender.put([Entry(taken, 0, submitted("second"))]))
    made += [link.appender.put([Entry(one, 0, submitted())]) for one in others[10:]]
    results = await asyncio.gather(*made, return_exceptions=True)
    assert isinstance(results.pop(10), LogConflict)
    assert results == [None] * 20
    assert (await link.reader.last(taken)).data == submitted("first")
    await link.client.close()


async def test_a_unit_stands_or_falls_as_one(bare, space, subject):
    link = await opened(bare.url, space)
    taken, other = subject(), subject()
    await link.appender.put([Entry(taken, 0, submitted())])
    with pytest.raises(LogConflict):
        await link.appender.put([Entry(other, 0, submitted()), Entry(taken, 0, submitted("late"))])
    assert await link.reader.last(other) is None
    await link.client.close()


@pytest.mark.parametrize("size", [1, 50])
async def test_a_lost_answer_is_looked_up_and_nothing_is_written_twice(bare, space, subject, size):
    with Proxy(bare.url) as proxy:
        link = await opened(proxy.url, space)
        entries = [Entry(subject(), 0, submitted()) for _ in range(size)]
        proxy.cut_on(ACK)
        await asyncio.gather(*(link.appender.put([entry]) for entry in entries))
        assert proxy.cuts == 1
        counted = await counts(bare, space)
        assert counted == {entry.subject: 1 for entry in entries}
        await link.client.close()


async def test_of_a_lost_batch_with_a_conflict_the_others_are_written_once(bare, space, subject):
    with Proxy(bare.url) as proxy:
        link = await opened(proxy.url, space)
        taken = subject()
        await link.appender.put([Entry(taken, 0, submitted("first"))])
        entries = [Entry(subject(), 0, submitted()) for _ in range(10)]
        entries.insert(0, Entry(taken, 0, submitted("second")))
        proxy.cut_on(b'"err_code":10071', times=1)
        made = [link.appender.put([entry]) for entry in entries]
        results = await asyncio.gather(*made, return_exceptions=True)
        assert isinstance(results[0], LogConflict)
        assert results[1:] == [None] * 10
        assert set((await counts(bare, space)).values()) == {1}
        await link.client.close()


async def test_a_record_that_another_has_followed_meanwhile_is_known_by_its_hash(
    bare, space, subject
):
    """The answer is lost, and a dispatcher has already written the next record on the subject."""
    direct = await opened(bare.url, space)
    link = await opened(bare.url, space)
    entry = Entry(subject(), 0, submitted())
    await direct.appender.put([entry])
    first = await direct.reader.last(entry.subject)
    following = encode(Canceled(prev=chain_hash(first.data)))
    await direct.appender.put([Entry(entry.subject, first.seq, following)])
    assert await link.appender._landed(entry) is True
    stranger = Entry(entry.subject, 0, submitted("another"))
    assert await link.appender._landed(stranger) is None
    for one in (direct, link):
        await one.client.close()


async def test_a_log_that_never_answers_leaves_the_outcome_unknown(bare, space, subject):
    with Proxy(bare.url) as proxy:
        link = await opened(proxy.url, space)
        proxy.swallow = b"_INBOX."  # answers of the log, and what is read from it
        with pytest.raises(OutcomeUnknown):
            await link.appender.put([Entry(subject(), 0, submitted())], give_up_s=0.5)
        await link.client.close()


async def test_where_nobody_keeps_a_queue_nothing_is_written(own_queue, space, subject):
    with own_queue(dispatcher=False) as empty:
        link = await opened(empty.url, space)
        with pytest.raises(QueueUnreachable, match="nobody keeps a queue there"):
            await link.appender.put([Entry(subject(), 0, submitted())], give_up_s=0.3)
        await link.client.close()


async def counts(log, space):
    """Return how many records there are on each subject of the space."""
    import json

    link = await opened(log.url, space)
    asked = json.dumps({"subjects_filter": f"job.{space}.>"}).encode()
    told = await link.client.request("$JS.API.STREAM.INFO.JOBS", asked)
    await link.client.close()
    return json.loads(told.data)["state"].get("subjects") or {}
