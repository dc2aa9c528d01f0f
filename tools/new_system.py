"""How does a new system begin? In the full module shape, with one thing in it that works.

`make new-system NAME=loyalty` writes src/solvent/systems/loyalty, its contracts file, a migration
and tests, and enters it in src/solvent/app/wire.py.
"""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from string import Template

import source

TEMPLATES = Path(__file__).resolve().parent / "new_system"
NAME = re.compile(r"[a-z]{3,20}\Z")
NUMBER_STEP = 10
TAKEN = {*source.KERNEL, "kit", "app", "contracts", "systems", *source.BANNED_WORDS}


class Refused(Exception):
    """The system cannot be scaffolded; the message says why."""


def main() -> int:
    """Scaffold the system that the command line names."""
    try:
        written = scaffold(source.ROOT, sys.argv[1])
    except Refused as refused:
        print(f"new-system: {refused}", file=sys.stderr)
        return 2
    for path in written:
        print(f"new-system: wrote {path.relative_to(source.ROOT)}")
    print("new-system: next: `make schema docs`, then say in its README what it answers")
    return 0


def scaffold(root: Path, name: str) -> list[Path]:
    """Write a system's files below a root; return them.

    Raises:
        Refused: the name is not good, or taken.
    """
    if not NAME.match(name) or keyword.iskeyword(name) or name in TAKEN:
        message = f"{name!r} is no good name: 3 to 20 lower-case letters, one word, not taken"
        raise Refused(message)
    if (root / "src" / "solvent" / "systems" / name).exists():
        message = f"there is a system {name!r} already"
        raise Refused(message)
    values = {"name": name, "prefix": name[:3], "Name": name.capitalize()}
    written = [
        write(path, Template(template.read_text(encoding="utf-8")).substitute(values))
        for template, path in targets(root, name)
    ]
    return [*written, enter_in_wire(root, name)]


def targets(root: Path, name: str) -> list[tuple[Path, Path]]:
    """Return each template with the file that is made of it."""
    system = root / "src" / "solvent" / "systems" / name
    tests = root / "tests" / "systems" / name
    migration = root / "migrations" / f"{next_number(root):04}_{name}_pre_entries.sql"
    return [
        *((one, system / one.name.removesuffix(".tmpl")) for one in listed("src")),
        *((one, tests / one.name.removesuffix(".tmpl")) for one in listed("tests")),
        (TEMPLATES / "contracts.py.tmpl", root / "src" / "solvent" / "contracts" / f"{name}.py"),
        (TEMPLATES / "migration.sql.tmpl", migration),
    ]


def listed(folder: str) -> list[Path]:
    """Return the templates of a folder."""
    return sorted((TEMPLATES / folder).glob("*.tmpl"))


def next_number(root: Path) -> int:
    """Return the next free ten for a migration."""
    numbers = [int(path.name[:4]) for path in (root / "migrations").glob("[0-9]*.sql")]
    return (max(numbers) // NUMBER_STEP + 1) * NUMBER_STEP


def write(path: Path, text: str) -> Path:
    """Write a new file, making its folder; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


IMPORT = "from solvent.systems.{name}.wire import wire as {name}"
SYSTEMS = re.compile(r"^SYSTEMS = \((.*)\)$", re.MULTILINE)


def enter_in_wire(root: Path, name: str) -> Path:
    """Import a system's `wire` and add it to the systems, both in their order."""
    path = root / "src" / "solvent" / "app" / "wire.py"
    text = path.read_text(encoding="utf-8")
    named = SYSTEMS.search(text)
    if named is None:
        message = f"{path}: no line `SYSTEMS = (…)` to enter {name} in"
        raise Refused(message)
    text = SYSTEMS.sub(f"SYSTEMS = ({named[1].rstrip(',')}, {name})", text)
    lines = text.splitlines()
    imports = [line for line in lines if line.startswith("from solvent.systems.")]
    first = lines.index(imports[0])
    lines[first : first + len(imports)] = sorted([*imports, IMPORT.format(name=name)])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
