"""Does the chain in the database hold what happened, all of it, and nothing else?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.audit.model import Why
from solvent.kit.ctx import OPERATOR, Actor, Edge, ScopeMissing
from solvent.kit.db import Database
from solvent.kit.ids import TenantId

ALICE = Actor("member", "alice", frozenset({"audit:read"}))
CHARLIE = Actor("member", "charlie", frozenset({"metering:write"}))


@contextlib.asynccontextmanager
async def as_owner(engines) -> AsyncIterator[asyncpg.Connection]:
    """A connection that can do everything, as somebody has who owns the machine."""
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def write(edge: Edge, tenant_id: TenantId, count: int, *, subject: str = "thing") -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        for number in range(count):
            audit.record(ctx, action="tests.thing_done", subject=subject, data={"n": number})


async def report_of(edge: Edge, tenant_id: TenantId):
    async with edge.open(tenant_id, ALICE) as ctx:
        return await audit.verify(ctx)


async def listed(edge: Edge, tenant_id: TenantId, **narrow):
    async with edge.open(tenant_id, ALICE) as ctx:
        return await audit.list_records(ctx, **narrow)


async def test_the_database_hashes_what_the_rules_hash(edge, tenant_id) -> None:
    odd = 'ü "quoted" \\ \N{SNOWMAN} \U0001f600 \u2028 </script> \0'
    async with edge.open(tenant_id, OPERATOR) as ctx:
        facts = {odd: odd, "big": 2**80, "list": ["b", "a"], "none": None, "yes": True}
        audit.record(ctx, action="tests.thing_done", subject=odd, data=facts)
    report = await report_of(edge, tenant_id)
    assert report.ok, report.flaw


async def test_rollback_leaves_no_record(edge, tenant_id) -> None:
    before = await report_of(edge, tenant_id)

    async def refused() -> None:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            audit.record(ctx, action="tests.thing_done", subject="undone")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await refused()
    assert (await report_of(edge, tenant_id)).checked == before.checked
    assert not await listed(edge, tenant_id, subject="undone")


async def test_refusal_survives_rollback(edge, tenant_id) -> None:
    with contextlib.suppress(RuntimeError):
        async with edge.open(tenant_id, OPERATOR):
            raise RuntimeError
    await audit.record_refusal(
        edge,
        tenant_id,
        actor=CHARLIE,
        action="tests.thing_refused",
        subject="thing_1",
        data={"code": "tests.no"},
    )
    found = await listed(edge, tenant_id, subject="thing_1")
    assert [(r.entry.actor, r.entry.action) for r in found] == [
        ("member:charlie", "tests.thing_refused")
    ]


async def test_gapless_chain(edge, tenant_id) -> None:
    """Forty transactions at once, some of which roll back, still make one chain without a gap."""

    async def one(number: int) -> None:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            audit.record(ctx, action="tests.thing_done", subject=f"many_{number}")
            audit.record(ctx, action="tests.thing_done", subject=f"many_{number}")
            if number % 4 == 0:
                raise RuntimeError

    before = (await report_of(edge, tenant_id)).checked
    ended = await asyncio.gather(*(one(n) for n in range(40)), return_exceptions=True)
    assert sum(isinstance(end, RuntimeError) for end in ended) == 10
    report = await report_of(edge, tenant_id)
    assert report.ok, report.flaw
    assert report.checked == before + 60


async def test_order_of_records_is_order_of_commits(edge, tenant_id) -> None:
    """The chain's head is locked at the end only: who began first and commits last comes last."""
    async with edge.open(tenant_id, OPERATOR) as slow:
        audit.record(slow, action="tests.thing_done", subject="slow")
        async with asyncio.timeout(30):
            await write(edge, tenant_id, 1, subject="fast")
    newest = await listed(edge, tenant_id, limit=2)
    assert [record.entry.subject for record in newest] == ["slow", "fast"]


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_record set actor = 'member:mallory'",
        "delete from audit_record",
        "truncate audit_record",
        "delete from audit_head",
        "truncate audit_head",
    ],
)
async def test_append_only(engines, edge, tenant_id, statement) -> None:
    """Neither the application nor the owner of the tables changes what is recorded."""
    await write(edge, tenant_id, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(statement)
    async with as_owner(engines) as owner:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(statement)
    assert (await report_of(edge, tenant_id)).ok


async def test_the_head_never_goes_back(edge, tenant_id) -> None:
    await write(edge, tenant_id, 3)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="forward only"):
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await ctx.tx.execute(
                "update audit_head set seq = 1 where tenant_id = $1", ctx.tenant_id
            )


