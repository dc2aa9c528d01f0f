"""How does the `solvent` command, heavy with its libraries, become a small supervisor?"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from solvent.app.supervisor.errors import SettingInvalid
from solvent.app.supervisor.settings import EngineSettings, UpSettings

VARIABLE = "SOLVENT_UP"
COMMANDS = ("migrate", "http", "worker", "sign_in")
MODULE = "solvent.app.supervisor"


def exec_up(settings: UpSettings) -> NoReturn:
    """Replace this process by a supervisor that imports the standard library only.

    The settings go through the environment and not the command line, which every user can read.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**dict(settings.environment), VARIABLE: encode(settings)}
    os.execve(sys.executable, [sys.executable, "-m", MODULE], environment)  # noqa: S606 - no shell


def encode(settings: UpSettings) -> str:
    """The settings as text, but for the environment, which travels as itself."""
    tree = asdict(settings)
    del tree["environment"]
    return json.dumps(tree, default=str)


def decode(environment: Mapping[str, str]) -> UpSettings:
    """The settings out of the environment. Raises SettingInvalid if it has none."""
    rest = {name: value for name, value in environment.items() if name != VARIABLE}
    try:
        tree: dict[str, Any] = json.loads(environment[VARIABLE])
        engines: dict[str, Any] = tree.pop("engines")
        for name in ("data_dir", "state_dir"):
            engines[name] = Path(engines[name])
        engines["reserved_ports"] = tuple(engines["reserved_ports"])
        for name in COMMANDS:
            tree[name] = tuple(tree[name])
        return UpSettings(
            engines=EngineSettings(**engines), environment=tuple(rest.items()), **tree
        )
    except (KeyError, ValueError, TypeError):
        message = f"start it by `solvent up`, which sets {VARIABLE}"
        raise SettingInvalid(message) from None
