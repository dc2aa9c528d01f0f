"""Does `solvent up` run on this data directory, and where are its engines?"""

from __future__ import annotations

from pathlib import Path

from solvent.app.settings import EnginesSection
from solvent.app.supervisor.access import CONFIG_FILE, URL_FILE, EngineAccess, read_access
from solvent.kit.bus.stream import BusAway
from solvent.kit.db import DatabaseAway
from solvent.kit.errors import Unavailable


class NotRunning(Unavailable):
    """Solvent is not running: start it with `solvent up`, or name its directory by --data."""

    code = "app.not_running"


def read_running(data_dir: Path) -> EngineAccess:
    """Return where the running engines of a data directory are.

    Raises:
        NotRunning: there are none.
    """
    try:
        return read_access(data_dir / "run" / "engines.json")
    except OSError:
        raise NotRunning(field=str(data_dir)) from None


def told_away(away: Unavailable, data_dir: Path, engines: EnginesSection) -> Unavailable:
    """Return what to say of an engine that cannot be reached.

    The descriptor outlives a `solvent up` that was killed: where the engine was its own, it is
    Solvent that does not run; one given by URL is somebody else's to start.
    """
    engine = {DatabaseAway.code: engines.postgres, BusAway.code: engines.nats}
    is_ours = "://" not in engine.get(away.code, "://")
    return NotRunning(field=str(data_dir)) if is_ours else away


def read_url(data_dir: Path) -> str:
    """Return where the API of a running data directory listens.

    Raises:
        NotRunning: nothing runs on it.
    """
    try:
        return (data_dir / "run" / URL_FILE).read_text("utf-8").strip()
    except OSError:
        raise NotRunning(field=str(data_dir)) from None


def read_config_file(data_dir: Path) -> Path | None:
    """Return the settings file of what runs on a data directory, if it was given one."""
    try:
        return Path((data_dir / "run" / CONFIG_FILE).read_text("utf-8").strip())
    except OSError:
        return None
