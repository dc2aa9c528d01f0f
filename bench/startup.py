"""How long does `solvent up` take until it answers, beside the same steps one after another?

One JSON object a line. The peer starts the same programs on the same data the plain way: engines,
then migrations, then API and worker.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from solvent.app.supervisor.access import DATA_VARIABLE, FILE_VARIABLE
from solvent.app.supervisor.engines import boot_engines
from solvent.app.supervisor.probe import LOOPBACK, free_port, http_ok

RUNS = 5
GOAL_S = 3.0
PATIENCE_S = 120.0
SOLVENT = Path(sys.executable).with_name("solvent")


def wait_ready(port, process):
    """Return when the API says that it is ready."""
    end = time.monotonic() + PATIENCE_S
    while not http_ok(LOOPBACK, port, "/readyz"):
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"bench: not ready (exit status {process.poll()})")
        time.sleep(0.005)


def end(*processes):
    """Stop the processes and wait for them."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(60)


def up(data):
    """Seconds from the command to the first 200 of /readyz."""
    port = free_port()
    began = time.monotonic()
    command = [SOLVENT, "--data", data, "up", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_ready(port, process)
    took_s = time.monotonic() - began
    end(process)
    return took_s


def one_after_another(data):
    """The same with each step begun when the one before it is through."""
    port = free_port()
    began = time.monotonic()
    with boot_engines(data) as engines:
        environment = {
            **os.environ,
            FILE_VARIABLE: str(engines.access_file),
            DATA_VARIABLE: str(data),
            "SOLVENT_HTTP__PORT": str(port),
        }

        def start(module):
            command = [sys.executable, "-m", module]
            quiet = subprocess.DEVNULL
            return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)

        migrations = start("solvent.app.migrate")
        if migrations.wait(PATIENCE_S) != 0:
            sys.exit("bench: the migrations failed")
        worker, api = start("solvent.app.worker"), start("solvent.app.http")
        wait_ready(port, api)
        took_s = time.monotonic() - began
        end(worker, api)
    return took_s


def show(figure, value, *, peer, peer_value, goal):
    """Print one figure."""
    ratio = round(peer_value / value, 2) if peer_value else None
    known = round(peer_value, 3) if peer_value else None
    line = {"figure": figure, "value": round(value, 3), "unit": "s", "peer": peer}
    print(json.dumps({**line, "peer_value": known, "ratio": ratio, "goal": goal}), flush=True)


def main():
    """Measure the first start, then the later ones in turn with the peer's."""
    top = Path(tempfile.mkdtemp(prefix="solvent-bench-"))
    data = top / "data"
    top.chmod(0o755)
    try:
        first_s = up(data)
        pairs = [(up(data), one_after_another(data)) for _ in range(RUNS)]
    finally:
        shutil.rmtree(top, ignore_errors=True)
    ours_s = statistics.median(ours for ours, _ in pairs)
    theirs_s = statistics.median(theirs for _, theirs in pairs)
    show("startup_first", first_s, peer=None, peer_value=None, goal=None)
    show(
        "startup_second", ours_s, peer="one after another", peer_value=theirs_s, goal=f"< {GOAL_S}"
    )


if __name__ == "__main__":
    main()
