"""Does `solvent up` run on this data directory, and where are its engines?"""

from __future__ import annotations

from pathlib import Path

from solvent.app.supervisor.access import URL_FILE, EngineAccess, read_access
from solvent.kit.errors import Unavailable


class NotRunning(Unavailable):
    """Nothing runs on this data directory: run `solvent up`, or name another by --data."""

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


def read_url(data_dir: Path) -> str:
    """Return where the API of a running data directory listens.

    Raises:
        NotRunning: nothing runs on it.
    """
    try:
        return (data_dir / "run" / URL_FILE).read_text("utf-8").strip()
    except OSError:
        raise NotRunning(field=str(data_dir)) from None
