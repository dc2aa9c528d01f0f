"""Does the page about three nodes keep its word when one of the log's servers is killed?"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cluster import Server, free_ports
from source import ROOT

from solvent.app.demo.cast import Founder, days_of_month, found, soon
from solvent.app.demo.stage import Stage, free_port, running, wait_for
from solvent.app.demo.told import NotTrue
from solvent.app.environment import inherited
from solvent.app.testing import fast_directory
from solvent.kit.clock import format_time
from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import StripePurchase

pytestmark = pytest.mark.journey

PAGE = ROOT / "docs" / "howto" / "three-nodes.md"
FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"10\.0\.0\.(\d):(\d+)")
SECRET = "whsec_three_nodes_0123456789abcdef"
WITHIN_S = 120
"""Seven seconds to elect a leader, five to give a lost worker's jobs away, the rest is patience."""


@dataclass
class Place:
    """The page's files with addresses of this machine in the place of those of the three nodes."""

    top: Path
    files: dict[str, str]
    ports: dict[tuple[str, str], int] = field(default_factory=dict)

    def local(self, text: str) -> str:
        return ADDRESS.sub(lambda found: f"127.0.0.1:{self.port(*found.groups())}", text)

    def port(self, node: str, port: str) -> int:
        if (node, port) not in self.ports:
            self.ports[node, port] = free_ports(1)[0]
        return self.ports[node, port]

    def server(self, node: str) -> Server:
        """Return the NATS server of a node; the page tells what differs from the first one's."""
        directory = self.top / f"n{node}"
        directory.mkdir()
        conf = self.files["n1.conf"].replace("server_name: n1", f"server_name: n{node}")
        conf = re.sub(r'((?:listen|http): ")10\.0\.0\.1', rf"\g<1>10.0.0.{node}", conf)
        conf = self.local(conf).replace("/var/lib/nats", str(directory))
        ports = self.port(node, "4222"), self.port(node, "8222")
        return Server(f"n{node}", *ports, directory, conf)

    def settings(self, name: str, *, postgres: str) -> Path:
        """Return the page's settings with the address of a PostgreSQL."""
        text = self.local(self.files["solvent.toml"])
        text = re.sub(r"^postgres = .*$", f'postgres = "{postgres}"', text, flags=re.MULTILINE)
        path = self.top / f"{name}.toml"
        path.write_text(text)
        return path


@pytest.fixture
def place() -> Generator[Place]:
    files = dict(FILE.findall(PAGE.read_text("utf-8")))
    with tempfile.TemporaryDirectory(prefix="solvent-three-", dir=fast_directory()) as top:
        Path(top).chmod(0o755)
        yield Place(Path(top), files)


@contextmanager
def node(place: Place, name: str, *, postgres: str) -> Generator[Stage]:
    """Run `solvent up` on a data directory of its own."""
    data, port = place.top / name, free_port()
    log = place.top / f"{name}.log"
    settings = place.settings(name, postgres=postgres)
    command = [
        sys.executable,
        "-m",
        "solvent.app.cli",
        "--config",
        str(settings),
        "--data",
        str(data),
        "up",
        "--port",
        str(port),
    ]
    environment = dict(inherited()) | {"SOLVENT_QUEUE__PORT": "0"}
    with running(command, log=log, environment=environment) as process:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, log=log)
        yield Stage(data, f"http://127.0.0.1:{port}", log)


def owner_url(stage: Stage) -> str:
    return json.loads((stage.data_dir / "run" / "engines.json").read_text())["postgres"][
        "owner_dsn"
    ]


def leader(servers: list[Server]) -> Server:
    """Return the server that leads the stream of jobs."""
    for one in servers:
        for account in one.ask("/jsz?streams=1&accounts=1")["account_details"]:
            for stream in account.get("stream_detail") or ():
                if stream["name"] == "JOBS":
                    return next(s for s in servers if s.name == stream["cluster"]["leader"])
    raise AssertionError


