"""How does a database come to have the schema of this version?

Forward only, in the order of the numbers, each file in one transaction with a lock timeout. The
roles are made first: `solvent_app` is bound by row-level security, `solvent_system` sees the kit's
queues only; neither owns a table.
"""

from __future__ import annotations

# asyncpg ships no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import asyncio
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

import solvent
from solvent.app import environment
from solvent.app.supervisor.access import APP, SYSTEM, read_access
from solvent.kit.errors import Conflict, SolventError

LOCK_KEY = 0x501FE48
LOCK_TIMEOUT = "5s"
ROLES = ("solvent_app", "solvent_system")
_NAME = re.compile(r"(\d{4})_([a-z]+)_(pre|post)_([a-z0-9_]+)\.sql\Z")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")


class MigrationChanged(Conflict):
    """A migration that this database has applied was changed afterwards."""

    code = "app.migration_changed"


class SchemaTooNew(Conflict):
    """This database was migrated by a newer version of the program."""

    code = "app.schema_too_new"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of SQL."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the SQL."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_dir() -> Path:
    """Return where the SQL files are: beside the installed package, or in the source tree."""
    package = Path(solvent.__file__).parent
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parents[1] / "migrations"


def read_migrations(directory: Path | None = None) -> list[Migration]:
    """Return all migrations in the order in which they are applied."""
    files = sorted((directory or migrations_dir()).glob("[0-9]*.sql"))
    for file in files:
        if not _NAME.match(file.name):
            msg = f"{file.name}: expected NNNN_<owner>_<pre|post>_<name>.sql"
            raise ValueError(msg)
    return [Migration(file.name, file.read_text()) for file in files]


async def migrate(owner_dsn: str, *, passwords: dict[str, str]) -> Sequence[str]:
    """Make the roles and apply what is missing; return the names applied.

    Raises:
        MigrationChanged: an applied file differs from ours.
        SchemaTooNew: the database knows migrations that we do not have.
    """
    connection = await asyncpg.connect(owner_dsn)  # noqa: TID251 - as the owner
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK_KEY)
        await _make_roles(connection, passwords)
        return await _apply_missing(connection, read_migrations())
    finally:
        await connection.close()


async def _make_roles(connection: asyncpg.Connection, passwords: dict[str, str]) -> None:
    for role in ROLES:
        password = passwords[role]
        if not _PASSWORD.match(password):
            msg = f"the password of {role} must be 16 to 128 letters, digits, - and _"
            raise ValueError(msg)
        known = await connection.fetchval("select true from pg_roles where rolname = $1", role)
        verb = "alter" if known else "create"
        await connection.execute(
            f"{verb} role {role} login nosuperuser nobypassrls nocreatedb nocreaterole"
            f" password '{password}'"
        )


async def _apply_missing(
    connection: asyncpg.Connection, migrations: Sequence[Migration]
) -> list[str]:
    await connection.execute(
        "create table if not exists kit_migration (name text primary key, digest text not null,"
        " applied_at timestamptz not null default now())"
    )
    await connection.execute("grant select on kit_migration to solvent_app, solvent_system")
    rows = await connection.fetch("select name, digest from kit_migration")
    applied = {row["name"]: row["digest"] for row in rows}
    _check_history(applied, migrations)
    missing = [one for one in migrations if one.name not in applied]
    for migration in missing:
        await _apply(connection, migration)
    return [one.name for one in missing]


def _check_history(applied: dict[str, str], migrations: Sequence[Migration]) -> None:
    ours = {one.name: one.digest for one in migrations}
    for name, digest in applied.items():
        if name not in ours:
            raise SchemaTooNew(field=name)
        if ours[name] != digest:
            raise MigrationChanged(field=name)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into kit_migration (name, digest) values ($1, $2)",
            migration.name,
            migration.digest,
        )


def main() -> None:
    """Migrate the database that the supervisor's descriptor names; exit 1 if it is not ours."""
    access = read_access(environment.access_file()).postgres
    passwords = {APP: password_of(access.app_dsn), SYSTEM: password_of(access.system_dsn)}
    try:
        applied = asyncio.run(migrate(access.owner_dsn, passwords=passwords))
    except SolventError as refused:
        sys.exit(str(refused))
    sys.stderr.write(f"{len(applied)} migrations applied\n")


def password_of(dsn: str) -> str:
    """Return the password in a connection URL."""
    return unquote(urlsplit(dsn).password or "")


if __name__ == "__main__":
    main()
