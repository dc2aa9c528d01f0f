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


def enter_in_wire(root: Path, name: str) -> Path:
    """Let each line of wire.py that names the billing system be followed by one for this system."""
    path = root / "src" / "solvent" / "app" / "wire.py"
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        lines.append(line)
        if re.search(r"\bbilling\b", line):
            lines.append(re.sub(r"\bbilling\b", name, line))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
