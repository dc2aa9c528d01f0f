"""Does a job exist exactly when the business change does that it belongs to?"""

import importlib.util
import sqlite3
import threading

import asyncpg
import pytest
from conftest import eventually

from solvent_client.tasks import OptionInvalid, TaskError, chain, group
from solvent_client.tasks.outbox import AsyncRelay, Relay, aenqueue, ddl, enqueue


@pytest.fixture
def mail(app):
    @app.task(name="mail")
    def mail(order):
        return order

    return mail


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("create table orders (id text)")
    connection.execute(ddl("sqlite"))
    connection.commit()
    yield lambda: sqlite3.connect(path)
    connection.close()


def order(connection, mail, name, **options):
    cursor = connection.cursor()
    cursor.execute("insert into orders values (?)", (name,))
    return enqueue(cursor, mail.s(name).set(**options))


def test_what_is_committed_is_submitted_and_what_is_rolled_back_is_not(app, mail, database):
    relay = Relay(app, database, "sqlite")
    connection = database()
    kept = order(connection, mail, "o-1")
    connection.commit()
    lost = order(connection, mail, "o-2")
    connection.rollback()
    assert relay.run_once() == 1
    assert kept.status().record.spec.args == b'[["o-1"],{}]'
    assert lost.state == "unknown"
    assert relay.run_once() == 0
    connection.close()


def test_nothing_is_submitted_before_the_commit(app, mail, database):
    connection = database()
    handle = order(connection, mail, "o-1")
    assert Relay(app, database, "sqlite").run_once() == 0
    assert handle.state == "unknown"
    connection.rollback()
    connection.close()


def test_a_relay_that_is_killed_between_the_log_and_the_commit_submits_nothing_twice(
    app, mail, database
):
    class Killed(Exception):
        pass

    class Dying(sqlite3.Connection):
        def commit(self):
            raise Killed

    connection = database()
    handles = [order(connection, mail, f"o-{n}") for n in range(20)]
    connection.commit()
    path = connection.execute("pragma database_list").fetchone()[2]
    with pytest.raises(Killed):
        Relay(app, lambda: sqlite3.connect(path, factory=Dying), "sqlite").run_once()
    assert all(handle.cancel() for handle in handles)  # they are there, and have moved on
    assert Relay(app, database, "sqlite").run_once() == 20
    assert {handle.state for handle in handles} == {"canceled"}
    connection.close()


def test_chains_and_options_come_along(app, mail, database):
    connection = database()
    cursor = connection.cursor()
    steps = enqueue(cursor, chain(mail.s("a"), mail.s()))
    once = enqueue(cursor, mail.s("u").set(unique=True, queue="slow"))
    again = enqueue(cursor, mail.s("u").set(unique=True))
    connection.commit()
    assert Relay(app, database, "sqlite").run_once() == 3
    assert steps.status().record.spec.then
    assert once.task_id == again.task_id
    assert once.status().record.spec.queue == "slow"
    with pytest.raises(OptionInvalid, match="begins with a single task"):
        enqueue(cursor, chain(group(mail.s("a")), mail.s()))
    connection.close()


def test_a_damaged_row_is_named(app, mail, database):
    connection = database()
    connection.execute("insert into solvent_outbox (task_id, spec, again) values ('x', x'c1', 0)")
    connection.commit()
    with pytest.raises(TaskError, match="solvent_outbox row 1"):
        Relay(app, database, "sqlite").run_once()
    connection.close()


def test_a_dialect_that_is_none_is_refused():
    with pytest.raises(OptionInvalid, match="postgresql or sqlite"):
        ddl("oracle")


async def test_a_relay_runs_beside_the_application(app, mail, database, working):
    stop = threading.Event()
    thread = threading.Thread(target=Relay(app, database, "sqlite").run, args=(stop,))
    thread.start()
    try:
        async with working(app):
            connection = database()
            handle = order(connection, mail, "o-1")
            connection.commit()
            connection.close()
            assert await handle.aget(20) == "o-1"
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture
async def pool(engines):
    made = await asyncpg.create_pool(engines.access.postgres.owner_dsn, min_size=1, max_size=4)
    async with made.acquire() as connection:
        await connection.execute("create schema if not exists shop")
    await made.close()
    made = await asyncpg.create_pool(
        engines.access.postgres.owner_dsn,
        min_size=1,
        max_size=4,
        server_settings={"search_path": "shop"},
    )
    await made.execute(ddl("postgresql"))
    yield made
    await made.execute("drop table solvent_outbox")
    await made.close()


async def test_in_postgresql_with_asyncpg(app, mail, pool):
    async with pool.acquire() as connection:
        async with connection.transaction():
            kept = await aenqueue(connection, mail.s("o-1"))
        transaction = connection.transaction()
        await transaction.start()
        lost = await aenqueue(connection, mail.s("o-2"))
        await transaction.rollback()
    assert await AsyncRelay(app, pool).run_once() == 1
    assert (await kept.astatus()).state == "waiting"
    assert (await lost.astatus()).state == "unknown"


async def test_two_relays_share_the_work(app, mail, pool):
    import asyncio

    async with pool.acquire() as connection, connection.transaction():
        handles = [await aenqueue(connection, mail.s(n)) for n in range(700)]
    moved = await asyncio.gather(*(AsyncRelay(app, pool).run_once() for _ in range(2)))
    assert sum(moved) == 700
    assert (await handles[-1].astatus()).state == "waiting"


async def test_the_asyncio_relay_runs_until_it_is_cancelled(app, mail, pool):
    import asyncio

    task = asyncio.create_task(AsyncRelay(app, pool).run())
    handle = await aenqueue(pool, mail.s("o-1"))
    await eventually(handle.astatus, until=lambda status: status.state == "waiting")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.skipif(
    importlib.util.find_spec("psycopg") is None, reason="psycopg is not among our dependencies"
)
async def test_in_postgresql_with_psycopg(app, mail, pool, engines):
    import psycopg

    def connect():
        dsn = engines.access.postgres.owner_dsn
        return psycopg.connect(dsn, options="-c search_path=shop")

    with connect() as connection:
        handle = enqueue(connection.cursor(), mail.s("o-1"))
    assert Relay(app, connect, "postgresql").run_once() == 1
    assert (await handle.astatus()).state == "waiting"
