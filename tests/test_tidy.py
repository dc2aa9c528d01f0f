"""Does the tree keep the rules of STYLE.md that no linter can see?"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import source
from source import BANNED_WORDS, ROOT, Function, at, findings, name_of, under

FUNCTION_LINES_SOFT = 25
FUNCTION_LINES_HARD = 70
FUNCTION_LINES_MEDIAN = 12
SHARE_OVER_SOFT = 0.05
FILE_LINES = 500
README_LINES = 120
BLOB_BYTES = 400_000
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")

OURS = ("src", "clients", "tests", "bench", "examples", "tools")
SHIPPED = ("src", "clients/python/src")
MONEY_PATH = (
    "src/solvent/kit/money.py",
    "src/solvent/kernel/catalogue",
    "src/solvent/kernel/ledger",
    "src/solvent/systems/billing",
)


def shipped() -> list[Function]:
    return [one for path in under(*SHIPPED, suffix=".py") for one in source.functions(path)]


# ------------------------------------------------------------------------------------------ sizes


def test_no_function_is_longer_than_the_hard_limit() -> None:
    long = [
        str(one)
        for path in under(*OURS, suffix=".py")
        for one in source.functions(path)
        if one.lines > FUNCTION_LINES_HARD
    ]
    findings(f"functions have at most {FUNCTION_LINES_HARD} lines", long)


def test_few_functions_are_longer_than_the_soft_limit() -> None:
    every = shipped()
    long = sorted((one for one in every if one.lines > FUNCTION_LINES_SOFT), key=lambda f: -f.lines)
    share = len(long) / len(every)
    listing = "\n  ".join(map(str, long))
    assert share <= SHARE_OVER_SOFT, f"{share:.1%} over {FUNCTION_LINES_SOFT} lines:\n  {listing}"


def test_the_median_function_is_short() -> None:
    assert statistics.median(one.lines for one in shipped()) <= FUNCTION_LINES_MEDIAN


def test_no_file_is_longer_than_the_limit() -> None:
    long = [
        f"{name_of(path)} ({lines} lines)"
        for path in under(*OURS, suffix=".py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    ]
    findings(f"files have at most {FILE_LINES} lines", long)


def test_no_large_blobs() -> None:
    large = [
        f"{name_of(path)} ({path.stat().st_size:,} bytes)"
        for path in source.files()
        if path.stat().st_size > BLOB_BYTES
    ]
    findings(f"files have at most {BLOB_BYTES:,} bytes", large)


# ------------------------------------------------------------------------------------------ words


def test_every_module_begins_with_one_sentence() -> None:
    wrong = [
        f"{name_of(path)}: {first!r}"
        for path in under(*OURS, suffix=".py")
        if not (first := first_paragraph(path)).endswith(("?", ".")) or first.count("\n") > 1
    ]
    findings("the first line of a module is one sentence that says what it answers", wrong)


def first_paragraph(path: Path) -> str:
    return (ast.get_docstring(source.tree(path)) or "").partition("\n\n")[0]


def test_no_name_says_nothing() -> None:
    wrong = [
        name_of(path)
        for path in under(*OURS)
        if BANNED_WORDS & set(re.split(r"\W|_", name_of(path)))
    ]
    wrong += [
        at(path, node, node.name)
        for path in under(*SHIPPED, suffix=".py")
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and BANNED_WORDS & set(re.findall(r"[A-Z]?[a-z]+", node.name.lower()))
    ]
    findings(f"none of {sorted(BANNED_WORDS)} in a name", wrong)


REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("deb", "debian", "org"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
        )
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(?:work|opt/wheels|opt/pypi|home/\w+)/|\.\./shared\b")


def test_no_registry_host_and_no_machine_path_is_named() -> None:
    found = [
        f"{name_of(path)}:{number} {line.strip()[:80]}"
        for path in source.files()
        if path != Path(__file__) and (text := text_of(path))
        for number, line in enumerate(text.splitlines(), 1)
        if REGISTRY_HOSTS.search(line) or MACHINE_PATHS.search(line)
    ]
    findings("no registry host, no path of one machine", found)


def text_of(path: Path) -> str:
    """Return a file's text; nothing for a binary one."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


# ------------------------------------------------------------------------------------------ money


def test_no_float_on_the_money_path() -> None:
    found = [
        at(path, node, told)
        for path in under(*MONEY_PATH, suffix=".py")
        for node in ast.walk(source.tree(path))
        if (told := float_in(node))
    ]
    findings("money is integer minor units, rates are Decimal", found)


def float_in(node: ast.AST) -> str | None:
    """Say what makes, or would make, a float of this node."""
    match node:
        case ast.Constant(value=float()):
            return f"literal {node.value}"
        case ast.Name(id="float"):
            return "float"
        case ast.Call(func=ast.Name(id="round")):
            return "round(): the rounding rule is kit.money.round_minor"
        case ast.Attribute(attr="total_seconds" | "timestamp" | "fsum"):
            return f".{node.attr}() is a float: divide timedeltas by timedelta(seconds=1)"
        case ast.Attribute(value=ast.Name(id="math"), attr="ceil" | "floor" | "pow" | "sqrt"):
            return f"math.{node.attr}()"
        case _:
            return None


