"""Which modules does a program need, as the Python sees it that the program is built for?

Run by that Python, alone: standard library only, nothing of Solvent. It reads a JSON object from
standard input, lays out `lib/pythonX.Y` below a folder, and prints what it found as JSON.
"""

import ast
import importlib.machinery
import importlib.metadata
import io
import json
import marshal
import os
import shutil
import string
import sys
import sysconfig
from functools import cache
from importlib.util import MAGIC_NUMBER
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from typing import Any, Final, Protocol, cast

STDLIB: Final = Path(sysconfig.get_path("stdlib")).resolve()
DYNLOAD: Final = STDLIB / "lib-dynload"
EXTENSIONS: Final = tuple(importlib.machinery.EXTENSION_SUFFIXES)
HEADER: Final = MAGIC_NUMBER + bytes(12)
"""Flags, time and size of the source: a module without its source has none of them."""

ALWAYS: Final = (
    "codecs", "encodings", "encodings.ascii", "encodings.idna", "encodings.latin_1",
    "encodings.utf_8", "io", "os", "runpy", "signal", "traceback", "warnings", "zipimport",
    "importlib.resources",
)  # fmt: skip
"""Python itself imports these by name, or a program that fails needs them to say so."""

ONLY_FOR_DEVELOPERS: Final = frozenset({
    "_hashlib", "bdb", "cmd", "curses", "distutils", "doctest", "ensurepip", "idlelib", "lib2to3",
    "pdb", "pip", "profile", "pydoc", "pydoc_data", "readline", "rlcompleter", "setuptools", "test",
    "tkinter", "turtle", "unittest", "venv", "webbrowser", "xmlrpc",
})  # fmt: skip
"""The standard library names these in corners that a program does not come to. They are taken where
the program itself, or a package that it uses, imports them."""

CORNERS: Final = frozenset({
    ("hashlib", "logging"),  # to complain of an OpenSSL that has lost its algorithms
    ("importlib._bootstrap_external", "importlib"),  # who wants metadata or resources says so
    ("platform", "plistlib"),  # macOS
    ("random", "statistics"),  # its own test
    ("xml.sax.saxutils", "urllib"),
})  # fmt: skip
"""Imports of the standard library's, importer and top package, that bring in much for nothing."""

OPENSSL_ONLY: Final = frozenset({"scrypt", "pbkdf2_hmac"})
"""What `hashlib` has from OpenSSL alone; everything else it can do without those 5 MB."""

LEFT_OUT: Final = frozenset({"__pycache__", "tests", "test", ".git", ".mypy_cache", ".ruff_cache"})
LEFT_OUT_SUFFIXES: Final = (".pyi", ".pyc", ".pyo", ".pyx", ".pxd", ".c", ".h", ".cpp", ".rs", ".a")
NAME_LETTERS: Final = string.ascii_letters + string.digits + "-_."
LEFT_OUT_OF_INFO: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


class Module(Protocol):
    """What `modulefinder` knows of a module, which its types do not say."""

    __name__: str
    __file__: "str | None"
    __path__: "list[str] | None"
    __code__: "CodeType | None"


class Finder(ModuleFinder):
    """Follows imports, but not the standard library's into what only developers need."""

    def _safe_import_hook(self, name: str, caller: Any, fromlist: Any, level: int = -1) -> None:
        """Pass over an import of the standard library's that leads nowhere."""
        if caller is None or not is_standard(caller) or not is_corner(caller.__name__, name):
            cast("Any", super())._safe_import_hook(name, caller, fromlist, level)

    def seen(self) -> "dict[str, Module]":
        """Return every module that was found."""
        return cast("dict[str, Module]", self.modules)

    def load_module(self, fqname: str, fp: Any, pathname: str, file_info: Any) -> Any:
        """Read a module without what only type checkers import."""
        if fp is not None and pathname.endswith(".py"):
            source = fp.read()
            if b"TYPE_CHECKING" in (source if isinstance(source, bytes) else source.encode()):
                tree = RunTimeOnly().visit(ast.parse(source))
                source = ast.unparse(ast.fix_missing_locations(tree))
            fp = io.BytesIO(source) if isinstance(source, bytes) else io.StringIO(source)
        return cast("Any", super()).load_module(fqname, fp, pathname, file_info)


class RunTimeOnly(ast.NodeTransformer):
    """Drops `if TYPE_CHECKING:`."""

    def visit_If(self, node: ast.If) -> Any:
        """Keep what runs."""
        self.generic_visit(node)
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            return node.orelse or ast.Pass()
        return node


def is_corner(importer: str, name: str) -> bool:
    """Say whether the standard library's import of a module leads nowhere for programs."""
    top = name.partition(".")[0]
    if top in ONLY_FOR_DEVELOPERS:
        return importer.partition(".")[0] != top
    return (importer, top) in CORNERS


