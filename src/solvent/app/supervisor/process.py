"""How is one child process started, watched and stopped?"""

import ctypes
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from solvent.app.supervisor.account import Account, identity
from solvent.app.supervisor.birth import forget, remember
from solvent.app.supervisor.errors import EngineFailed

PR_SET_PDEATHSIG = 1
POLL_S = 0.005
LOG_TAIL_LINES = 8
LOG_TAIL_BYTES = 8192
LOST_PARENT_STATUS = 125

Stops = tuple[tuple[signal.Signals, float], ...]
GENTLE_STOPS: Stops = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One process: what to run, how to know that it is ready, how to stop it.

    `ready` is asked with the process id; without it, running is being ready.
    `before_start` runs before each start and may clean up, `while_ready` every few seconds.
    `stops` are the signals to stop it with, each with the seconds that it gets before the next.
    `orphan_signal` is what the kernel sends it when the supervisor dies (Linux).
    """

    name: str
    argv: Callable[[], tuple[str, ...]]
    log: Path
    pid_file: Path
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    account: Account | None = None
    ready: Callable[[int], bool] | None = None
    before_start: Callable[[], None] = _nothing
    while_ready: Callable[[], None] = _nothing
    stops: Stops = GENTLE_STOPS
    orphan_signal: signal.Signals = signal.SIGTERM


class Child:
    """A process of ours, from its start to its end; it can be started again."""

    def __init__(self, spec: Spec) -> None:
        """Nothing runs until `start`."""
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of the last run, negative for a signal."""
        return self._process.poll() if self._process else None

    @property
    def ready(self) -> bool:
        """Whether it runs and answers."""
        if self._process is None or not self.running:
            return False
        return self.spec.ready is None or self.spec.ready(self._process.pid)

    def start(self) -> None:
        """Start it and write down who it is.

        Raises EngineFailed if its program cannot be executed.
        """
        self.spec.before_start()
        with _open_log(self.spec.log) as log:
            try:
                self._process = _spawn(self.spec, log.fileno())
            except (OSError, subprocess.SubprocessError) as error:
                message = f"{self.spec.name} cannot be started: {error}"
                raise EngineFailed(message) from error
        remember(self.spec.pid_file, self._process.pid)

    def wait_ready(self, *, within_s: float) -> None:
        """Return once it answers. Raises EngineFailed with the end of its log."""
        end = time.monotonic() + within_s
        while not self.ready:
            if not self.running:
                message = f"{self.spec.name} ended with status {self.status}:\n{self.log_tail()}"
                raise EngineFailed(message)
            if time.monotonic() > end:
                message = f"{self.spec.name} not ready in {within_s:g} s:\n{self.log_tail()}"
                raise EngineFailed(message)
            time.sleep(POLL_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def stop(self) -> None:
        """End it, as gently as it lets us, and wait for the end."""
        for number, patience_s in self.spec.stops:
            if not self.running:
                break
            self.signal(number)
            self._wait(patience_s)
        if not self.running:
            forget(self.spec.pid_file)

    def kill(self) -> None:
        """End it as a power cut would (for tests of recovery), and wait for the end."""
        self.signal(signal.SIGKILL)
        self._wait(5.0)

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        try:
            with self.spec.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - LOG_TAIL_BYTES))
                lines = file.read().decode("utf-8", errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])

    def _wait(self, patience_s: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return


def _open_log(path: Path) -> BinaryIO:
    """Open for appending, so that the file can be cut while the process writes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A function for between fork and exec: the child gets the signal when we die.

    It only calls prctl through a pointer looked up before, so it is safe after a fork.
    """
    if _prctl is None:
        return None
    prctl, parent, value = _prctl, os.getpid(), int(number)

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, value, 0, 0, 0)
        if os.getppid() != parent:  # we died before the call
            os._exit(LOST_PARENT_STATUS)

    return arrange


def _spawn(spec: Spec, log: int) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork where threads run; ours calls prctl and nothing else.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _popen(spec, log)


def _popen(spec: Spec, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        spec.argv(),
        cwd=spec.cwd,
        env=dict(spec.environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        umask=0o077,
        start_new_session=True,  # the terminal's Ctrl-C is for the supervisor alone
        preexec_fn=_die_with_parent(spec.orphan_signal),  # noqa: PLW1509 - see there
        **identity(spec.account),
    )
