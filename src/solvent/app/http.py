"""How does the API process answer: every module's routes, and the operator's own?"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from functools import cache, partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from solvent import VERSION
from solvent.app.api_document import describe
from solvent.app.beat import BeatWatch
from solvent.app.house import House, open_house
from solvent.app.housekeeping import watch_settings
from solvent.app.operations import router as operations
from solvent.app.process import Surroundings, run, settle, surroundings
from solvent.app.sign_in import router as sign_in
from solvent.app.start_page import router as start_page
from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.http.gate import Gate
from solvent.kit.http.problems import install
from solvent.kit.jobs.link import JobsLink
from solvent.kit.log import get_logger

log = get_logger(__name__)

KEEP_ALIVE_S = 75
GRACE_S = 5
DESCRIPTION = (
    "Every POST takes an Idempotency-Key. Lists come in cursor pages. Errors are problem documents"
    " (RFC 9457) with a stable `code`."
)


def create_app(house: House) -> FastAPI:
    """Return the API over a house; nothing of it is process-wide."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with BeatWatch.on(house.bus) as app.state.beat:
            yield
        await app.state.jobs.close()

    app = FastAPI(
        title="Solvent",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.house = house
    app.state.edge = house.edge
    app.state.base_domains = house.settings.http.base_domains
    app.state.bus = house.bus
    app.state.jobs = JobsLink()
    app.state.jobs.connect(house.log_place.login, house.bus)
    app.state.authenticator = house.wiring.port(Authenticator)
    app.state.refusal_log = house.wiring.port(RefusalLog)
    app.state.stopping = asyncio.Event()
    app.state.shapes = house.wiring.shapes
    install(app)
    for router in (*house.wiring.routers, start_page, sign_in, operations):
        app.include_router(router)
    app.openapi = cache(partial(describe, app, house.wiring.routers))
    proxies = house.settings.http.trusted_proxies
    app.add_middleware(Gate, ids=house.edge.ids, rates=house.rates, trusted_proxies=proxies)
    return app


class Server(uvicorn.Server):
    """A server that tells endless streams to end before it waits for requests."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Set the app's `stopping`, then stop as uvicorn does."""
        cast("FastAPI", self.config.app).state.stopping.set()
        await super().shutdown(sockets)


async def serve(around: Surroundings) -> None:
    """Answer until told to stop."""
    http = around.settings.http
    async with open_house(
        around.access, around.settings, vault=around.vault, name="solvent-http"
    ) as house:
        config = uvicorn.Config(
            create_app(house),
            host=http.host,
            port=http.port,
            http=_protocol(),
            access_log=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
        )
        watch = asyncio.create_task(watch_settings(house))
        settle()
        await Server(config).serve()
        watch.cancel()


def main() -> None:
    """Run the API process."""
    run(serve(surroundings("http")))


def _protocol():  # noqa: ANN202 - a protocol's type where its parser is installed
    try:
        from solvent.app.protocol import BoundedHttp
    except ImportError:
        return "h11"  # slower, and bounded by itself
    return BoundedHttp


if __name__ == "__main__":
    main()
