"""Is the process of this id still the one that we started, or a stranger with its number?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from solvent.app.supervisor.private_files import write_private

PROC = Path("/proc")
START_FIELD = 19  # of /proc/PID/stat, counted after the name's closing parenthesis
PS_TIMEOUT_S = 5.0
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Birth:
    """A process id with its time of birth, which together name one process for good."""

    pid: int
    born: str


def birth_of(pid: int) -> Birth | None:
    """Who runs under this id now; None if nobody does or only a zombie."""
    born = _born_linux(pid) if sys.platform == "linux" else _born_elsewhere(pid)
    return Birth(pid, born) if born else None


def remember(path: Path, pid: int) -> None:
    """Write down the process that we started."""
    birth = birth_of(pid)
    if birth is not None:
        write_private(path, json.dumps(asdict(birth)) + "\n")


def recall(path: Path) -> Birth | None:
    """The process of the file, if that very process still runs."""
    try:
        held = json.loads(path.read_text("utf-8"))
        birth = Birth(int(held["pid"]), str(held["born"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return birth if birth_of(birth.pid) == birth else None


def forget(path: Path) -> None:
    """Strike out a process that has ended."""
    path.unlink(missing_ok=True)


def end(birth: Birth, stops: Iterable[tuple[signal.Signals, float]]) -> bool:
    """Stop a process that is not our child; say whether it is gone."""
    for number, patience_s in stops:
        if birth_of(birth.pid) != birth:
            return True
        try:
            os.kill(birth.pid, number)
        except ProcessLookupError:
            return True
        _wait_gone(birth, patience_s)
    return birth_of(birth.pid) != birth


def living_in(directory: Path) -> list[Birth]:
    """The processes whose working directory is this one (Linux; elsewhere none are seen)."""
    wanted = str(directory.resolve())
    found: list[Birth] = []
    for entry in PROC.glob("[0-9]*"):
        try:
            where = os.readlink(entry / "cwd")  # noqa: PTH115 - the text, not a path to follow
        except OSError:
            continue
        birth = birth_of(int(entry.name)) if where == wanted else None
        if birth is not None:
            found.append(birth)
    return found


def command_line(pid: int) -> str:
    """The command line of a process; empty if there is none to be seen."""
    try:
        text = (PROC / str(pid) / "cmdline").read_text("utf-8", errors="replace")
    except OSError:
        return _ps(pid, "command=")
    return text.replace("\0", " ").strip()


def _wait_gone(birth: Birth, patience_s: float) -> None:
    limit = time.monotonic() + patience_s
    while time.monotonic() < limit and birth_of(birth.pid) == birth:
        time.sleep(POLL_S)


def _born_linux(pid: int) -> str | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
        boot = (PROC / "sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot}/{fields[START_FIELD]}"


def _born_elsewhere(pid: int) -> str | None:
    return _ps(pid, "lstart=") or None


def _ps(pid: int, column: str) -> str:
    command = ("/bin/ps", "-o", column, "-p", str(pid))
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=PS_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