def is_standard(module: Module) -> bool:
    """Say whether a module is part of Python."""
    file = module.__file__
    if file is None:
        return module.__name__.partition(".")[0] in sys.stdlib_module_names
    return is_in_stdlib(Path(file))


def is_in_stdlib(path: Path) -> bool:
    """Say whether a file is Python's and nobody installed it."""
    path = path.resolve()
    return (
        STDLIB in path.parents
        and "site-packages" not in path.parts
        and ("dist-packages" not in path.parts)
    )


def find(wanted: "dict[str, Any]") -> Finder:
    """Follow the imports of a program from its entry."""
    finder = Finder(path=[*wanted["paths"], *sys.path], excludes=wanted["exclude"])
    script = Path(wanted["out"]) / "entry.py"
    names = [wanted["entry"].partition(":")[0], *wanted["include"], *ALWAYS]
    script.write_text("\n".join(f"import {name}" for name in names), encoding="utf-8")
    finder.run_script(str(script))
    script.unlink()
    if "ssl" in finder.modules or needs_openssl(finder):
        finder.import_hook("_hashlib")
    return finder


def needs_openssl(finder: Finder) -> bool:
    """Say whether somebody else than the standard library wants what only OpenSSL has."""
    return any(
        module.__code__ is not None
        and not is_standard(module)
        and OPENSSL_ONLY & names_in(module.__code__)
        for module in finder.seen().values()
    )


def names_in(code: CodeType) -> "set[str]":
    """Return all names that code and the functions in it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= names_in(constant)
    return names


# ----------------------------------------------------------------------------------------- writing


class Layout:
    """Writes what was found below `lib/pythonX.Y`."""

    def __init__(self, out: Path, *, bytecode: bool) -> None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        self.standard = out / "lib" / version
        self.site = self.standard / "site-packages"
        self.bytecode = bytecode
        self.libraries: list[tuple[str, str]] = []

    def put_standard(self, module: Module) -> None:
        """Write one module of the standard library."""
        if module.__file__ is None:
            return
        source = Path(module.__file__)
        if source.name.endswith(EXTENSIONS):
            self._put_library(source, self.standard / "lib-dynload" / source.name)
        else:
            relative = source.resolve().relative_to(STDLIB)
            code = module.__code__ if self.bytecode else None
            if code is None or b"TYPE_CHECKING" in source.read_bytes():
                self._put_source(source, self.standard / relative, str(relative))
            else:  # read already, line by line as it stands
                self._put_code(placed(code, str(relative)), self.standard / relative)

    def put_tree(self, source: Path, name: str) -> None:
        """Write a package, with its data, or a module that stands alone."""
        if source.is_file():
            self._put(source, self.site / source.name, source.name)
            return
        for folder, below, files in os.walk(source):
            below[:] = sorted(one for one in below if one not in LEFT_OUT)
            for file in sorted(files):
                path = Path(folder) / file
                relative = Path(name) / path.relative_to(source)
                self._put(path, self.site / relative, str(relative))

    def put_information(self, folder: Path) -> None:
        """Write what a distribution says of itself: its version, its license, its entry points."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in LEFT_OUT_OF_INFO:
                self._copy(path, self.site / folder.name / path.relative_to(folder))

    def _put(self, source: Path, target: Path, shown: str) -> None:
        if source.name.endswith(EXTENSIONS) or ".so." in source.name or source.suffix == ".so":
            self._put_library(source, target)
        elif source.suffix == ".py":
            self._put_source(source, target, shown)
        elif not source.name.endswith(LEFT_OUT_SUFFIXES):
            self._copy(source, target)

    def _put_library(self, source: Path, target: Path) -> None:
        self._copy(source, target)
        self.libraries.append((str(source.resolve()), str(target)))

    def _put_source(self, source: Path, target: Path, shown: str) -> None:
        if not self.bytecode:
            self._copy(source, target)
            return
        try:
            code = compile(source.read_bytes(), shown, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return  # templates of code, and code for another Python
        self._put_code(code, target)

    def _put_code(self, code: CodeType, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".pyc").write_bytes(HEADER + marshal.dumps(code))

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def placed(code: CodeType, shown: str) -> CodeType:
    """Return code that says of itself, and of all functions in it, that it stands in this file."""
    constants = (placed(one, shown) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=shown, co_consts=tuple(constants))


def lay_out(finder: Finder, wanted: "dict[str, Any]") -> "dict[str, Any]":
    """Write everything and return what was found."""
    layout = Layout(Path(wanted["out"]), bytecode=wanted["bytecode"])
    tops: dict[str, Module] = {}
    for name in sorted(finder.modules):
        module = finder.seen()[name]
        top = name.partition(".")[0]
        if name == "__main__":
            continue
        if is_standard(module):
            if wanted["standard"]:
                layout.put_standard(module)
        elif top in finder.modules:
            tops[top] = finder.seen()[top]
    for top, module in tops.items():
        for source in sources_of(module):
            layout.put_tree(source, top)
    for top, source in required(layout, tops):
        layout.put_tree(source, top)
        tops[top] = finder.seen()["__main__"]
    distributions = informed(set(tops), layout)
    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "platform": sysconfig.get_platform(),
        "libpython": libpython(),
        "libraries": layout.libraries,
        "packages": sorted(tops),
        "distributions": distributions,
        "standard": sorted(name for name, one in finder.seen().items() if is_standard(one)),
        "missing": missing(finder),
    }


