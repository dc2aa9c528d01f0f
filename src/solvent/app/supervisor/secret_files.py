"""Where do the engines' passwords come from, and who can read them?"""

import os
from pathlib import Path

PASSWORD_BYTES = 24


def make_private_directory(path: Path, mode: int = 0o700) -> None:
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
