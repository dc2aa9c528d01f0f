"""How does a fresh machine get its `.venv`? Standard library only: it runs before any install.

Builds `.venv` from requirements-dev.lock with every hash checked, then installs our two
distributions editable, with the locked build backend. Does nothing when the stamp says that all of
it is current.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".solvent-stamp"
LOCK = ROOT / "requirements-dev.lock"
CLIENT = ROOT / "clients" / "python"
OLDEST = (3, 11)
NEEDS_PYTHON = """\
setup: Solvent needs Python 3.11 or newer, and this is {found} ({path}).
setup: install a newer one, then say which: make setup PYTHON=/path/to/python3.11"""
NEEDS_PIP = """\
setup: this Python ({path}) has neither `ensurepip` nor `pip`, so `.venv` cannot be filled.
setup: on Debian or Ubuntu: apt-get install python3-pip (as root), then `make setup` again."""


def main() -> int:
    """Bring `.venv` up to date; return the exit code, having said what is missing if so."""
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        print(NEEDS_PYTHON.format(found=found, path=sys.executable), file=sys.stderr)
        return 2
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and python_in(VENV).exists():
        return 0
    print(
        "setup: building .venv from requirements-dev.lock (a minute or two the first time)",
        flush=True,
    )
    STAMP.unlink(missing_ok=True)
    pip = make_venv()
    if pip is None:
        print(NEEDS_PIP.format(path=sys.executable), file=sys.stderr)
        return 2
    try:
        fill(pip)
    except subprocess.CalledProcessError as failure:
        print(f"setup: this step failed: {' '.join(map(str, failure.cmd))}", file=sys.stderr)
        return 1
    STAMP.write_text(wanted)
    print("setup: ok", flush=True)
    return 0


def fingerprint() -> str:
    """Digest what `.venv` is built from: lock, what is to be installed, Python, place."""
    import tomllib  # Python >= 3.11: main() has looked

    digest = hashlib.sha256(LOCK.read_bytes())
    for folder in (ROOT, CLIENT):
        told = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        parts = [told["project"], told["build-system"], told["tool"]["hatch"]]
        digest.update(json.dumps(parts, sort_keys=True).encode())
    digest.update(f"{sys.version_info[:2]}{ROOT}".encode())
    return digest.hexdigest()


def python_in(venv: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv() -> list[str] | None:
    """Return a pip command that installs into `.venv`, made anew if need be; None without pip."""
    if VENV.exists() and not same_python():
        shutil.rmtree(VENV)
    inside = [str(python_in(VENV)), "-m", "pip"]
    if python_in(VENV).exists() and works([*inside, "--version"]):
        return inside
    if works([sys.executable, "-c", "import ensurepip"]):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        return inside
    if not works([sys.executable, "-m", "pip", "--version"]):
        return None
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True
    )
    return [sys.executable, "-m", "pip", "--python", str(python_in(VENV))]


def same_python() -> bool:
    """Say whether `.venv` runs the same minor version as this interpreter."""
    version = tuple(sys.version_info[:2])
    ask = f"import sys; raise SystemExit(sys.version_info[:2] != {version})"
    return python_in(VENV).exists() and works([str(python_in(VENV)), "-c", ask])


def works(command: list[str]) -> bool:
    """Say whether a command exits 0; its output is not shown."""
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fill(pip: list[str]) -> None:
    """Install what the lock names, hashes required, then our two distributions editable."""
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    locked = ["--require-hashes", "-r", str(LOCK)]
    ours = ["--no-deps", "--no-build-isolation", "-e", str(ROOT), "-e", str(CLIENT)]
    for what in (locked, ours):
        subprocess.run([*install, *what], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