def pay(stage: Stage, founder: Founder, customer: str) -> None:
    buy = StripePurchase(
        customer,
        "price_demo_pro_monthly",
        founder.began_at,
        subscription_id=f"sub_{customer}",
        provider_customer_id=f"cus_{customer}",
        period_days=days_of_month(founder.began_at),
    )
    for body in (buy.checkout(), buy.created(), buy.paid(), buy.updated()):
        assert founder.deliver(stage, body) == 200


def gets_in(stage: Stage, founder: Founder, customer: str) -> bool:
    with stage.api(founder.key) as api:
        asked = {"customer": customer, "feature": "export"}
        answer = api.post("/v1/entitlements/check", json=asked)
        return answer.is_success and answer.json()["allowed"]


def invoices(stage: Stage, founder: Founder) -> int:
    with stage.api(founder.key) as api:
        answer = api.get("/v1/invoices")
        return len(answer.json()["data"]) if answer.is_success else 0


@contextmanager
def explained(place: Place, servers: list[Server]) -> Generator[None]:
    """Where something does not become true, show what each node last said and what is unread."""
    try:
        yield
    except NotTrue:
        for log in sorted(place.top.rglob("*.log")):
            print(f"--- {log.relative_to(place.top)}", *tail(log), sep="\n")
        for one in servers:
            if one.is_healthy():
                print(f"--- {one.name}", *unread(one), sep="\n")
        raise


def tail(log: Path) -> list[str]:
    """Return the last lines of a log."""
    return log.read_text("utf-8", "replace").splitlines()[-40:]


def unread(server: Server) -> Generator[str]:
    """Say who leads each stream in a server's eyes, and how far its readers are."""
    for one in server.ask("/jsz?streams=1&consumers=1&accounts=1")["account_details"]:
        for stream in one.get("stream_detail") or ():
            yield f"{stream['name']}: {stream['state']['last_seq']} {stream.get('cluster')}"
            for reader in stream.get("consumer_detail") or ():
                waits = [
                    reader.get(f"num_{name}") for name in ("pending", "ack_pending", "waiting")
                ]
                yield f"{stream['name']} {reader['name']}: {waits} {reader.get('cluster')}"


def test_work_goes_on_when_the_server_that_leads_the_log_is_killed(place: Place) -> None:
    servers = [place.server(node) for node in "123"]
    with ExitStack() as held:
        for server in servers:
            held.callback(server.stop)
            server.start()
        soon(lambda: all(one.is_healthy() for one in servers), "no cluster", within_s=WITHIN_S)
        first = held.enter_context(node(place, "first", postgres="auto"))
        secrets = place.top / "second" / "secrets"
        shutil.copytree(first.data_dir / "secrets", secrets)
        second = held.enter_context(node(place, "second", postgres=owner_url(first)))
        held.enter_context(explained(place, servers))
        founder = found(first, "Three", Provider.STRIPE, SECRET)
        first.solvent(
            "catalogue", "apply", str(ROOT / "examples/catalogue.toml"), "--tenant", founder.slug
        )
        pay(first, founder, "ada")
        soon(lambda: gets_in(second, founder, "ada"), "ada is out", within_s=WITHIN_S)
        leader(servers).kill()
        pay(second, founder, "bob")
        soon(lambda: gets_in(first, founder, "bob"), "bob is out", within_s=WITHIN_S)
        end = founder.began_at + timedelta(days=days_of_month(founder.began_at))
        with second.api(founder.key) as api:
            moved = api.post("/v1/test-clock", json={"now": format_time(end)})
            assert moved.is_success, moved.text
        soon(lambda: invoices(first, founder) == 2, "not drawn", within_s=WITHIN_S)


def test_the_pages_settings_are_what_solvent_reads(place: Place) -> None:
    told = tomllib.loads(place.files["solvent.toml"])["engines"]
    assert told["nats_replicas"] == len(told["nats_monitor_urls"]) == told["nats"].count("nats://")
