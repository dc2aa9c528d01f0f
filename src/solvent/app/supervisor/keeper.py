"""Which processes should run now, and which must be started again?"""

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from solvent.app.supervisor.backoff import Policy, Restarts
from solvent.app.supervisor.errors import EngineFailed
from solvent.app.supervisor.process import Child, Spec
from solvent.app.supervisor.rotation import rotate

PROBE_EVERY_S = 0.02
LOOK_EVERY_S = 5.0
FORCE_SIGNALS = {"postgres": signal.SIGQUIT}  # an immediate shutdown; its log is replayed later

Report = Callable[..., None]


@dataclass(slots=True)
class Watched:
    """A child with what is known of its run."""

    child: Child
    restarts: Restarts
    started_at_s: float = 0.0
    due_at_s: float | None = 0.0
    ready: bool = False

    @property
    def name(self) -> str:
        """The name of the process."""
        return self.child.spec.name


class Keeper:
    """Keeps children running until it is told to stop them."""

    def __init__(
        self, report: Report, *, policy: Policy | None = None, log_max_bytes: int, log_keep: int
    ) -> None:
        """Report is called with the name of what happened and its facts."""
        self._report = report
        self._policy = policy or Policy()
        self._log_max_bytes = log_max_bytes
        self._log_keep = log_keep
        self._watched: dict[str, Watched] = {}

    def add(self, spec: Spec) -> Watched:
        """Have the process started at the next `tick`."""
        watched = Watched(Child(spec), Restarts(self._policy))
        self._watched[spec.name] = watched
        return watched

    @property
    def pids(self) -> set[int]:
        """The processes that run."""
        return {pid for watched in self._watched.values() if (pid := watched.child.pid)}

    def ready(self, names: Sequence[str]) -> bool:
        """Whether all these processes answered when they were last asked."""
        return all(self._watched[name].ready for name in names)

    def hopeless(self, *, tries: int) -> Watched | None:
        """A process that has failed so many times in a row and runs not, if there is one."""
        for watched in self._watched.values():
            if watched.restarts.failures >= tries and not watched.child.running:
                return watched
        return None

    def tick(self) -> float:
        """Start what is due, notice what has ended; return in how many seconds to come again."""
        now = time.monotonic()
        for watched in self._watched.values():
            self._look_at(watched, now)
        logs = [watched.child.spec.log for watched in self._watched.values()]
        rotate(logs, max_bytes=self._log_max_bytes, keep=self._log_keep)
        return self._pause_s()

    def restart(self, name: str) -> None:
        """Stop a process and have it started again at once."""
        watched = self._watched[name]
        watched.child.stop()
        watched.ready = False
        watched.due_at_s = 0.0

    def stop(self) -> None:
        """End all processes, the last added first, each before the next."""
        for watched in reversed(self._watched.values()):
            if not watched.child.running:
                continue
            began = time.monotonic()
            watched.child.stop()
            self._report("stopped", process=watched.name, after_s=time.monotonic() - began)

    def force(self) -> None:
        """Cut a stop short: every process gets its last signal now (safe in a signal handler)."""
        for watched in self._watched.values():
            watched.child.signal(FORCE_SIGNALS.get(watched.name, signal.SIGKILL))

    def _look_at(self, watched: Watched, now: float) -> None:
        if watched.due_at_s is not None:
            if now >= watched.due_at_s:
                self._start(watched, now)
        elif not watched.child.running:
            self._ended(watched, now)
        elif not watched.ready and watched.child.ready:
            watched.ready = True
            after_s = time.monotonic() - watched.started_at_s
            event = "ready" if watched.child.spec.ready else "started"
            self._report(event, process=watched.name, pid=watched.child.pid, after_s=after_s)
        if watched.ready and watched.child.running:
            watched.child.spec.while_ready()

    def _start(self, watched: Watched, now: float) -> None:
        watched.due_at_s = None
        watched.started_at_s = now
        try:
            watched.child.start()
        except (EngineFailed, OSError) as error:
            self._retry(watched, now, reason=str(error))

    def _ended(self, watched: Watched, now: float) -> None:
        self._retry(watched, now, reason=_cause(watched.child.status))

    def _retry(self, watched: Watched, now: float, *, reason: str) -> None:
        watched.ready = False
        ran_s = now - watched.started_at_s
        pause_s = watched.restarts.pause_s(ran_s=ran_s, chance=_chance())
        watched.due_at_s = now + pause_s
        self._report("ended", process=watched.name, reason=reason, again_in_s=pause_s)

    def _pause_s(self) -> float:
        now = time.monotonic()
        pauses = [LOOK_EVERY_S]
        for watched in self._watched.values():
            if watched.due_at_s is not None:
                pauses.append(max(0.0, watched.due_at_s - now))
            elif not watched.ready:
                pauses.append(PROBE_EVERY_S)
        return min(pauses)


class Signals:
    """Ctrl-C and its kin: the first asks for a stop, the next one forces it.

    Also wakes `sleep` when a child ends.
    """

    def __init__(self, on_force: Callable[[], None]) -> None:
        """Take over the handlers of this process; call it in the main thread."""
        self.stop_asked = False
        self._on_force = on_force
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, self._asked)
        signal.signal(signal.SIGCHLD, _noticed)

    def sleep(self, seconds: float) -> None:
        """Wait, but not past a signal."""
        if select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 4096)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop_asked:
            self._on_force()
        self.stop_asked = True


def reap_strangers(own: set[int]) -> None:
    """As process 1 of a container: bury the orphans that the kernel handed to us."""
    if os.getpid() != 1:
        return
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)


def _noticed(_number: int, _frame: FrameType | None) -> None:
    return


def _cause(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _chance() -> float:
    return int.from_bytes(os.urandom(4)) / 2**32
