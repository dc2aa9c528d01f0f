"""Do the walls of ARCHITECTURE.md stand, and does each of them refuse what it is there for?"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
import schema
import source
from source import ROOT, name_of, under

from solvent.app.supervisor.engines import Engines

BIN = Path(sys.executable).parent
CLIENT_IMPORT_MS = 100


@pytest.fixture(scope="session")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("solvent", include_external_packages=True, cache_dir=None)


def test_the_kernel_holds_the_modules_of_its_line() -> None:
    folders = {path.parent.name for path in (source.SRC / "kernel").glob("*/__init__.py")}
    assert folders == set(source.KERNEL)


def test_a_store_is_private_to_its_module(graph: grimp.ImportGraph) -> None:
    stores = [name for name in graph.modules if ".store" in name and name.startswith("solvent.k")]
    stores += [name for name in graph.modules if ".store" in name and ".systems." in name]
    owner = {store: store.partition(".store")[0] for store in stores}
    wrong = [
        f"{importer} -> {store}"
        for store in stores
        for importer in graph.find_modules_that_directly_import(store)
        if not importer.startswith(f"{owner[store]}.")
    ]
    assert not wrong


INNER = {"rules", "store", "wire", "tasks", "api", "cli"}


def test_a_module_shows_its_neighbors_only_service_model_events_errors_ports(
    graph: grimp.ImportGraph,
) -> None:
    pairs = [
        (importer, imported)
        for imported in graph.modules
        if imported.startswith("solvent.kernel.") and imported.split(".")[-1] in INNER
        for importer in graph.find_modules_that_directly_import(imported)
    ]
    wrong = [
        f"{importer} -> {imported}"
        for importer, imported in pairs
        if importer.split(".")[:3] != imported.split(".")[:3]
        and not importer.startswith("solvent.app.")
        and not imported.endswith("catalogue.rules")  # rating is the catalogue's answer
    ]
    assert not wrong


def test_the_clients_import_nothing_of_the_server() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in under("clients", suffix=".py")
        if "/tests/" not in name_of(path)
        for node in ast.walk(source.tree(path))
        if "solvent" in roots(node)
    ]
    assert not wrong


def roots(node: ast.AST) -> set[str]:
    """Return the top packages that an import statement names."""
    match node:
        case ast.ImportFrom(module=str(module)):
            return {module.split(".")[0]}
        case ast.Import(names=names):
            return {one.name.split(".")[0] for one in names}
        case _:
            return set()


IMPORT_ALL = """
import pkgutil, sys, importlib
seen = []
WATCHED = ("socket.connect", "socket.bind", "subprocess.Popen", "os.system")
def hook(event, args):
    if event in WATCHED:
        seen.append(f"{event} {args[:2]}")
    if event == "open" and str(args[0]).endswith((".toml", ".env", ".sql", "master.key")):
        seen.append(f"open {args[0]}")
import solvent
names = [m.name for m in pkgutil.walk_packages(solvent.__path__, "solvent.")]
for name in ("asyncpg", "nats", "fastapi", "typer", "stripe", "httpx", "pytest"):
    importlib.import_module(name)
