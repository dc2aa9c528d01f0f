"""What does a founder's project say of the program that it is?"""

import re
import tomllib
from pathlib import Path
from typing import Final, NamedTuple, cast

from solvent.kit.errors import Invalid

_ENTRY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NotAProgram(Invalid):
    """The project does not say which function is the program."""

    code = "solvent.not_a_program"


class Program(NamedTuple):
    """A command: what it is called, the function behind it, and where its source stands."""

    name: str
    entry: str
    version: str
    paths: tuple[Path, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def read_program(project: Path, *, script: str | None, entry: str | None) -> Program:
    """Return the program of a project.

    Args:
        project: the folder with `pyproject.toml`, or with the package itself if `entry` is given.
        script: which of `[project.scripts]`, where there are several.
        entry: `package.module:function` instead of a script.

    Raises:
        NotAProgram: names what is missing.
    """
    if not project.is_dir():
        raise NotAProgram(f"there is no folder {project}", field="project")
    whole = _toml(project / "pyproject.toml")
    told, ours = _table(whole, "project"), _table(whole, "tool", "solvent", "build-cli")
    scripts = cast("dict[str, str]", told.get("scripts", {}))
    if entry is not None:
        name = script or str(told.get("name") or entry.partition(".")[0].partition(":")[0])
    else:
        name, entry = _script(scripts, script)
    if not _ENTRY.fullmatch(entry):
        raise NotAProgram(f"expected package.module:function, not {entry!r}", field="entry")
    if not _NAME.fullmatch(name):
        raise NotAProgram(f"{name!r} cannot be a program's name", field="script")
    source = project / "src"
    paths = (source, project) if source.is_dir() else (project,)
    return Program(
        name,
        entry,
        str(told.get("version", "0")),
        tuple(path.resolve() for path in paths),
        _modules(ours, "include"),
        _modules(ours, "exclude"),
    )


def _toml(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotAProgram(f"{file} is no TOML: {error}", field="project") from error


def _table(whole: dict[str, object], *names: str) -> dict[str, object]:
    for name in names:
        below = whole.get(name)
        whole = cast("dict[str, object]", below) if isinstance(below, dict) else {}
    return whole


def _modules(ours: dict[str, object], name: str) -> tuple[str, ...]:
    found = ours.get(name, [])
    modules = cast("list[object]", found) if isinstance(found, list) else [None]
    if not all(isinstance(one, str) for one in modules):
        raise NotAProgram("expected a list of modules", field=f"tool.solvent.build-cli.{name}")
    return tuple(str(one) for one in modules)


def _script(scripts: dict[str, str], wanted: str | None) -> tuple[str, str]:
    names = ", ".join(sorted(scripts))
    if wanted is not None:
        if wanted not in scripts:
            raise NotAProgram(
                f"[project.scripts] has no {wanted!r}; it has: {names}", field="script"
            )
        return wanted, scripts[wanted]
    if not scripts:
        raise NotAProgram(
            "pyproject.toml has no [project.scripts]; say --entry package.module:function"
        )
    if len(scripts) > 1:
        raise NotAProgram(f"[project.scripts] has several; say --script with one of: {names}")
    return next(iter(scripts.items()))
