"""What do the paywall's tests sell, and over which server do their guards listen?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from decimal import Decimal

import httpx
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    Interval,
    PlanSpec,
    Price,
    PriceModel,
    Product,
    Terms,
)
from solvent.kernel.metering.model import Aggregation, MeterSpec
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR, Edge
from solvent.kit.ids import TenantId

FEATURES = (
    Feature("export", FeatureKind.SWITCH),
    Feature("seats", FeatureKind.QUOTA, limit=Decimal(10)),
    Feature("ingest", FeatureKind.QUOTA, limit=Decimal(10), meter_key="ingest"),
)
TERMS = Terms(
    product_key="logs",
    name="Pro",
    currency="USD",
    interval=Interval.MONTH,
    interval_count=1,
    prices=(Price("base", PriceModel.FLAT, amount_minor=2900),),
    features=FEATURES,
)
CATALOGUE = CatalogueSpec(
    meters=(MeterSpec(key="ingest", name="Logs", aggregation=Aggregation.SUM, unit="GB"),),
    products=(Product("logs", "Logs"),),
    plans=(PlanSpec("pro", TERMS),),
)


class Shop:
    """A tenant that sells CATALOGUE."""

    def __init__(self, edge: Edge, tenant_id: TenantId) -> None:
        self.edge = edge
        self.tenant_id = tenant_id

    def open(self):
        return self.edge.open(self.tenant_id, OPERATOR)

    async def stock(self) -> Shop:
        async with self.open() as ctx:
            await catalogue.apply(ctx, CATALOGUE)
        return self

    async def subscribe(self, customer: str):
        async with self.open() as ctx:
            found = await tenants.ensure_customer(ctx, customer)
            return await subscriptions.create(ctx, found.id, "pro")

    async def cancel(self, subscription) -> int:
        """Cancel, and return a moment of the database's clock after it, in milliseconds."""
        async with self.open() as ctx:
            await subscriptions.cancel(ctx, subscription.id)
        async with self.open() as ctx:
            return int(await ctx.tx.fetchval("select extract(epoch from clock_timestamp()) * 1000"))

    async def issue_key(self, **how):
        async with self.open() as ctx:
            return await tenants.issue_key(ctx, name="test", **how)

    async def headers(self, **how) -> dict[str, str]:
        return {"authorization": f"Bearer {(await self.issue_key(**how)).text}"}


@pytest_asyncio.fixture(loop_scope="session")
async def shop(edge: Edge, tenant_id: TenantId) -> Shop:
    return await Shop(edge, tenant_id).stock()


@pytest_asyncio.fixture(loop_scope="session")
async def other_shop(edge: Edge, mallory_id: TenantId) -> Shop:
    return await Shop(edge, mallory_id).stock()


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI, shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    headers = await shop.headers()
    async with httpx.AsyncClient(
        transport=transport, base_url="http://solvent.test", headers=headers
    ) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def server(house) -> AsyncGenerator[str]:
    """The API on a port of its own: a stream needs a real server."""
    from solvent.app.http import Server, create_app

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(house), log_config=None, timeout_graceful_shutdown=2)
        running = Server(config)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(asyncio.CancelledError))
            task = asyncio.create_task(running.serve(sockets=[listening]))
            while not running.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            running.should_exit = True
            await task


class Guard:
    """A program that listens to the stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.frames = self._read()

    async def _read(self) -> AsyncIterator[tuple[str, object]]:
        event = ""
        async for line in self.response.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield event, json.loads(line.removeprefix("data: "))

    async def next(self, *wanted: str) -> tuple[str, object]:
        """Return the next frame, of the wanted kinds where any are named."""
        async with asyncio.timeout(60):
            async for event, data in self.frames:
                if not wanted or event in wanted:
                    return event, data
        raise EOFError

    async def until_ready(self) -> list[tuple[str, object]]:
        seen = [await self.next()]
        while seen[-1][0] != "ready":
            seen.append(await self.next())
        return seen

    async def end(self) -> None:
        """Read until the stream ends."""
        async with asyncio.timeout(60):
            async for _ in self.frames:
                pass


@contextlib.asynccontextmanager
async def listen(server: str, headers: dict[str, str]) -> AsyncIterator[Guard]:
    async with (
        httpx.AsyncClient(base_url=server, headers=headers, timeout=20) as client,
        client.stream("GET", "/v1/entitlements/stream") as response,
    ):
        yield Guard(response)


@pytest_asyncio.fixture(loop_scope="session")
async def listen_to():
    return listen


@pytest_asyncio.fixture(loop_scope="session")
async def guard_of(server: str, worker):
    """Opens streams of a shop, closed with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_stream(shop: Shop, **key) -> Guard:
            headers = await shop.headers(**key)
            return await stack.enter_async_context(listen(server, headers))

        yield open_stream
