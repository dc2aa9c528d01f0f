"""Where does the story play: Solvent itself and a founder's application, as processes?"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from solvent.app.demo.told import NotTrue, check
from solvent.app.environment import inherited
from solvent.kit.clock import monotonic_ms

READY_WITHIN_S = 60
STOP_WITHIN_S = 20
CALL_S = 120
PAUSE_S = 0.02
ROOT = Path(__file__).parents[4]


@dataclass(frozen=True, slots=True)
class Stage:
    """A running Solvent, and how the founder talks to it: commands and the API."""

    data_dir: Path
    url: str
    log: Path

    def solvent(self, *arguments: str) -> str:
        """Run a command as the founder would type it; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "solvent.app.cli", "--data", str(self.data_dir), *arguments],
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        told = f"solvent {' '.join(arguments)}: exit {done.returncode}: {done.stderr[-500:]}"
        check(done.returncode == 0, told)
        return done.stdout

    def solvent_json(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command with --json; return what it prints."""
        return json.loads(self.solvent(*arguments, "--json"))

    def api(self, key: str) -> httpx.Client:
        """Return a client of the API under a key."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=CALL_S)


@contextlib.contextmanager
def open_stage(data_dir: Path) -> Generator[Stage]:
    """Run `solvent up` on the directory for the length of the block."""
    port = free_port()
    log = data_dir.with_suffix(".log")
    command = [sys.executable, "-m", "solvent.app.cli", "--data", str(data_dir)]
    with running([*command, "up", "--port", str(port)], log=log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/readyz", process, log=log)
        yield Stage(data_dir, url, log)


@contextlib.contextmanager
def open_app(stage: Stage, key: str) -> Generator[str]:
    """Run the example application behind the paywall; yield its address."""
    port = free_port()
    log = stage.data_dir.with_name(f"{stage.data_dir.name}-app-{port}.log")
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_app.main:app"]
    environment = dict(inherited()) | {"SOLVENT_URL": stage.url, "SOLVENT_KEY": key}
    command += ["--port", str(port)]
    with running(command, log=log, cwd=ROOT, environment=environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health", process, log=log)
        yield url


@contextlib.contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block; it is told to stop, then made to."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=environment
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    """Return once the address answers 200.

    Raises:
        NotTrue: it does not in time, or its process has ended; the end of the log is told.
    """
    deadline_ms = monotonic_ms() + READY_WITHIN_S * 1000
    while monotonic_ms() < deadline_ms and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(PAUSE_S)
    tail = log.read_text(errors="replace")[-2000:]
    message = f"{url} does not answer; the log of its process ends:\n{tail}"
    raise NotTrue(message)


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
