"""What did the program's Python find? What `collect.py` printed, with types."""

import json
import subprocess
from pathlib import Path
from typing import Final, NamedTuple, cast

from solvent.app.build_cli.project import Program
from solvent.kit.errors import Invalid

_COLLECT: Final = Path(__file__).with_name("collect.py")
_TIMEOUT_S: Final = 600
_OLDEST: Final = (3, 9)


class CannotCollect(Invalid):
    """The program's modules could not be collected."""

    code = "solvent.cannot_collect"


class Wanted(NamedTuple):
    """What is asked of the program's Python."""

    python: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    bytecode: bool = True
    standard: bool = True


class Found(NamedTuple):
    """What a program consists of."""

    version: tuple[int, int, int]
    platform: str
    libpython: Path | None
    libraries: tuple[tuple[Path, Path], ...]
    packages: tuple[str, ...]
    distributions: dict[str, str]
    standard: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Return where its modules stand: `lib/python3.11`."""
        return f"lib/python{self.version[0]}.{self.version[1]}"


def collect(program: Program, wanted: Wanted, out: Path) -> Found:
    """Lay out a program's modules below `out` and say what they are.

    Raises:
        CannotCollect: the Python is too old or none, or the program's entry is not there.
    """
    asked = {
        "paths": [str(path) for path in program.paths],
        "entry": program.entry,
        "include": wanted.include,
        "exclude": wanted.exclude,
        "out": str(out),
        "bytecode": wanted.bytecode,
        "standard": wanted.standard,
    }
    try:
        done = subprocess.run(
            [str(wanted.python), "-W", "ignore", str(_COLLECT)],
            input=json.dumps(asked),
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except OSError as error:
        raise CannotCollect(f"{wanted.python}: {error.strerror}", field="python") from error
    if done.returncode:
        raise CannotCollect(f"{wanted.python} said: {done.stderr.strip()[-600:]}")
    found = _read(cast("dict[str, object]", json.loads(done.stdout.splitlines()[-1])))
    module = program.entry.partition(":")[0]
    if module.partition(".")[0] not in found.packages:
        raise CannotCollect(f"no module {module} below {program.paths[0]}", field="entry")
    return found


def _read(told: dict[str, object]) -> Found:
    if told["implementation"] != "cpython" or tuple(cast("list[int]", told["version"])) < _OLDEST:
        raise CannotCollect("expected CPython 3.9 or newer", field="python")
    major, minor, micro = cast("list[int]", told["version"])
    libraries = cast("list[list[str]]", told["libraries"])
    libpython = told["libpython"]
    return Found(
        version=(major, minor, micro),
        platform=str(told["platform"]),
        libpython=None if libpython is None else Path(str(libpython)),
        libraries=tuple((Path(source), Path(target)) for source, target in libraries),
        packages=tuple(cast("list[str]", told["packages"])),
        distributions=cast("dict[str, str]", told["distributions"]),
        standard=tuple(cast("list[str]", told["standard"])),
        missing=tuple(cast("list[str]", told["missing"])),
    )
