"""Where is it measured: a real `solvent up`, a catalogue, customers who pay, and applications."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from solvent_client import Solvent

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
CATALOGUE = """
[meters.logs_gb]
aggregation = "sum"
unit = "GB"

[products.logs]
name = "Logbook"

[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "29.00" }
features.export = { kind = "switch", on_outage = "closed" }
features.ingest = { kind = "quota", limit = "unlimited", meter = "logs_gb", on_outage = "open" }
"""

QUERY = """
    select status, plan_expires_at from subscriptions_subscription
    where tenant_id = $1 and customer_id = $2 and current
"""
"""What the peer asks at every request: the brief's design."""


@dataclass(frozen=True)
class Stage:
    """A running Solvent with one business in it."""

    data: Path
    url: str
    key: str
    tenant_id: str
    api: Solvent

    @property
    def dsn(self):
        """PostgreSQL, as the role that row-level security does not slow down."""
        return json.loads((self.data / "run" / "engines.json").read_text())["postgres"]["owner_dsn"]

    @property
    def worker_pid(self):
        return json.loads((self.data / "run" / "worker.pid").read_text())["pid"]

    def post(self, path, body):
        return json.loads(self.api.transport.call("POST", path, body=body).body)

    def pay(self, reference):
        """Make a customer who pays; return their id and their subscription's."""
        customer = self.api.ensure_customer(reference)
        bought = self.post("/v1/subscriptions", {"customer": reference, "plan": "pro"})
        return customer.id, bought["id"]


@dataclass(frozen=True)
class App:
    """A running application."""

    port: int
    process: psutil.Process

    def cpu_s(self):
        """Return how much processor time it has taken so far."""
        times = self.process.cpu_times()
        return times.user + times.system


@contextlib.contextmanager
def solvent_up(data):
    """Run `solvent up` on an empty directory, with a tenant and its catalogue."""
    port = free_port()
    command = [sys.executable, "-m", "solvent.app.cli", "--data", str(data)]
    with running([*command, "up", "--port", str(port)], log=data.with_suffix(".log")):
        wait_for(port, "/readyz")
        made = json.loads(_run([*command, "tenant", "create", "Bench", "--json"]))
        catalogue = data / "bench.toml"
        catalogue.write_text(CATALOGUE)
        slug = made["live"]["slug"]
        _run([*command, "catalogue", "apply", str(catalogue), "--tenant", slug])
        url, key = f"http://127.0.0.1:{port}", made["keys"]["sk_live"]
        with Solvent(url, key, timeout_s=30) as api:
            yield Stage(data, url, key, made["live"]["id"], api)


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def application(stage, kind, *, url=None, log):
    """Run the example application under uvicorn: bare, behind Solvent, or behind the peer."""
    port = free_port()
    environment = {
        "SOLVENT_URL": url or stage.url,
        "SOLVENT_KEY": stage.key,
        "BENCH_DSN": stage.dsn,
        "BENCH_TENANT": stage.tenant_id,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", f"paywall_parts.apps:{kind}"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    with running(command, log=log, environment=os.environ | environment) as process:
        wait_for(port, "/health")
        yield App(port, psutil.Process(process.pid))


@contextlib.contextmanager
def running(command, *, log, environment=None):
    """Run a process for the length of the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(port, path, *, accept=lambda body: True):
    """Wait until the address answers 200 with a body that is accepted."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == http.client.OK and accept(body):
                connection.close()
                return
        connection.close()
        time.sleep(0.02)
    sys.exit(f"bench: port {port} did not answer {path}")


def wait_live(port):
    """Wait until the application answers its checks in process."""
    wait_for(port, "/health", accept=lambda body: json.loads(body)["paywall_live"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
