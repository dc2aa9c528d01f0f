"""Does the story come true as well when its worker is killed in the middle, again and again?"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from solvent.app.testing import fast_directory

pytestmark = pytest.mark.journey

KILLS = 3
ALIVE_S = 5
"""A worker is at work by then; killed again and again in its start, it would be given up."""

TOLD_WITHIN_S = 240


def test_a_worker_killed_in_the_middle_changes_nothing_in_the_outcome(tmp_path: Path) -> None:
    place = fast_directory() or tmp_path
    play = subprocess.Popen(
        [sys.executable, "-m", "solvent.app.cli", "demo", "--output", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    killed = kill_workers(play, place)
    told, _ = play.communicate(timeout=TOLD_WITHIN_S)
    assert play.returncode == 0, told[-3000:]
    assert told.rstrip().rpartition("\n")[2].startswith("demo: ok ")
    assert killed >= 2, "the story was over before its worker had been killed in the middle"


def kill_workers(play: subprocess.Popen[str], place: Path) -> int:
    """Kill the worker of the play whenever it has worked for a while; return how often."""
    known = set(place.glob("solvent-demo-*"))
    killed: set[int] = set()
    seen: dict[int, float] = {}
    while play.poll() is None and len(killed) < KILLS:
        pid = worker_of(place, known)
        born = seen.setdefault(pid, time.monotonic())
        if pid and pid not in killed and time.monotonic() - born > ALIVE_S:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            play.wait(0.05)
    return len(killed)


def worker_of(place: Path, known: set[Path]) -> int:
    """Return the worker's process; 0 while there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        for workspace in set(place.glob("solvent-demo-*")) - known:
            born = json.loads((workspace / "data" / "run" / "worker.pid").read_text())
            return int(born["pid"])
    return 0
