"""Do three servers keep the log through the loss of one, and is a damaged copy found?"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import cluster
import httpx
import nats
import pytest

from solvent.kit.bus.stream import STREAM, NatsLogin, ensure_stream
from solvent.kit.jobs import record as r
from solvent.kit.jobs.fold import LogCorrupt
from solvent.kit.jobs.guard import LogUnsafe, check_servers, ensure_log
from solvent.kit.jobs.log import Append, LogOutcomeUnknown
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.verify import replay, verify
from solvent.kit.testing import eventually

FAIL_OVER_S = 20.0


async def submit(log: NatsLog, name: str, count: int = 100) -> list[int]:
    records = [
        Append(
            f"job.ten_a.{name}-{n}",
            0,
            r.encode(r.Submitted(r.CHAIN_START, r.Spec("noop", args=b"needle-%03d" % n))),
        )
        for n in range(count)
    ]
    return await log.append(records)


async def leader_of(servers: cluster.Cluster) -> cluster.Server:
    async with httpx.AsyncClient(timeout=2) as client:
        for one in servers.servers:
            try:
                answer = await client.get(f"{one.monitor_url}/jsz?streams=1&accounts=1")
            except httpx.HTTPError:
                continue
            for account in answer.json()["account_details"]:
                for stream in account.get("stream_detail") or ():
                    if stream["name"] == "JOBS" and stream["cluster"].get("leader"):
                        name = stream["cluster"]["leader"]
                        return next(s for s in servers.servers if s.name == name)
    raise AssertionError


def login_to(servers: cluster.Cluster) -> NatsLogin:
    return NatsLogin(servers.url, cluster.USER, cluster.PASSWORD)


@pytest.mark.parametrize("end, again", [(signal.SIGKILL, None), (signal.SIGSTOP, signal.SIGCONT)])
async def test_the_log_outlives_its_leader(three, three_log: NatsLog, end, again) -> None:
    read: list[int] = []

    async def follow(first: int) -> None:
        async for batch in three_log.read(first):
            read.extend(entry.seq for entry in batch)

    first = (await three_log.bounds()).last + 1
    reading = asyncio.create_task(follow(first))
    leader = await leader_of(three)
    acknowledged = await submit(three_log, f"before-{end.name}")
    leader.signal(end)
    async with asyncio.timeout(2 * FAIL_OVER_S):
        for turn in range(20):
            acknowledged += await submit(three_log, f"after-{end.name}-{turn}", 3)
    if again is None:
        leader.kill()
        leader.start()
    else:
        leader.signal(again)
    assert acknowledged == list(range(first, first + 160))
    await eventually(lambda: asyncio.sleep(0, len(read)), until=lambda n: n >= 160, within_s=20)
    assert read == acknowledged
    reading.cancel()
    await asyncio.to_thread(three.wait_healthy)


async def test_two_that_are_away_leave_nothing_half_written(three, three_log: NatsLog) -> None:
    """Without a majority nothing is acknowledged; once it is back, the outcome is told."""
    leader = await leader_of(three)
    others = [one for one in three.servers if one is not leader]
    for one in others:
        one.signal(signal.SIGSTOP)
    writing = asyncio.create_task(submit(three_log, "minority", 3))
    await asyncio.sleep(0.5)
    assert not writing.done()
    for one in others:
        one.signal(signal.SIGCONT)
    try:
        async with asyncio.timeout(3 * FAIL_OVER_S):
            seqs = await writing
    except LogOutcomeUnknown:
        seqs = []
    await asyncio.to_thread(three.wait_healthy)
    found = [await three_log.last(f"job.ten_a.minority-{n}") for n in range(3)]
    assert [one.seq for one in found if one] in ([], seqs)


async def test_more_writers_than_fifty_have_a_batch_open(three, three_log: NatsLog) -> None:
    """The server's own bound is 50 of all writers together."""
    login, writers = login_to(three), 64
    data = r.encode(r.Submitted(r.CHAIN_START, r.Spec("noop")))
    client = await nats.connect(login.url.split(","), user=login.user, password=login.password)

    async def say(writer: int, number: int, **more: str) -> dict[str, Any]:
        told = {"Nats-Batch-Id": f"open-{writer}", "Nats-Batch-Sequence": str(number), **more}
        subject = f"job.ten_a.open-{writer}-{number}"
        return json.loads((await client.request(subject, data, 10, headers=told)).data or b"{}")

    begun = [await say(writer, 1) for writer in range(writers)]
    commit = {"Nats-Batch-Commit": "1"}
    ended = [await say(writer, 2, **commit) for writer in range(writers)]
    await client.close()
    assert begun == [{}] * writers
    assert [one.get("count") for one in ended] == [2] * writers


