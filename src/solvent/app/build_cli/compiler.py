"""Which C compiler makes the launcher? The system's, or the one that the package `ziglang` carries.

The launcher is 600 lines of C that ship as source: no binary is handed around. Zig's compiler
builds for every target on any machine without a network.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from solvent.app.build_cli import elf
from solvent.kit.errors import Unavailable

SOURCES: Final = Path(__file__).parent / "c"
_PE_AT, _PE_TIME, _PE_CHECKSUM = 0x3C, 8, 88
_TIMEOUT_S: Final = 600
_COMMON: Final = ("launcher.c", "package.c", "inflate.c", "blake2b.c")
_WINDOWS: Final = ("windows.c", "package.c", "inflate.c", "blake2b.c")
_RUN_PATH: Final = "-Wl,-rpath,$ORIGIN/../lib"


class NoCompiler(Unavailable):
    """There is no C compiler for the launcher: `pip install ziglang`, or install gcc."""

    code = "solvent.no_compiler"


class DoesNotCompile(Unavailable):
    """The C compiler failed on the launcher."""

    code = "solvent.does_not_compile"


class Launcher(NamedTuple):
    """What a target needs: the program in front, and on Linux the one that becomes Python."""

    front: bytes
    shim: bytes | None


@cache
def linux() -> Launcher:
    """Compile both programs for this machine's kind of Linux, once a process.

    Raises:
        NoCompiler: there is none.
        DoesNotCompile: it failed; its own words follow.
    """
    zig = _zig("x86_64-linux-musl"), _zig("x86_64-linux-gnu.2.17")
    own = _first_of("cc", "gcc", "clang")
    fronts = [[*own, "-static"], own] if own else [[*zig[0], "-static"]] if zig[0] else []
    shims = own or zig[1]
    if not fronts or not shims:
        raise NoCompiler
    with tempfile.TemporaryDirectory(prefix="solvent-build-") as scratch:
        folder = Path(scratch)
        front = _any_of(fronts, _COMMON, folder / "front")
        shim = _built([*shims, _RUN_PATH], ("shim.c",), folder / "shim", libraries=("-ldl",))
    return Launcher(front, elf.with_inherited_run_path(shim))


@cache
def windows(tag: str) -> Launcher:
    """Compile the program for Windows on x86-64, on whatever machine this is, once a process.

    Args:
        tag: the version of Python that it loads, `313`.

    Raises:
        NoCompiler: there is none.
        DoesNotCompile: it failed; its own words follow.
    """
    compiler = _first_of("x86_64-w64-mingw32-gcc") or _zig("x86_64-windows-gnu")
    if not compiler:
        raise NoCompiler("there is no C compiler for Windows: pip install ziglang")
    command = [*compiler, "-municode", "-static", f'-DPYTHON_TAG="{tag}"']
    with tempfile.TemporaryDirectory(prefix="solvent-build-") as scratch:
        front = _built(command, _WINDOWS, Path(scratch, "front.exe"))
    return Launcher(_without_time(front), None)


def _without_time(program: bytes) -> bytes:
    """Return a program for Windows without the moment of its linking, and the checksum over it."""
    changed = bytearray(program)
    header = int.from_bytes(program[_PE_AT : _PE_AT + 4], "little")
    for at in (header + _PE_TIME, header + _PE_CHECKSUM):
        changed[at : at + 4] = bytes(4)
    return bytes(changed)


def _first_of(*names: str) -> list[str]:
    found = (shutil.which(name) for name in names)
    return [path for path in found if path][:1]


def _zig(target: str) -> list[str]:
    if importlib.util.find_spec("ziglang") is None:
        return []
    return [sys.executable, "-m", "ziglang", "cc", "-target", target]


def _any_of(commands: list[list[str]], sources: tuple[str, ...], output: Path) -> bytes:
    """Return what the first command that works makes: not every system has a static libc."""
    for command in commands[:-1]:
        try:
            return _built(command, sources, output)
        except DoesNotCompile:
            continue
    return _built(commands[-1], sources, output)


def _built(
    command: list[str], sources: tuple[str, ...], output: Path, *, libraries: tuple[str, ...] = ()
) -> bytes:
    files = [str(SOURCES / name) for name in sources]
    done = subprocess.run(
        [*command, "-O2", "-s", f"-I{SOURCES}", *files, "-o", str(output), *libraries],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise DoesNotCompile(f"{command[0]}: {done.stderr.strip()[-2000:]}")
    return output.read_bytes()
