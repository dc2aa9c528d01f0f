"""How are workers started on other machines over SSH?

By the system's own client, so that keys, jump hosts and known hosts are what `ssh HOST` uses. A
worker is a process group of its own there; a file with its process id, named by the worker, is what
it is found and ended by.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from solvent.kit.jobs.scale.ports import ProviderRefused
from solvent.kit.jobs.scale.providers.naming import NAME_VARIABLE, named

OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-T")
WITHIN_S = 30.0
TOLD_CHARS_MAX = 300
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,253}\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

START = """set -e
mkdir -p {run} && chmod 700 {run} && cd {run}
{environment} setsid {command} >{name}.log 2>&1 </dev/null &
echo $! >{name}.pid"""

STOP = """cd {run} 2>/dev/null || exit 0
test -f {name}.pid || exit 0
kill -{signal} -"$(cat {name}.pid)" 2>/dev/null || true"""

LIST = """cd {run} 2>/dev/null || exit 0
for file in *.pid; do
  test -f "$file" || continue
  if kill -0 "$(cat "$file")" 2>/dev/null; then echo "${{file%.pid}}"; else rm -f "$file"; fi
done"""


@dataclass(slots=True)
class SshProvider:
    """Runs a command on hosts in turn, the one with the fewest workers first."""

    hosts: Sequence[str]
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    run_dir: str = ".solvent-workers"
    ssh: str = "ssh"
    at: dict[str, str] = field(default_factory=dict[str, str])
    """Where each worker that is known runs."""

    def __post_init__(self) -> None:
        """Refuse what ssh would read as an option."""
        for host in self.hosts:
            if not _HOST.match(host):
                raise ProviderRefused(f"not a host: {host!r}", field="hosts")

    async def start(self, name: str) -> None:
        """Start a worker on the host that has the fewest."""
        counts = {host: sum(one == host for one in self.at.values()) for host in self.hosts}
        host = min(self.hosts, key=lambda one: counts[one])
        told = {**self.environment, NAME_VARIABLE: name}
        script = START.format(
            run=shlex.quote(self.run_dir),
            environment=" ".join(f"{key}={shlex.quote(value)}" for key, value in told.items()),
            command=shlex.join(named(self.command, name)),
            name=_checked(name),
        )
        await self._run(host, script)
        self.at[name] = host

    async def stop(self, name: str, *, force: bool) -> None:
        """Send SIGTERM or SIGKILL to the worker's group."""
        host = self.at.get(name)
        if host is not None:
            signal = "KILL" if force else "TERM"
            run = shlex.quote(self.run_dir)
            await self._run(host, STOP.format(run=run, name=_checked(name), signal=signal))

    async def running(self) -> frozenset[str]:
        """Return the workers whose process is there, on all hosts."""
        script = LIST.format(run=shlex.quote(self.run_dir))
        told = await asyncio.gather(*(self._run(host, script) for host in self.hosts))
        self.at = {
            name: host
            for host, names in zip(self.hosts, told, strict=True)
            for name in names.split()
            if _NAME.match(name)
        }
        return frozenset(self.at)

    async def _run(self, host: str, script: str) -> str:
        """Give the script to a shell there by its standard input; return what it printed."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.ssh,
                *OPTIONS,
                "--",
                host,
                "sh -s",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as fault:
            raise ProviderRefused(f"{self.ssh}: {fault.strerror}") from fault
        try:
            out, err = await asyncio.wait_for(process.communicate(script.encode()), WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise ProviderRefused(f"{host}: no end within {WITHIN_S:g} s") from None
        if process.returncode:
            told = err.decode(errors="replace").strip()[:TOLD_CHARS_MAX]
            raise ProviderRefused(f"{host}: {told or f'status {process.returncode}'}")
        return out.decode(errors="replace")


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ProviderRefused(f"not a worker's name: {name!r}")
    return name
