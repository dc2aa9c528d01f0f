"""How are workers started as pods of a Deployment on Kubernetes?

By the Deployment's scale sub-resource. The cluster chooses pods' names (a pod tells its own as
SOLVENT_WORKER_NAME, by the downward API) and which pod goes when the count is lowered: the one
whose deletion cost is lowest, so the drained one is marked before the count is lowered.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec

from solvent.kit.jobs.scale.ports import ProviderRefused
from solvent.kit.jobs.scale.providers.rest import ask, read

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API_URL = "https://kubernetes.default.svc"
MERGE = "application/merge-patch+json"
COST = "controller.kubernetes.io/pod-deletion-cost"
LOWEST = str(-(2**31))
ENDED = frozenset({"Succeeded", "Failed"})
TIMEOUT_S = 15
NOT_FOUND, CONFLICT = 404, 409
TRIES = 5


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None


class _ScaleSpec(msgspec.Struct):
    replicas: int = 0


class _ScaleStatus(msgspec.Struct):
    selector: str = ""


class _Scale(msgspec.Struct):
    metadata: _Meta
    spec: _ScaleSpec = msgspec.field(default_factory=_ScaleSpec)
    status: _ScaleStatus = msgspec.field(default_factory=_ScaleStatus)


class _PodStatus(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    status: _PodStatus


class _Pods(msgspec.Struct):
    items: list[_Pod]


@dataclass(slots=True)
class KubernetesProvider:
    """Scales one Deployment; `client` is bound to the API server (`in_cluster_client`)."""

    client: httpx.AsyncClient
    namespace: str
    deployment: str

    @property
    def _scale_url(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.deployment}/scale"

    @property
    def _pods_url(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def start(self, name: str) -> None:
        """Ask for one pod more; the cluster names it."""
        del name
        await self._change(1)

    async def stop(self, name: str, *, force: bool) -> None:
        """Mark the pod as the one to go and ask for one less; at once: delete it as well."""
        mark = {"metadata": {"annotations": {COST: LOWEST}}}
        url = f"{self._pods_url}/{name}"
        told = await ask(
            self.client, "PATCH", url, body=mark, content_type=MERGE, fine=(NOT_FOUND,)
        )
        pod = read(told, _Pod) if b'"Pod"' in told else None
        if pod is None or pod.metadata.deletion_timestamp:
            return
        await self._change(-1)
        if force:
            await ask(self.client, "DELETE", f"{url}?gracePeriodSeconds=0", fine=(NOT_FOUND,))

    async def running(self) -> frozenset[str]:
        """Return the names of the Deployment's pods that are neither ending nor ended."""
        scale = await self._scale()
        selector = quote(scale.status.selector)
        pods = read(
            await ask(self.client, "GET", f"{self._pods_url}?labelSelector={selector}"), _Pods
        )
        return frozenset(
            one.metadata.name
            for one in pods.items
            if not one.metadata.deletion_timestamp and one.status.phase not in ENDED
        )

    async def _scale(self) -> _Scale:
        return read(await ask(self.client, "GET", self._scale_url), _Scale)

    async def _change(self, by: int) -> None:
        """Add to the count that was read; one that somebody changed meanwhile is read again."""
        for _ in range(TRIES):
            scale = await self._scale()
            wanted = {
                "metadata": {"resourceVersion": scale.metadata.resource_version},
                "spec": {"replicas": max(scale.spec.replicas + by, 0)},
            }
            told = await ask(
                self.client,
                "PATCH",
                self._scale_url,
                body=wanted,
                content_type=MERGE,
                fine=(CONFLICT,),
            )
            if b'"Scale"' in told:
                return
        raise ProviderRefused(f"{self._scale_url}: changed by others {TRIES} times")


class _TokenFile(httpx.Auth):
    """The service account's token, read anew for each request: the cluster rotates it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request):  # noqa: ANN202 - httpx's generator
        """Add the token to a request."""
        request.headers["authorization"] = f"Bearer {self._path.read_text('ascii').strip()}"
        yield request


def in_cluster_client(
    *, url: str = API_URL, account: Path = SERVICE_ACCOUNT
) -> tuple[httpx.AsyncClient, str]:
    """Return a client under the pod's own service account, and the pod's namespace.

    Raises:
        ProviderRefused: this process runs in no pod.
    """
    authority = account / "ca.crt"
    try:
        namespace = (account / "namespace").read_text("ascii").strip()
        trust: ssl.SSLContext | bool = True
        if url.startswith("https:"):
            trust = ssl.create_default_context(cafile=str(authority))
    except OSError as fault:
        raise ProviderRefused(f"no service account in {account}: {fault.strerror}") from fault
    client = httpx.AsyncClient(
        base_url=url,
        auth=_TokenFile(account / "token"),
        verify=trust,
        timeout=TIMEOUT_S,
        trust_env=False,
    )
    return client, namespace
