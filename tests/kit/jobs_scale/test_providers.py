"""Do providers start, list and end workers, and say when they cannot?

Processes are real. Docker's engine and the Kubernetes API server are emulated at their wire: HTTP
on a unix socket and on loopback. There is no SSH server here, so `ssh` is a program that runs what
it is given in a shell of this machine, as sshd would.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from solvent.kit.jobs.scale.ports import ProviderRefused
from solvent.kit.jobs.scale.providers.docker import LABEL, DockerProvider, docker_client
from solvent.kit.jobs.scale.providers.kubernetes import (
    COST,
    LOWEST,
    KubernetesProvider,
    in_cluster_client,
)
from solvent.kit.jobs.scale.providers.local import LocalProvider
from solvent.kit.jobs.scale.providers.ssh import SshProvider
from solvent.kit.testing import eventually

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
)
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ----------------------------------------------------------------------------------- processes


async def test_local_processes_are_started_listed_and_ended():
    provider = LocalProvider(SLEEPER, ENVIRONMENT)
    await provider.start("w1")
    await provider.start("w2")
    assert await provider.running() == {"w1", "w2"}
    await provider.stop("w1", force=False)
    assert await provider.running() == {"w2"}
    pid = provider.processes["w2"].pid
    await provider.close()
    assert await provider.running() == frozenset()
    assert not alive(pid)
    await provider.stop("w2", force=True)  # gone already: no fault


async def test_a_local_process_hears_its_name_and_is_given_nothing_else(tmp_path: Path):
    code = "import os, sys; print(sys.argv[1], sorted(os.environ))"
    provider = LocalProvider(
        (sys.executable, "-c", code, "as-{worker}"), {"LC_CTYPE": "C.UTF-8"}, tmp_path
    )
    await provider.start("w1")
    await eventually(provider.running, until=lambda names: not names)
    told = (tmp_path / "w1.log").read_text()
    assert told.split(" ", 1)[0] == "as-w1"
    assert "'SOLVENT_WORKER_NAME'" in told
    assert "PATH" not in told


async def test_a_local_process_that_does_not_stop_is_killed():
    provider = LocalProvider(STUBBORN, ENVIRONMENT)
    await provider.start("w1")
    process = provider.processes["w1"]
    await provider.stop("w1", force=True)
    assert process.returncode == -9


async def test_a_process_that_ended_by_itself_is_no_longer_listed():
    provider = LocalProvider((sys.executable, "-c", "raise SystemExit(3)"), ENVIRONMENT)
    await provider.start("w1")
    await eventually(provider.running, until=lambda names: not names)


async def test_a_command_that_is_not_there_is_told():
    with pytest.raises(ProviderRefused, match="no-such-program"):
        await LocalProvider(("no-such-program",), ENVIRONMENT).start("w1")


# ---------------------------------------------------------------------------------------- wire


class Wire:
    """A small HTTP server that answers by a function; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.headers: list[str] = []

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: object):
        raise NotImplementedError

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split()
                size, head = 0, ""
                while (header := (await reader.readline()).decode().strip()) != "":
                    head += header + "\n"
                    if header.lower().startswith("content-length:"):
                        size = int(header.split(":")[1])
                self.headers.append(head)
                body = json.loads(await reader.readexactly(size)) if size else None
                parts = urlsplit(target)
                self.asked.append((method, target, body))
                status, told = self.answer(method, unquote(parts.path), parse_qs(parts.query), body)
                data = json.dumps(told).encode() if told is not None else b""
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\n"
                    "content-type: application/json\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        finally:
            writer.close()

    @asynccontextmanager
    async def on_socket(self, path: Path) -> AsyncGenerator[str]:
        server = await asyncio.start_unix_server(self.serve, str(path))
        async with server:
            yield f"unix://{path}"

    @asynccontextmanager
    async def on_port(self) -> AsyncGenerator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Engine(Wire):
    """Docker's engine, as far as its API is asked here."""

    def __init__(self) -> None:
        super().__init__()
        self.containers: dict[str, dict] = {}
        self.breaks = ""

    def answer(self, method, path, query, body):
        path = re.sub(r"^/v1\.\d+", "", path)
        if self.breaks and self.breaks in path:
            return 500, {"message": "no space left on device"}
        if path == "/containers/create":
            [name] = query["name"]
            if name in self.containers:
                return 409, {"message": "Conflict"}
            if body["Image"] == "missing":
                return 404, {"message": "No such image: missing"}
            self.containers[name] = {**body, "State": "created"}
            return 201, {"Id": name, "Warnings": []}
        if path == "/containers/json":
            wanted = json.loads(query["filters"][0])
            [label] = wanted["label"]
            key, _, value = label.partition("=")
            found = [
                {"Id": name, "Names": [f"/{name}"], "State": one["State"]}
                for name, one in self.containers.items()
                if one["Labels"].get(key) == value and one["State"] in wanted["status"]
            ]
            return 200, found
        return self._act(method, path)

    def _act(self, method, path):
        name = path.split("/")[2]
        if name not in self.containers:
            return 404, {"message": f"No such container: {name}"}
        if method == "DELETE" or path.endswith("/stop"):
            del self.containers[name]
        else:
            self.containers[name]["State"] = "running"
        return 204, None


