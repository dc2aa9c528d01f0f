"""Do applications of a tenant reach their own jobs through the door, and nothing of others?"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from solvent.kit.errors import Unavailable
from solvent.kit.jobs import record
from solvent.kit.jobs.access import Door, DoorSettings, Grant
from solvent.kit.jobs.access.protocol import BATCH_MESSAGES_MAX
from solvent.kit.jobs.record import CHAIN_START, Spec
from solvent.kit.nkey import KeyKind, new_keypair
from solvent.kit.testing import eventually

REFUSED = b"Authorization Violation"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
ids = (f"task-{number}" for number in itertools.count())

SUBMITTED = record.encode(record.Submitted(CHAIN_START, Spec("mail.send"), by="test"))
ASSIGNED = record.encode(record.Assigned(CHAIN_START, "w1", 1, 10))
SCHEDULED = record.Scheduled(CHAIN_START, Spec("mail.send"), "0 9 * * *", "Europe/Paris")
DONE = record.encode(record.Done(CHAIN_START, 1))


async def append(client: Client, subject: str, data: bytes, *, last: int = 0) -> int:
    """Append as a client of the queue does; return the sequence."""
    answer = await client.request(subject, data, timeout=5, headers={EXPECTED: str(last)})
    told = json.loads(answer.data)
    assert "error" not in told, told
    return told["seq"]


async def raw(port: int, *sent: bytes, until: bytes = b"never") -> bytes:
    """Say bytes at a port; return what came back until it closed, or said a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(60):
        back = await reader.readline()
        for one in sent:
            writer.write(one)
            await writer.drain()
        while until not in back and (chunk := await reader.read(65_536)):
            back += chunk
    writer.close()
    return back


async def knock(port: int, user: str, key: str) -> bytes:
    """Return what a connection hears that says who it is."""
    hello = json.dumps({"user": user, "pass": key, "verbose": False, "protocol": 1}).encode()
    return await raw(port, b"CONNECT " + hello + b"\r\nPING\r\n", until=b"PONG")


async def refused(client: Client) -> str:
    """Return what the connection was told, once it was told something."""
    told = await eventually(lambda: _list(client.told))
    return " ".join(told).lower()


async def _list(values: list[str]) -> list[str]:
    return list(values)


async def stored(site) -> int:
    return (await site.house.jetstream().stream_info("JOBS")).state.last_seq


async def test_a_key_submits_works_and_reads_in_its_own_space(site):
    async with site.through("alice-key", user="alice") as alice:
        work = await alice.subscribe("work.alice.w1")
        seen = await alice.subscribe("job.alice.>")
        await alice.flush()
        task = next(ids)
        first = await append(alice, f"job.alice.{task}", SUBMITTED)
        assert await append(alice, f"job.alice.{task}", DONE, last=first) > first
        held = await alice.request(f"$JS.API.DIRECT.GET.JOBS.job.alice.{task}", b"", timeout=30)
        assert held.data == DONE
        assert (await seen.next_msg(timeout=30)).data == SUBMITTED
        await site.house.publish("work.alice.w1", b"assignment")
        assert (await work.next_msg(timeout=30)).data == b"assignment"
        await alice.publish("beat.alice.w1", b"beat")
        await alice.publish("dispatch.poke", b"")
        await alice.flush()
        assert not alice.told


async def test_the_keys_user_may_be_the_word_key(site):
    async with site.through("alice-key") as alice:
        await append(alice, f"job.alice.{next(ids)}", SUBMITTED)


@pytest.mark.parametrize(
    "user, key",
    [("key", "no-key"), ("mallory", "alice-key"), ("solvent", "alice-key"), ("", ""), ("key", "")],
)
async def test_a_wrong_key_or_anothers_name_does_not_come_in(site, user: str, key: str):
    assert REFUSED in await knock(site.door.port, user, key)


async def test_past_the_door_nobody_comes_in_with_a_good_key(site):
    assert REFUSED in await knock(urlsplit(site.direct_url).port, "alice", "alice-key")


