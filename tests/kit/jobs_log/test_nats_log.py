"""Does a JetStream stream keep the promises of the log, whatever the connection does?"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count

import cluster
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.guard import LogMisconfigured, LogUnsafe, ensure_log
from solvent.kit.jobs.log import (
    BATCH_MAX,
    RECORD_BYTES_MAX,
    Append,
    Entry,
    Log,
    LogConflict,
    MemoryLog,
    RecordTooLarge,
    append_each,
)
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.reader import BUFFERED_MAX
from solvent.kit.jobs.wire import Wire, WireLost, WireRefused
from solvent.kit.testing import eventually


def fresh() -> str:
    """Return a subject that no test has used."""
    return f"job.ten_test.{uuid.uuid4().hex}"


@pytest.fixture(params=["memory", "nats"])
def any_log(request: pytest.FixtureRequest) -> Log:
    if request.param == "memory":
        return MemoryLog(count(1).__next__)
    return request.getfixturevalue("nats_log")


async def read_until(log: Log, from_seq: int, last: int) -> list[Entry]:
    found: list[Entry] = []
    async with asyncio.timeout(20):
        async for batch in log.read(from_seq):
            found += batch
            if found[-1].seq >= last:
                return found
    raise AssertionError


async def test_records_are_appended_in_order_and_read_back(any_log: Log) -> None:
    a, b = fresh(), fresh()
    [first] = await any_log.append([Append(a, 0, b"one")])
    seqs = await any_log.append([Append(b, 0, b"two"), Append(a, first, b"three")])
    assert seqs == [seqs[0], seqs[0] + 1]
    last = await any_log.last(a)
    assert last is not None
    assert (last.seq, last.subject, last.data) == (seqs[1], a, b"three")
    assert await any_log.last(fresh()) is None
    read = [one for one in await read_until(any_log, first, seqs[1]) if one.subject in {a, b}]
    assert [(one.seq, one.data) for one in read] == [
        (first, b"one"),
        (seqs[0], b"two"),
        (seqs[1], b"three"),
    ]
    assert read[-1].ts_ns == last.ts_ns
    assert (await any_log.bounds()).last >= seqs[1]


async def test_a_batch_is_refused_whole_and_names_all_that_were_overtaken(any_log: Log) -> None:
    a, b, c = fresh(), fresh(), fresh()
    [at] = await any_log.append([Append(a, 0, b"x")])
    before = await any_log.bounds()
    with pytest.raises(LogConflict) as refused:
        await any_log.append([Append(c, 0, b"y"), Append(a, 0, b"y"), Append(b, 9, b"y")])
    assert refused.value.subjects == (a, b)
    assert await any_log.last(c) is None
    if isinstance(any_log, MemoryLog):
        assert await any_log.bounds() == before
    records = [Append(c, 0, b"y"), Append(a, 0, b"y"), Append(b, 0, b"y")]
    taken = await append_each(any_log, records)
    assert [one is not None for one in taken] == [True, False, True]
    assert at


async def test_of_two_that_race_one_wins(any_log: Log) -> None:
    subjects = [fresh() for _ in range(40)]

    async def write(name: bytes) -> list[int | None]:
        return await append_each(any_log, [Append(one, 0, name) for one in subjects])

    mine, theirs = await asyncio.gather(write(b"mine"), write(b"theirs"))
    assert [(m is None) != (t is None) for m, t in zip(mine, theirs, strict=True)] == [True] * 40


@pytest.mark.parametrize(
    "records, error",
    [
        ([], ValueError),
        ([Append("job.t.x", 0, b"")] * 2, ValueError),
        ([Append(f"job.t.{n}", 0, b"") for n in range(BATCH_MAX + 1)], ValueError),
        ([Append("job.t.x", 0, bytes(RECORD_BYTES_MAX + 1))], RecordTooLarge),
    ],
)
async def test_what_no_log_takes_is_refused_at_once(any_log: Log, records, error) -> None:
    with pytest.raises(error):
        await any_log.append(records)


async def test_the_largest_record_is_taken(any_log: Log) -> None:
    data = bytes(RECORD_BYTES_MAX)
    a, b = fresh(), fresh()
    seqs = await any_log.append([Append(a, 0, data), Append(b, 0, data)])
    read = await read_until(any_log, seqs[0], seqs[1])
    assert [len(one.data) for one in read][-2:] == [RECORD_BYTES_MAX] * 2


async def test_what_is_purged_is_gone_and_its_subject_free(any_log: Log) -> None:
    a, b = fresh(), fresh()
    [first] = await any_log.append([Append(a, 0, b"x")])
    [second] = await any_log.append([Append(b, 0, b"x")])
    await any_log.purge(second)
    assert (await any_log.bounds()).first == second
    assert await any_log.last(a) is None
    with pytest.raises(LogConflict):
        await any_log.append([Append(a, first, b"late")])
    [third] = await any_log.append([Append(a, 0, b"anew")])
    assert [one.seq for one in await read_until(any_log, 1, third)] == [second, third]


async def test_a_lost_reply_is_looked_up_and_never_written_twice(
    nats_log: NatsLog, server: cluster.Cluster
) -> None:
    """Every append's connection is cut before its reply is read."""
    before = (await nats_log.bounds()).last
    subjects = [fresh() for _ in range(30)]
    for place in range(0, 30, 3):
        batch = subjects[place : place + 3]
        writing = asyncio.create_task(nats_log.append([Append(one, 0, b"x") for one in batch]))
        for _ in range(place % 5 + 2):
            await asyncio.sleep(0)
        nats_log.wire.reconnect()
        async with asyncio.timeout(20):
            seqs = await writing
        for seq, subject in zip(seqs, batch, strict=True):
            found = await nats_log.last(subject)
            assert found is not None
            assert found.seq == seq
    read = await read_until(nats_log, before + 1, (await nats_log.bounds()).last)
    assert sorted(one.subject for one in read if one.subject in subjects) == sorted(subjects)


