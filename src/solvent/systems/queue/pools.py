"""Which pool of workers do the settings describe, and who starts them?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from solvent.kit.jobs.scale.model import Pool
from solvent.kit.jobs.scale.ports import WorkerProvider
from solvent.kit.jobs.scale.providers.docker import DockerProvider, docker_client
from solvent.kit.jobs.scale.providers.kubernetes import KubernetesProvider, in_cluster_client
from solvent.kit.jobs.scale.providers.local import LocalProvider
from solvent.kit.jobs.scale.providers.ssh import SshProvider
from solvent.systems.queue.errors import PoolMisconfigured
from solvent.systems.queue.settings import QueueSection

NO_POOL = "none"
NEEDED = {
    "local": ("pool_command",),
    "docker": ("pool_image",),
    "kubernetes": ("pool_deployment",),
    "ssh": ("pool_hosts", "pool_command"),
}


def check_pool(settings: QueueSection) -> None:
    """Refuse settings of a pool that cannot work.

    Raises:
        PoolMisconfigured: naming the setting.
    """
    if settings.pool == NO_POOL:
        return
    for name in NEEDED[settings.pool]:
        if not getattr(settings, name):
            raise PoolMisconfigured(f"pool = {settings.pool} needs it", field=f"queue.{name}")
    if settings.pool_least > settings.pool_most:
        raise PoolMisconfigured(
            f"more than queue.pool_most ({settings.pool_most})", field="queue.pool_least"
        )


def pool_of(settings: QueueSection, *, space: str) -> Pool:
    """Return the pool of the settings, for the space of its tenant."""
    return Pool(
        name=settings.pool,
        space=space,
        queues=frozenset(settings.pool_queues),
        least=settings.pool_least,
        most=settings.pool_most,
        out_above=settings.pool_out_above,
        sample_s=settings.pool_sample_s,
        idle_s=settings.pool_idle_s,
        cooldown_s=settings.pool_cooldown_s,
        drain_s=settings.pool_drain_s,
        start_s=settings.pool_start_s,
    )


@asynccontextmanager
async def provider_of(
    settings: QueueSection, *, environment: dict[str, str], log_dir: Path
) -> AsyncGenerator[WorkerProvider]:
    """Yield who starts workers; local ones end with the block.

    Raises:
        ProviderRefused: there is no service account, or a host is none.
    """
    told = {key: value for key, value in environment.items() if key.startswith("SOLVENT_QUEUE_")}
    if settings.pool == "docker":
        async with docker_client(settings.pool_docker) as client:
            yield DockerProvider(client, "queue", settings.pool_image, settings.pool_command, told)
    elif settings.pool == "kubernetes":
        client, namespace = in_cluster_client()
        async with client:
            place = settings.pool_namespace or namespace
            yield KubernetesProvider(client, place, settings.pool_deployment)
    elif settings.pool == "ssh":
        yield SshProvider(settings.pool_hosts, settings.pool_command, told)
    else:
        provider = LocalProvider(settings.pool_command, environment, log_dir)
        try:
            yield provider
        finally:
            await provider.close()