FORBIDDEN = [
    "job.alice.stolen",
    "cron.alice.nightly",
    "beat.alice.w1",
    "work.alice.w1",
    "work.mallory.w1",
    "scaling.local",
    "checkpoint",
    "$JS.API.STREAM.PURGE.JOBS",
    "$JS.API.STREAM.DELETE.JOBS",
    "$JS.API.STREAM.UPDATE.JOBS",
    "$JS.API.STREAM.INFO.JOBS",
    "$JS.API.STREAM.MSG.GET.JOBS",
    "$JS.API.STREAM.MSG.DELETE.JOBS",
    "$JS.API.DIRECT.GET.JOBS",
    "$JS.API.DIRECT.GET.JOBS.job.alice.stolen",
    "$JS.API.CONSUMER.CREATE.JOBS.spy.job.alice.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.JOBS.spy",
    "$JS.API.INFO",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.AUTH",
    "relay.nudge",
    "events.anything",
    "_INBOX.alice.1",
]


@pytest.mark.parametrize("subject", FORBIDDEN)
async def test_mallory_publishes_to_nothing_else(site, subject: str):
    before = await stored(site)
    heard = await site.house.subscribe(">" if not subject.startswith("$") else subject)
    async with site.through("mallory-key") as mallory:
        body = b'{"from": "mallory"}' if subject.startswith("$") else SUBMITTED
        await mallory.publish(subject, body)
        assert "permissions violation" in await refused(mallory)
    assert await stored(site) == before
    assert body not in [one.data async for one in waiting(heard)]
    await heard.unsubscribe()


async def waiting(subscription) -> AsyncIterator:
    """Yield what a subscription has heard, and hears in a moment."""
    with contextlib.suppress(nats.errors.TimeoutError):
        while True:
            yield await subscription.next_msg(timeout=0.2)


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "*.>",
        "job.>",
        "job.*.*",
        "job.alice.>",
        "work.*.*",
        "work.alice.w1",
        "beat.>",
        "beat.*.w1",
        "beat.alice.*",
        "beat.alice.>",
        "_INBOX.>",
        "_INBOX.alice.>",
        "$JS.>",
        "$JS.API.>",
        "$SYS.>",
        "dispatch.>",
        "scaling.*",
    ],
)
async def test_mallory_hears_nothing_else(site, subject: str):
    async with site.through("mallory-key") as mallory:
        heard: list[str] = []

        async def hear(message) -> None:
            heard.append(message.subject)

        await mallory.subscribe(subject, cb=hear)
        assert "permissions violation" in await refused(mallory)
        async with site.through("alice-key") as alice:
            await append(alice, f"job.alice.{next(ids)}", SUBMITTED)
            await alice.publish("beat.alice.w1", b"")
            await alice.flush()
        assert not heard


@pytest.mark.parametrize(
    "reply",
    [
        "job.alice.planted",
        "work.alice.w1",
        "$JS.API.STREAM.PURGE.JOBS",
        "_INBOX.alice.1",
        "_INBOX.mallory",
        "_INBOX.mallory.*",
        "_INBOX.malloryx.1",
    ],
)
async def test_no_reply_subject_reaches_another_tenant(site, reply: str):
    """The server's streams answer wherever a message asks them to: the door must not ask."""
    planted = await site.house.subscribe(reply.replace("*", "x"))
    async with site.through("mallory-key") as mallory:
        await append(mallory, f"job.mallory.{(task := next(ids))}", SUBMITTED)
        before = await stored(site)
        await mallory.publish(f"$JS.API.DIRECT.GET.JOBS.job.mallory.{task}", b"", reply=reply)
        await eventually(lambda: _closed(mallory))
    assert await stored(site) == before
    with pytest.raises(nats.errors.TimeoutError):
        await planted.next_msg(timeout=0.2)
    await planted.unsubscribe()


async def _closed(client: Client) -> bool:
    return client.is_closed


