"""How long does `solvent up` take until it answers, beside the same steps one after another?

One JSON object a line. The peer is a script that starts the same programs on the same data the
plain way: engines, then migrations, then API and worker.
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


def timed(*command, port):
    """Seconds from the command to the first 200 of /readyz."""
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_ready(port, process)
    took_s = time.monotonic() - began
    end(process)
    return took_s


def up(data):
    """Ours: the command of the README."""
    port = free_port()
    return timed(SOLVENT, "--data", data, "up", "--port", str(port), port=port)


def one_after_another(data):
    """The peer's: this script, told to start everything in turn."""
    port = free_port()
    return timed(sys.executable, __file__, "peer", data, str(port), port=port)


def run_peer(data, port):
    """Start each step when the one before it is through; stop when told to."""
    with boot_engines(data) as engines:
        environment = {
            **os.environ,
            FILE_VARIABLE: str(engines.access_file),
            DATA_VARIABLE: str(data),
            "SOLVENT_HTTP__PORT": port,
        }

        def start(module):
            command = [sys.executable, "-m", module]
            quiet = subprocess.DEVNULL
            return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)

        if start("solvent.app.migrate").wait(PATIENCE_S) != 0:
            sys.exit("bench: the migrations failed")
        processes = start("solvent.app.http"), start("solvent.app.worker")
        try:
            signal.pause()
        finally:
            end(*processes)


def show(figure, value, *, peer, peer_value, goal):
    """Print one figure."""
    ratio = round(peer_value / value, 2) if peer_value else None
    known = round(peer_value, 3) if peer_value else None
    line = {"figure": figure, "value": round(value, 3), "unit": "s", "peer": peer}
    print(json.dumps({**line, "peer_value": known, "ratio": ratio, "goal": goal}), flush=True)


def main():
    """Measure the first start, then the later ones in turn with the peer's."""
    top = Path(tempfile.mkdtemp(prefix="solvent-startup-"))
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
    if sys.argv[1:2] == ["peer"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        run_peer(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
