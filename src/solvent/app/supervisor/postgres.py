"""How is PostgreSQL's data directory made, configured and brought back after any end?"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from solvent.app.supervisor.access import (
    DATABASE,
    OWNER,
    PostgresAccess,
    role_password,
    socket_access,
)
from solvent.app.supervisor.account import Account, hand_over, identity
from solvent.app.supervisor.binaries import Install, find_postgres, runnable
from solvent.app.supervisor.birth import birth_of, command_line, end, living_in
from solvent.app.supervisor.errors import DataRefused, EngineFailed
from solvent.app.supervisor.layout import Layout, socket_directory
from solvent.app.supervisor.private_files import make_directory, write_private
from solvent.app.supervisor.probe import postmaster_ready
from solvent.app.supervisor.process import Spec
from solvent.app.supervisor.settings import EngineSettings

OWNER_PASSWORD = "pg_owner.password"  # noqa: S105 - the name of a file
INIT_TIMEOUT_S = 120.0
BUILTIN_LOCALE_MAJOR = 17
# Fast shutdown; then immediate, which replays the log at the next start; then none at all.
STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
ORPHAN_STOPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

HBA = """# Written by Solvent at each start: passwords for everybody, on every way in.
local  all  all                scram-sha-256
host   all  all  127.0.0.1/32  scram-sha-256
host   all  all  ::1/128       scram-sha-256
"""

CONF = """# Written by Solvent at each start. Put settings of your own into local.conf beside it.
listen_addresses = ''
port = 5432
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = {socket_mode}
password_encryption = 'scram-sha-256'
max_connections = {max_connections}
shared_buffers = {shared_buffers_mb}MB
effective_cache_size = 512MB
huge_pages = off
jit = off
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 512MB
max_locks_per_transaction = 256
autovacuum_naptime = 10s
max_logical_replication_workers = 0
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_checkpoints = off
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL of ours: its programs, its data, who runs it, where it listens."""

    install: Install
    data: Path
    account: Account | None
    socket_dir: Path
    access: PostgresAccess
    spec: Spec


def prepare_postgres(settings: EngineSettings, layout: Layout, account: Account | None) -> Postgres:
    """Find the programs, make the data if there are none, write the configuration.

    Raises EngineMissing without fitting programs, EngineFailed if initdb fails.
    """
    data = layout.pg
    found = find_postgres(settings.postgres, data_major=data_major(data))
    install = runnable(found, "postgres", account=account, state_dir=settings.state_dir)
    if not data.is_dir():
        _initialize(install, layout, account)
    elif not (layout.secrets / OWNER_PASSWORD).exists():
        raise DataRefused(f"{layout.secrets / OWNER_PASSWORD} of {data} is missing: restore it")
    socket_dir = socket_directory(layout, account)
    _configure(settings, data, socket_dir, account)
    spec = Spec(
        name="postgres",
        argv=lambda: (install.program("postgres"), "-D", str(data)),
        log=layout.log / "postgres.log",
        pid_file=layout.run / "postgres.pid",
        cwd=data,
        environment=_environment(),
        account=account,
        ready=lambda pid: postmaster_ready(data, pid),
        before_start=lambda: clear_stale(data),
        stops=STOPS,
        orphan_signal=signal.SIGINT,
    )
    access = socket_access(socket_dir, secrets=layout.secrets)
    return Postgres(install, data, account, socket_dir, access, spec)


def data_major(data: Path) -> int | None:
    """The version that made the data; None if there are none."""
    try:
        return int((data / "PG_VERSION").read_text("ascii").strip())
    except (OSError, ValueError):
        return None


def clear_stale(data: Path) -> None:
    """Make the data free to be served: no process of an earlier run, no lock file in the way.

    PostgreSQL refuses to start if the id in its lock file has passed to another process of the
    same user, as happens when a container is started again, or if the file is empty, as after a
    power cut; such a file is removed. One of a dead postmaster stays: by its shared memory
    PostgreSQL sees whether backends still live.
    Raises EngineFailed if an earlier process cannot be ended.
    """
    lock = data / "postmaster.pid"
    pid = _locked_by(lock)
    birth = birth_of(pid) if pid else None
    ours = birth is not None and _serves(birth.pid, data)
    if birth is not None and ours and not end(birth, ORPHAN_STOPS):
        raise EngineFailed(f"process {birth.pid} still serves {data} and does not end")
    for straggler in living_in(data):  # backends that outlived their postmaster
        end(straggler, ORPHAN_STOPS[1:])
    is_strangers = birth is not None and not ours and not _memory_in_use(lock)
    if pid == 0 or is_strangers:
        lock.unlink(missing_ok=True)


def _locked_by(lock: Path) -> int | None:
    """The process id in a lock file; None without a file, 0 if it holds no id."""
    try:
        text = lock.read_text("utf-8", errors="replace")
    except OSError:
        return None
    first = text.split("\n", 1)[0].strip().removeprefix("-")  # - marks a single-user process
    return int(first) if first.isascii() and first.isdecimal() else 0


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a postmaster of this data.

    Its working directory says so; where we may not see that (root without CAP_SYS_PTRACE, as in
    a container, or no /proc) its command line does.
    """
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        line = command_line(pid)
    return "postgres" in line and str(data) in line


