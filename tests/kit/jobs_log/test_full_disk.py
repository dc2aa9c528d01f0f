"""Does the log live on when the disk of one of its servers is full?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import cluster
import pytest

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs import record as r
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.verify import verify
from solvent.kit.testing import eventually

PATIENCE_S = 60.0
FULL_BYTES = 1_000_000
"""Less than two of the records that are written."""


def mount(place: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", place], check=True)


@contextlib.contextmanager
def small_disk(server: cluster.Server, megabytes: int) -> Generator[Path]:
    """Let a server keep what it keeps on a disk of its own."""
    store = server.directory / "store"
    store.mkdir()
    mount(store, f"size={megabytes}m")
    try:
        yield store
    finally:
        server.stop()
        subprocess.run(["umount", "--lazy", store], check=True)


async def is_full(store: Path) -> bool:
    return shutil.disk_usage(store).free < FULL_BYTES


async def are_well(servers: list[cluster.Server]) -> bool:
    return all(one.is_healthy() for one in servers)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk of a few megabytes")
async def test_a_full_disk_on_one_replica_loses_nothing(tmp_path) -> None:
    servers = cluster.build(tmp_path, size=3)
    full, *others = servers.servers
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(small_disk(full, 8))
        for one in servers.servers:
            one.start()
            stack.callback(one.stop)
        await asyncio.to_thread(servers.wait_healthy)
        login = NatsLogin(servers.url, cluster.USER, cluster.PASSWORD)
        await ensure_log(login, replicas=3, monitor_urls=servers.monitor_urls)
        log = await NatsLog.open(login, name="test")
        acknowledged: list[tuple[str, int]] = []
        async with asyncio.timeout(PATIENCE_S):
            for turn in range(20):
                large = r.encode(r.Submitted(r.CHAIN_START, r.Spec("noop", args=b"x" * 500_000)))
                subject = f"job.ten_a.large-{turn}"
                (seq,) = await log.append([Append(subject, 0, large)])
                acknowledged.append((subject, seq))
        await eventually(lambda: is_full(store), within_s=PATIENCE_S)  # it may lag behind
        await eventually(lambda: are_well(others), within_s=PATIENCE_S)
        found = [(subject, (await log.last(subject)).seq) for subject, _ in acknowledged]
        assert found == acknowledged
        full.stop()
        mount(store, "remount", "size=256m")
        full.start()
        await asyncio.to_thread(servers.wait_healthy)
        verdict = await verify(login)
        assert verdict.sound, verdict
        assert len({one.digest for one in verdict.replicas}) == 1
        await log.close()
