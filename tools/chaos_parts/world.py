"""What runs while faults happen: servers, dispatchers, workers, each a process that may be hit."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cluster

HERE = Path(__file__).parent
SPACE = "ten_chaos"
END_S = 15
SAY_S = 1


@dataclass
class World:
    """All processes of one schedule."""

    directory: Path
    servers: cluster.Cluster
    skews: list
    dispatchers: dict = field(default_factory=dict)
    workers: dict = field(default_factory=dict)
    told: list = field(default_factory=list)
    """What dispatchers said at their end."""
    generation: int = 0

    def environment(self):
        """Return the variables by which our client finds the log."""
        login = f"{cluster.USER}:{cluster.PASSWORD}"
        urls = [f"nats://{login}@127.0.0.1:{one.port}" for one in self.servers.servers]
        return {
            **os.environ,
            "SOLVENT_QUEUE_URL": ",".join(urls),
            "SOLVENT_QUEUE_SPACE": SPACE,
            "CHAOS_HISTORY": str(self.directory),
        }

    def _start(self, name, *command):
        log = (self.directory / f"{name}.log").open("ab")
        out = (self.directory / f"{name}.out").open("ab")
        with log, out:
            return subprocess.Popen(
                [str(part) for part in command],
                stdout=out,
                stderr=log,
                env=self.environment(),
                cwd=HERE,
                start_new_session=True,
            )

    def start_dispatcher(self, place):
        """Start a dispatcher on a host whose clock is off."""
        self.generation += 1
        name = f"dispatcher-{place}-{self.generation}"
        self.dispatchers[place] = (
            name,
            self._start(
                name,
                sys.executable,
                HERE / "dispatcher.py",
                self.skews[place],
                self.servers.url,
                cluster.USER,
                cluster.PASSWORD,
                len(self.servers.servers),
                ",".join(self.servers.monitor_urls),
            ),
        )

    def start_worker(self, place):
        """Start a worker."""
        self.generation += 1
        name = f"worker-{place}-{self.generation}"
        command = [sys.executable, "-m", "solvent_client.tasks", "tasks:app", "-c", "8"]
        self.workers[place] = name, self._start(name, *command, "-l", "warning", "--drain", "5")

    def revive(self):
        """Start again what has ended by itself, as a supervisor does: a worker without a log."""
        for kind in ("worker", "dispatcher"):
            for place, (_, process) in list(getattr(self, f"{kind}s").items()):
                if process.poll() is not None:
                    getattr(self, f"start_{kind}")(place)

    def hit(self, kind, place, number):
        """Send a signal to a dispatcher or worker."""
        _, process = getattr(self, kind)[place]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if number == signal.SIGKILL:
            process.wait()

    def ask(self):
        """Have all say in their logs what they wait for."""
        for kind in ("workers", "dispatchers"):
            for place in getattr(self, kind):
                self.hit(kind, place, signal.SIGUSR1)
        time.sleep(SAY_S)

    def end(self):
        """Let all come to an end; a dispatcher says what it has come to."""
        for kind in ("workers", "dispatchers"):
            for place in getattr(self, kind):
                self.hit(kind, place, signal.SIGCONT)
                self.hit(kind, place, signal.SIGTERM)
        for _, process in [*self.workers.values(), *self.dispatchers.values()]:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def spoken(self):
        """Return what the dispatchers said at their end, and the name of each."""
        found = []
        for path in self.directory.glob("dispatcher-*.out"):
            found += [(path.stem, line) for line in path.read_text("utf-8").splitlines()]
        return found

    def history(self):
        """Return the lines that the workers wrote."""
        return [
            line
            for path in self.directory.glob("*.jsonl")
            for line in path.read_text("utf-8").splitlines()
        ]


def wait_until(look, within_s):
    """Wait until it is so; return whether it is."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.1)
    return look()
