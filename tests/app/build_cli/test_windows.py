"""Does the .exe that is built here run where Windows programs run, and is it the same each time?

What it needs is not among the dependencies, for its 100 MB: `make windows-tools` fetches Python for
Windows; the compiler is gcc-mingw-w64-x86-64 or the package ziglang; wine64 runs the programs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from source import ROOT

from solvent.app.build_cli.build import Built
from solvent.app.build_cli.found import CannotCollect, Wanted
from solvent.app.build_cli.project import read_program
from solvent.app.build_cli.windows import build_for_windows

EMBEDDED = ROOT / "build" / "windows-python"
COMPILER = shutil.which("x86_64-w64-mingw32-gcc") or importlib.util.find_spec("ziglang")
WINE = shutil.which("wine64") or shutil.which("wine")
WITHIN_S = 120
DAMAGED = 70

HELLO = """
import sys

def main():
    if sys.argv[1:] == ["exit"]:
        return 7
    if sys.argv[1:] == ["stdin"]:
        print(sys.stdin.read().upper())
    elif sys.argv[1:] == ["where"]:
        print(sys.prefix)
    else:
        print("hello", *sys.argv[1:])
"""

needs_python = pytest.mark.skipif(
    not EMBEDDED.is_dir(), reason="no Python for Windows here: make windows-tools"
)
needs_compiler = pytest.mark.skipif(
    not COMPILER, reason="no compiler for Windows here: gcc-mingw-w64-x86-64 or ziglang"
)
needs_wine = pytest.mark.skipif(not WINE, reason="no wine64 here to run programs for Windows")


def project(folder: Path, source: str = HELLO) -> Path:
    package = folder / "hello"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    (folder / "pyproject.toml").write_text("[project.scripts]\nhello = 'hello:main'\n")
    return folder


def build(folder: Path, output: Path, **options: Path | None) -> Built:
    program = read_program(folder, script=None, entry=None)
    wanted = Wanted(Path(sys.executable), program.include, program.exclude)
    asked = {"wheels": None, "embedded": EMBEDDED, **options}
    return build_for_windows(program, wanted, output, **asked)


@pytest.fixture(scope="session")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    return build(project(folder / "project"), folder / "hello.exe").output


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Windows of our own, kept up from one program to the next: starting it takes a second."""
    folder = tmp_path_factory.mktemp("wine")
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver64"
    with subprocess.Popen([server, "--foreground", "-p"], env=of_windows(folder)) as running:
        # Its services live on: they must not hold the pipes of the program that comes first.
        start_quietly(folder, str(WINE), "wineboot", "--init")
        yield folder
        start_quietly(folder, server, "--kill")
        running.wait(WITHIN_S)


def start_quietly(prefix: Path, *command: str) -> None:
    nothing = subprocess.DEVNULL
    environment = of_windows(prefix)
    subprocess.run(
        command,
        env=environment,
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        check=False,
        timeout=WITHIN_S,
    )


def of_windows(prefix: Path) -> dict[str, str]:
    """The variables of a Windows without Mono and Gecko, which nothing here needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    wine = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    return kept | wine | {"LANG": "C.UTF-8"}


def run(prefix: Path, *command: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program for Windows; wine's Python wants all three streams to be pipes."""
    return subprocess.run(
        [str(WINE), *map(str, command)],
        env=of_windows(prefix),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )


@needs_python
@needs_compiler
@needs_wine
def test_it_starts_with_arguments_pipes_and_exit_codes(prefix: Path, hello: Path) -> None:
    done = run(prefix, hello, "a b", "ü")
    assert (done.returncode, done.stdout.strip()) == (0, "hello a b ü"), done.stderr
    assert run(prefix, hello, "exit").returncode == 7
    assert run(prefix, hello, "stdin", stdin="über").stdout.strip() == "ÜBER"
    assert "AppData\\Local\\hello" in run(prefix, hello, "where").stdout


@needs_python
@needs_compiler
@needs_wine
def test_a_changed_cache_and_a_changed_file_are_not_run(
    prefix: Path, hello: Path, tmp_path: Path
) -> None:
    assert run(prefix, hello).returncode == 0
    start = next(prefix.rglob("AppData/Local/hello/*/site-packages/hello/__init__.py*"))
    whole = start.read_bytes()
    start.write_bytes(b"raise SystemExit('planted')")
    assert run(prefix, hello).stdout.strip() == "hello"
    assert start.read_bytes() == whole
    changed = bytearray(hello.read_bytes())
    changed[-100] ^= 1  # in the index
    copy = tmp_path / "changed.exe"
    copy.write_bytes(changed)
    done = run(prefix, copy)
    assert (done.returncode, "damaged" in done.stderr) == (DAMAGED, True)


@needs_python
@needs_compiler
def test_two_builds_are_the_same_bytes(hello: Path, tmp_path: Path) -> None:
    again = build(project(tmp_path / "project"), tmp_path / "again.exe").output
    assert again.read_bytes() == hello.read_bytes()


@needs_python
@needs_compiler
@needs_wine
def test_the_licensed_example_runs(prefix: Path, tmp_path: Path) -> None:
    built = build(ROOT / "examples" / "licensed_cli", tmp_path / "mytool.exe")
    assert built.file_bytes <= 16_000_000
    request = tmp_path / "request"
    done = run(prefix, built.output, "--activate", "--output", f"Z:{request}")
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(ROOT / "clients/python/tests/licensing"))
    try:
        from publisher import Publisher
    finally:
        sys.path.pop(0)
    import time

    answer = Publisher().answer(request.read_text(), issued=int(time.time()), encrypted=False)
    (tmp_path / "license.lic").write_text(answer)
    done = run(prefix, built.output, "--activate", f"Z:{tmp_path / 'license.lic'}")
    assert "activated" in done.stdout, done.stderr
    (tmp_path / "text").write_text("one two")
    assert run(prefix, built.output, f"Z:{tmp_path / 'text'}").stdout.strip() == "2 words"


@needs_python
def test_a_compiled_dependency_without_a_wheel_is_named(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", "import cryptography.fernet\ndef main(): pass\n")
    with pytest.raises(CannotCollect, match=r"cryptography|cffi") as caught:
        build(folder, tmp_path / "hello.exe", wheels=tmp_path)
    assert "--wheels" in str(caught.value)
    assert not (tmp_path / "hello.exe").exists()


def test_what_is_no_python_for_windows_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    (tmp_path / "other.zip").write_bytes(b"PK")
    for embedded in (tmp_path / "absent", tmp_path / "other.zip", tmp_path):
        with pytest.raises(CannotCollect, match="windows-python"):
            build(folder, tmp_path / "hello.exe", embedded=embedded)
