"""What do the tests of one file build, and who runs it?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from source import ROOT

from solvent.app.build_cli.build import Built, build_for_linux
from solvent.app.build_cli.found import Wanted
from solvent.app.build_cli.project import read_program

PYTHON = Path(sys.executable)
EXAMPLE = ROOT / "examples" / "licensed_cli"
NOBODY = 65534
SHARED = Path("/var/tmp", f"hello-{NOBODY}")  # noqa: S108 -- where the launcher may unpack
WITHIN_S = 60
DAMAGED, NO_PLACE = 70, 73

HELLO = """
import multiprocessing, os, sys, time
from pathlib import Path

def double(x):
    return 2 * x

def main():
    told = sys.argv[1:]
    if told == ["exit"]:
        return 7
    if told == ["wait"]:
        print("waiting", flush=True)
        time.sleep(60)
    if told == ["data"]:
        print((Path(__file__).parent / "data.txt").read_text().strip())
    elif told == ["spawn"]:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(abs, [-1, -2]))
    elif told == ["stdin"]:
        print(sys.stdin.read().upper())
    elif told == ["absent"]:
        import importlib
        importlib.import_module("wave")
    elif told == ["where"]:
        print(sys.prefix)
    else:
        print(VERSION, *told)
"""


RICH = """
import ssl, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key

def main():
    if sys.argv[1:] == ["sign"]:
        print(len(Key.from_private_bytes(bytes(32)).sign(b"")))
    elif sys.argv[1:] == ["loaded"]:
        ssl.create_default_context()
        print(*{line.split()[-1] for line in open("/proc/self/maps") if "libssl" in line})
    else:
        print(VERSION)
"""


def write_rich(folder: Path, version: str) -> Path:
    write_hello(folder, version)
    (folder / "src" / "hello" / "__init__.py").write_text(f"VERSION = {version!r}\n{RICH}")
    return folder


def write_hello(folder: Path, version: str) -> Path:
    package = folder / "src" / "hello"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"VERSION = {version!r}\n{HELLO}")
    (package / "data.txt").write_text("the data")
    (folder / "pyproject.toml").write_text(
        f"""[project]
name = "hello"
version = "{version}"
[project.scripts]
hello = "hello:main"
"""
    )
    return folder


def build(project: Path, output: Path) -> Built:
    program = read_program(project, script=None, entry=None)
    wanted = Wanted(PYTHON, program.include, program.exclude)
    return build_for_linux(program, wanted, output)


HOUSE = Path(sys.base_prefix)
"""Where the Python of these tests is."""


def alone() -> tuple[str, ...]:
    """Return what to put before a command that is to see no network, and none of our Python.

    Where that is the system's own it cannot be taken away: the command only finds no way to it.
    Skips where no namespaces may be made.
    """
    hides = HOUSE not in {Path("/"), Path("/usr")}
    first = f"{shutil.which('mount')} -t tmpfs none {HOUSE} && " if hides else ""
    unshare = (shutil.which("unshare") or "unshare", "--mount", "--net")
    command = (*unshare, "/bin/sh", "-c", f'{first}exec "$@"', "sh")
    shown = subprocess.run(
        [*command, "/bin/cat", "/proc/net/dev"], capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(f"no namespaces may be made here: {shown.stderr.strip()}")
    assert [line.split(":")[0].strip() for line in shown.stdout.splitlines()[2:]] == ["lo"]
    if hides:
        gone = [*command, PYTHON.resolve(), "-c", ""]
        assert subprocess.run(gone, capture_output=True, check=False).returncode
    return command


class User:
    """Somebody with a home and nothing else."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables = {"HOME": str(home), "PATH": "/nowhere", "LANG": "C.UTF-8"}

    def run(self, *command: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            env=self.variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
        )

    def says(self, *command: object, stdin: str = "") -> str:
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "hello"

    @property
    def unpacked(self) -> Path:
        return next(path for path in self.cache.iterdir() if path.is_dir())

    @property
    def lib(self) -> Path:
        return next(self.unpacked.glob("lib/python3*"))