async def test_a_cluster_with_one_lazy_server_is_refused(tmp_path) -> None:
    mixed = cluster.build(tmp_path, size=3)
    mixed.servers[1].conf = mixed.servers[1].conf.replace("sync_interval: always,", "")
    try:
        for one in mixed.servers:
            one.start()
        await asyncio.to_thread(mixed.wait_healthy)
        with pytest.raises(LogUnsafe, match="n2 does not write through to the disk"):
            await ensure_log(login_to(mixed), replicas=3, monitor_urls=mixed.monitor_urls)
        with pytest.raises(LogUnsafe, match=r"nobody asked these servers .*n3"):
            await check_servers(
                [mixed.servers[0].monitor_url, mixed.servers[0].monitor_url] * 2, replicas=3
            )
    finally:
        for one in mixed.servers:
            one.stop()


def flip(server: cluster.Server, needle: bytes) -> None:
    """Change one byte of a record in the files of a server that is stopped."""
    for block in server.directory.glob("store/**/streams/JOBS/msgs/*.blk"):
        data = block.read_bytes()
        at = data.find(needle)
        if at >= 0:
            changed = bytes([data[at + len(needle) - 1] ^ 1])
            block.write_bytes(data[: at + len(needle) - 1] + changed + data[at + len(needle) :])
            return
    raise AssertionError


async def test_a_flipped_byte_on_one_replica_is_found_and_named(three, three_log: NatsLog) -> None:
    seqs = await submit(three_log, "verified")
    sound = await verify(login_to(three))
    assert sound.sound, sound
    assert len({one.digest for one in sound.replicas}) == 1
    assert [one.records for one in sound.replicas] == [sound.last - sound.first + 1] * 3
    victim = next(one for one in three.servers if one.name == sound.replicas[-1].name)
    victim.stop()
    flip(victim, b"verified-42")
    victim.start()
    await asyncio.to_thread(three.wait_healthy)
    verdict = await verify(login_to(three))
    assert not verdict.sound
    assert verdict.differs_at == seqs[42]
    others = {one.digest for one in verdict.replicas if one.name != victim.name}
    assert len(others) == 1


async def test_a_flipped_byte_of_a_lone_log_refuses_the_start_and_names_the_record(
    tmp_path,
) -> None:
    with cluster.running(size=1, directory=tmp_path) as alone:
        await ensure_log(login_to(alone), monitor_urls=alone.monitor_urls)
        log = await NatsLog.open(login_to(alone), name="test")
        await submit(log, "alone")
        assert len((await replay(log)).jobs) == 100
        alone.servers[0].stop()
        flip(alone.servers[0], b"needle-041")
        alone.servers[0].start()
        with pytest.raises(LogCorrupt, match=r"the records from 42 to 42 are missing"):
            await replay(log)
        verdict = await verify(login_to(alone))
        assert (verdict.sound, verdict.corrupt_at) == (False, 43)
        await log.close()


async def test_whoever_was_not_told_of_the_cluster_takes_no_replica_of_the_events(three) -> None:
    bus = await nats.connect(three.url.split(","), user=cluster.USER, password=cluster.PASSWORD)
    try:
        js = bus.jetstream()
        await ensure_stream(js)
        await ensure_stream(js, replicas=3)
        await ensure_stream(js)
        assert (await js.stream_info(STREAM)).config.num_replicas == 3
    finally:
        await js.delete_stream(STREAM)
        await bus.close()
