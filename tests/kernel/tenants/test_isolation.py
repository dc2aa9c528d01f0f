"""Does the database itself keep tenants apart, whatever the code above it forgets?"""

from __future__ import annotations

import io

import asyncpg
import pytest

from solvent.kernel.signing import service as signing
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.db import Database
from solvent.kit.errors import NotFound

SEEN_WITHOUT_TENANT = {
    "tenants_create_pair": "makes both tenants of a business, of which none is set yet",
    "tenants_find_slug": "finds the tenant that an address names",
    "tenants_find_twin": "looks at the other half of the business that is set",
    "tenants_authenticate": "finds the tenant of a key",
    "tenants_redeem_link": "finds the tenant of a sign-in link",
    "tenants_open_session": "finds the tenant of a session",
    "tenants_change_session": "reaches a session from either half of its business",
    "tenants_list_sessions": "lists sessions from either half of their business",
    "tenants_all": "names the tenants to the operator",
}
"""The functions of this module that run as the owner, past row-level security, each with why."""


@pytest.fixture
async def two(edge, tenant_id, mallory_id):
    """Two tenants with a customer and a signing key each."""
    for one in (tenant_id, mallory_id):
        async with edge.open(one, OPERATOR) as ctx:
            await tenants.ensure_customer(ctx, "same_name")
            await signing.ensure_key(ctx)
    return tenant_id, mallory_id


@pytest.fixture
async def superuser(engines, house):
    del house  # its database is migrated
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def narrow(engines):
    """The application's role with a pool of one connection, so that everybody gets the same."""
    database = await Database.connect(
        engines.access.postgres.app_dsn, name="test-narrow", size_max=1
    )
    yield database
    await database.close()


TABLES = (
    "tenants_tenant",
    "tenants_member",
    "tenants_api_key",
    "tenants_customer",
    "tenants_session",
    "tenants_sign_in_link",
    "signing_key",
    "audit_record",
    "audit_head",
)


