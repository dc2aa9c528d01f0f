"""How fast are the others at the same jobs, each as its manual sets it up?"""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.queue_parts.stage import fresh_stage, submit

from solvent.app.supervisor.engines import boot_engines
from solvent.app.supervisor.probe import LOOPBACK, free_port
from solvent.app.supervisor.settings import EngineSettings

NEEDS = (
    "celery[redis]==5.7.*",
    "dramatiq[redis]==2.*",
    "taskiq==0.*",
    "taskiq-redis==1.*",
    "procrastinate==3.*",
    "psycopg[binary]==3.*",
    "psycopg-pool==3.*",
)
COUNTS = {"noop": 10_000, "ms1": 5_000, "io": 5_000}
WARM = 100
READY_S = 60
WORKERS = {
    "celery": ("-m", "celery", "-A", "peer_celery", "worker", "-l", "error", "-c", "2"),
    "dramatiq": ("-m", "dramatiq", "peer_dramatiq", "-p", "2", "-t", "8"),
    "taskiq": ("-m", "taskiq", "worker", "peer_taskiq:broker", "--workers", "2"),
    "procrastinate": ("peer_procrastinate.py", "worker", "200"),
}
FOR_IO = {
    "celery": ("-P", "threads", "-c", "200"),
    "dramatiq": ("-p", "1", "-t", "200"),
    "taskiq": ("--max-async-tasks", "200"),
    "procrastinate": (),
}


class PeersAway(RuntimeError):
    """What the peers need is not here."""


def build_environment():
    """Return the Python of an environment with the peers, outside of the repository."""
    name = hashlib.sha256(" ".join(NEEDS).encode()).hexdigest()[:12]
    place = Path(tempfile.gettempdir()) / f"solvent-bench-peers-{name}"
    python, ready = place / "bin" / "python", place / "ready"
    if not ready.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, str(place)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", str(python), *NEEDS], check=True)
        ready.touch()
    return python


@contextlib.contextmanager
def running_redis():
    """Yield the address of a Redis that syncs its append-only file each second."""
    program = shutil.which("redis-server")
    if program is None:
        raise PeersAway("there is no redis-server: make bench-redis")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="solvent-redis-") as directory:
        options = ["--port", str(port), "--bind", LOOPBACK, "--dir", directory]
        options += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield f"redis://{LOOPBACK}:{port}/0"
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def running_postgres():
    """Yield the address of a PostgreSQL that syncs each commit."""
    directory = Path(tempfile.mkdtemp(prefix="solvent-postgres-"))
    try:
        with boot_engines(directory, settings=EngineSettings(data_dir=directory)) as engines:
            yield engines.access.postgres.owner_dsn
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def measure(tell, small):
    """Tell each peer's rates."""
    python = build_environment()
    with running_redis() as redis, running_postgres() as postgres:
        for peer in WORKERS:
            for kind, count in COUNTS.items():
                with fresh_stage(BENCH_REDIS=redis, BENCH_POSTGRES=postgres) as stage:
                    if peer == "procrastinate" and kind == "noop":
                        stage.start(python, "peer_procrastinate.py", "schema", wait=True).wait(60)
                    rate = measure_one(stage, python, peer, kind, max(count // small, 200))
                    tell(queue=peer, kind=kind, jobs=max(count // small, 200), per_s=round(rate))


def measure_one(stage, python, peer, kind, count):
    """Return jobs a second, from the first submission to the last end."""
    more = FOR_IO[peer] if kind == "io" else ()
    stage.start(python, *WORKERS[peer], *more)
    script = f"peer_{peer}.py"
    submit(stage, kind, WARM, python=python, script=script)
    stage.wait_done(WARM, READY_S)
    started, _ = submit(stage, kind, count, python=python, script=script)
    return count / (stage.wait_done(WARM + count) - started)
