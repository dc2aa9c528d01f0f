"""How much memory does an idle `solvent up` hold, process by process?

One JSON object a line. Proportional set size: a shared page counts once, divided among its users.
The peer of the engines is the same two programs with the settings that they come with.
"""

import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

from solvent.app.supervisor.account import choose_account, identity
from solvent.app.supervisor.binaries import find_nats, find_postgres
from solvent.app.supervisor.engines import boot_engines
from solvent.app.supervisor.probe import LOOPBACK, free_port, http_ok, postmaster_ready

GOAL_MB = 300
SETTLE_S = 10.0
SAMPLES = 5
PATIENCE_S = 120.0
MB = 1024 * 1024
SOLVENT = Path(sys.executable).with_name("solvent")


def pss_mb(process, *, tree=True):
    """Megabytes of a process, with all that it started if asked."""
    family = [process, *(process.children(recursive=True) if tree else ())]
    return sum(one.memory_full_info().pss for one in family) / MB


def wait(condition, process):
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"bench: not ready (exit status {process.poll()})")
        time.sleep(0.02)


def sampled(read):
    """The median of several readings, name by name."""
    time.sleep(SETTLE_S)
    readings = []
    for _ in range(SAMPLES):
        readings.append(read())
        time.sleep(1.0)
    return {name: statistics.median(one[name] for one in readings) for name in readings[0]}


def idle(data):
    """Every process of an idle `solvent up`."""
    port = free_port()
    command = [SOLVENT, "--data", data, "up", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: http_ok(LOOPBACK, port, "/readyz"), process)
        top = psutil.Process(process.pid)

        def read():
            held = {"supervisor": pss_mb(top, tree=False)}
            for name in ("postgres", "nats", "http", "worker"):
                pid = json.loads((data / "run" / f"{name}.pid").read_text())["pid"]
                held[name] = pss_mb(psutil.Process(pid))
            held["all"] = pss_mb(top)
            return held

        return sampled(read)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def stock_engines(place):
    """The two programs with their own settings, as they come."""
    account = choose_account(None, existing_data=place / "none")
    postgres, nats = find_postgres("auto"), find_nats("auto")
    data, port = place / "pg", free_port()
    how = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    how |= identity(account)
    subprocess.run([postgres.program("initdb"), "-D", data, "-A", "trust"], check=True, **how)
    plain = ["-D", data, "-c", "listen_addresses=", "-c", f"unix_socket_directories={place}"]
    server = subprocess.Popen([postgres.program("postgres"), *plain], **how)
    queue = subprocess.Popen(
        [nats.program("nats-server"), "-a", LOOPBACK, "-p", str(port), "-js", "-sd", place], **how
    )
    try:
        if account is None:
            wait(lambda: postmaster_ready(data, server.pid), server)
        yield {"postgres": server.pid, "nats": queue.pid}
    finally:
        server.send_signal(signal.SIGINT)
        queue.send_signal(signal.SIGTERM)
        server.wait(30)
        queue.wait(30)


def engines_alone(data):
    """Our engines with nobody connected."""
    with boot_engines(data) as engines:
        pids = {"postgres": engines.postgres.pid, "nats": engines.nats.pid}
        return sampled(lambda: {n: pss_mb(psutil.Process(pid)) for n, pid in pids.items()})


def show(figure, value, *, peer=None, peer_value=None, goal=None):
    """Print one figure."""
    ratio = round(peer_value / value, 2) if peer_value else None
    known = round(peer_value, 1) if peer_value else None
    line = {"figure": figure, "value": round(value, 1), "unit": "MB", "peer": peer}
    print(json.dumps({**line, "peer_value": known, "ratio": ratio, "goal": goal}), flush=True)


def main():
    """Measure the whole, then the engines beside their stock settings."""
    top = Path(tempfile.mkdtemp(prefix="solvent-memory-"))
    top.chmod(0o777)
    try:
        held = idle(top / "data")
        ours = engines_alone(top / "data")
        with stock_engines(top) as pids:
            stock = sampled(lambda: {n: pss_mb(psutil.Process(pid)) for n, pid in pids.items()})
    finally:
        shutil.rmtree(top, ignore_errors=True)
    show("memory_idle", held.pop("all"), goal=f"< {GOAL_MB}")
    for name, value in held.items():
        show(f"memory_idle_{name}", value)
    peer_mb = sum(stock.values())
    show("memory_engines", sum(ours.values()), peer="stock settings", peer_value=peer_mb)


if __name__ == "__main__":
    main()
