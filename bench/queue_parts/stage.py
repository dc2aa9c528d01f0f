"""Where is our queue measured: log servers, a dispatcher, a worker, each a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(HERE)]
import cluster  # noqa: E402
from tally import total, waits_ms  # noqa: E402

PATIENCE_S = 400.0
SPACE = "ten_bench"


class NotDone(RuntimeError):
    """The jobs were not done in time."""


@dataclass
class Stage:
    """Running processes, and the files in which they count."""

    directory: Path
    environment: dict
    processes: list = field(default_factory=list)

    def start(self, *command, wait=False, output=subprocess.DEVNULL):
        """Start a process of ours, beside a log of its own."""
        with (self.directory / "log").open("ab") as log:
            made = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=log,
                env=self.environment,
                cwd=HERE,
                start_new_session=True,
            )
        if not wait:
            self.processes.append(made)
        return made

    def stop(self, process):
        """End it and what it started."""
        if process in self.processes:
            self.processes.remove(process)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self):
        """End all."""
        for process in list(reversed(self.processes)):
            self.stop(process)

    @property
    def counted(self):
        """How many jobs are done."""
        return total(self.directory)

    def wait_done(self, count, within_s=PATIENCE_S):
        """Wait until so many are done; return the time at which they were."""
        end = time.perf_counter() + within_s
        while self.counted < count:
            if time.perf_counter() > end:
                log = (self.directory / "log").read_text("utf-8", "replace")[-1500:]
                raise NotDone(f"{self.counted} of {count} jobs were done\n{log}")
            time.sleep(0.005)
        return time.perf_counter()

    def await_stream(self):
        """Wait until the stream stands; one server then does as `solvent up` has its server do."""
        end = time.perf_counter() + PATIENCE_S
        while not (self.servers.servers[0].scratch.stream / "meta.sum").exists():
            if time.perf_counter() > end:
                raise NotDone("there is no stream of jobs")
            time.sleep(0.02)
        if len(self.servers.servers) == 1:
            self.servers.servers[0].stage_in_memory()

    def leader(self):
        """Return the server that leads the stream of jobs."""
        for one in self.servers.servers:
            for account in one.ask("/jsz?streams=1&accounts=1")["account_details"]:
                for stream in account.get("stream_detail") or ():
                    if stream["name"] == "JOBS":
                        name = stream["cluster"]["leader"]
                        return next(s for s in self.servers.servers if s.name == name)
        raise NotDone("there is no stream of jobs")

    def waits(self):
        """Return the waits in ms that were counted, and forget them."""
        return waits_ms(self.directory)


@contextlib.contextmanager
def fresh_stage(**environment):
    """Yield a stage without processes."""
    with tempfile.TemporaryDirectory(prefix="solvent-queue-") as directory:
        made = Stage(Path(directory), {**os.environ, "BENCH_TALLY": directory, **environment})
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def our_stage(*, replicas):
    """Yield a stage with servers that sync always and a dispatcher; no worker yet."""
    with cluster.running(size=replicas) as servers:
        login = f"{cluster.USER}:{cluster.PASSWORD}"
        url = ",".join(f"nats://{login}@127.0.0.1:{one.port}" for one in servers.servers)
        with fresh_stage(SOLVENT_QUEUE_URL=url, SOLVENT_QUEUE_SPACE=SPACE) as stage:
            stage.servers = servers
            stage.dispatcher = stage.start(
                sys.executable,
                HERE / "dispatcher.py",
                servers.url,
                cluster.USER,
                cluster.PASSWORD,
                replicas,
                ",".join(servers.monitor_urls),
            )
            stage.await_stream()
            yield stage


def start_worker(stage, *, slots):
    """Start a worker of ours."""
    worker = Path(sys.executable).with_name("solvent-worker")
    command = [worker] if worker.exists() else [sys.executable, "-m", "solvent_client.tasks"]
    return stage.start(*command, "ours:app", "-c", slots, "-l", "warning")


def start_pacer(stage, count, per_second):
    """Start a submitter that submits no-ops at a steady rate."""
    return stage.start(sys.executable, "ours.py", "submit", "noop", count, per_second, wait=True)


def memory_mb(process):
    """Return the resident memory of a process and its children."""
    own = psutil.Process(process.pid)
    return sum(one.memory_info().rss for one in [own, *own.children(recursive=True)]) / 1e6


def submit(stage, kind, count, *more, python=sys.executable, script="ours.py"):
    """Run the submitter to its end; return when it began, and what else it says."""
    command = [python, script, "submit", kind, count, *more]
    process = stage.start(*command, wait=True, output=subprocess.PIPE)
    output, _ = process.communicate(timeout=PATIENCE_S)
    if process.returncode:
        raise NotDone((stage.directory / "log").read_text("utf-8", "replace")[-1500:])
    began, *told = (float(line) for line in output.split())
    return began, told
