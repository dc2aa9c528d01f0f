"""What goes into the file, is it the same each time, and is every change to it noticed?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from one_file import (
    DAMAGED,
    PYTHON,
    WITHIN_S,
    User,
    write_hello,
)

from solvent.app.build_cli import compiler, elf
from solvent.app.build_cli.build import Built
from solvent.app.build_cli.found import CannotCollect, Found, Wanted, collect
from solvent.app.build_cli.project import NotAProgram, read_program


def test_every_changed_part_of_the_file_is_refused(user: User, hello: Path, tmp_path: Path) -> None:
    whole = hello.read_bytes()
    launcher = len(compiler.linux().front)
    places = [launcher + 1, *range(launcher + 1000, len(whole), (len(whole) - launcher) // 12)]
    for at in [*places, len(whole) - 1, len(whole) - 40, len(whole) - 56]:
        changed = bytearray(whole)
        changed[at] ^= 0x10
        copy = tmp_path / "changed"
        copy.write_bytes(changed)
        copy.chmod(0o755)
        done = user.run(copy)
        assert done.returncode == DAMAGED, at
        assert "damaged" in done.stderr
        copy.unlink()
    assert not list(user.home.rglob("*.seal"))


@pytest.mark.parametrize("missing", [1, 56, 5000])
def test_a_file_that_was_cut_is_refused(
    user: User, hello: Path, tmp_path: Path, missing: int
) -> None:
    copy = tmp_path / "cut"
    copy.write_bytes(hello.read_bytes()[:-missing])
    copy.chmod(0o755)
    assert user.run(copy).returncode == DAMAGED


def test_two_builds_are_the_same_bytes(hello: Path, tmp_path: Path) -> None:
    """The second one from elsewhere, in a process that has compiled and packed nothing yet."""
    project, output = write_hello(tmp_path / "elsewhere" / "project", "1.0"), tmp_path / "b"
    code = "import typer; from solvent.app.build_cli.cli import build_cli; typer.run(build_cli)"
    done = subprocess.run(
        [PYTHON, "-c", code, project, "--output", output],
        check=True,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert "no Python, no network" in done.stdout
    assert output.read_bytes() == hello.read_bytes()


def test_it_says_which_glibc_it_needs(built: Built) -> None:
    assert (2, 17) <= built.glibc < (3, 0)
    assert elf.needed_glibc(b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_PRIVATE\0") == (2, 34)
    assert elf.needed_glibc(b"") == (0, 0)


def test_libraries_find_what_was_brought_along(user: User, rich: Built) -> None:
    """`_ssl` looks for libssl in the folder of the program, not in the system."""
    loaded = user.says(rich.output, "loaded")
    assert loaded.startswith(str(user.unpacked))


def test_a_library_without_its_symbols_still_loads(tmp_path: Path) -> None:
    import _json
    import ctypes

    content = Path(_json.__file__).read_bytes()
    trimmed = elf.trimmed(content)
    assert len(trimmed) < len(content)
    (tmp_path / "trimmed.so").write_bytes(trimmed)
    assert ctypes.PyDLL(str(tmp_path / "trimmed.so")).PyInit__json
    assert elf.trimmed(trimmed[:200]) == trimmed[:200], "what cannot be read stays as it is"
    assert not elf.is_elf(b"MZ")


def collected(project: Path, out: Path, **options: object) -> Found:
    out.mkdir()
    program = read_program(project, script=None, entry=None)
    return collect(program, Wanted(PYTHON, **options), out)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A program that names `ssl` for type checkers only, and imports `wave` by a string."""
    folder = tmp_path_factory.mktemp("lean")
    module = write_hello(folder / "project", "1.0") / "src/hello/__init__.py"
    module.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ssl\n" + module.read_text()
    )
    return collected(folder / "project", folder / "out", include=("wave",))


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A program that uses what only OpenSSL has, and leaves out what it does not come to."""
    folder = tmp_path_factory.mktemp("keyed")
    project = write_hello(folder / "project", "1.0")
    (project / "src/hello/key.py").write_text("import hashlib\nhashlib.scrypt\n")
    with (project / "src/hello/__init__.py").open("a") as file:
        file.write("from hello import key\n")
    return collected(project, folder / "out", exclude=("multiprocessing",))


def test_only_what_is_used_is_taken(lean: Found) -> None:
    assert lean.packages == ("hello",)
    assert "multiprocessing.pool" in lean.standard
    assert not {"_hashlib", "unittest", "tkinter", "pdb"} & set(lean.standard)


def test_openssl_is_taken_where_it_is_used(keyed: Found) -> None:
    assert "_hashlib" in keyed.standard


def test_what_only_type_checkers_import_is_left_out(lean: Found) -> None:
    assert "ssl" not in lean.standard


def test_a_module_can_be_put_in_and_left_out(lean: Found, keyed: Found) -> None:
    assert "wave" in lean.standard
    assert "wave" not in keyed.standard
    assert "multiprocessing" not in keyed.standard


@pytest.mark.parametrize(
    "text, options, told",
    [
        ("", {}, "no [project.scripts]"),
        ("[project", {}, "is no TOML"),
        ("[project.scripts]\na = 'x:y'\nb = 'x:z'", {}, "several"),
        ("[project.scripts]\na = 'x:y'", {"script": "b"}, "has no 'b'"),
        ("[project.scripts]\na = 'x.y'", {}, "expected package.module:function"),
        ("[project.scripts]\na = 'x:y'\n[tool.solvent.build-cli]\ninclude='z'", {}, "include"),
        ("[project.scripts]\n'a b' = 'x:y'", {}, "cannot be a program's name"),
    ],
)
def test_a_project_that_is_no_program_is_told_why(
    tmp_path: Path, text: str, options: dict[str, str], told: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NotAProgram) as caught:
        read_program(tmp_path, **{"script": None, "entry": None, **options})
    assert told in str(caught.value)


def test_a_program_whose_module_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project.scripts]\na = 'absent.cli:main'")
    with pytest.raises(CannotCollect):
        collected(tmp_path, tmp_path / "out")


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    program = read_program(write_hello(tmp_path / "p", "1"), script=None, entry=None)
    with pytest.raises(CannotCollect, match="No such file"):
        collect(program, Wanted(tmp_path / "python"), tmp_path)