sys.addaudithook(hook)
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print("\\n".join(seen))
"""


def test_importing_any_module_reads_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stdout.strip()


# ------------------------------------------------------------------------ the walls refuse a breach

PLANTS = {
    "kit knows the kernel": (
        "src/solvent/kit/planted.py",
        "import solvent.kernel.tenants.service",
        "Rings",
    ),
    "metering asks entitlements": (
        "src/solvent/kernel/metering/planted.py",
        "import solvent.kernel.entitlements.service",
        "The kernel is a line",
    ),
    "audit leans on its sibling": (
        "src/solvent/kernel/audit/planted.py",
        "import solvent.kernel.signing.service",
        "The kernel is a line",
    ),
    "a system imports another": (
        "src/solvent/systems/payments/planted_neighbor.py",
        "import solvent.systems.paywall.wire",
        "Systems never import each other",
    ),
    "a store calls its service": (
        "src/solvent/kernel/ledger/store/planted.py",
        "import solvent.kernel.ledger.service",
        "One module, one shape",
    ),
    "a rule waits": (
        "src/solvent/kernel/catalogue/rules/planted.py",
        "import asyncio",
        "Rules and models decide",
    ),
    "a kernel module nobody placed": (
        "src/solvent/kernel/planted/__init__.py",
        "",
        "The kernel is a line",
    ),
    "a system talks to NATS itself": (
        "src/solvent/systems/payments/planted_driver.py",
        "import nats",
        "Only kit talks to the drivers",
    ),
}


def copy_tree(top: Path) -> Path:
    """Copy the sources, and what Python has compiled of them: compiling all takes seconds."""
    unfinished = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(ROOT / "src", top / "src", ignore=unfinished)
    for name in (".importlinter", "pyproject.toml"):
        shutil.copy(ROOT / name, top / name)
    return top


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of the tree in which a breach can be planted."""
    yield copy_tree(tmp_path)
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def broken_walls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is told of each broken wall of a tree in which every breach is planted."""
    copy = copy_tree(tmp_path_factory.mktemp("breached"))
    for place, code, _ in PLANTS.values():
        plant(landing(copy / place), code)
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    shutil.rmtree(copy)
    assert done.returncode == 1, done.stdout
    details = done.stdout.partition("Broken contracts")[2]
    titled = re.split(r"^(\S.*)\n-+\n", details, flags=re.MULTILINE)
    return dict(zip(titled[1::2], titled[2::2], strict=True))


@pytest.mark.parametrize("breach", PLANTS)
def test_each_wall_refuses_its_breach(broken_walls: dict[str, str], breach: str) -> None:
    place, code, wall = PLANTS[breach]
    path = landing(ROOT / place).relative_to(ROOT / "src").with_suffix("")
    planted = ".".join(path.parts).removesuffix(".__init__")
    (told,) = [told for title, told in broken_walls.items() if title.startswith(wall)]
    named = f"{planted} -> {code.removeprefix('import ')}" if code else f"- {planted}\n"
    assert named in told, told


def landing(path: Path) -> Path:
    """Return where a breach lands: where its folder is one file, in that."""
    one_file = path.parent.with_suffix(".py")
    return one_file if one_file.is_file() else path


def plant(path: Path, code: str) -> None:
    """Write a breach below what a module holds, or as a module of its own."""
    held = path.read_text(encoding="utf-8") if path.is_file() else '"""What is this? A breach."""\n'
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{held}\n{code}\n", encoding="utf-8")


RUNS = """
import solvent.app.cli, solvent.app.worker
from solvent.app.http import create_app
from solvent.app.settings import Settings
from solvent.app.wire import SYSTEMS, wire_all
wiring = wire_all(Settings())
print(len(SYSTEMS), len(wiring.routers))
"""


@pytest.mark.parametrize("name", [one.name for one in source.modules() if one.ring == "systems"])
def test_without_any_one_system_the_rest_still_runs(copy: Path, name: str) -> None:
    program = copy / "src" / "solvent"
    shutil.rmtree(program / "systems" / name)
    if not is_heard(program / "systems", name):
        (program / "contracts" / f"{name}.py").unlink(missing_ok=True)
    shutil.rmtree(program / "app" / "demo")  # a story that plays all of them
    unwire(program / "app" / "wire.py", name)
    unwire(program / "app" / "settings.py", name)
    done = subprocess.run(
        [sys.executable, "-c", RUNS],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    every = [one for one in source.modules() if one.ring == "systems"]
    assert done.stdout.split()[0] == str(len(every) - 1)


def is_heard(systems: Path, name: str) -> bool:
    """Say whether a system that is left knows the events of one: its contract stays, unspoken."""
    heard = f"from solvent.contracts.{name} import"
    return any(heard in path.read_text(encoding="utf-8") for path in systems.rglob("*.py"))


def unwire(path: Path, name: str) -> None:
    """Take a system out of a file of the app: its import, and the lines that use what it gave."""
    text = path.read_text(encoding="utf-8")
    imported = re.compile(
        rf"^from solvent\.(?:systems|contracts)\.{name}\b.* import (?:wire as )?(.+)\n",
        re.MULTILINE,
    )
    given = imported.findall(text)
    text = imported.sub("", text)
    for one in given:
        text = re.sub(rf"^ +\w+: {one} = .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(rf"(?<=[(, ]){one}(, |(?=\)))", "", text)
    path.write_text(text, encoding="utf-8")


def test_ruff_closes_what_the_walls_cannot_see() -> None:
    banned = "import importlib\nimport random\nimport time\n\n"
    banned += "random.random()\ntime.time()\nimportlib.import_module('x')\n"
    found = ruff(banned, as_file="src/solvent/systems/payments/planted.py")
    assert found.count('"TID251"') == 3


def ruff(code: str, *, as_file: str) -> str:
    """Return ruff's findings on a text, as if it stood in that file."""
    command = [str(BIN / "ruff"), "check", "--no-cache", "--output-format=json"]
    done = subprocess.run(
        [*command, "--stdin-filename", str(ROOT / as_file), "-"],
        input=code,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


# ------------------------------------------------------------------------------------- the schema


async def test_the_schema_equals_all_migrations_applied(engines: Engines) -> None:
    if await schema.major(engines.access) != schema.MAJOR:
        pytest.skip(f"schema.sql is what PostgreSQL {schema.MAJOR} tells")
    told = await schema.dump(engines.access, secrets=engines.layout.secrets)
    assert told == schema.SCHEMA.read_text(encoding="utf-8"), "run `make schema`"


def test_each_tenant_table_of_the_schema_has_its_policy() -> None:
    text = schema.SCHEMA.read_text(encoding="utf-8")
    tables = set(re.findall(r"CREATE TABLE public\.(\w+) \(\n    tenant_id ", text))
    policies = set(re.findall(r"CREATE POLICY tenant_only ON public\.(\w+) TO solvent_app", text))
    enabled = set(re.findall(r"ALTER TABLE public\.(\w+) ENABLE ROW LEVEL SECURITY", text))
    assert tables <= policies
    assert policies <= enabled
