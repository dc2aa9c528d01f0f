"""How does a job exist exactly when the business change does that it belongs to?

`enqueue` writes the call into a table of your own database, in your own transaction. A relay moves
what was committed to the log, under the id that the row carries, so a relay that is killed halfway
and one beside it submit nothing twice. SQLite and PostgreSQL; DB-API drivers (sqlite3, psycopg) and
asyncpg.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

import msgspec

from solvent_client.tasks.engine import awaited, waited
from solvent_client.tasks.errors import OptionInvalid, TaskError
from solvent_client.tasks.record import Submitted, decode, decode_spec, encode
from solvent_client.tasks.signature import Chain, Signature
from solvent_client.tasks.task import Call

if TYPE_CHECKING:
    from solvent_client.tasks.app import Tasks
    from solvent_client.tasks.handle import Handle

log = logging.getLogger("solvent_client.tasks")

TABLE: Final = "solvent_outbox"
BATCH: Final = 500
_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0

Dialect: TypeAlias = Literal["postgresql", "sqlite"]
Row: TypeAlias = tuple[int, str, bytes, bool]

_DDL: Final[dict[Dialect, str]] = {
    "postgresql": f"""\
create table if not exists {TABLE} (
    id bigint generated always as identity primary key,
    task_id text not null,
    spec bytea not null,
    again boolean not null,
    made_at timestamptz not null default now()
)""",
    "sqlite": f"""\
create table if not exists {TABLE} (
    id integer primary key autoincrement,
    task_id text not null,
    spec blob not null,
    again integer not null,
    made_at text not null default current_timestamp
)""",
}
_INSERT: Final = f"insert into {TABLE} (task_id, spec, again) values ({{}}, {{}}, {{}})"  # noqa: S608 - a constant
_SELECT: Final = f"select id, task_id, spec, again from {TABLE} order by id limit {BATCH}"  # noqa: S608 - constants
_LOCKED: Final = f"{_SELECT} for update skip locked"
_DELETE: Final = f"delete from {TABLE} where id = {{}}"  # noqa: S608 - a constant


class Cursor(Protocol):
    """A cursor of a DB-API driver (PEP 249)."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:  # noqa: ANN401 - PEP 249's
        """Run a statement."""
        ...


def ddl(dialect: Dialect) -> str:
    """Return the statement that makes the table, for your migrations.

    Raises:
        OptionInvalid: it is neither `postgresql` nor `sqlite`.
    """
    if dialect not in _DDL:
        raise OptionInvalid(f"dialect: expected postgresql or sqlite, got {dialect!r}")
    return _DDL[dialect]


def enqueue(cursor: Cursor, node: Signature | Chain) -> Handle:
    """Write a call, or a chain of calls, in the cursor's transaction; return its handle.

    The job exists once the transaction is committed and a relay has passed.

    Args:
        cursor: of sqlite3, psycopg or another DB-API driver.
        node: `task.s(…)`, or a chain that begins with a single task.

    Raises:
        PayloadInvalid: an argument cannot be written down.
        OptionInvalid: the node begins with a group.
    """
    call = _call_of(node)
    mark = _mark_of(cursor)
    row = (call.task_id, encode(call.spec), call.unique)
    cursor.execute(_INSERT.format(mark, mark, mark), row)
    return _app_of(node).handle(call.task_id)


async def aenqueue(connection: Any, node: Signature | Chain) -> Handle:  # noqa: ANN401 - of asyncpg
    """Write a call in the transaction of an asyncpg connection; as `enqueue`."""
    call = _call_of(node)
    insert = _INSERT.format("$1", "$2", "$3")
    await connection.execute(insert, call.task_id, encode(call.spec), call.unique)
    return _app_of(node).handle(call.task_id)


def _call_of(node: Signature | Chain) -> Call:
    """Return what is to be submitted, under an id that is known from now on."""
    if isinstance(node, Signature):
        call = node.task.call(node.args, node.kwargs, **node.options)
        return call if call.task_id else Call(str(uuid.uuid4()), call.spec, unique=False)
    made = _app_of(node).plan(node)
    if len(made.units) != 1 or len(made.units[0]) != 1:
        raise OptionInvalid("node: expected a task, or a chain that begins with a single task")
    record = decode(made.units[0][0].data)
    return Call(made.chain_ids[0], cast("Submitted", record).spec, unique=False)