async def test_hearing_a_message_allows_no_answer_to_its_reply_subject(site):
    async with site.through("mallory-key") as mallory:
        await mallory.subscribe("work.mallory.w1")
        await mallory.flush()
        await site.house.publish("work.mallory.w1", b"x", reply="$JS.API.STREAM.PURGE.JOBS")
        await site.house.flush()
        await mallory.publish("$JS.API.STREAM.PURGE.JOBS", b"")
        assert "permissions violation" in await refused(mallory)


@pytest.mark.parametrize(
    "name, value",
    [
        ("Nats-Rollup", "all"),
        ("Nats-Msg-Id", "alices"),
        ("Nats-TTL", "1s"),
        ("Nats-Expected-Last-Subject-Sequence-Subject", "job.alice.*"),
        ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
        ("nats-schedule-target", "job.alice.x"),
        ("Nats-Incr", "1"),
        ("X-Other", "1"),
    ],
)
async def test_no_header_reaches_past_the_subject(site, name: str, value: str):
    before = await stored(site)
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"job.mallory.{next(ids)}", SUBMITTED, headers={name: value})
        await eventually(lambda: _closed(mallory))
    assert await stored(site) == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not msgpack",
        ASSIGNED,
        record.encode(record.Expired(CHAIN_START, 1, "worker_lost")),
        record.encode(record.Carried(CHAIN_START, b"")),
        record.encode(record.Vouched(1)),
        record.encode(SCHEDULED),
        record.encode(record.Scaled("local", "out", "because", {})),
        record.encode(record.Checkpoint(CHAIN_START, 1, b"", b"", 0)),
        record.encode(record.Submitted(CHAIN_START, Spec(""))),
        record.encode(record.Submitted(CHAIN_START, Spec("x", queue="a.b"))),
        record.encode(record.Submitted(CHAIN_START, Spec("x", priority=10))),
        record.encode(record.Submitted(CHAIN_START, Spec("x", max_attempts=0))),
    ],
)
async def test_only_records_that_are_theirs_to_write_enter_the_log(site, data: bytes):
    before = await stored(site)
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"job.mallory.{next(ids)}", data)
        await eventually(lambda: _closed(mallory))
    assert await stored(site) == before


async def test_schedules_are_declared_where_schedules_stand(site):
    async with site.through("alice-submits") as alice:
        name = next(ids)
        await append(alice, f"cron.alice.{name}", record.encode(SCHEDULED))
        held = await alice.request(f"$JS.API.DIRECT.GET.JOBS.cron.alice.{name}", b"", timeout=30)
        assert record.decode(held.data) == SCHEDULED


@pytest.mark.parametrize("data", [SUBMITTED, DONE, ASSIGNED])
async def test_no_job_stands_where_schedules_do(site, data: bytes):
    before = await stored(site)
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"cron.mallory.{next(ids)}", data)
        await eventually(lambda: _closed(mallory))
    assert await stored(site) == before


async def test_who_may_submit_may_not_work(site):
    async with site.through("alice-submits") as alice:
        first = await append(alice, f"job.alice.{(task := next(ids))}", SUBMITTED)
        await alice.publish(f"job.alice.{task}", DONE, headers={EXPECTED: str(first)})
        await eventually(lambda: _closed(alice))
    assert await stored(site) == first
    async with site.through("alice-submits") as alice:
        await alice.subscribe("work.alice.w1")
        assert "permissions violation" in await refused(alice)


async def test_who_only_works_hears_no_beats_of_others(site):
    async with site.through("alice-works") as worker:
        await worker.subscribe("beat.alice.*")
        assert "permissions violation" in await refused(worker)


