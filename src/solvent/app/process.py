"""What does a process of `solvent up` find around it when it starts?"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

from solvent.app import environment
from solvent.app.house import open_vault
from solvent.app.settings import Settings
from solvent.app.supervisor.access import EngineAccess, wait_for_access
from solvent.kit.crypto import Vault
from solvent.kit.limits import GC_THRESHOLDS
from solvent.kit.log import configure
from solvent.kit.telemetry import start_export


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The settings, the engines' addresses and the vault."""

    settings: Settings
    access: EngineAccess
    vault: Vault
    data_dir: Path


def surroundings(service: str) -> Surroundings:
    """Read the environment that the supervisor has set; wait for the engines' addresses.

    Raises:
        ConfigInvalid: a setting is wrong.
        EngineFailed: the engines' addresses did not appear in time.
    """
    settings = environment.settings()
    configure(settings.log.level)
    if settings.telemetry.otlp_endpoint:
        start_export(settings.telemetry.otlp_endpoint, f"solvent-{service}")
    access = wait_for_access(environment.access_file())
    vault = open_vault(settings, secrets_dir=environment.data_dir() / "secrets")
    return Surroundings(settings, access, vault, environment.data_dir())


def settle() -> None:
    """Take what stands after the start out of the collector's sight: it lives until the end.

    What was imported are some hundred thousand objects; looking at them again and again took a
    tenth of a busy process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def run(main: Coroutine[None, None, None]) -> None:
    """Run the API's process on uvloop where it is installed, as everywhere but on Windows."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory():  # noqa: ANN202 - uvloop's type where it is installed
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