def _app_of(node: Signature | Chain) -> Tasks:
    first = node.steps[0] if isinstance(node, Chain) else node
    if not isinstance(first, Signature):
        raise OptionInvalid("node: expected a task, or a chain that begins with a single task")
    return first.task.app


def _mark_of(cursor: object) -> str:
    """Return how the cursor's driver marks a parameter."""
    return "?" if type(cursor).__module__.startswith("sqlite3") else "%s"


@dataclass(slots=True)
class Relay:
    """Moves committed calls to the log, over a DB-API connection.

    Any number may run. Start one in a thread of its own, or run `run_once` from a timer.

    Args:
        app: the application whose calls these are.
        connect: opens a connection that is the relay's alone.
        dialect: of the database.
    """

    app: Tasks
    connect: Callable[[], Any]
    dialect: Dialect

    def run_once(self) -> int:
        """Move what is there; return how many calls.

        Raises:
            TaskError: the log cannot be reached; nothing is lost, the rows stay.
        """
        connection = self.connect()
        try:
            moved = 0
            while rows := self._move(connection):
                moved += rows
            return moved
        finally:
            connection.close()

    def run(self, stop: threading.Event) -> None:
        """Move calls as they are committed, until told to stop; faults are waited out."""
        pause_s = _PAUSE_S
        while not stop.is_set():
            try:
                self.run_once()
                pause_s = _PAUSE_S
            except Exception as fault:  # noqa: BLE001 - of the database's driver, whichever it is
                log.warning("the outbox waits: %s", fault)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            stop.wait(pause_s)

    def _move(self, connection: Any) -> int:  # noqa: ANN401 - PEP 249's
        cursor = connection.cursor()
        cursor.execute(_LOCKED if self.dialect == "postgresql" else _SELECT)
        rows = [_row(row) for row in cursor.fetchall()]
        if rows:
            waited(submit_rows(self.app, rows))
            delete = _DELETE.format(_mark_of(cursor))
            cursor.executemany(delete, [(row[0],) for row in rows])
        connection.commit()
        return len(rows)


@dataclass(slots=True)
class AsyncRelay:
    """Moves committed calls to the log, over an asyncpg pool; as `Relay`.

    Args:
        app: the application whose calls these are.
        pool: of asyncpg.
    """

    app: Tasks
    pool: Any

    async def run_once(self) -> int:
        """Move what is there; return how many calls. Raises as `Relay.run_once` does."""
        moved = 0
        while rows := await self._move():
            moved += rows
        return moved

    async def run(self) -> None:
        """Move calls as they are committed, until cancelled; faults are waited out."""
        pause_s = _PAUSE_S
        while True:
            try:
                await self.run_once()
                pause_s = _PAUSE_S
            except Exception as fault:  # noqa: BLE001 - of the database's driver
                log.warning("the outbox waits: %s", fault)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _move(self) -> int:
        async with self.pool.acquire() as connection, connection.transaction():
            rows = [_row(tuple(row)) for row in await connection.fetch(_LOCKED)]
            if rows:
                await awaited(submit_rows(self.app, rows))
                delete = f"delete from {TABLE} where id = any($1::bigint[])"  # noqa: S608 - a constant
                await connection.execute(delete, [row[0] for row in rows])
        return len(rows)


def _row(row: Sequence[Any]) -> Row:
    return int(row[0]), str(row[1]), bytes(row[2]), bool(row[3])


def submit_rows(app: Tasks, rows: Iterable[Row]) -> Any:  # noqa: ANN401 - a future
    """Submit rows of the outbox, each once; return the future of that.

    Raises:
        TaskError: a row is damaged; the message names it.
    """
    calls: list[Call] = []
    for number, task_id, spec, again in rows:
        try:
            calls.append(Call(task_id, decode_spec(spec), unique=again))
        except msgspec.DecodeError as error:
            raise TaskError(f"{TABLE} row {number}: {error}") from error
    return app.submit_known(calls)
