"""Does a pool of real workers grow with its load, do the work, and shrink when it is idle?"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.jobs.record import Scaled, decode
from solvent.kit.jobs.scale.loop import Scaler
from solvent.kit.jobs.scale.ports import ProviderRefused
from solvent.kit.jobs.scale.providers.local import LocalProvider
from solvent.kit.jobs.scale.watch import DispatcherWatch
from solvent.kit.testing import eventually
from solvent.systems.queue import ordering, pools
from solvent.systems.queue.errors import PoolMisconfigured
from solvent.systems.queue.model import WantedJob
from solvent.systems.queue.service import submit
from solvent.systems.queue.settings import QueueSection

SHOP = """
from solvent_client.tasks import Tasks

tasks = Tasks()


@tasks.task(name="double")
def double(number):
    return 2 * number
"""


async def test_real_workers_come_work_and_go(yard, house, tenant_id, tmp_path: Path):
    (tmp_path / "shop.py").write_text(SHOP)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        scopes = ["queue:work", "queue:submit"]
        key = await tenants.issue_key(ctx, name="pool", asked_scopes=scopes)
    settings = QueueSection(
        pool="local",
        pool_command=("solvent-worker", "shop:tasks", "--name", "{worker}"),
        pool_idle_s=1,
        pool_cooldown_s=0.1,
        pool_sample_s=0.1,
        pool_most=1,
    )
    pool = pools.pool_of(settings, space=tenant_id)
    watch = DispatcherWatch(house.bus, lambda: yard.dispatcher)
    provider = LocalProvider(
        (str(Path(sys.executable).parent / settings.pool_command[0]), *settings.pool_command[1:]),
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "SOLVENT_QUEUE_URL": yard.door_url,
            "SOLVENT_QUEUE_SPACE": tenant_id,
            "SOLVENT_QUEUE_KEY": key.text,
        },
        tmp_path,
    )
    scaler = Scaler(pool, provider, watch, yard.jobs, house.edge.ids)
    yard.dispatcher._scaler = watch
    running = asyncio.create_task(scaler.run())
    try:
        ids = await _submit(house, yard, tenant_id)
        for task_id in ids:
            row = await eventually(
                lambda task_id=task_id: yard.row(tenant_id, task_id),
                until=lambda row: bool(row and row.state == "done"),
                within_s=40,
            )
            assert row.worker.startswith("wrk_")
        await eventually(provider.running, until=lambda names: not names, within_s=40)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await provider.close()
    told = [decode(one.data) for one in await yard.link.decisions()]
    ours = [one for one in told if isinstance(one, Scaled) and one.inputs["space"] == tenant_id]
    acts = [one.decision for one in ours]
    assert acts[0] == "start"
    assert "drain" in acts
    assert all(one.inputs["most"] == 1 for one in ours)


async def _submit(house, yard, tenant_id) -> list[str]:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        wanted = [WantedJob(name="double", args=[number]) for number in range(5)]
        order = submit.prepare(ctx, wanted, request_key=house.edge.ids.new("qrq"))
    return [one.task_id for one in await ordering.place(yard.jobs, order)]


@pytest.mark.parametrize(
    "told, field",
    [
        ({"pool": "local"}, "queue.pool_command"),
        ({"pool": "docker"}, "queue.pool_image"),
        ({"pool": "kubernetes"}, "queue.pool_deployment"),
        ({"pool": "ssh", "pool_command": ("w",)}, "queue.pool_hosts"),
        (
            {"pool": "local", "pool_command": ("w",), "pool_least": 5, "pool_most": 2},
            "queue.pool_least",
        ),
    ],
)
def test_a_pool_that_cannot_work_is_refused_by_its_setting(told: dict, field: str):
    with pytest.raises(PoolMisconfigured) as refused:
        pools.check_pool(QueueSection(**told))
    assert refused.value.field == field
    pools.check_pool(QueueSection())


@pytest.mark.parametrize("pool", ["local", "docker", "ssh"])
async def test_each_pool_has_who_starts_its_workers(pool: str, tmp_path: Path):
    settings = QueueSection(
        pool=pool, pool_command=("w",), pool_image="i", pool_hosts=("h",), pool_docker="unix:///x"
    )
    async with pools.provider_of(settings, environment={}, log_dir=tmp_path) as provider:
        assert hasattr(provider, "running")


async def test_kubernetes_needs_a_service_account(tmp_path: Path):
    settings = QueueSection(pool="kubernetes", pool_deployment="w")
    with pytest.raises(ProviderRefused, match="service account"):
        async with pools.provider_of(settings, environment={}, log_dir=tmp_path):
            pytest.fail("came in")
