"""How are workers started as containers of a Docker engine?

Docker Engine API over its unix socket (or HTTP): create, start, stop or kill, list. Each container
is labeled with its pool, so that another scaler of the pool, and the next process, knows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import msgspec

from solvent.kit.jobs.scale.providers.naming import NAME_VARIABLE, named
from solvent.kit.jobs.scale.providers.rest import Json, ask, read

API = "/v1.43"
"""Docker 24 and newer; later engines still speak it."""
LABEL = "solvent.queue.pool"
STOP_S = 30
CPU_NANOS = 1_000_000_000
NOT_MODIFIED, NOT_FOUND, CONFLICT = 304, 404, 409


class _Container(msgspec.Struct, rename="pascal"):
    names: list[str]


@dataclass(slots=True)
class DockerProvider:
    """Runs an image once a worker; `client` is bound to the engine's socket (`docker_client`)."""

    client: httpx.AsyncClient
    pool: str
    image: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    network: str = ""
    cpus: float = 0
    """Cores that a container may use; 0: no bound."""
    memory_mb: int = 0

    async def start(self, name: str) -> None:
        """Create and start a container of this name; one half made is removed."""
        await ask(
            self.client, "POST", f"{API}/containers/create?name={name}", body=self._made(name)
        )
        try:
            await ask(self.client, "POST", f"{API}/containers/{name}/start", fine=(NOT_MODIFIED,))
        except BaseException:
            await self._remove(name)
            raise

    async def stop(self, name: str, *, force: bool) -> None:
        """Stop the container (SIGTERM, then SIGKILL by Docker) or kill it; it removes itself."""
        if force:
            await self._remove(name)
        else:
            url = f"{API}/containers/{name}/stop?t={STOP_S}"
            await ask(self.client, "POST", url, fine=(NOT_MODIFIED, NOT_FOUND))

    async def running(self) -> frozenset[str]:
        """Return the pool's containers that are being made or run."""
        wanted: Json = {
            "label": [f"{LABEL}={self.pool}"],
            "status": ["created", "running", "restarting"],
        }
        filters = quote(msgspec.json.encode(wanted))
        told = await ask(self.client, "GET", f"{API}/containers/json?all=1&filters={filters}")
        found = read(told, list[_Container])
        return frozenset(one.names[0].removeprefix("/") for one in found if one.names)

    async def _remove(self, name: str) -> None:
        url = f"{API}/containers/{name}?force=true"
        await ask(self.client, "DELETE", url, fine=(NOT_FOUND, CONFLICT))

    def _made(self, name: str) -> Json:
        told = {**self.environment, NAME_VARIABLE: name}
        host: dict[str, Json] = {"AutoRemove": True, "Init": True}
        if self.network:
            host["NetworkMode"] = self.network
        if self.cpus:
            host["NanoCpus"] = round(self.cpus * CPU_NANOS)
        if self.memory_mb:
            host["Memory"] = self.memory_mb * 1024 * 1024
        return {
            "Image": self.image,
            "Cmd": named(self.command, name) or None,
            "Env": [f"{key}={value}" for key, value in sorted(told.items())],
            "Labels": {LABEL: self.pool},
            "HostConfig": host,
        }


def docker_client(where: str) -> httpx.AsyncClient:
    """Return a client of the engine at `unix:///var/run/docker.sock` or `http://host:port`."""
    if where.startswith("unix://"):
        transport = httpx.AsyncHTTPTransport(uds=where.removeprefix("unix://"))
        return httpx.AsyncClient(
            transport=transport, base_url="http://docker", timeout=STOP_S + 10, trust_env=False
        )
    return httpx.AsyncClient(base_url=where, timeout=STOP_S + 10, trust_env=False)
