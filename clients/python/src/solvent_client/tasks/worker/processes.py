"""How do several worker processes run as one, for tasks that hold the CPU?

Each process is a worker of its own, started anew if it dies, and asked to drain together. They
drain by themselves if this process is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from solvent_client.tasks.worker import lifeline

log = logging.getLogger("solvent_client.tasks")

_LOOK_S: Final = 0.2
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_SOUND_S: Final = 30.0
"""A process that has lived for so long was no failed start."""
_USAGE: Final = 2


@dataclass(slots=True, eq=False)
class _Child:
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Pool:
    """Worker processes started with the same command line.

    Args:
        arguments: the command line, `--processes` included.
        size: how many.
        drain: how many seconds they get at a stop.
        name: what their names begin with; empty: they choose their own.
    """

    arguments: Sequence[str]
    size: int
    drain: float
    name: str = ""
    _children: list[_Child] = field(default_factory=list[_Child])
    _stopping: int = 0
    _lifeline: tuple[int, int] = field(default_factory=os.pipe)

    def run(self) -> int:
        """Keep the processes running until a signal; return the exit code."""
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGINT, self._note_signal)
        lifeline.watch(self._note_orphaned, patience_s=self.drain + 2 * lifeline.GRACE_S)
        self._children = [_Child() for _ in range(self.size)]
        while not self._stopping:
            for child in self._children:
                if self._tend(child) == _USAGE:
                    self._stop(signal.SIGTERM)
                    return _USAGE
            time.sleep(_LOOK_S)
        return self._wait()

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stopping += 1
        if self._stopping > 1:
            self._stop(number)

    def _note_orphaned(self) -> None:
        self._stopping += 1

    def _tend(self, child: _Child) -> int | None:
        """Start a child that is not running; return how it ended, if it just did."""
        now = time.monotonic()
        code = child.process.poll() if child.process else None
        if child.process and code is None:
            return None
        if child.process:
            child.failures = 0 if now - child.started > _SOUND_S else child.failures + 1
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(child.failures, 10))
            log.warning("a worker process ended with %s; another follows in %.1f s", code, pause)
            child.process, child.due = None, now + pause
        elif now >= child.due:
            command = [sys.executable, "-m", "solvent_client.tasks", *self.arguments]
            # The last word of an option counts: each child is one process of its own name.
            own = ["--processes", "1"]
            if self.name:
                own += ["--name", f"{self.name}-{self._children.index(child) + 1}"]
            end = self._lifeline[0]
            told = {**os.environ, lifeline.VARIABLE: str(end)}
            child.process = subprocess.Popen([*command, *own], env=told, pass_fds=(end,))
            child.started = now
        return code

    def _stop(self, number: int) -> None:
        for child in self._children:
            if child.process and child.process.poll() is None:
                child.process.send_signal(number)

    def _wait(self) -> int:
        self._stop(signal.SIGTERM)
        end = time.monotonic() + self.drain + lifeline.GRACE_S
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("a worker process did not end; it is killed")  # noqa: TRY400
                child.process.kill()
                child.process.wait()
        return 0
