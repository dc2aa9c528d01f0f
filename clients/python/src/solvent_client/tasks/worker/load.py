"""How busy is the place that this worker runs in: the container's quota, else the machine?"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")
_PROC: Final = Path("/proc")
_KB: Final = 1024
_IDLE, _IOWAIT = 3, 4


class Load:
    """Shares of 1 of what may be used, CPU since the last question and memory now."""

    def __init__(self) -> None:
        self._quota = _cpu_quota()
        self._before = (monotonic(), _cpu_seconds(quota=self._quota is not None))

    def cpu(self) -> float:
        """Return the share of the CPU that was used since the last question."""
        now, (used, total) = monotonic(), _cpu_seconds(quota=self._quota is not None)
        before, (used_before, total_before) = self._before
        self._before = (now, (used, total))
        may = (now - before) * self._quota if self._quota is not None else total - total_before
        return min(1.0, max(0.0, (used - used_before) / may)) if may > 0 else 0.0

    def memory(self) -> float:
        """Return the share of the memory that is in use."""
        limit = _number(_CGROUP / "memory.max")
        used = _number(_CGROUP / "memory.current")
        if limit and used is not None:
            return min(1.0, used / limit)
        try:
            lines = (_PROC / "meminfo").read_text().splitlines()
        except OSError:
            return 0.0
        told = {line.split(":")[0]: int(line.split()[1]) for line in lines if " kB" in line}
        return 1.0 - told["MemAvailable"] / told["MemTotal"]


def rss_bytes() -> int:
    """Return the memory that this process holds."""
    try:
        pages = int((_PROC / "self" / "statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KB
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu_quota() -> float | None:
    """Return how many CPUs the container may use; None: there is no quota."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _cpu_seconds(*, quota: bool) -> tuple[float, float]:
    """Return the CPU seconds used so far, and those that there were (0 under a quota)."""
    try:
        if quota:
            first = (_CGROUP / "cpu.stat").read_text().split()
            return int(first[1]) / 1e6, 0.0
        ticks = [int(part) for part in (_PROC / "stat").read_text().split("\n")[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    hz = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]) / hz, sum(ticks) / hz


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