async def test_no_tenant_sees_nothing(narrow, two) -> None:
    """Without a tenant nothing is seen, and the database says why; also on a used connection."""

    async def look(table: str) -> None:
        async with narrow.transaction() as tx:
            assert not await tx.fetch(f"select * from {table}")

    for _ in ("a fresh connection", "one that has served a tenant"):
        for table in ("tenants_tenant", "tenants_customer", "signing_key", "audit_record"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no tenant is set"):
                await look(table)
        async with narrow.transaction() as tx:
            await tx.fetchval("select kit_open($1)", two[0])


async def test_a_connection_carries_nothing_over(narrow, two) -> None:
    """Neither a commit, nor an error, nor a cancelled request leaves a tenant behind."""

    async def serve(*, fail: bool) -> None:
        async with narrow.transaction() as tx:
            await tx.fetchval("select kit_open($1)", two[0])
            assert await tx.fetchval("select count(*) from tenants_customer") == 1
            if fail:
                raise RuntimeError

    for fail in (False, True):
        if fail:
            with pytest.raises(RuntimeError):
                await serve(fail=True)
        else:
            await serve(fail=False)
        async with narrow.transaction() as tx:
            left = await tx.fetchval(
                "select nullif(current_setting('solvent.tenant_id', true), '')"
            )
        assert left is None
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with narrow.transaction() as tx:
                await tx.fetch("select * from tenants_customer")


async def test_app_is_not_owner(superuser) -> None:
    """The application's roles own nothing, cannot pass isolation, and cannot become more."""
    roles = await superuser.fetch(
        "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles"
        " where rolname in ('solvent_app', 'solvent_system')"
    )
    assert len(roles) == 2
    assert not any(any(list(role.values())[1:]) for role in roles)
    owned = await superuser.fetch(
        "select relname from pg_class where pg_get_userbyid(relowner) like 'solvent_app'"
        " or pg_get_userbyid(relowner) = 'solvent_system'"
    )
    assert not owned
    members = await superuser.fetchval(
        "select count(*) from pg_auth_members where member in ('solvent_app'::regrole)"
    )
    assert members == 0


async def test_every_table_of_ours_is_isolated(superuser) -> None:
    open_tables = await superuser.fetch(
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace"
        " where nspname = 'public' and relkind in ('r', 'p') and not relrowsecurity"
        " and exists (select from pg_attribute a where attrelid = c.oid"
        "   and attname = 'tenant_id' and not attisdropped)"
    )
    assert [row["relname"] for row in open_tables] == []


async def test_no_view_looks_past_isolation(superuser) -> None:
    """A view runs as its owner unless told otherwise: one that is not would show everything."""
    blind = await superuser.fetch(
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace"
        " where nspname = 'public' and relkind in ('v', 'm')"
        " and not coalesce('security_invoker=true' = any(reloptions), false)"
    )
    assert [row["relname"] for row in blind] == []


async def test_functions_past_isolation_are_the_known_ones(superuser) -> None:
    found = await superuser.fetch(
        "select proname, proconfig, has_function_privilege('public', oid, 'execute') as anybody"
        " from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        " and proname ~ '^(tenants|audit|signing)_'"
    )
    assert {row["proname"] for row in found} == set(SEEN_WITHOUT_TENANT)
    for row in found:
        assert not row["anybody"], row["proname"]
        assert row["proconfig"] == ["search_path=pg_catalog, public"], row["proname"]


async def test_every_way_of_reading_obeys(edge, two) -> None:
    """A query without a where, a join, a function and a COPY all see one tenant's rows."""
    alice, _ = two
    async with edge.open(alice, OPERATOR) as ctx:
        for table in TABLES:
            seen = await ctx.tx.fetch(f"select distinct tenant_id from {table}")
            assert {row["tenant_id"] for row in seen} <= {alice}, table
        joined = await ctx.tx.fetchval(
            "select count(*) from tenants_customer a join tenants_customer b using (external_ref)"
        )
        assert joined == 1
        out = io.BytesIO()
        await ctx.tx._connection.copy_from_query(
            "select tenant_id from tenants_customer", output=out
        )
        await ctx.tx._connection.copy_from_table(
            "tenants_customer", output=out, columns=["tenant_id"]
        )
        assert set(out.getvalue().decode().split()) == {alice}


async def test_every_way_of_writing_obeys(edge, two) -> None:
    alice, mallory = two

    async def write(sql: str, *args: object) -> int:
        async with edge.open(mallory, OPERATOR) as ctx:
            return await ctx.tx.execute(sql, *args)

    assert await write("update tenants_customer set name = 'x' where tenant_id = $1", alice) == 0
    assert await write("delete from tenants_customer where tenant_id = $1", alice) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await write("update tenants_customer set tenant_id = $1", alice)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await write(
            "insert into tenants_customer"
            " (tenant_id, id, external_ref, time_zone, created_at, updated_at)"
            " values ($1, 'cus_x', 'x', 'UTC', now(), now())",
            alice,
        )

    async def copy_in() -> None:
        async with edge.open(mallory, OPERATOR) as ctx:
            await ctx.tx.copy("audit_head", columns=["tenant_id"], rows=[(alice,)])

    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        await copy_in()


async def test_the_app_cannot_switch_isolation_off(edge, two) -> None:
    for statement in (
        "alter table tenants_customer disable row level security",
        "set role solvent_owner",
        "set session authorization solvent_owner",
        "set session_replication_role = replica",
        "create table mine (a int)",
        "create function mine() returns int language sql as 'select 1'",
    ):
        with pytest.raises(asyncpg.PostgresError):
            async with edge.open(two[1], OPERATOR) as ctx:
                await ctx.tx.execute(statement)


# ------------------------------------------------------------------- Mallory's ids over HTTP


async def test_mallory_looks_unknown(owner_and_mallory) -> None:
    """Her ids, in each place that takes one, get the very answer of ids that do not exist."""
    ask, foreign, never = owner_and_mallory
    for method, path, kind, body in PLACES:
        answers = [
            await ask(
                method, path.format(one[kind]), **({"json": body} if body is not None else {})
            )
            for one in (foreign, never)
        ]
        told = [(answer.status_code, without_request(answer)) for answer in answers]
        assert told[0] == told[1], path
        assert told[0][0] == 404, (path, told)


PLACES = [
    ("GET", "/customers/{}", "customer", None),
    ("PATCH", "/customers/{}", "customer", {"name": "x"}),
    ("DELETE", "/customers/{}", "customer", None),
    ("GET", "/customers/{}", "ref", None),
    ("PATCH", "/customers/{}", "ref", {"name": "x"}),
    ("DELETE", "/customers/{}", "ref", None),
    ("GET", "/api-keys/{}", "key", None),
    ("DELETE", "/api-keys/{}", "key", None),
    ("GET", "/members/{}", "member", None),
    ("PATCH", "/members/{}", "member", {"name": "x"}),
    ("DELETE", "/members/{}", "member", None),
    ("POST", "/signing/keys/{}/revoke", "kid", {}),
]


def without_request(answer) -> str:
    return answer.text.replace(answer.headers.get("x-request-id", "-"), "")


@pytest.fixture
async def owner_and_mallory(edge, business, mallorys, caller, key_of):
    async with edge.open(mallorys.live.id, OPERATOR) as ctx:
        customer = await tenants.ensure_customer(ctx, "mallorys_only")
        key = await signing.ensure_key(ctx)
    foreign = {
        "customer": customer.id,
        "ref": "mallorys_only",
        "key": mallorys.keys[0].key.id,
        "member": mallorys.owner.id,
        "kid": key.kid,
    }
    new = edge.ids.new
    never = {
        "customer": new("cus"),
        "ref": "nobodys_at_all",
        "key": new("key"),
        "member": new("mem"),
        "kid": new("kid"),
    }
    return caller(key_of(business, "sk_live")), foreign, never


FINDERS = (
    (tenants.get_customer, "customer"),
    (tenants.get_customer, "ref"),
    (tenants.get_key, "key"),
    (tenants.get_member, "member"),
    (signing.revoke, "kid"),
)


async def test_time_does_not_tell_a_foreign_id_from_an_unknown_one(
    edge, business, owner_and_mallory
) -> None:
    """Both are asked for by the very same statements, each of which finds nothing."""
    _, foreign, never = owner_and_mallory

    async def asked(ids: dict[str, str]) -> list[str]:
        said: list[str] = []
        async with edge.open(business.live.id, OPERATOR) as ctx:
            with ctx.tx._connection.query_logger(lambda record: said.append(record.query)):
                for find, kind in FINDERS:
                    with pytest.raises(NotFound):
                        await find(ctx, ids[kind])
        return said

    said = await asked(foreign)
    assert said == await asked(never)
    assert len(said) > len(FINDERS)


async def test_mallorys_cursor_leads_nowhere_new(owner_and_mallory, edge, business) -> None:
    """A cursor holds a place in a list, not a right to read it."""
    from solvent.kit.http.page import encode_cursor

    ask, foreign, _ = owner_and_mallory
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.ensure_customer(ctx, "own")
    for path, kind in (("/customers", "customer"), ("/api-keys", "key"), ("/members", "member")):
        answer = await ask("GET", path, params={"cursor": encode_cursor(foreign[kind])})
        assert answer.status_code == 200
        assert foreign[kind] not in answer.text
        assert "mallory" not in answer.text


@pytest.mark.parametrize("header", ["x-tenant", "x-tenant-id", "host", "x-forwarded-host"])
async def test_no_header_changes_the_tenant_of_a_key(owner, header, business, mallorys) -> None:
    for value in (mallorys.live.id, f"{mallorys.live.slug}.localhost"):
        answer = await owner("GET", "/tenant", headers={header: value})
        assert answer.json()["id"] == business.live.id
