"""How are workers started as processes of this machine?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from solvent.kit.jobs.scale.ports import ProviderRefused
from solvent.kit.jobs.scale.providers.naming import NAME_VARIABLE, named
from solvent.kit.log import get_logger

KILL_AFTER_S = 15.0
LIFELINE_VARIABLE = "SOLVENT_WORKER_LIFELINE"
"""Names the descriptor of a pipe that ends with us; `solvent_client` reads it."""

log = get_logger(__name__)


@dataclass(slots=True)
class LocalProvider:
    """Runs the same command once a worker, in a group of its own, and reaps what ends.

    `environment` is all that they are given. They end with it (`close`): a process that nobody
    looks after would hold jobs. A solvent-worker also drains by itself once this process is gone:
    it is given a pipe that ends then.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    log_dir: Path | None = None
    processes: dict[str, asyncio.subprocess.Process] = field(
        default_factory=dict[str, asyncio.subprocess.Process]
    )
    _lifeline: tuple[int, int] | None = None

    async def start(self, name: str) -> None:
        """Start the command with the worker's name in SOLVENT_WORKER_NAME."""
        self._lifeline = self._lifeline or os.pipe()
        end = self._lifeline[0]
        told = {**self.environment, NAME_VARIABLE: name, LIFELINE_VARIABLE: str(end)}
        out = self._open_log(name)
        try:
            self.processes[name] = await asyncio.create_subprocess_exec(
                *named(self.command, name),
                env=told,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT if out >= 0 else out,
                start_new_session=True,
                pass_fds=(end,),
            )
        except (OSError, ValueError) as fault:
            raise ProviderRefused(f"{self.command[0]}: {fault}") from fault
        finally:
            if out >= 0:
                os.close(out)

    async def stop(self, name: str, *, force: bool) -> None:
        """Send SIGTERM, or SIGKILL to the whole group; a polite one is killed if it stays."""
        process = self.processes.get(name)
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGKILL if force else signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), KILL_AFTER_S)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()

    async def running(self) -> frozenset[str]:
        """Return the names of those that have not ended."""
        ended = [name for name, one in self.processes.items() if one.returncode is not None]
        for name in ended:
            log.info("worker_ended", worker=name, status=self.processes.pop(name).returncode)
        return frozenset(self.processes)

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self.stop(name, force=False) for name in list(self.processes)))
        for end in self._lifeline or ():
            os.close(end)
        self._lifeline = None

    def _open_log(self, name: str) -> int:
        if self.log_dir is None:
            return asyncio.subprocess.DEVNULL
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.log_dir / f"{name}.log", flags, 0o600)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