# ------------------------------------------------------------------------------------------ tests

PATCHES = re.compile(r"\bmock\.patch\b|\bunittest\.mock\b|\bMagicMock\b|\bAsyncMock\b")


def test_tests_replace_nothing_of_ours_and_sleep_for_nothing() -> None:
    tests = [path for path in under("tests", "clients", suffix=".py") if "test" in name_of(path)]
    found = [
        f"{name_of(path)}:{number} {line.strip()}"
        for path in tests
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PATCHES.search(line)
    ]
    found += [at(path, call, ast.unparse(call)) for path in tests for call in naps(path)]
    findings("tests use real engines or the adapters that ship, and wait by `eventually`", found)


SLEEPS = {"time.sleep", "asyncio.sleep"}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
MOMENT_S = 0.5


def is_moment(seconds: ast.expr) -> bool:
    """Say whether a sleep only lets others run, say to see that one of them waits."""
    return isinstance(seconds, ast.Constant) and float(str(seconds.value)) <= MOMENT_S


def naps(path: Path) -> Iterator[ast.Call]:
    """Yield the sleeps that a test function makes itself, outside any loop that is bounded."""
    waiting: list[ast.AST] = [
        node
        for node in ast.walk(source.tree(path))
        if isinstance(node, FUNCTION) and node.name.startswith("test_")
    ]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SLEEPS:
                if not is_moment(node.args[0]):
                    yield node
            elif not isinstance(node, ast.While | ast.For | ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append(node)


# ------------------------------------------------------------------------------------------ pages


def test_every_module_has_a_short_readme() -> None:
    wrong = [
        f"{one.ring}/{one.name}: no README.md"
        for one in source.modules()
        if not one.readme.is_file()
    ]
    wrong += [
        f"{name_of(path)} ({lines} lines)"
        for path in under("src", suffix="README.md")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > README_LINES
    ]
    findings(f"a module has a README of at most {README_LINES} lines", wrong)


def test_every_invariant_has_a_test_of_its_name() -> None:
    named = source.test_names()
    wrong = [
        f"{name_of(readme)}: {invariant}"
        for readme in under("src", "clients", suffix="README.md")
        for invariant in source.invariants(readme)
        if f"test_{invariant}" not in named
    ]
    findings("an invariant has a test function test_<invariant>", wrong)


@pytest.mark.parametrize("ring", ["kernel", "systems"])
def test_every_module_promises_something(ring: str) -> None:
    silent = [
        one.name
        for one in source.modules()
        if one.ring == ring and one.readme.is_file() and not source.invariants(one.readme)
    ]
    findings("a README has `## Invariants` with bullets `- **name**: …`", silent)


def test_every_page_has_one_h1() -> None:
    wrong = [
        f"{name_of(path)} ({count})"
        for path in under("", suffix=".md")
        if (count := len(headings(path, level=1))) != 1
    ]
    findings("a page has one h1", wrong)


def headings(path: Path, *, level: int) -> list[str]:
    """Return a page's headings of a level, outside code blocks."""
    prose = re.sub(
        r"^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.findall(rf"^{'#' * level} +(.+)$", prose, re.MULTILINE)


CHANGE_KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")


def test_the_changelog_is_in_keep_a_changelog_form() -> None:
    path = ROOT / "CHANGELOG.md"
    assert headings(path, level=1) == ["Changelog"]
    releases = headings(path, level=2)
    findings("releases", [one for one in releases if not RELEASE.fullmatch(one)])
    findings("kinds", [one for one in headings(path, level=3) if one not in CHANGE_KINDS])
    assert releases[0] == "[Unreleased]"


# ------------------------------------------------------------------------------------------ locks


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_no_place(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pins = [number for number, line in enumerate(lines) if line and not line.startswith(" ")]
    unpinned = [lines[number] for number in pins if "==" not in lines[number]]
    findings("a pin is exact", unpinned)
    findings("a pin has hashes", [lines[n] for n in pins if "--hash=sha256:" not in lines[n + 1]])
    findings("a lock names no place", [line for line in lines if "://" in line or "file:" in line])


def test_the_locks_hold_every_dependency() -> None:
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = told["dependency-groups"]
    runtime, dev, build = (locked(lock) for lock in LOCKS)
    wanted = {name(one) for one in told["project"]["dependencies"]}
    builds = {name(one) for one in (*groups["build"], *told["build-system"]["requires"])}
    develops = {name(one) for one in groups["dev"] if isinstance(one, str)}
    assert wanted <= runtime
    assert builds <= build
    assert wanted | builds | develops <= dev


def locked(lock: str) -> set[str]:
    """Return the names that a lock file pins."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


def name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[._-]+", "-", found[0]).lower()