def sources_of(module: Module) -> "list[Path]":
    """Return the folders or the file of a top package."""
    if module.__path__:
        return [Path(one) for one in module.__path__]
    return [Path(module.__file__)] if module.__file__ else []


def required(layout: Layout, tops: "dict[str, Module]") -> "list[tuple[str, Path]]":
    """Return the top packages that compiled ones require: what these import cannot be read.

    They are taken as they stand, without following their imports in turn.
    """
    compiled = {Path(target).relative_to(layout.site).parts[0] for _, target in layout.libraries
                if layout.site in Path(target).parents}  # fmt: skip
    waiting = [
        one for one in installed().values() if owned(one) & {c.partition(".")[0] for c in compiled}
    ]
    taken: dict[str, Path] = {}
    while waiting:
        for needed in needs(waiting.pop()):
            for top in sorted(owned(needed) - set(tops) - set(taken)):
                source = Path(str(needed.locate_file(top)))
                found = [source, *sorted(source.parent.glob(f"{top}.*"))]
                real = [
                    one for one in found if one.is_dir() or one.name.endswith((".py", *EXTENSIONS))
                ]
                if real and real[0].exists():
                    taken[top] = real[0]
                    waiting.append(needed)
    return sorted(taken.items())


@cache
def installed() -> "dict[str, importlib.metadata.Distribution]":
    """Return every distribution by its name, written as requirements write it."""
    return {plain(one.metadata["Name"]): one for one in importlib.metadata.distributions()}


def plain(name: str) -> str:
    """Return a distribution's name in its one spelling (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")


@cache
def owned(distribution: importlib.metadata.Distribution) -> "frozenset[str]":
    """Return the top modules that a distribution brings.

    Read off its list of files; `files` makes an object of each, which takes ten times as long.
    """
    listed = distribution.read_text("RECORD")
    files = listed.splitlines() if listed else map(str, distribution.files or [])
    tops = {
        file.lstrip('"').partition("/")[0].partition(",")[0].partition(".")[0] for file in files
    }
    return frozenset(top for top in tops if top.isidentifier() and top != "__pycache__")


def needs(
    distribution: importlib.metadata.Distribution,
) -> "list[importlib.metadata.Distribution]":
    """Return what a distribution cannot do without, as far as it is installed."""
    wanted = [one for one in distribution.requires or [] if "extra ==" not in one]
    names = [plain(one[: len(one) - len(one.lstrip(NAME_LETTERS))]) for one in wanted]
    here = installed()
    return [here[name] for name in names if name in here]


def informed(tops: "set[str]", layout: Layout) -> "dict[str, str]":
    """Write the distributions' information; return name -> version."""
    found: dict[str, str] = {}
    for distribution in installed().values():
        folder = getattr(distribution, "_path", None)
        if owned(distribution) & tops and isinstance(folder, Path) and folder.is_dir():
            layout.put_information(folder)
            found[distribution.metadata["Name"]] = distribution.version
    return found


def libpython() -> "str | None":
    """Return where this Python's shared library is."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folders = [
        sysconfig.get_config_var("LIBDIR"),
        sysconfig.get_config_var("srcdir"),
        sys.base_prefix + "/lib",
    ]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folders += [f"/usr/lib/{multiarch}", "/usr/lib64", "/usr/lib"]
    shared = name if ".so" in name else f"libpython{sysconfig.get_config_var('LDVERSION')}.so.1.0"
    for folder in folders:
        if folder and (path := Path(folder) / shared).is_file():
            return str(path.resolve())
    return None


def missing(finder: Finder) -> "list[str]":
    """Return what the program's own packages import and nothing provides."""
    absent = finder.any_missing()
    return sorted(name for name in absent if name.partition(".")[0] not in sys.stdlib_module_names)


def main() -> None:
    """Read what is wanted, write it, say what was found."""
    wanted = json.load(sys.stdin)
    sys.path[:0] = wanted["paths"]
    sys.setrecursionlimit(10_000)
    finder = find(wanted)
    sys.stdout.write(json.dumps(lay_out(finder, wanted)))


if __name__ == "__main__":
    main()
