"""How are one or three log servers run on this machine, and made to fail?

For tests, benches and the chaos checker. Every server listens on loopback; what they keep lies
under one directory. Signals go to servers of ours only, by process id.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from solvent.app.supervisor.scratch import Scratch

LOOPBACK = "127.0.0.1"
USER, PASSWORD = "solvent", "a-password-for-tests"
PATIENCE_S = 40.0
POLL_S = 0.02

CONF = """
server_name: "{name}"
listen: "{host}:{port}"
http: "{host}:{monitor}"
max_payload: 1048576
jetstream {{
  store_dir: "{store}", {sync} max_memory_store: 64MB, max_file_store: 16GB
  limits {{ batch {{ max_inflight_per_stream: 1000, max_inflight_total: 5000 }} }}
}}
accounts {{
  SOLVENT {{ jetstream: enabled, users: [{{ user: {user}, password: "{password}" }}] }}
  SYS {{ users: [{{ user: "sys", password: "{password}" }}] }}
}}
system_account: SYS
"""
CLUSTER_CONF = """
cluster {{
  name: "jobs", listen: "{host}:{route}", advertise: "{host}:{reached}", routes: [{routes}]
  pool_size: 2
}}
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


def find_server() -> str:
    """Return the path of the log server that the environment brings."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        sys.exit("there is no nats-server beside this Python: make setup")
    return found


@dataclass
class Server:
    """One server with a directory of its own."""

    name: str
    port: int
    monitor: int
    directory: Path
    conf: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Where it tells how it is."""
        return f"http://{LOOPBACK}:{self.monitor}"

    def start(self) -> None:
        """Start it on what it has kept."""
        path = self.directory / "nats.conf"
        path.write_text(self.conf, encoding="utf-8")
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [find_server(), "-c", str(path)], stdout=log, stderr=log, start_new_session=True
            )

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once and wait for that."""
        self.signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        """End it in good order."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._reap()

    def _reap(self) -> None:
        if self.process is not None:
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def ask(self, path: str) -> dict:
        """Return what its monitor says there."""
        with urllib.request.urlopen(self.monitor_url + path, timeout=2) as answer:  # noqa: S310
            return json.load(answer)

    def stage_in_memory(self) -> None:
        """Have it lay open batches in memory, as the supervisor has a server of ours do.

        Once the stream of jobs is there, and again after each start.
        """
        self.scratch.keep()

    @property
    def scratch(self) -> Scratch:
        """Where it lays them."""
        return Scratch.of_jobs(self.directory / "store")

    def is_healthy(self) -> bool:
        """Whether it says that it and its streams are current."""
        try:
            return self.ask("/healthz").get("status") == "ok"
        except (OSError, ValueError):
            return False


@dataclass
class Cluster:
    """One server, or several that elect a leader among them."""

    directory: Path
    servers: list[Server] = field(default_factory=list)

    @property
    def url(self) -> str:
        """All addresses, for a client."""
        return ",".join(one.url for one in self.servers)

    @property
    def monitor_urls(self) -> list[str]:
        """Where each tells how it is."""
        return [one.monitor_url for one in self.servers]

    def wait_healthy(self, within_s: float = PATIENCE_S) -> None:
        """Wait until all say that they are well."""
        end = time.monotonic() + within_s
        while not all(one.is_healthy() for one in self.servers if one.process is not None):
            if time.monotonic() > end:
                raise TimeoutError(self.tell())
            time.sleep(POLL_S)

    def tell(self) -> str:
        """Return the ends of their logs."""
        logs = [(one.directory / "log").read_text("utf-8", "replace") for one in self.servers]
        return "\n".join(text[-2000:] for text in logs)


def build(
    directory: Path, *, size: int, sync: str = "always", doors: dict[int, int] | None = None
) -> Cluster:
    """Lay out servers, none started; an empty `sync` leaves the default of two minutes.

    `doors` are filled with a port for each server's port for its peers, through which alone these
    reach it: whoever gives them listens there and passes on what comes.
    """
    ports = free_ports(size * 4)
    through = 2 if doors is None else 3
    reached = [ports[4 * place + through] for place in range(size)]
    if doors is not None:
        doors |= {ports[4 * place + 3]: ports[4 * place + 2] for place in range(size)}
    cluster = Cluster(directory)
    for place in range(size):
        own = directory / f"n{place + 1}"
        own.mkdir(parents=True, exist_ok=True)
        conf = CONF.format(
            name=f"n{place + 1}",
            host=LOOPBACK,
            port=ports[4 * place],
            monitor=ports[4 * place + 1],
            store=own / "store",
            sync=f"sync_interval: {sync}," if sync else "",
            user=USER,
            password=PASSWORD,
        )
        if size > 1:
            urls = ", ".join(f'"nats://{LOOPBACK}:{port}"' for port in reached)
            conf += CLUSTER_CONF.format(
                host=LOOPBACK, route=ports[4 * place + 2], reached=reached[place], routes=urls
            )
        cluster.servers.append(
            Server(f"n{place + 1}", ports[4 * place], ports[4 * place + 1], own, conf)
        )
    return cluster


@contextlib.contextmanager
def running(*, size: int, sync: str = "always", directory: Path | None = None) -> Iterator[Cluster]:
    """Run servers on a fresh directory, gone with it at the end."""
    own = Path(tempfile.mkdtemp(prefix="solvent-log-", dir=directory))
    cluster = build(own, size=size, sync=sync)
    try:
        for one in cluster.servers:
            one.start()
        cluster.wait_healthy()
        yield cluster
    finally:
        for one in cluster.servers:
            one.stop()
            one.scratch.clear()
        shutil.rmtree(own, ignore_errors=True)
