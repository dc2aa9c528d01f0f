"""How does one transaction reach PostgreSQL, and what happens at its end?"""

# asyncpg ships no types: what it returns is unknown to the checker here, and typed from here on.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import asyncpg
import pydantic_core
from asyncpg.pool import PoolConnectionProxy

from solvent.kit.errors import Invalid, Unavailable
from solvent.kit.limits import LOCK_TIMEOUT_MS, POOL_SIZE_MAX, STATEMENT_TIMEOUT_MS

Row = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError
RaisedInDatabase = asyncpg.RaiseError

STAGE_REACT, STAGE_OUTBOX, STAGE_AUDIT = range(3)
"""In this order collected work is flushed before commit; the audit chain's lock comes last."""

FLUSH_ROUNDS_MAX = 100
CLOSE_S = 5


class TextNotStorable(Invalid):
    """A text holds a NUL or half a character, which no database text can."""

    code = "kit.text_not_storable"


class DatabaseAway(Unavailable):
    """The database cannot be reached, or it ended the transaction to let another one pass."""

    code = "kit.database_away"


TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection was told of its end in the moment it was taken
    ConnectionError,
    TimeoutError,
)
"""What the driver raises where trying the same again later may succeed."""

NO_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
HALF_TEXT = "surrogates not allowed"
"""What the server says of a NUL, and Python's encoder of a lone surrogate."""

T = TypeVar("T")


class Flush(Protocol[T]):
    """Writes what a transaction has collected under one key."""

    def __call__(self, items: list[T], /) -> Awaitable[None]:
        """Write the items; called once before commit."""
        ...


@dataclass(slots=True)
class _Collected:
    stage: int
    items: list[Any]
    flush: Flush[Any]


class Tx:
    """One open transaction. Only the edge begins and ends it; stores run their SQL on it."""

    __slots__ = ("_after", "_collected", "_connection", "_last_words")

    def __init__(self, connection: PoolConnectionProxy) -> None:
        """Wrap a connection on which BEGIN has been said."""
        self._connection = connection
        self._collected: dict[str, _Collected] = {}
        self._after: dict[str, Callable[[], Awaitable[None]]] = {}
        self._last_words: dict[str, None] = {}

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Return all rows."""
        return await self._connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """Return the first row, or None."""
        return await self._connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row, or None."""
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> int:
        """Run a statement and return how many rows it touched."""
        status = await self._connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once a row, in one round trip."""
        await self._connection.executemany(sql, rows)

    async def fetchmany(self, sql: str, rows: Iterable[Sequence[object]]) -> list[Row]:
        """Run a statement once a row, in one round trip; return all that they return."""
        return await self._connection.fetchmany(sql, rows)

    async def copy(
        self, table: str, *, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        """Load rows by binary COPY; refused on tables with row-level security."""
        await self._connection.copy_records_to_table(table, records=rows, columns=list(columns))

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo the work inside if it raises, with what it collected, and go on with the rest."""
        before = {key: len(work.items) for key, work in self._collected.items()}
        await self._connection.execute("savepoint inner_work")
        try:
            yield
        except Exception:
            await self._connection.execute("rollback to savepoint inner_work")
            await self._connection.execute("release savepoint inner_work")
            self._forget_after(before)
            raise
        await self._connection.execute("release savepoint inner_work")

    def _forget_after(self, before: Mapping[str, int]) -> None:
        """Drop what was collected since: an event of work that was undone must not get out."""
        for key in list(self._collected):
            del self._collected[key].items[before.get(key, 0) :]
            if not self._collected[key].items:
                del self._collected[key]

    def collect(self, key: str, item: T, *, flush: Flush[T], stage: int) -> None:
        """Keep an item until just before commit, when `flush` gets all items of the key at once."""
        if key not in self._collected:
            self._collected[key] = _Collected(stage, [], flush)
        self._collected[key].items.append(item)

    def say_last(self, statement: str) -> None:
        """Send a statement without parameters in one message with COMMIT, once however often asked.

        What it locks is held for the server's work alone, not for a round trip: for rows that every
        transaction of a tenant must pass.
        """
        self._last_words[statement] = None

    def after_commit(self, key: str, hook: Callable[[], Awaitable[None]]) -> None:
        """Run the hook once, after a successful commit; its failure changes nothing."""
        self._after[key] = hook

    async def _flush(self) -> None:
        """Write what was collected, lowest stage first; a flush may collect more."""
        for _ in range(FLUSH_ROUNDS_MAX):
            if not self._collected:
                return
            key = min(self._collected, key=lambda name: self._collected[name].stage)
            work = self._collected.pop(key)
            await work.flush(work.items)
        msg = f"work collected in a transaction did not settle in {FLUSH_ROUNDS_MAX} rounds"
        raise RuntimeError(msg)

    async def _run_after(self) -> None:
        for hook in self._after.values():
            with contextlib.suppress(Exception):  # a nudge that is lost costs a poll interval
                await hook()


