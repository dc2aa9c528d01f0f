"""Where do the parts of a data directory lie, and the engines' data if they cannot lie in it?"""

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from solvent.app.supervisor.account import Account, can_enter, hand_over
from solvent.app.supervisor.errors import DataInUse, DataRefused
from solvent.app.supervisor.private_files import digest, make_directory, write_private

PLAIN = re.compile(r"[\w/. +@:~-]+")
POINTER = "engines-are-at"
SOCKET_NAME_BYTES = len("/.s.PGSQL.5432.lock")
SHORT_TOP = Path("/tmp")  # noqa: S108 - we make a directory of a random name in it
MAX_SOCKET_BYTES = 103  # 107 on Linux, 103 on macOS


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one installation; `engines` is `data` or its stand-in elsewhere."""

    data: Path
    engines: Path

    @property
    def pg(self) -> Path:
        """PostgreSQL's data."""
        return self.engines / "pg"

    @property
    def nats(self) -> Path:
        """The configuration and the streams of NATS."""
        return self.engines / "nats"

    @property
    def secrets(self) -> Path:
        """Passwords and keys, mode 0700."""
        return self.data / "secrets"

    @property
    def log(self) -> Path:
        """One log for each process."""
        return self.data / "log"

    @property
    def run(self) -> Path:
        """Process ids, ports and the engines' descriptor."""
        return self.data / "run"

    @property
    def files(self) -> Path:
        """Documents that Solvent makes."""
        return self.data / "files"


def existing_postgres(data: Path) -> Path:
    """Where PostgreSQL's data would be if they exist already."""
    pointed = _pointed(data)
    return (pointed or data) / "pg"


def lay_out(data: Path, account: Account | None, *, state_dir: Path) -> Layout:
    """Make the directories, private to whoever needs them.

    Raises DataRefused if the data directory cannot be made or used.
    """
    data = data.expanduser().resolve()
    try:
        # Others may pass through to what they can name, but not look around.
        make_directory(data, 0o711 if account else 0o700)
        engines = _engines_place(data, account, state_dir)
        layout = Layout(data, engines)
        for path in (layout.secrets, layout.log, layout.run, layout.files):
            make_directory(path)
        make_directory(layout.nats)
        hand_over(layout.nats, account)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        message = f"{data} cannot be the data directory: {error.strerror} ({error.filename})"
        raise DataRefused(message) from error
    return layout


def socket_directory(layout: Layout, account: Account | None) -> Path:
    """A directory for PostgreSQL's socket, its path short enough for the kernel and plain.

    Settings and URLs take several directories apart at commas.
    """
    place = layout.engines / "socket"
    too_long = len(os.fsencode(place)) + SOCKET_NAME_BYTES > MAX_SOCKET_BYTES
    if too_long or not PLAIN.fullmatch(str(place)):
        place = _short_directory(layout)
    make_directory(place, 0o711 if account else 0o700)
    hand_over(place, account)
    return place


class DataLock:
    """Held while the engines of a data directory run: never two supervisors on the same data."""

    def __init__(self, engines: Path) -> None:
        """Take the lock of the place. Raises DataInUse if another process holds it."""
        self._file = os.open(engines / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 64, 0).decode("ascii", errors="replace").strip()
            os.close(self._file)
            message = f"already running on {engines} (process {holder or 'unknown'})"
            raise DataInUse(message) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let others start."""
        os.close(self._file)


def _engines_place(data: Path, account: Account | None, state_dir: Path) -> Path:
    pointed = _pointed(data)
    if pointed is not None:
        make_directory(pointed, 0o711)
        return pointed
    if account is None or can_enter(account, data):
        return data
    place = state_dir / digest(os.fsencode(data))
    make_directory(state_dir, 0o755)
    if place.exists():
        _set_aside(place)
    make_directory(place, 0o711)
    write_private(place / "belongs-to", f"{data}\n")
    write_private(data / POINTER, f"{place}\n")
    return place


def _set_aside(place: Path) -> None:
    """Keep the engines of a data directory that was removed, but out of the way of a new one.

    Their passwords went with it, so they could not serve it; deleting them is not ours to do.
    Raises DataInUse if they run.
    """
    DataLock(place).release()
    number = 1
    while (aside := place.with_name(f"{place.name}.removed-{number}")).exists():
        number += 1
    place.rename(aside)


def _pointed(data: Path) -> Path | None:
    """Follow the pointer file, unless it was copied along with somebody else's data directory."""
    data = data.expanduser().resolve()
    try:
        place = Path((data / POINTER).read_text("utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        owner = Path((place / "belongs-to").read_text("utf-8").strip())
    except FileNotFoundError:
        message = f"{data / POINTER} says {place}, but no engines are there"
        raise DataRefused(message) from None
    if owner != data and (owner / POINTER).exists():
        message = f"{data} is a copy: its engines at {place} belong to {owner}"
        raise DataRefused(message)
    return place


def _short_directory(layout: Layout) -> Path:
    """A directory below the temporary one, the same at each start while nobody removes it."""
    note = layout.run / "socket-directory"
    try:
        place = Path(note.read_text("utf-8").strip())
        kept = place.lstat()
    except OSError:
        kept = None
    else:
        trusted = {os.geteuid(), layout.nats.stat().st_uid}
        if place.is_dir() and not place.is_symlink() and kept.st_uid in trusted:
            return place
    made = SHORT_TOP / f"solvent-{os.urandom(8).hex()}"
    made.mkdir(mode=0o700)  # fails if it is there: nobody can have laid it ready for us
    write_private(note, f"{made}\n")
    return made
