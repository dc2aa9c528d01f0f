"""What was this process told by whoever started it? The one place that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

from solvent.app.settings import CONFIG_VARIABLE, Settings, load_settings
from solvent.app.supervisor.access import DATA_VARIABLE, FILE_VARIABLE

DEFAULT_DATA_DIR = "solvent-data"


def settings() -> Settings:
    """Return the settings of the file and the environment.

    Raises:
        ConfigInvalid: one is wrong.
    """
    return load_settings(os.environ)


def data_dir() -> Path:
    """Return the directory of all data."""
    return Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA_DIR)).absolute()


def access_file() -> Path:
    """Return the file that says where the engines are."""
    return Path(os.environ.get(FILE_VARIABLE, data_dir() / "run" / "engines.json"))


def config_file() -> Path | None:
    """Return the settings file, if one was named."""
    name = os.environ.get(CONFIG_VARIABLE)
    return Path(name) if name else None


def tell(name: str, value: object) -> None:
    """Set a variable for this process and those that it starts."""
    os.environ[name] = str(value)


def inherited() -> tuple[tuple[str, str], ...]:
    """Return everything, for a process to be started."""
    return tuple(os.environ.items())
