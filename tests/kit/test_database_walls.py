"""Do all tables and functions of all modules keep tenants apart, whoever adds one?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import asyncpg
import pytest_asyncio

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines

WITHOUT_TENANT = {"kit_operator_token", "kit_migration", "kit_log_position", "kit_forgetting"}
"""Tables of the program itself; the application's role may at most read how far it is migrated."""


@pytest_asyncio.fixture(loop_scope="session")
async def owner(house: House, engines: Engines) -> AsyncGenerator[asyncpg.Connection]:
    """The role that owns the tables, which row-level security does not bind."""
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    yield connection
    await connection.close()


async def names(owner: asyncpg.Connection, sql: str) -> set[str]:
    return {row[0] for row in await owner.fetch(sql)}


async def test_the_application_reads_no_table_without_isolation(owner: asyncpg.Connection) -> None:
    may = (
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v', 'm', 'f') and not relrowsecurity"
        " and has_table_privilege('solvent_app', oid, '{}')"
    )
    assert await names(owner, may.format("select")) <= {"kit_migration"}
    assert await names(owner, may.format("insert, update, delete, truncate")) == set()


async def test_every_table_without_a_tenant_is_a_known_one(owner: asyncpg.Connection) -> None:
    found = await names(
        owner,
        "select relname from pg_class c where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p') and not exists (select from pg_attribute a"
        " where a.attrelid = c.oid and a.attname = 'tenant_id' and not attisdropped)",
    )
    assert found <= WITHOUT_TENANT


async def test_every_policy_of_the_application_asks_for_the_tenant(
    owner: asyncpg.Connection,
) -> None:
    """For what is read and for what is written, and no second policy widens the first."""
    odd = await names(
        owner,
        "select tablename from pg_policies where schemaname = 'public'"
        " and ('solvent_app' = any(roles) or 'public' = any(roles))"
        " group by tablename having count(*) <> 1 or bool_or("
        "   permissive <> 'PERMISSIVE' or cmd <> 'ALL' or qual not like '%kit_tenant_id()%'"
        "   or with_check not like '%kit_tenant_id()%')",
    )
    assert odd == set()


async def test_the_system_role_sees_queues_only(owner: asyncpg.Connection) -> None:
    seen = await names(
        owner,
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v', 'm')"
        " and has_table_privilege('solvent_system', oid, 'select, insert, update, delete')",
    )
    assert {name for name in seen if not name.startswith("kit_")} == set()


async def test_no_function_that_runs_as_the_owner_is_anybodys(owner: asyncpg.Connection) -> None:
    """PostgreSQL lets everybody run a new function; one past isolation is given out by name."""
    rows = await owner.fetch(
        "select proname, coalesce(proconfig, '{}') as settings,"
        " has_function_privilege('public', oid, 'execute') as anybody,"
        " has_function_privilege('solvent_system', oid, 'execute') as system"
        " from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
    )
    assert rows
    for row in rows:
        assert not row["anybody"], row["proname"]
        assert not row["system"], row["proname"]
        assert any(one.startswith("search_path=pg_catalog") for one in row["settings"]), row