def _memory_in_use(lock: Path) -> bool:
    """Whether a process is attached to the shared memory that a lock file names (Linux)."""
    try:
        segment = lock.read_text("utf-8", errors="replace").split("\n")[6].split()[1]
        table = Path("/proc/sysvipc/shm").read_text("utf-8").splitlines()
    except (OSError, IndexError):
        return False
    rows = (row.split() for row in table[1:])
    return any(row[1] == segment and row[6] != "0" for row in rows)


def _initialize(install: Install, layout: Layout, account: Account | None) -> None:
    """Make the data beside their place and rename, so that half-made data are never served."""
    partial = layout.engines / "pg.partial"
    shutil.rmtree(partial, ignore_errors=True)
    make_directory(partial)
    hand_over(partial, account)
    password = layout.engines / "pg.password"
    write_private(password, role_password(layout.secrets, OWNER) + "\n")
    hand_over(password, account)
    try:
        _run(_initdb(install, partial, password), account)
        _add_includes(partial)
        single = (install.program("postgres"), "--single", "-D", str(partial), "postgres")
        _run(single, account, given=f"create database {DATABASE}\n")
    finally:
        password.unlink(missing_ok=True)
    partial.rename(layout.pg)


def _initdb(install: Install, data: Path, password: Path) -> tuple[str, ...]:
    if install.major >= BUILTIN_LOCALE_MAJOR:  # no library that could change the order of text
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    else:
        locale = ("--locale=C",)
    return (
        install.program("initdb"),
        f"--pgdata={data}",
        f"--username={OWNER}",
        f"--pwfile={password}",
        "--encoding=UTF8",
        "--auth=scram-sha-256",
        "--data-checksums",
        *locale,
    )


def _add_includes(data: Path) -> None:
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude_if_exists = 'solvent.conf'\ninclude_if_exists = 'local.conf'\n")


def _configure(
    settings: EngineSettings, data: Path, socket_dir: Path, account: Account | None
) -> None:
    text = CONF.format(
        socket_dir=str(socket_dir).replace("'", "''"),
        # Another user's processes come in through the socket; the password is asked of all.
        socket_mode="0777" if account else "0700",
        max_connections=settings.max_connections,
        shared_buffers_mb=settings.shared_buffers_mb,
    )
    for name, content in (("solvent.conf", text), ("pg_hba.conf", HBA)):
        write_private(data / name, content)
        hand_over(data / name, account)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _run(argv: Sequence[str], account: Account | None, *, given: str = "") -> None:
    done = _run_to_end(argv, account, given)
    if done.returncode != 0 or "ERROR:" in done.stdout:
        message = f"{Path(argv[0]).name} failed ({done.returncode}):\n{done.stdout.strip()}"
        raise EngineFailed(message)


def _run_to_end(
    argv: Sequence[str], account: Account | None, given: str
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            input=given,
            cwd="/",
            env=_environment(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            timeout=INIT_TIMEOUT_S,
            **identity(account),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed(f"{Path(argv[0]).name} failed: {error}") from error