async def test_a_space_that_is_refused_still_says_what_became_of_its_jobs(site):
    """A result goes with what follows from it: refused, the run would be done again."""
    async with site.through("alice-key") as worker:
        first = await append(worker, f"job.alice.{(task := next(ids))}", SUBMITTED)
        site.door.judge = lambda *_: "queue.runs_exhausted: used up"
        done = {EXPECTED: str(first), "Nats-Batch-Id": "b1", "Nats-Batch-Sequence": "1"}
        await worker.publish(f"job.alice.{task}", DONE, headers=done)
        then = {EXPECTED: "0", "Nats-Batch-Id": "b1", "Nats-Batch-Sequence": "2"}
        answer = await worker.request(
            f"job.alice.{next(ids)}", SUBMITTED, headers=then | {"Nats-Batch-Commit": "1"}
        )
        assert json.loads(answer.data)["count"] == 2
        canceled = record.encode(record.Canceled(record.chain_hash(DONE), "not now"))
        await append(worker, f"job.alice.{task}", canceled, last=first + 1)


async def test_an_atomic_batch_goes_through_whole(site):
    async with site.through("alice-key") as alice:
        names = [f"job.alice.{next(ids)}" for _ in range(3)]
        for number, name in enumerate(names[:-1], 1):
            told = {EXPECTED: "0", "Nats-Batch-Id": "b1", "Nats-Batch-Sequence": str(number)}
            await alice.publish(name, SUBMITTED, headers=told)
        last = {EXPECTED: "0", "Nats-Batch-Id": "b1", "Nats-Batch-Sequence": "3"}
        answer = await alice.request(
            names[-1], SUBMITTED, headers=last | {"Nats-Batch-Commit": "1"}, timeout=5
        )
        told = json.loads(answer.data)
        assert told["count"] == 3, told


async def test_half_a_batch_never_reaches_the_server(site):
    """The server has room for fifty open batches of everybody: only whole ones are let to it."""
    heard = await site.house.subscribe("job.mallory.*")
    begun = {EXPECTED: "0", "Nats-Batch-Id": "half", "Nats-Batch-Sequence": "1"}
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"job.mallory.{next(ids)}", SUBMITTED, headers=begun)
        await mallory.flush()
    assert not [one async for one in waiting(heard)]
    await heard.unsubscribe()


async def test_a_batch_without_end_is_refused(site):
    before = await stored(site)
    async with site.through("mallory-key") as mallory:
        for number in range(1, BATCH_MESSAGES_MAX + 2):
            told = {"Nats-Batch-Id": "b1", "Nats-Batch-Sequence": str(number)}
            with contextlib.suppress(nats.errors.Error):
                await mallory.publish(f"job.mallory.{next(ids)}", SUBMITTED, headers=told)
        await eventually(lambda: _closed(mallory))
    assert await stored(site) == before


async def test_one_space_holds_few_batches_open(site):
    """A batch that is begun and left takes one of the server's fifty: it is let go of soon."""
    begun = {EXPECTED: "0", "Nats-Batch-Id": "left", "Nats-Batch-Sequence": "1"}
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"job.mallory.{next(ids)}", SUBMITTED, headers=begun)
        await mallory.publish(
            f"job.mallory.{next(ids)}", SUBMITTED, headers=begun | {"Nats-Batch-Id": "second"}
        )
        await eventually(lambda: _closed(mallory))
    async with site.through("mallory-key") as mallory:
        await mallory.publish(f"job.mallory.{next(ids)}", SUBMITTED, headers=begun)
        await eventually(lambda: _closed(mallory))


async def test_a_revoked_key_is_let_go_and_does_not_come_back(site):
    site.keys.known["gone"] = Grant("alice", submit=True, work=True)
    async with site.through("gone") as alice:
        await append(alice, f"job.alice.{next(ids)}", SUBMITTED)
        del site.keys.known["gone"]
        await eventually(lambda: _closed(alice))
    assert REFUSED in await knock(site.door.port, "key", "gone")


HELLO = b'CONNECT {"user":"key","pass":"mallory-key","headers":true,"no_responders":true}\r\n'


