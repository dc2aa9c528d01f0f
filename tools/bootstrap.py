"""How does a fresh machine get its `.venv`? Standard library only: this runs before anything is installed.

Builds `.venv` from requirements-dev.lock with every hash checked, then installs the two distributions of this
repository editable, with the locked build backend. Does nothing when the stamp says that all of it is current.
"""

import hashlib
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
setup: this Python ({path}) has neither `ensurepip` nor `pip`, so no virtual environment can be filled.
setup: on Debian or Ubuntu, as root: apt-get install python3-pip (or python3-venv), then `make setup` again."""


def main() -> int:
    """Brings `.venv` up to date; returns the exit code, having said in one sentence what is missing if something is."""
    if sys.version_info < OLDEST:
        print(NEEDS_PYTHON.format(found=sys.version.split()[0], path=sys.executable), file=sys.stderr)
        return 2
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and python_in(VENV).exists():
        return 0
    print("setup: building .venv from requirements-dev.lock (a minute or two the first time)", flush=True)
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
    """What the environment was built from: the lock, both pyproject files, this interpreter and this place."""
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml", CLIENT / "pyproject.toml"):
        digest.update(path.read_bytes())
    digest.update(f"{sys.version_info[:2]}{ROOT}".encode())
    return digest.hexdigest()


def python_in(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv() -> "list[str] | None":
    """A pip command that installs into `.venv`, made anew if it is missing or of another Python; None if there is no pip."""
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
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    return [sys.executable, "-m", "pip", "--python", str(python_in(VENV))]


def same_python() -> bool:
    """Whether `.venv` runs the same minor version as this interpreter."""
    ask = "import sys; raise SystemExit(sys.version_info[:2] != " + repr(tuple(sys.version_info[:2])) + ")"
    return python_in(VENV).exists() and works([str(python_in(VENV)), "-c", ask])


def works(command: "list[str]") -> bool:
    """Whether a command exits 0; its output is not shown."""
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fill(pip: "list[str]") -> None:
    """Installs what the lock names, hashes required, then this repository's two distributions editable."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "install", *quiet, "--require-hashes", "-r", str(LOCK)], check=True, cwd=ROOT)
    ours = ["-e", str(ROOT), "-e", str(CLIENT)]
    subprocess.run([*pip, "install", *quiet, "--no-deps", "--no-build-isolation", *ours], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
