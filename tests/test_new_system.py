"""Does `make new-system` make a system that passes every gate as it is?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import new_system
import pytest
from source import ROOT

BIN = Path(sys.executable).parent
NAME = "loyalty"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree, and of what Python has compiled of it, with a new system in it."""
    top = tmp_path_factory.mktemp("tree")
    unfinished = shutil.ignore_patterns("*.pyc.*")
    for name in ("src", "migrations", "tools"):
        shutil.copytree(ROOT / name, top / name, ignore=unfinished)
    for name in (".importlinter", "pyproject.toml"):
        shutil.copy(ROOT / name, top / name)
    new_system.scaffold(top, NAME)
    yield top
    shutil.rmtree(top)


def run(copy: Path, program: str, *arguments: str) -> str:
    """Run a program of the environment on the copy; return what it printed."""
    done = subprocess.run(
        [str(BIN / program), *arguments],
        cwd=copy,
        env={
            **os.environ,
            "PYTHONPATH": str(copy / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",  # the copy stays as it was written
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def written(copy: Path) -> list[str]:
    return [path.relative_to(copy).as_posix() for path in copy.rglob(f"*{NAME}*")]


def test_it_has_the_whole_shape(copy: Path) -> None:
    system = copy / "src" / "solvent" / "systems" / NAME
    names = {path.name for path in system.iterdir()}
    shape = [
        "__init__",
        "model",
        "rules",
        "store",
        "service",
        "api",
        "tasks",
        "cli",
        "errors",
        "wire",
    ]
    assert names == {"README.md"} | {f"{name}.py" for name in shape}
    assert len(written(copy)) == 4  # the system, its contracts, its migration, its tests


def test_it_stands_beside_the_others_in_the_wire(copy: Path) -> None:
    before = (ROOT / "src/solvent/app/wire.py").read_text(encoding="utf-8")
    after = (copy / "src/solvent/app/wire.py").read_text(encoding="utf-8")
    line = new_system.IMPORT.format(name=NAME) + "\n"
    assert line in after
    assert after.replace(f", {NAME})", ")").replace(line, "") == before


def test_the_linters_accept_it(copy: Path) -> None:
    places = [path for path in written(copy) if not path.endswith(".sql")]
    places.append("src/solvent/app/wire.py")
    run(copy, "ruff", "check", "--no-cache", *places)
    run(copy, "ruff", "format", "--no-cache", "--check", *places)


def test_the_walls_accept_it(copy: Path) -> None:
    told = run(copy, "lint-imports", "--no-logo", "--no-cache")
    assert "0 broken" in told


def test_strict_types_accept_it(copy: Path) -> None:
    (copy / ".venv").symlink_to(ROOT / ".venv", target_is_directory=True)
    run(copy, "basedpyright", f"src/solvent/systems/{NAME}", f"src/solvent/contracts/{NAME}.py")


def test_its_own_tests_pass_on_real_engines(copy: Path) -> None:
    told = run(copy, "python", "-m", "pytest", "-q", f"tests/systems/{NAME}")
    assert " passed" in told


@pytest.mark.parametrize("name", ["", "Loyalty", "x", "two_words", "ledger", "utils", "import"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(new_system.Refused):
        new_system.scaffold(tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_a_system_is_not_written_over(copy: Path) -> None:
    with pytest.raises(new_system.Refused, match="already"):
        new_system.scaffold(copy, NAME)
