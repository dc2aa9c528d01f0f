"""How is usage taken in by the plain designs: one that promises what Solvent does, one that stores?

Both are FastAPI with pydantic bodies on an asyncpg pool. `/kept` looks up the key, then in one
transaction runs a statement an event to insert it (and one to compare it if it was there), one to
add it to its hour, and writes an outbox row that nobody reads. `/bare` only inserts, for anybody.
"""

import hashlib
import json
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

TABLES = """
create table if not exists bench_peer_usage (
    id text primary key, meter text not null, customer text not null, at timestamptz not null,
    value numeric not null, received_at timestamptz not null default now());
create index if not exists bench_peer_usage_by_customer on bench_peer_usage (meter, customer, at);
create table if not exists bench_peer_hour (
    meter text, customer text, hour timestamptz, events bigint not null, total numeric not null,
    primary key (meter, customer, hour));
create table if not exists bench_peer_outbox (id bigserial primary key, body text not null);
create table if not exists bench_peer_key (hash bytea primary key);
insert into bench_peer_key values (sha256('Bearer peer')) on conflict do nothing;
"""
KEY = "select true from bench_peer_key where hash = $1"
INSERT = """insert into bench_peer_usage (id, meter, customer, at, value)
    values ($1, $2, $3, $4, $5) on conflict do nothing"""
KNOWN = "select meter, customer, at, value from bench_peer_usage where id = $1"
ROLL = """insert into bench_peer_hour as kept
    values ($1, $2, date_trunc('hour', $3::timestamptz), 1, $4)
    on conflict (meter, customer, hour) do update
    set events = kept.events + 1, total = kept.total + excluded.total"""
TELL = "insert into bench_peer_outbox (body) values ($1)"


class Event(BaseModel):
    """One use."""

    id: str
    meter: str
    customer: str
    at: datetime
    value: Decimal

    def row(self):
        """Return it as the table has it."""
        return self.id, self.meter, self.customer, self.at, self.value


class Batch(BaseModel):
    """Many uses, stored all or none."""

    events: list[Event]

    def ordered(self):
        """Return the rows in an order in which two batches never deadlock."""
        return [one.row() for one in sorted(self.events, key=lambda one: (one.customer, one.id))]


def peer_app(url):
    """Return the app over a database."""

    @asynccontextmanager
    async def lifespan(app):
        async with asyncpg.create_pool(url, min_size=16, max_size=16) as app.state.pool:
            await app.state.pool.execute(TABLES)
            yield

    app = FastAPI(lifespan=lifespan)
    app.get("/readyz")(ready)
    app.post("/bare")(bare)
    app.post("/kept")(kept)
    return app


async def ready() -> dict[str, str]:
    """Say that the process answers."""
    return {}


async def bare(request: Request, batch: Batch) -> dict[str, int]:
    """Store rows."""
    accepted = 0
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        for row in batch.ordered():
            accepted += (await connection.execute(INSERT, *row)).endswith("1")
    return {"accepted": accepted}


async def kept(
    request: Request, batch: Batch, authorization: Annotated[str, Header()]
) -> dict[str, int]:
    """Store rows, refuse contradictions, keep the hours, tell others."""
    accepted = 0
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval(KEY, hashlib.sha256(authorization.encode()).digest()):
            raise HTTPException(401)
        for row in batch.ordered():
            if (await connection.execute(INSERT, *row)).endswith("1"):
                await connection.execute(ROLL, *row[1:])
                accepted += 1
            elif tuple(await connection.fetchrow(KNOWN, row[0])) != row[1:]:
                raise HTTPException(409)
        if accepted:
            customers = sorted({one.customer for one in batch.events})
            await connection.execute(TELL, json.dumps(customers))
    return {"accepted": accepted}
