"""How are files written that only their owner may read: passwords, ids, configuration?"""

import os
from pathlib import Path

PASSWORD_BYTES = 24


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make the directory with exactly this mode, whatever the umask says."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Put the text into a file of mode 0600, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def digest(data: bytes) -> str:
    """A name of 16 characters for the bytes."""
    import hashlib  # here: it loads OpenSSL, 4 MB that the supervisor seldom needs

    return hashlib.sha256(data).hexdigest()[:16]


def keep_password(path: Path) -> str:
    """The password in the file, made at random the first time."""
    try:
        kept = path.read_text("utf-8").strip()
    except FileNotFoundError:
        kept = ""
    if kept:
        return kept
    made = os.urandom(PASSWORD_BYTES).hex()
    write_private(path, made + "\n")
    return made
