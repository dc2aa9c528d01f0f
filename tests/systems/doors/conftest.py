"""What do the tests of the doors share: a business that measures, and a server?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from solvent.app.house import House
from solvent.app.testing import fresh_tenant
from solvent.kit.ids import TenantId
from solvent.systems.doors.testing import Business


@pytest.fixture
async def business(house: House, tenant_id: TenantId) -> Business:
    """A business that measures `calls`, a sum, and knows the customer acme."""
    made = Business(house.edge, tenant_id)
    await made.meter("calls", value_property="n")
    await made.customer("acme")
    return made


@pytest.fixture
async def other_business(house: House) -> Business:
    """Mallory's business, with names of its own for the same things."""
    made = Business(house.edge, await fresh_tenant(house))
    await made.meter("calls", value_property="n")
    await made.customer("acme")
    return made


def client_at(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test",
        headers={"authorization": f"Bearer {key}"} if key else {},
    )


@pytest.fixture
async def alice(app, business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of the business."""
    async with client_at(app, await business.key()) as made:
        yield made


@pytest.fixture
async def bob(app, business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """A sender, who may write usage and do nothing else."""
    async with client_at(app, await business.key("metering:write")) as made:
        yield made


@pytest.fixture
async def charlie(app) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger without a key."""
    async with client_at(app, None) as made:
        yield made


@pytest.fixture
async def mallory(app, other_business: Business) -> AsyncGenerator[httpx.AsyncClient]:
    """The owner of another business."""
    async with client_at(app, await other_business.key()) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server_url(app) -> AsyncGenerator[str]:
    """The address of the API on this machine, for clients that bring their own transport."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await serving