@pytest.fixture
async def docker(tmp_path: Path):
    engine = Engine()
    async with engine.on_socket(tmp_path / "docker.sock") as where, docker_client(where) as client:
        yield (
            engine,
            DockerProvider(
                client, "house", "shop:1", ("work", "{worker}"), {"A": "b"}, cpus=0.5, memory_mb=256
            ),
        )


async def test_docker_containers_are_started_listed_and_ended(docker):
    engine, provider = docker
    await provider.start("w1")
    await provider.start("w2")
    made = engine.containers["w1"]
    assert made["Image"] == "shop:1"
    assert made["Cmd"] == ["work", "w1"]
    assert made["Env"] == ["A=b", "SOLVENT_WORKER_NAME=w1"]
    assert made["Labels"] == {LABEL: "house"}
    assert made["HostConfig"]["NanoCpus"] == 500_000_000
    assert made["HostConfig"]["Memory"] == 256 * 1024 * 1024
    assert made["State"] == "running"
    assert await provider.running() == {"w1", "w2"}
    await provider.stop("w1", force=False)
    await provider.stop("w2", force=True)
    assert await provider.running() == frozenset()
    await provider.stop("w1", force=False)
    await provider.stop("w1", force=True)


async def test_docker_lists_only_its_own_pools_containers(docker):
    engine, provider = docker
    engine.containers["other"] = {"Labels": {LABEL: "another"}, "State": "running"}
    engine.containers["stranger"] = {"Labels": {}, "State": "running"}
    await provider.start("w1")
    assert await provider.running() == {"w1"}


async def test_a_container_that_does_not_start_leaves_nothing(docker):
    engine, provider = docker
    engine.breaks = "/start"
    with pytest.raises(ProviderRefused, match="no space left"):
        await provider.start("w1")
    assert not engine.containers


async def test_an_image_that_is_not_there_is_told(docker):
    _, provider = docker
    provider.image = "missing"
    with pytest.raises(ProviderRefused, match="No such image"):
        await provider.start("w1")


async def test_an_engine_that_is_away_is_told(tmp_path: Path):
    async with docker_client(f"unix://{tmp_path}/none.sock") as client:
        with pytest.raises(ProviderRefused):
            await DockerProvider(client, "house", "shop:1").running()


class Cluster(Wire):
    """A Kubernetes API server with one Deployment, whose pods follow its count."""

    def __init__(self) -> None:
        super().__init__()
        self.version, self.born = 1, 0
        self.pods: dict[str, dict] = {}
        self.meddle = 0

    def answer(self, method, path, query, body):
        if path == "/apis/apps/v1/namespaces/shop/deployments/worker/scale":
            return self._scale(method, body)
        if path == "/api/v1/namespaces/shop/pods":
            assert query["labelSelector"] == ["app=worker,tier=jobs"]
            return 200, {"kind": "PodList", "items": list(self.pods.values())}
        name = path.rpartition("/")[2]
        if name not in self.pods:
            return 404, {"kind": "Status", "code": 404}
        if method == "DELETE":
            return 200, self.pods.pop(name)
        self.pods[name]["metadata"]["annotations"] |= body["metadata"]["annotations"]
        return 200, self.pods[name]

    def _scale(self, method, body):
        if method == "PATCH":
            if self.meddle or body["metadata"]["resourceVersion"] != str(self.version):
                self.meddle = max(self.meddle - 1, 0)
                self.version += 1
                return 409, {"kind": "Status", "reason": "Conflict"}
            self._follow(body["spec"]["replicas"])
        told = {
            "kind": "Scale",
            "metadata": {"name": "worker", "resourceVersion": str(self.version)},
            "spec": {"replicas": len(self.pods)},
            "status": {"replicas": len(self.pods), "selector": "app=worker,tier=jobs"},
        }
        return 200, told

    def _follow(self, wanted: int) -> None:
        self.version += 1
        while len(self.pods) < wanted:
            self.born += 1
            name = f"worker-{self.born}"
            meta = {"name": name, "annotations": {}, "resourceVersion": "1"}
            self.pods[name] = {"kind": "Pod", "metadata": meta, "status": {"phase": "Running"}}
        by_cost = sorted(self.pods, key=lambda name: int(self._cost(name)))
        for name in by_cost[: len(self.pods) - wanted]:
            del self.pods[name]

    def _cost(self, name: str) -> str:
        return self.pods[name]["metadata"]["annotations"].get(COST, "0")


