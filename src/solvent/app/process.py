"""What does a process of `solvent up` find around it when it starts?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from solvent.app import environment
from solvent.app.house import open_vault
from solvent.app.settings import Settings
from solvent.app.supervisor.access import EngineAccess, wait_for_access
from solvent.kit.crypto import Vault
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
