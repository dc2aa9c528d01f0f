"""Where does NATS lay an atomic batch that is not complete yet?

On one server it makes a directory with files for each batch, and a file system makes each of those
durable by itself: a batch of two records took 5 to 15 ms, ten times what its commit takes. None of
that is needed: a batch that was not committed is forgotten at the next start, and one that was is
written to the stream and synced there. So what is open lies in memory (tmpfs), under the name where
NATS looks for it. NATS removes that name at each start; it is made again while it runs.
"""

import os
import shutil
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from solvent.app.supervisor.account import Account, hand_over

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own, for its owner alone
FREE_BYTES_LEAST = 32 * 1024 * 1024
"""With less memory for files than this, batches stay on the disk."""

PLACE = "batches"


@dataclass(frozen=True, slots=True)
class Scratch:
    """The place for the open batches of one stream."""

    stream: Path
    account: Account | None = None
    memory: Path = MEMORY

    @classmethod
    def of_jobs(cls, store: Path, account: Account | None = None) -> "Scratch":
        """Return that of the stream of jobs, the one that is written in atomic batches."""
        return cls(store / "jetstream" / "SOLVENT" / "streams" / "JOBS", account)

    @property
    def place(self) -> Path:
        """Our directory in memory, the same from start to start."""
        return self.memory / f"solvent-batches-{zlib.crc32(os.fsencode(self.stream)):08x}"

    def keep(self) -> None:
        """Have NATS lay open batches there, unless it cannot, or one is open just now.

        What was removed under us, as a login manager does at a log-out, is made again.
        """
        name = self.stream / PLACE
        if not self.stream.is_dir() or not self._made() or name.is_symlink():
            return
        try:
            name.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # a batch is open
            return
        with suppress(OSError):  # NATS was faster, or the stream has just been removed
            name.symlink_to(self.place, target_is_directory=True)

    def clear(self) -> None:
        """Give the memory back; while NATS is down."""
        if self._is_ours():
            shutil.rmtree(self.place, ignore_errors=True)

    def _made(self) -> bool:
        """Make the directory if it is not there; whether it is there and of the right owner."""
        if not self.memory.is_dir() or shutil.disk_usage(self.memory).free < FREE_BYTES_LEAST:
            return False
        try:
            self.place.mkdir(mode=0o700)
            hand_over(self.place, self.account)
        except FileExistsError:
            pass
        except OSError:
            return False
        return self._is_ours()

    def _is_ours(self) -> bool:
        """Whether it is a directory that no stranger has laid there."""
        try:
            seen = self.place.lstat()
        except OSError:
            return False
        owner = os.getuid() if self.account is None else self.account.uid
        return stat.S_ISDIR(seen.st_mode) and seen.st_uid == owner and not seen.st_mode & 0o077