async def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path) -> None:
    with cluster.running(size=1, directory=tmp_path) as alone:
        login = NatsLogin(alone.url, cluster.USER, cluster.PASSWORD)
        await ensure_log(login, monitor_urls=alone.monitor_urls)
        log = await NatsLog.open(login, name="test")
        acknowledged: dict[str, int] = {}
        reading = asyncio.create_task(read_until(log, 1, 601))

        async def write() -> None:
            for place in range(200):
                records = [Append(f"job.ten_k.{place}-{n}", 0, b"x") for n in range(3)]
                seqs = await log.append(records)
                acknowledged.update(
                    (one.subject, seq) for one, seq in zip(records, seqs, strict=True)
                )

        writing = asyncio.create_task(write())
        for _ in range(2):
            await eventually(lambda: asyncio.sleep(0, len(acknowledged)), until=bool)
            alone.servers[0].kill()
            alone.servers[0].start()
            await asyncio.sleep(0.3)
        async with asyncio.timeout(30):
            await writing
            [last] = await log.append([Append("job.ten_k.last", 0, b"x")])
            assert last == 601
            read = await reading
        await log.close()
    assert {one.subject: one.seq for one in read[:600]} == acknowledged
    assert [one.seq for one in read] == list(range(1, 602))


async def test_a_server_that_stands_still_is_waited_for(tmp_path) -> None:
    with cluster.running(size=1, directory=tmp_path) as alone:
        login = NatsLogin(alone.url, cluster.USER, cluster.PASSWORD)
        await ensure_log(login, monitor_urls=alone.monitor_urls)
        log = await NatsLog.open(login, name="test")
        alone.servers[0].signal(signal.SIGSTOP)
        writing = asyncio.create_task(log.append([Append("job.t.a", 0, b"x")]))
        asyncio.get_running_loop().call_later(4, alone.servers[0].signal, signal.SIGCONT)
        async with asyncio.timeout(20):
            assert await writing == [1]
        assert (await log.bounds()).last == 1
        await log.close()


async def test_a_wrong_password_is_told_at_once(server: cluster.Cluster) -> None:
    with pytest.raises(WireRefused, match="Authorization Violation"):
        await Wire.open(NatsLogin(server.url, cluster.USER, "wrong"), name="test")


