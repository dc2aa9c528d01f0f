"""The example application three times: bare, behind Solvent, behind a query at every request."""

import asyncio
import os
from datetime import UTC, datetime

import asyncpg
from examples.fastapi_app.main import add_routes, app, paywall_from_environment
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from paywall_parts.stage import QUERY


def behind_solvent():
    """The example as it is."""
    return app


def bare():
    """The example without a guard."""
    return _unguarded()


def behind_peer():
    """The brief's own design: the database is asked at every request, so nothing can be stale."""
    unguarded = _unguarded()
    unguarded.add_middleware(DatabaseGuard)
    return unguarded


def _unguarded():
    plain = FastAPI(title="Logbook")
    add_routes(plain, paywall_from_environment())
    return plain


class DatabaseGuard:
    """Pure ASGI, a pool of warm connections, a prepared statement on one index: a fair peer."""

    def __init__(self, app):
        self.app = app
        self.tenant = os.environ["BENCH_TENANT"]
        self.pool = None
        self.opening = asyncio.Lock()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] == "/health":
            await self.app(scope, receive, send)
            return
        if self.pool is None:
            await self.open_once()
        customer = next((v.decode() for k, v in scope["headers"] if k == b"x-customer"), None)
        row = await self.pool.fetchrow(QUERY, self.tenant, customer)
        if row and row["status"] == "active" and datetime.now(UTC) < row["plan_expires_at"]:
            await self.app(scope, receive, send)
            return
        await JSONResponse({"code": "payment_required"}, 402)(scope, receive, send)

    async def open_once(self):
        async with self.opening:
            if self.pool is None:
                self.pool = await asyncpg.create_pool(
                    os.environ["BENCH_DSN"], min_size=10, max_size=10
                )
