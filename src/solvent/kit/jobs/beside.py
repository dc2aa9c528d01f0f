"""What does a system get that runs something beside the worker, for as long as it lives?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.aio.client import Client

    from solvent.kit.ctx import Edge
    from solvent.kit.db import Database
    from solvent.kit.jobs.link import JobsLink
    from solvent.kit.jobs.scale.watch import DispatcherWatch


@dataclass(frozen=True, slots=True)
class Beside:
    """The worker's surroundings; `watch` sees what the dispatcher of this process sees.

    `environment` is what the process was started with, for processes that it starts.
    """

    edge: Edge
    system: Database
    bus: Client
    link: JobsLink
    watch: DispatcherWatch
    secrets_dir: Path
    log_dir: Path
    environment: tuple[tuple[str, str], ...] = ()