@pytest.mark.parametrize("sync", ["", "10s"])
async def test_a_log_that_does_not_sync_always_is_refused(tmp_path, sync) -> None:
    with cluster.running(size=1, sync=sync, directory=tmp_path) as lazy:
        login = NatsLogin(lazy.url, cluster.USER, cluster.PASSWORD)
        with pytest.raises(LogUnsafe, match="n1 does not write through to the disk"):
            await ensure_log(login, monitor_urls=lazy.monitor_urls)


async def test_a_cluster_that_nobody_can_ask_is_refused(login: NatsLogin) -> None:
    with pytest.raises(LogUnsafe, match="monitor_urls: 3 replicas need"):
        await ensure_log(login, replicas=3)
    with pytest.raises(LogUnsafe, match="does not say whether its server syncs always"):
        await ensure_log(login, monitor_urls=["http://127.0.0.1:1"])
    with pytest.raises(LogMisconfigured, match="replicas"):
        await ensure_log(login, replicas=2)


async def test_other_numbers_of_replicas_than_the_stream_has_are_told(
    nats_log: NatsLog, login: NatsLogin, server: cluster.Cluster
) -> None:
    with pytest.raises(LogUnsafe, match="the cluster needs 3 servers, 1 were asked"):
        await ensure_log(login, replicas=3, monitor_urls=server.monitor_urls * 3)


async def test_a_reader_stops_when_it_is_left(nats_log: NatsLog) -> None:
    [seq] = await nats_log.append([Append(fresh(), 0, b"x")])
    reading = nats_log.read(seq)
    assert (await anext(reading))[0].seq == seq
    waiting = asyncio.create_task(anext(reading))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_a_slow_reader_gets_everything_in_its_order(nats_log: NatsLog) -> None:
    """More comes than a reader holds for who does not take it: the rest waits on the server."""
    [first] = await nats_log.append([Append(fresh(), 0, b"x")])
    reading = nats_log.read(first)
    found = [one.seq for one in await anext(reading)]
    for _ in range(BUFFERED_MAX // BATCH_MAX + 4):
        last = (await nats_log.append([Append(fresh(), 0, b"x") for _ in range(BATCH_MAX)]))[-1]
    async with asyncio.timeout(60):
        while found[-1] < last:
            found += [one.seq for one in await anext(reading)]
    await reading.aclose()
    assert found == list(range(first, last + 1))


async def test_what_an_earlier_try_wrote_is_known_as_ours(nats_log: NatsLog) -> None:
    """A caller repeats a batch of which a part was written and a part was overtaken."""
    lost, ours, free = fresh(), fresh(), fresh()
    [_, at] = await nats_log.append([Append(lost, 0, b"other"), Append(ours, 0, b"mine")])
    records = [Append(one, 0, b"mine") for one in (lost, ours, free)]
    with pytest.raises(LogConflict) as refused:
        await nats_log.append(records)
    assert (refused.value.subjects, refused.value.taken) == ((lost, ours), {ours: at})
    taken = await append_each(nats_log, records)
    assert taken[:2] == [None, at]
    assert taken[2] is not None
    assert await nats_log.append([Append(ours, 0, b"mine")]) == [at]


def certify(directory) -> None:
    """Write a certificate for loopback that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(hours=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "key.pem").write_bytes(secret)
    (directory / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))


async def test_a_log_behind_tls_is_reached_and_its_certificate_checked(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certify(tmp_path)
    secured = cluster.build(tmp_path, size=1)
    files = f'cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem"'
    secured.servers[0].conf += f"\ntls {{ {files} }}\n"
    secured.servers[0].start()
    try:
        await asyncio.to_thread(secured.wait_healthy)
        login = NatsLogin(secured.url.replace("nats:", "tls:"), cluster.USER, cluster.PASSWORD)
        with pytest.raises(WireLost, match="certificate verify failed"):
            await Wire.open(login, name="test")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        await ensure_log(login, monitor_urls=secured.monitor_urls)
        log = await NatsLog.open(login, name="test")
        assert await log.append([Append("job.t.a", 0, b"x")]) == [1]
        assert len(await read_until(log, 1, 1)) == 1
        await log.close()
    finally:
        secured.servers[0].stop()
