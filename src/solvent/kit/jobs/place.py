"""Where is the log of jobs, and how must it be kept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.kit.bus.stream import NatsLogin


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The servers of the log; with several replicas each must be seen to sync always."""

    login: NatsLogin
    replicas: int = 1
    monitor_urls: Sequence[str] = ()
