"""Which files does this repository hold, and which functions, tables and invariants are in them?"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "solvent"
CLIENTS = ROOT / "clients"
KERNEL_LINE = (
    ("audit", "signing"),
    ("tenants",),
    ("metering",),
    ("catalogue",),
    ("subscriptions",),
    ("ledger",),
    ("entitlements",),
)
KERNEL = tuple(name for rank in KERNEL_LINE for name in rank)
BANNED_WORDS = frozenset({"utils", "util", "helpers", "helper", "manager", "common", "misc"})
"""Names that say nothing."""

INVARIANT = re.compile(r"^- \*\*([a-z0-9_]+)\*\*", re.MULTILINE)
SECTION = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
SQL_COMMENT = re.compile(r"--[^\n]*")
TABLE = re.compile(r"\bcreate table (?:if not exists )?([a-z_0-9.]+)\s*\(", re.IGNORECASE)
MIGRATION = re.compile(r"^(\d{4})_([a-z]+)_(pre|post)_([a-z0-9_]+)\.sql$")


@functools.cache
def files() -> tuple[Path, ...]:
    """Return every file that is, or would be, in the repository: ignored ones are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


def under(*folders: str, suffix: str = "") -> list[Path]:
    """Return the repository's files below any of the folders, with this suffix."""
    tops = [ROOT / folder for folder in folders]
    return [
        path
        for path in files()
        if path.name.endswith(suffix) and any(path.is_relative_to(top) for top in tops)
    ]


def name_of(path: Path) -> str:
    """Return a path as it is written in findings: from the repository's root."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return a Python file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@dataclass(frozen=True)
class Function:
    """A function or method, and how many lines of code it has: its docstring does not count."""

    path: Path
    name: str
    line: int
    lines: int

    def __str__(self) -> str:
        """Return the function as it is written in findings."""
        return f"{name_of(self.path)}:{self.line} {self.name} ({self.lines} lines)"


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a Python file, nested ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(path, node.name, node.lineno, lines - docstring_lines(node))


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's docstring takes."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


@dataclass(frozen=True)
class Module:
    """A kernel module or a system: its name and folder."""

    name: str
    ring: str
    folder: Path

    @property
    def readme(self) -> Path:
        """Return where its README stands."""
        return self.folder / "README.md"


@functools.cache
def modules() -> tuple[Module, ...]:
    """Return the kernel's modules in their line, then the systems by name."""
    found = [Module(name, "kernel", SRC / "kernel" / name) for name in KERNEL]
    systems = sorted(path.parent for path in (SRC / "systems").glob("*/__init__.py"))
    return (*found, *(Module(path.name, "systems", path) for path in systems))


def section(text: str, title: str) -> str | None:
    """Return the body of a page's `## title` section, or None without one."""
    parts = SECTION.split(text)
    bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
    return bodies.get(title)


def invariants(readme: Path) -> list[str]:
    """Return the names of the invariants that a README promises."""
    return INVARIANT.findall(section(readme.read_text(encoding="utf-8"), "Invariants") or "")


@functools.cache
def test_names() -> frozenset[str]:
    """Return the names of all test functions."""
    found = under("tests", "clients", suffix=".py")
    return frozenset(
        node.name
        for path in found
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


@dataclass(frozen=True)
class Table:
    """A table as its migration creates it."""

    name: str
    owner: str
    migration: Path
    body: str

    @property
    def first_column(self) -> str:
        """Return the name of its first column."""
        return self.body.split()[0]


def migrations() -> list[Path]:
    """Return the migrations in the order in which they run."""
    return sorted(path for path in under("migrations", suffix=".sql") if path.name[0].isdigit())


def statements(path: Path) -> str:
    """Return a migration's SQL without its comments."""
    return SQL_COMMENT.sub("", path.read_text(encoding="utf-8"))


def tables() -> list[Table]:
    """Return every table that the migrations create."""
    found: list[Table] = []
    for path in migrations():
        told = MIGRATION.match(path.name)
        sql = statements(path)
        found += [
            Table(match[1], told[2] if told else "", path, balanced(sql, match.end()))
            for match in TABLE.finditer(sql)
        ]
    return found


def balanced(text: str, start: int) -> str:
    """Return what stands between an opening parenthesis just before `start` and its closing one."""
    depth = 1
    for offset, char in enumerate(text[start:]):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return text[start : start + offset]
    return text[start:]


def findings(rule: str, found: list[str]) -> None:
    """Fail with one line a finding.

    Raises:
        AssertionError: there is one.
    """
    if found:
        raise AssertionError(f"{rule}:\n  " + "\n  ".join(found))


def at(path: Path, node: ast.AST, what: str) -> str:
    """Return a finding as an editor can jump to it."""
    return f"{name_of(path)}:{getattr(node, 'lineno', 0)} {what}"


def calls(path: Path) -> Iterator[ast.Call]:
    """Yield every call of a Python file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
