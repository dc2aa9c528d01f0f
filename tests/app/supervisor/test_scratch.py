"""Do open batches of the log lie in memory, and does nothing depend on it?"""

import asyncio
import secrets

import cluster
import pytest

from solvent.app.supervisor.scratch import MEMORY, Scratch
from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog


@pytest.fixture
def memory(tmp_path):
    """A directory in the place of the memory."""
    made = tmp_path / "memory"
    made.mkdir()
    return made


@pytest.fixture
def stream(tmp_path):
    """A stream's directory, as NATS lays it out."""
    made = tmp_path / "streams" / "JOBS"
    made.mkdir(parents=True)
    return made


def test_the_place_of_batches_leads_into_memory_for_the_owner_alone(stream, memory):
    scratch = Scratch(stream, memory=memory)
    (stream / "batches").mkdir()
    scratch.keep()
    assert (stream / "batches").resolve() == scratch.place
    assert scratch.place.stat().st_mode & 0o777 == 0o700
    scratch.clear()
    assert not scratch.place.exists()


def test_an_open_batch_is_left_where_it_is(stream, memory):
    (stream / "batches" / "open").mkdir(parents=True)
    Scratch(stream, memory=memory).keep()
    assert not (stream / "batches").is_symlink()
    assert (stream / "batches" / "open").is_dir()


def test_what_was_removed_under_us_is_made_again(stream, memory):
    scratch = Scratch(stream, memory=memory)
    scratch.keep()
    scratch.place.rmdir()
    scratch.keep()
    assert (stream / "batches").is_dir()


def test_before_the_stream_is_there_nothing_is_made(tmp_path, memory):
    Scratch(tmp_path / "none", memory=memory).keep()
    assert list(memory.iterdir()) == []


def test_what_a_stranger_has_laid_there_is_not_used(stream, memory, tmp_path):
    """Mallory lays a link, or a directory that all may write, under our name."""
    scratch = Scratch(stream, memory=memory)
    hers = tmp_path / "hers"
    hers.mkdir(mode=0o777)
    scratch.place.symlink_to(hers)
    scratch.keep()
    assert not (stream / "batches").exists()
    scratch.place.unlink()
    scratch.place.mkdir()
    scratch.place.chmod(0o777)
    scratch.keep()
    assert not (stream / "batches").exists()
    scratch.clear()
    assert scratch.place.exists(), "what is not ours is not removed"


def test_without_memory_for_files_batches_stay_on_the_disk(stream, tmp_path):
    Scratch(stream, memory=tmp_path / "no-such-place").keep()
    assert not (stream / "batches").exists()


@pytest.mark.skipif(not MEMORY.is_dir(), reason="this system has no /dev/shm")
async def test_batches_that_were_acknowledged_outlive_a_kill(tmp_path):
    """They are in the stream, on the disk; what lay in memory is looked for by nobody."""
    with cluster.running(size=1, directory=tmp_path) as servers:
        server = servers.servers[0]
        log = await logged_in(servers)
        server.stage_in_memory()
        assert (server.scratch.stream / "batches").is_symlink()
        batches = [batch(20) for _ in range(25)]
        await asyncio.gather(*[log.append(one) for one in batches])
        assert not any(server.scratch.place.iterdir()), "a batch that is whole is forgotten"
        await log.close()
        server.kill()
        server.scratch.clear()
        server.start()
        servers.wait_healthy()
        again = await logged_in(servers)
        assert (await again.bounds()).last >= 500
        for one in batches:
            assert (await again.last(one[-1].subject)).data == one[-1].data
        server.stage_in_memory()
        assert len(await again.append(batch(30))) == 30
        await again.close()


def batch(count):
    return [
        Append(f"job.ten_a.{secrets.token_hex(8)}", 0, secrets.token_bytes(64))
        for _ in range(count)
    ]


async def logged_in(servers):
    login = NatsLogin(servers.url, cluster.USER, cluster.PASSWORD)
    await ensure_log(login, replicas=1, monitor_urls=servers.monitor_urls)
    return await NatsLog.open(login, name="test")