class Fetcher(Protocol):
    """What can run a statement: an open transaction, or a database of which it is one by itself."""

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...


class Database:
    """A pool of connections under one role."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Hold the pool; use `connect` to make one."""
        self._pool = pool

    @classmethod
    async def connect(cls, dsn: str, *, name: str, size_max: int = POOL_SIZE_MAX) -> Database:
        """Open a pool that keeps one connection when idle.

        Raises:
            DatabaseAway: the server refuses or cannot be reached.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size_max,
                max_inactive_connection_lifetime=30,
                command_timeout=STATEMENT_TIMEOUT_MS / 1000 + 5,
                init=_teach_json,
                reset=_keep,
                server_settings={
                    "application_name": name,
                    "timezone": "UTC",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": "60000",
                },
            )
        except (*TRANSIENT, OSError) as away:
            raise DatabaseAway(reason=str(away)[:200]) from away
        return cls(pool)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Tx]:
        """Begin, yield, flush what was collected, commit; roll back on any error.

        Raises:
            DatabaseAway: the database is away, or the transaction must be tried again.
            TextNotStorable: a text from outside had a NUL or half a character in it.
        """
        async with self._connection() as connection:
            tx = Tx(connection)
            await connection.execute("begin")
            try:
                yield tx
                await tx._flush()  # noqa: SLF001 - the one place that ends a transaction
                await connection.execute("; ".join([*tx._last_words, "commit"]))  # noqa: SLF001
            except BaseException:
                await _roll_back(connection)
                raise
        await tx._run_after()  # noqa: SLF001 - as above

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Run one statement that is the whole transaction, in one round trip; return all rows.

        For what happens often and can be said so; the statement itself sets the tenant
        (`kit_open`). Raises as `transaction`.
        """
        async with self._connection() as connection:
            return await connection.fetch(sql, *args)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[PoolConnectionProxy]:
        """Yield a connection of the pool; say in our words what goes wrong on it."""
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except TRANSIENT as away:
            raise DatabaseAway(reason=str(away)[:200]) from away
        except asyncpg.DataError as odd:
            if isinstance(odd, NO_TEXT) or HALF_TEXT in str(odd):
                raise TextNotStorable from None
            raise

    async def close(self) -> None:
        """Close all connections, the busy ones after their work."""
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_S)
        except TimeoutError:
            self._pool.terminate()


async def _roll_back(connection: PoolConnectionProxy) -> None:
    if not connection.is_closed():
        with contextlib.suppress(*TRANSIENT, asyncpg.PostgresError):
            await connection.execute("rollback")


async def _teach_json(connection: PoolConnectionProxy) -> None:
    """Let jsonb and json columns be Python objects."""
    for kind in ("jsonb", "json"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=_dump, decoder=pydantic_core.from_json
        )


async def _keep(connection: asyncpg.Connection) -> None:
    """Reset nothing: every setting is local to its transaction, which a test holds us to."""
    del connection


def _dump(value: object) -> str:
    return pydantic_core.to_json(value).decode()


Json: TypeAlias = "str | int | bool | Sequence[Json] | dict[str, Json] | None"


def as_json(value: object) -> Json:
    """Return a decoded json column under its type."""
    return cast("Json", value)