TAMPERING = {
    "a changed record": (
        "update audit_record set data = '{\"n\": 7}' where tenant_id = $1 and seq = $2",
        (0, Why.HASH_MISMATCH),
    ),
    "a record taken out": (
        "delete from audit_record where tenant_id = $1 and seq = $2",
        (0, Why.GAP),
    ),
    "a cut tail": (
        "delete from audit_record where tenant_id = $1 and seq >= $2",
        (0, Why.TRUNCATED_TAIL),
    ),
    "a cut tail, the head set back": (
        (
            "with cut as (delete from audit_record where tenant_id = $1 and seq >= $2)"
            " update audit_head set seq = $2 - 1 where tenant_id = $1"
        ),
        (-1, Why.HEAD_MISMATCH),
    ),
    "a record moved to another time": (
        "update audit_record set at = at - interval '1 second' where tenant_id = $1 and seq = $2",
        (0, Why.HASH_MISMATCH),
    ),
    "a record linked elsewhere": (
        "update audit_record set prev_hash = repeat('0', 64) where tenant_id = $1 and seq = $2",
        (0, Why.BROKEN_LINK),
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_tampering_below_the_application_is_named(engines, edge, tenant_id, what) -> None:
    """Whoever owns the database can switch triggers off; the chain tells what they did."""
    await write(edge, tenant_id, 5)
    seq = (await report_of(edge, tenant_id)).checked - 2
    statement, (offset, why) = TAMPERING[what]
    async with as_owner(engines) as owner:
        await owner.execute("set session_replication_role = replica")
        await owner.execute(statement, tenant_id, seq)
    flaw = (await report_of(edge, tenant_id)).flaw
    assert (flaw.seq, flaw.why) == (seq + offset, why)


async def test_a_removed_head_is_named_and_stops_the_chain(engines, edge, tenant_id) -> None:
    await write(edge, tenant_id, 2)
    async with as_owner(engines) as owner:
        await owner.execute("set session_replication_role = replica")
        await owner.execute("delete from audit_head where tenant_id = $1", tenant_id)
    flaw = (await report_of(edge, tenant_id)).flaw
    assert flaw.why is Why.MISSING_HEAD
    with pytest.raises(asyncpg.UniqueViolationError):
        await write(edge, tenant_id, 1)


async def test_verify_walks_more_than_a_page(edge, tenant_id) -> None:
    await write(edge, tenant_id, audit.VERIFY_PAGE + 50)
    report = await report_of(edge, tenant_id)
    assert report.ok
    assert report.checked > audit.VERIFY_PAGE


async def test_listing_goes_down_from_the_newest(edge, tenant_id) -> None:
    await write(edge, tenant_id, 5, subject="one")
    first = await listed(edge, tenant_id, subject="one", limit=3)
    rest = await listed(edge, tenant_id, subject="one", before_seq=first[-1].seq, limit=3)
    assert [record.entry.data["n"] for record in first + rest] == [4, 3, 2, 1, 0]


async def test_reading_needs_the_scope(edge, tenant_id) -> None:
    async with edge.open(tenant_id, CHARLIE) as ctx:
        for read in (audit.verify, audit.list_records):
            with pytest.raises(ScopeMissing):
                await read(ctx)


async def test_mallory_sees_none_of_it(edge, tenant_id, mallory_id) -> None:
    await write(edge, tenant_id, 1, subject="alices")
    assert not await listed(edge, mallory_id, subject="alices")
    async with edge.open(mallory_id, OPERATOR) as ctx:
        everything = await ctx.tx.fetchval(
            "select count(*) from audit_record where subject = $1", "alices"
        )
    assert everything == 0


@pytest.mark.parametrize(
    "statement",
    [
        (
            "insert into audit_record select $1, 99, now(), 'a:b', 'c.d', '', '{}', hash, hash"
            " from audit_head"
        ),
        "insert into audit_head (tenant_id, seq, hash) values ($1 || 'x', 1, repeat('0', 64))",
    ],
)
async def test_mallory_writes_into_no_chain_but_hers(
    edge, tenant_id, mallory_id, statement
) -> None:
    await write(edge, mallory_id, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with edge.open(mallory_id, OPERATOR) as ctx:
            await ctx.tx.execute(statement, tenant_id)
    async with edge.open(mallory_id, OPERATOR) as ctx:
        assert not await ctx.tx.execute(
            "update audit_head set seq = seq + 1 where tenant_id = $1", tenant_id
        )
    assert (await report_of(edge, tenant_id)).ok


async def test_the_head_is_locked_for_no_round_trip(engines, edge, tenant_id) -> None:
    """Appending travels in one message with COMMIT, after everything else."""
    said: list[str] = []
    watched = await Database.connect(engines.access.postgres.app_dsn, name="watched", size_max=1)
    async with replace(edge, db=watched).open(tenant_id, OPERATOR) as ctx:
        audit.record(ctx, action="tests.thing_done", subject="x")
        ctx.tx._connection.add_query_logger(lambda record: said.append(record.query))
    await watched.close()
    assert said[-1] == "select audit_append_entries(); commit"
    assert not any("audit_head" in one or "audit_append" in one for one in said[:-1])


async def test_two_tenants_in_one_transaction_are_a_bug(edge, tenant_id, mallory_id) -> None:
    async def record_for_both() -> None:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            for one in (ctx, replace(ctx, tenant_id=mallory_id)):
                audit.record(one, action="tests.thing_done", subject="x")

    with pytest.raises(AssertionError, match="one tenant"):
        await record_for_both()
