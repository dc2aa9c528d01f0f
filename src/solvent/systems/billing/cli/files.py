"""How does a command write a document to a file without overwriting another?"""

from __future__ import annotations

from pathlib import Path

from solvent.systems.billing.errors import FileTaken, FolderMissing


def write(target: Path, data: bytes, *, force: bool) -> Path:
    """Write a document and return where it is.

    Raises:
        FileTaken: there is a file already, and it is not to be overwritten.
        FolderMissing: there is no such folder.
    """
    if target.exists() and not force:
        raise FileTaken(field="--out", given=str(target))
    if not target.parent.is_dir():
        raise FolderMissing(field="--out", given=str(target.parent))
    target.write_bytes(data)
    return target
