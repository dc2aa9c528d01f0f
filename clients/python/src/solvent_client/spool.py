"""Which usage events did a process leave behind when it died? A folder of append-only files."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from solvent_client.host import fresh_id

log = logging.getLogger("solvent_client")

_MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".usage.jsonl"

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class Spool:
    """A file of this process in a folder that several processes share.

    A line is an event, or the ids that were delivered. A file whose process is gone (its lock is
    free) is taken over by the next one that starts; an event in two files is sent twice under one
    id, and so counted once.

    Args:
        folder: where the files lie; it is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file: int | None = None
        self._path: Path | None = None

    def recover(self, limit: int) -> list[Mapping[str, object]]:
        """Return the undelivered events of processes that are gone, now this process's own."""
        found: dict[str, Mapping[str, object]] = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path == self._path:
                continue
            with contextlib.suppress(OSError):
                self._take_over(path, found, limit)
        return list(found.values())

    def _take_over(self, path: Path, found: dict[str, Mapping[str, object]], limit: int) -> None:
        descriptor = os.open(path, os.O_RDWR)
        try:
            if not _try_lock(descriptor) or path.stat().st_size > _MAX_FILE_BYTES:
                return
            left = _undelivered(path)
            if len(found) + len(left) > limit:
                log.warning("The usage in %s waits: the buffer is full.", path)
                return
            for event in left.values():
                self.append(event)
            found.update(left)
        finally:
            os.close(descriptor)
        path.unlink()

    def append(self, event: Mapping[str, object]) -> None:
        """Keep an event until it is delivered."""
        self._write(event)

    def delivered(self, ids: Sequence[str], *, left: int) -> None:
        """Note that these were delivered; with none left the file starts anew."""
        if left == 0 and self._file is not None:
            os.ftruncate(self._file, 0)
        else:
            self._write({"delivered": list(ids)})

    def _write(self, line: Mapping[str, object]) -> None:
        """Write a line; a full disk costs the safety net, never the request being served."""
        try:
            os.write(self._open(), json.dumps(line).encode() + b"\n")
        except OSError as error:
            log.warning("Usage is kept in memory only: %s", error)

    def _open(self) -> int:
        if self._file is None:
            self._path = self._folder / f"{fresh_id('spool')}{_SUFFIX}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self._path, flags, 0o600)
            _try_lock(self._file)
        return self._file

    def after_fork(self) -> None:
        """Write to a file of its own in a child process."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._path = None

    def close(self) -> None:
        """Close the file, and remove it where nothing is left in it."""
        if self._file is None or self._path is None:
            return
        empty = os.fstat(self._file).st_size == 0
        os.close(self._file)
        if empty:
            self._path.unlink(missing_ok=True)
        self._file = self._path = None


def _undelivered(path: Path) -> dict[str, Mapping[str, object]]:
    events: dict[str, Mapping[str, object]] = {}
    for line in _lines(path):
        if isinstance(delivered := line.get("delivered"), list):
            for event_id in cast("list[object]", delivered):
                events.pop(str(event_id), None)
        elif isinstance(event_id := line.get("id"), str):
            events[event_id] = line
    return events


def _lines(path: Path) -> Iterator[Mapping[str, object]]:
    """Yield the whole lines; the last may be torn by a crash."""
    for raw in path.read_bytes().splitlines():
        try:
            line: object = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield cast("Mapping[str, object]", line)
