"""How do the logs stay small while the processes write into them?"""

import shutil
from collections.abc import Iterable
from pathlib import Path


def rotate(logs: Iterable[Path], *, max_bytes: int, keep: int) -> list[Path]:
    """Shorten each log that is longer than `max_bytes`; return those that were.

    The last `keep` pieces stay as NAME.1 (the newest) to NAME.<keep>. The text is copied and the
    file cut, since its writer holds it open (for appending); what is written between the
    two, well under a millisecond, is lost.
    """
    return [log for log in logs if _rotate(log, max_bytes, keep)]


def _rotate(log: Path, max_bytes: int, keep: int) -> bool:
    try:
        if log.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep, 1, -1):
        older = _piece(log, number - 1)
        if older.exists():
            older.replace(_piece(log, number))
    if keep > 0:
        shutil.copy2(log, _piece(log, 1))
    with log.open("r+b") as file:
        file.truncate(0)
    return True


def _piece(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
