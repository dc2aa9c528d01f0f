"""Where does this machine keep its license, so that only this machine can read it?

One small sealed file, 0600, written whole or not at all. Its key is random and kept wrapped: once
for every group of machine components that is big enough, so that a new network card does not lock
anybody out and a copied file stays shut; or in the system's key ring, where there is one.
"""

import base64
import importlib
import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

from solvent_client.licensing import crypto
from solvent_client.licensing.fingerprint import needed

MAX_BYTES: Final = 2 * 1024 * 1024
_VERSION: Final = 1
_SALT_BYTES: Final = 16
_MAX_SOURCES: Final = 6
_PRIVATE: Final = 0o600
_PRIVATE_DIR: Final = 0o700

Body = dict[str, object]


class Unreadable(Exception):
    """A sealed file is there and cannot be opened; `reason` is the refusal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Safe(NamedTuple):
    """A sealed file: where it is and what opens it.

    `values` are the machine's components as they are, never written anywhere. `ring` names the
    entry of the system's key ring; None keeps the key in the file, wrapped for this machine.
    """

    path: Path
    values: Mapping[str, str]
    ring: str | None = None

    def exists(self) -> bool:
        """Say whether there is a file."""
        return self.path.exists()

    def load(self) -> Body | None:
        """Return what was kept, or None if nothing was.

        Raises:
            Unreadable: it is damaged, of another machine, or its key is locked away.
        """
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable("store_damaged") from error
        try:
            return self._opened(raw)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unreadable("store_damaged") from error

    def _opened(self, raw: bytes) -> Body:
        told = json.loads(raw)
        if told["version"] != _VERSION:
            raise Unreadable("store_damaged")
        key = _from_ring(told["ring"]) if told.get("ring") else self._unwrapped(told)
        plain = crypto.unseal(key, base64.b64decode(told["body"], validate=True))
        if plain is None:
            raise Unreadable("store_damaged")
        body = json.loads(plain)
        if not isinstance(body, dict):
            raise Unreadable("store_damaged")
        return cast("Body", body)

    def _unwrapped(self, told: Mapping[str, object]) -> bytes:
        salt = bytes.fromhex(str(told["salt"]))
        wraps = cast("Mapping[str, str]", told["wraps"])
        for group, wrapped in wraps.items():
            names = group.split("+")
            if all(name in self.values for name in names):
                key = crypto.unseal(self._wrapping(names, salt), bytes.fromhex(wrapped))
                if key is not None:
                    return key
        raise Unreadable("store_copied")

    def _wrapping(self, names: list[str], salt: bytes) -> bytes:
        told = "\0".join(f"{name}={self.values[name]}" for name in names)
        return crypto.derive(told.encode(), salt=salt, purpose=b"solvent store wrap")

    def save(self, body: Body) -> None:
        """Keep this instead of what was kept: all of it, or nothing changes.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path.parent.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
        told = self._key_for_writing()
        key = cast("bytes", told.pop("key"))
        plain = json.dumps(body, separators=(",", ":")).encode()
        told["body"] = base64.b64encode(crypto.seal(key, plain)).decode("ascii")
        write_whole(self.path, json.dumps(told).encode())

    def _key_for_writing(self) -> dict[str, object]:
        """Return a new key and how it is kept."""
        key = os.urandom(crypto.KEY_BYTES)
        if self.ring and _into_ring(self.ring, key):
            return {"version": _VERSION, "ring": self.ring, "key": key}
        salt = os.urandom(_SALT_BYTES)
        names = sorted(self.values)[:_MAX_SOURCES]
        wraps = {
            "+".join(group): crypto.seal(self._wrapping(list(group), salt), key).hex()
            for group in combinations(names, needed("most", len(names)))
        }
        return {"version": _VERSION, "salt": salt.hex(), "wraps": wraps, "key": key}

    def remove(self) -> None:
        """Destroy what is kept."""
        self.path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, so that no reader ever sees half of it.

    Raises:
        OSError: it cannot be written; the file that was there is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _PRIVATE
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Let one process at a time read, change and write what belongs together.

    Where the folder cannot be written nothing can be changed either, and nothing is locked.
    """
    try:
        path.parent.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
    except OSError:
        yield
        return
    try:
        _wait_for(handle)
        yield
    finally:
        os.close(handle)  # which gives the lock back, on every system


if sys.platform == "win32":
    import msvcrt

    def _wait_for(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _wait_for(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


# -------------------------------------------------------------------------------------- key ring


_SERVICE: Final = "solvent-licensing"


class Ring(Protocol):
    """What is asked of the package `keyring`."""

    def set_password(self, service: str, entry: str, secret: str) -> None: ...  # noqa: D102
    def get_password(self, service: str, entry: str) -> str | None: ...  # noqa: D102


def _ring() -> Ring | None:
    """Return the system's key ring; None where the package is not there."""
    try:
        return cast("Ring", importlib.import_module("keyring"))
    except ImportError:
        return None


def _into_ring(entry: str, key: bytes) -> bool:
    """Put a key into the system's key ring; False where there is none that keeps it."""
    ring = _ring()
    if ring is None:
        return False
    try:
        ring.set_password(_SERVICE, entry, key.hex())
        return ring.get_password(_SERVICE, entry) == key.hex()
    except Exception:  # noqa: BLE001 -- backends raise what they like; the file can keep the key too
        return False


def _from_ring(entry: str) -> bytes:
    ring = _ring()
    try:
        found = ring.get_password(_SERVICE, entry) if ring else None
    except Exception as error:
        raise Unreadable("store_locked") from error
    if not found:
        raise Unreadable("store_locked")
    return bytes.fromhex(found)


# ----------------------------------------------------------------------------------------- places


def home_of(product: str, *, what: str) -> Path:
    """Return where a user's programs keep things on this system.

    Args:
        product: the program's name at the publisher.
        what: `data` for the license; `state` for the other place, which bears witness of it.
    """
    user = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or user / "AppData/Local")
        roaming = Path(os.environ.get("APPDATA") or user / "AppData/Roaming")
        return (local if what == "data" else roaming) / "solvent-licensing" / product
    if sys.platform == "darwin":
        folder = "Application Support" if what == "data" else "Preferences"
        return user / "Library" / folder / "solvent-licensing" / product
    told = os.environ.get("XDG_DATA_HOME" if what == "data" else "XDG_STATE_HOME", "")
    default = user / (".local/share" if what == "data" else ".local/state")
    base = Path(told) if told.startswith("/") else default
    return base / "solvent-licensing" / product