@pytest.mark.parametrize(
    "line",
    [
        b"PUB\tjob.mallory.x\t0\r\n\r\n",
        b"pub job.mallory.x 0\r\n\r\n",
        b"PUB  job.mallory.x 0\r\n\r\n",
        b"PUB job.mallory.x 00\r\n\r\n",
        b"PUB job.mallory.x 99999999\r\n",
        b"PUB job.mallory.x 1\r\nxx\r\n",
        b"HPUB job.mallory.x 9 4\r\n",
        b"PUB job.mallory.x a b 0\r\n\r\n",
        b'CONNECT {"user":"solvent"}\r\n',
        b"RPUB x\r\n",
        b"PING\nPUB job.alice.x 0\r\n\r\n",
        b"\r\n",
        b"A" * 10_000,
    ],
)
async def test_any_other_spelling_is_refused(site, line: bytes):
    back = await raw(site.door.port, HELLO, line)
    assert b"-ERR" in back


@pytest.mark.parametrize(
    "hello",
    [
        b"PING\r\n",
        b"CONNECT {}\r\n",
        b"CONNECT {\r\n",
        b'CONNECT {"user":7}\r\n',
        b'CONNECT {"auth_token":"x","jwt":"y"}\r\n',
        b"GET / HTTP/1.1\r\n",
        b"\xff\xfe\r\n",
    ],
)
async def test_who_does_not_say_who_they_are_is_let_go(site, hello: bytes):
    assert b"Authorization Violation" in await raw(site.door.port, hello)


async def test_the_greeting_tells_no_address_of_the_server(site):
    greeting = json.loads(
        (await raw(site.door.port, b"x\r\n")).partition(b"\r\n")[0].removeprefix(b"INFO ")
    )
    assert not {"host", "port", "connect_urls", "client_ip", "cluster", "nonce"} & set(greeting)


async def test_a_message_larger_than_one_read_goes_through_whole(site):
    big = record.encode(record.Submitted(CHAIN_START, Spec("x", args=bytes(300_000))))
    async with site.through("alice-key") as alice:
        task = next(ids)
        await append(alice, f"job.alice.{task}", big)
        held = await alice.request(f"$JS.API.DIRECT.GET.JOBS.job.alice.{task}", b"", timeout=30)
        assert held.data == big


async def test_the_door_speaks_tls_with_a_certificate(site, certificate):
    chain, key = certificate
    told = DoorSettings("127.0.0.1", 0, str(chain), str(key))
    door = Door(site.direct_url, site.issuer, site.keys, told)
    trust = ssl.create_default_context(cafile=str(chain))
    async with door.opened():
        client = await nats.connect(
            f"tls://localhost:{door.port}",
            user="key",
            password="alice-key",
            inbox_prefix=b"_INBOX.alice",
            tls=trust,
            tls_hostname="localhost",
            allow_reconnect=False,
        )
        await append(client, f"job.alice.{next(ids)}", SUBMITTED)
        await client.close()


async def test_who_cannot_be_told_now_is_kept_and_nobody_new_comes_in(site):
    class Away:
        async def __call__(self, user: str, password: str) -> Grant:
            raise Unavailable

    async with site.through("alice-key") as alice:
        site.door.admitter = Away()
        await asyncio.sleep(0.5)  # two looks at the key
        await append(alice, f"job.alice.{next(ids)}", SUBMITTED)
        assert REFUSED in await knock(site.door.port, "key", "alice-key")


async def test_the_door_alone_lets_nobody_in(site):
    """The server's own check stands behind the door's: a door with another seal opens nothing."""
    forged = new_keypair(KeyKind.ACCOUNT)
    lone = Door(site.direct_url, forged, site.keys, DoorSettings("127.0.0.1", 0))
    async with lone.opened():
        assert REFUSED in await knock(lone.port, "key", "alice-key")


async def test_while_the_callout_is_down_nobody_but_the_house_comes_in(engines, issuer, site):
    site.door.admitter = site.keys
    await site.callout.aclose()
    assert REFUSED in await knock(site.door.port, "key", "alice-key")
    access = engines.access.nats
    house = await nats.connect(access.url, user=access.user, password=access.password)
    await house.flush()
    await house.close()
