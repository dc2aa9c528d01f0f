"""How busy is this worker, of what its container may use?

In a container with a quota the host's figures say nothing: four hosts' cores at 25 % are a
container of one core at its end. So the bounds of control groups v2 count where there are any
(`cpu.max`, `memory.max`, the narrowest on the way up), and the machine's own where there are none.
Source: the kernel's documentation of cgroup v2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
US = 1_000


class Load(NamedTuple):
    """Shares from 0 to 1 of the CPU time since the last look and of the memory now."""

    cpu: float
    memory: float


def _host_load() -> Load:
    return Load(psutil.cpu_percent() / 100, psutil.virtual_memory().percent / 100)


@dataclass(slots=True)
class Quota:
    """Measures the container around this process, or the machine where there is no bound."""

    proc: Path = PROC
    cgroup: Path = CGROUP
    host: Callable[[], Load] = _host_load
    _before: tuple[int, int] | None = field(default=None, init=False)
    """When CPU time was last read (ns), and what it was (us)."""

    def look(self, now_ns: int) -> Load:
        """Return the load; the first look knows no CPU time and says 0 of a quota."""
        group, host = self._group(), self.host()
        if group is None:
            return host
        cores, bytes_max = self.cores_max(group), self.bytes_max(group)
        cpu = host.cpu if cores is None else self._cpu(group, cores, now_ns)
        memory = host.memory if bytes_max is None else _working_set(group) / bytes_max
        return Load(min(cpu, 1.0), min(memory, 1.0))

    def cores_max(self, group: Path) -> float | None:
        """Return how many cores' time may be used; None: no bound."""
        bounds: list[float] = []
        for place in self._upward(group):
            quota, _, period = (_read(place / "cpu.max") or "max").partition(" ")
            if quota.isdecimal() and period.isdecimal() and int(period):
                bounds.append(int(quota) / int(period))
        return min((bound for bound in bounds if bound > 0), default=None)

    def bytes_max(self, group: Path) -> int | None:
        """Return how much memory may be used; None: no bound."""
        told = [_read(place / "memory.max") for place in self._upward(group)]
        return min((int(one) for one in told if one and one.isdecimal() and int(one)), default=None)

    def _cpu(self, group: Path, cores: float, now_ns: int) -> float:
        used_us = _field(group / "cpu.stat", "usage_usec")
        before, self._before = self._before, (now_ns, used_us)
        if before is None or now_ns <= before[0]:
            return 0.0
        return max((used_us - before[1]) * US / (now_ns - before[0]) / cores, 0.0)

    def _group(self) -> Path | None:
        for line in (_read(self.proc / "self" / "cgroup") or "").splitlines():
            if line.startswith("0::"):
                place = self.cgroup / line.removeprefix("0::/").removeprefix("0::")
                return place if (place / "cpu.stat").exists() else None
        return None

    def _upward(self, group: Path) -> list[Path]:
        inside = [one for one in group.parents if one.is_relative_to(self.cgroup)]
        return [group, *inside]


def _working_set(group: Path) -> int:
    """Return what is in use and not just cached: what the kernel's out-of-memory killer counts."""
    current = int(_read(group / "memory.current") or 0)
    return max(current - _field(group / "memory.stat", "inactive_file"), 0)


def _field(path: Path, name: str) -> int:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return 0


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
