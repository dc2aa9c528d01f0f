"""How are a program, its Python and a launcher put together into one file for Linux?"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from solvent.app.build_cli import compiler, elf, package
from solvent.app.build_cli.found import CannotCollect, Found, Wanted, collect
from solvent.app.build_cli.project import Program

_START: Final = Path(__file__).with_name("start.py.txt")
_LDD_TIMEOUT_S: Final = 60
_RESOLVED: Final = re.compile(r"^\s*(\S+) => (/\S.*?) \(0x", re.MULTILINE)
_LOST: Final = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_OF_THE_SYSTEM: Final = re.compile(
    r"(ld-linux.*|libc|libm|libdl|libpthread|librt|libutil|libresolv|libanl|libnss_.*)\.so\.\d+"
)
"""glibc, which every Linux that can run the program has, and which cannot be brought along."""


class Built(NamedTuple):
    """What a build made."""

    output: Path
    file_bytes: int
    packed: package.Packed
    python: str
    glibc: tuple[int, int]
    distributions: dict[str, str]
    missing: tuple[str, ...]


def build_for_linux(program: Program, wanted: Wanted, output: Path) -> Built:
    """Build one file that runs on Linux with nothing installed but its C library.

    Two builds from the same input are the same bytes.

    Raises:
        CannotCollect: the program's Python has no shared library, or modules are not there.
        NoCompiler, DoesNotCompile: there is no launcher.
        PackageTooLarge: it has too many files.
    """
    with tempfile.TemporaryDirectory(prefix="solvent-build-") as scratch:
        root = Path(scratch, "root")
        root.mkdir()
        found = collect(program, wanted, root)
        launcher = compiler.linux()
        _put_python(root, found, program.name, launcher.shim or b"")
        text = start(program, found, site=f"/{found.folder}/site-packages")
        (root / found.folder / "_solvent_start.py").write_text(text, "utf-8")
        _compile_start(wanted.python, root / found.folder / "_solvent_start.py")
        glibc = _trim(root)
        output.parent.mkdir(parents=True, exist_ok=True)
        packed = package.write(output, launcher.front, root, name=program.name)
    output.chmod(0o755)
    version = ".".join(map(str, found.version))
    size = output.stat().st_size
    return Built(output, size, packed, version, glibc, found.distributions, found.missing)


def start(program: Program, found: Found, *, site: str | None) -> str:
    """Return the source of the module that the launcher runs.

    Args:
        program: whose function it calls.
        found: what was built in.
        site: where packages stand, below Python's prefix; None where Python knows it.
    """
    module, _, function = program.entry.partition(":")
    certificates = "find_certificates()" if "_ssl" in found.standard else "pass"
    filled = {
        "@PATH@": f"sys.path.append(sys.prefix + {site!r})" if site else "pass",
        "@CERTIFICATES@": certificates,
        "@MODULE@": module,
        "@FUNCTION@": function.partition(".")[0],
        "@CALL@": function,
        "@NAME@": program.name,
    }
    text = _START.read_text("utf-8")
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text


def _compile_start(python: Path, source: Path) -> None:
    """Compile the first module with the program's own Python, without its place on this disk."""
    code = (
        "import importlib.util, marshal, sys; p = sys.argv[1];"
        "c = compile(open(p, 'rb').read(), '_solvent_start.py', 'exec');"
        "open(p + 'c', 'wb').write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(c))"
    )
    subprocess.run([str(python), "-I", "-c", code, str(source)], check=True, timeout=_LDD_TIMEOUT_S)
    source.unlink()


def _put_python(root: Path, found: Found, name: str, shim: bytes) -> None:
    """Write the interpreter and every library that it, or an extension, needs of this system."""
    if found.libpython is None:
        raise CannotCollect(
            "it has no shared library (libpython3.x.so); on Debian and Ubuntu install"
            " libpython3-dev, else take a Python that was built with --enable-shared",
            field="python",
        )
    library = root / "lib" / "libpython.so"
    library.write_bytes(found.libpython.read_bytes())
    (root / found.folder / "lib-dynload").mkdir(exist_ok=True)  # where Python looks to find itself
    (root / found.folder / "site-packages").mkdir(exist_ok=True)
    (root / "bin").mkdir()
    (root / "bin" / name).write_bytes(shim)
    sources = [found.libpython, *(source for source, _ in found.libraries)]
    own = {source.name for source in sources}
    for needed in sorted(_needed(sources)):
        if needed.name not in own:
            (root / "lib" / needed.name).write_bytes(needed.read_bytes())


def _needed(libraries: Iterable[Path]) -> set[Path]:
    """Return the libraries of this system that others need, by the names that they are asked for.

    What a package brings along itself, beside its extension, stays there.
    """
    files = sorted(set(libraries))
    done = subprocess.run(
        [shutil.which("ldd") or "/usr/bin/ldd", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LDD_TIMEOUT_S,
    )
    if lost := sorted({one for one in _LOST.findall(done.stdout) if "libpython" not in one}):
        raise CannotCollect(f"these libraries are not on this system: {', '.join(lost)}")
    return {
        Path(path).parent / name
        for name, path in _RESOLVED.findall(done.stdout)
        if not _OF_THE_SYSTEM.fullmatch(name)
        and "site-packages" not in path
        and not name.startswith("libpython")
    }


def _trim(root: Path) -> tuple[int, int]:
    """Drop from every library what does not run; return the glibc that all of them need."""
    newest = (0, 0)
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if elf.is_elf(content):
                newest = max(newest, elf.needed_glibc(content))
                if path.parts[len(root.parts)] == "lib" and "site-packages" not in path.parts:
                    content = elf.without_run_path(content)
                path.write_bytes(elf.trimmed(content))
    return newest
