"""How is NATS configured: who may come in, where it listens, how safely it keeps its streams?"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Container
from pathlib import Path

from solvent.app.supervisor.access import NatsAccess
from solvent.app.supervisor.account import Account, hand_over
from solvent.app.supervisor.binaries import find_nats, runnable
from solvent.app.supervisor.layout import Layout
from solvent.app.supervisor.private_files import keep_password, write_private
from solvent.app.supervisor.probe import LOOPBACK, free_port, http_ok, port_is_free
from solvent.app.supervisor.process import Spec
from solvent.app.supervisor.scratch import Scratch
from solvent.app.supervisor.settings import EngineSettings

USER = "solvent"
SYSTEM_USER = "solvent_sys"
MAX_PAYLOAD_BYTES = 1024 * 1024
STOPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

CONF = """# Written by Solvent at each start.
server_name: solvent
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
max_payload: {max_payload}
logtime_utc: true
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: {max_file_mb}MB
}}
accounts {{
  SOLVENT {{ jetstream: enabled, users: [{{ user: {user}, password: {password} }}] }}
  SYS {{ users: [{{ user: {system_user}, password: {system_password} }}] }}
}}
system_account: SYS
authorization {{
  auth_callout {{
    issuer: {issuer}
    account: SOLVENT
    auth_users: [{user}, {system_user}]
  }}
}}
"""
"""Only the two users of ours stand here; the API keys of tenants are asked for at the callout."""

ISSUER_FILE = "nats_issuer.key"
ISSUER_MADE_WITHIN_S = 30.0


class Nats:
    """A NATS of ours. Its ports are kept from run to run as long as they are free."""

    def __init__(self, settings: EngineSettings, layout: Layout, account: Account | None) -> None:
        """Find the program. Raises EngineMissing if there is none that the account can run."""
        found = find_nats(settings.nats)
        install = runnable(found, "nats-server", account=account, state_dir=settings.state_dir)
        self._reserved = settings.reserved_ports
        self._max_file_mb = settings.jetstream_max_file_mb
        self._layout = layout
        self._account = account
        self._ports = layout.run / "nats-ports.json"
        self._conf = layout.nats / "nats.conf"
        self._password = keep_password(layout.secrets / "nats_solvent.password")
        self._system_password = keep_password(layout.secrets / "nats_sys.password")
        self._issuer = _issuer(layout.secrets / ISSUER_FILE)
        self.port, self.monitor_port = _kept_ports(self._ports)
        self.scratch = Scratch.of_jobs(layout.nats / "store", account)
        self.spec = Spec(
            name="nats",
            argv=lambda: (install.program("nats-server"), "-c", str(self._conf)),
            log=layout.log / "nats.log",
            pid_file=layout.run / "nats.pid",
            cwd=layout.nats,
            environment={"PATH": os.defpath, "TZ": "UTC", "GOMEMLIMIT": "256MiB"},
            account=account,
            ready=lambda _pid: http_ok(LOOPBACK, self.monitor_port, "/healthz"),
            before_start=self._configure,
            while_ready=self.scratch.keep,
            stops=STOPS,
        )

    @property
    def access(self) -> NatsAccess:
        """How to reach it now; another port than before if that was taken."""
        url = f"nats://{LOOPBACK}:{self.port}"
        return NatsAccess(url, USER, self._password, f"http://{LOOPBACK}:{self.monitor_port}")

    def _configure(self) -> None:
        """Choose the ports and write the configuration, just before each start."""
        self.port = _free(self.port, avoid=self._reserved)
        self.monitor_port = _free(self.monitor_port, avoid=(*self._reserved, self.port))
        ports = {"client": self.port, "monitor": self.monitor_port}
        write_private(self._ports, json.dumps(ports) + "\n")
        # Strings are quoted as in JSON: a bare password of digits would be read as a number.
        text = CONF.format(
            host=LOOPBACK,
            port=self.port,
            monitor_port=self.monitor_port,
            max_payload=MAX_PAYLOAD_BYTES,
            store=json.dumps(str(self._layout.nats / "store"), ensure_ascii=False),
            max_file_mb=self._max_file_mb,
            user=json.dumps(USER),
            password=json.dumps(self._password),
            system_user=json.dumps(SYSTEM_USER),
            system_password=json.dumps(self._system_password),
            issuer=json.dumps(self._issuer),
        )
        write_private(self._conf, text)
        hand_over(self._conf, self._account)


def _issuer(path: Path) -> str:
    """Return the public key of who may admit tenants; a key is made where there is none.

    By a process of its own: the libraries that make it would stay in ours.
    """
    if not path.exists():
        command = (sys.executable, "-m", "solvent.kit.nkey", str(path))
        subprocess.run(command, check=True, timeout=ISSUER_MADE_WITHIN_S)
    return path.read_text("ascii").split()[0]


def _free(port: int, *, avoid: Container[int]) -> int:
    keep = port and port not in avoid and port_is_free(port)
    return port if keep else free_port(avoid=avoid)


def _kept_ports(path: Path) -> tuple[int, int]:
    try:
        held = json.loads(path.read_text("utf-8"))
        return int(held["client"]), int(held["monitor"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