@pytest.fixture
async def kubernetes(tmp_path: Path):
    (tmp_path / "token").write_text("the-token\n")
    (tmp_path / "namespace").write_text("shop")
    cluster = Cluster()
    async with cluster.on_port() as url:
        client, namespace = in_cluster_client(url=url, account=tmp_path)
        async with client:
            yield cluster, KubernetesProvider(client, namespace, "worker"), tmp_path


async def test_kubernetes_pods_are_started_listed_and_the_drained_one_goes(kubernetes):
    cluster, provider, _ = kubernetes
    for name in "abc":
        await provider.start(name)
    assert await provider.running() == {"worker-1", "worker-2", "worker-3"}
    await provider.stop("worker-2", force=False)
    assert await provider.running() == {"worker-1", "worker-3"}
    assert LOWEST == "-2147483648"
    await provider.stop("worker-2", force=True)
    await provider.stop("worker-3", force=True)
    assert await provider.running() == {"worker-1"}
    assert "authorization: Bearer the-token\n" in cluster.headers[0]


async def test_a_pod_that_ends_or_has_ended_is_not_listed(kubernetes):
    cluster, provider, _ = kubernetes
    for name in "abc":
        await provider.start(name)
    cluster.pods["worker-1"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.pods["worker-2"]["status"]["phase"] = "Failed"
    assert await provider.running() == {"worker-3"}
    await provider.stop("worker-1", force=False)
    assert len(cluster.pods) == 3


async def test_a_count_that_somebody_changed_meanwhile_is_read_again(kubernetes):
    cluster, provider, _ = kubernetes
    cluster.meddle = 2
    await provider.start("a")
    assert len(cluster.pods) == 1
    cluster.meddle = 99
    with pytest.raises(ProviderRefused, match="changed by others"):
        await provider.start("b")


async def test_a_rotated_token_is_read_anew(kubernetes):
    cluster, provider, account = kubernetes
    await provider.running()
    (account / "token").write_text("the-next\n")
    await provider.running()
    assert "Bearer the-next\n" in cluster.headers[-1]


def test_outside_of_a_pod_kubernetes_is_refused(tmp_path: Path):
    with pytest.raises(ProviderRefused, match="no service account"):
        in_cluster_client(account=tmp_path)


# ----------------------------------------------------------------------------------------- ssh

FAKE_SSH = """#!/bin/sh
while [ "$1" != "--" ]; do shift; done
shift
host=$1; shift
[ "$host" = "down" ] && {{ echo "ssh: connect to host down: No route to host" >&2; exit 255; }}
mkdir -p {root}/$host && cd {root}/$host && exec sh -c "$*"
"""


def pids_in(root: Path) -> list[int]:
    return [int(path.read_text()) for path in root.glob("*/.solvent-workers/*.pid")]


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.fixture
def ssh(tmp_path: Path) -> str:
    program = tmp_path / "ssh"
    program.write_text(FAKE_SSH.format(root=tmp_path))
    program.chmod(0o700)
    return str(program)


async def test_workers_are_started_over_ssh_on_the_emptiest_host(ssh: str, tmp_path: Path):
    provider = SshProvider(("one", "user@two"), SLEEPER, {"A": "b c'd"}, ssh=ssh)
    for name in ("w1", "w2", "w3"):
        await provider.start(name)
    assert await provider.running() == {"w1", "w2", "w3"}
    assert sorted(provider.at.values()) == ["one", "one", "user@two"]
    pids = pids_in(tmp_path)
    assert b"A=b c'd\0" in environment_of(pids[0])
    again = SshProvider(("one", "user@two"), SLEEPER, ssh=ssh)
    assert await again.running() == {"w1", "w2", "w3"}  # the next process knows them
    for name in ("w1", "w2", "w3"):
        await again.stop(name, force=name == "w1")
    await eventually(again.running, until=lambda names: not names)
    assert not any(map(alive, pids))
    await again.stop("w1", force=True)


async def test_a_host_that_is_down_is_told(ssh: str):
    with pytest.raises(ProviderRefused, match="No route to host"):
        await SshProvider(("down",), SLEEPER, ssh=ssh).start("w1")
    with pytest.raises(ProviderRefused, match="no-such-ssh"):
        await SshProvider(("one",), SLEEPER, ssh="no-such-ssh").start("w1")


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "", "a b", "a;b", "a\nb"])
def test_a_host_that_ssh_would_take_for_an_option_is_refused(host: str):
    with pytest.raises(ProviderRefused):
        SshProvider((host,), SLEEPER)
