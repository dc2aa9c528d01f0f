"""How does a FastAPI application sell itself? Middleware guards it, `track` meters what is used.

Run it with the address of a Solvent and a secret key of one of its tenants:

    SOLVENT_URL=http://127.0.0.1:8000 SOLVENT_KEY=sk_test_… python -m examples.fastapi_app
"""

import os
import sys
from decimal import Decimal
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import PlainTextResponse

from solvent_client import Paywall, PaywallMiddleware, Rule

BYTES_PER_GB = 10**9
MAX_BODY_BYTES = 64 * 1024 * 1024


def customer_of(scope: dict[str, Any]) -> str | None:
    """Return whose request it is.

    A real application asks its session or its token here. This one believes a header, as if a
    proxy in front had checked who is there; do not copy that part.
    """
    for name, value in scope["headers"]:
        if name == b"x-customer":
            return value.decode("utf-8", "replace")
    return None


def build_app(paywall: Paywall) -> FastAPI:
    """Return the application behind its paywall."""
    app = FastAPI(title="Logbook")
    app.add_middleware(
        PaywallMiddleware,
        paywall=paywall,
        customer=customer_of,
        rules=[Rule("/export", feature="export"), Rule("/ingest", feature="ingest")],
        exempt=["/health"],
    )
    add_routes(app, paywall)
    return app


def add_routes(app: FastAPI, paywall: Paywall) -> None:
    """Add what the application itself does, with or without a guard in front."""

    @app.get("/health")
    async def health() -> dict[str, bool]:
        """Say that the process is up: open to everyone."""
        return {"ok": True, "paywall_live": paywall.live}

    @app.get("/export")
    async def export() -> PlainTextResponse:
        """Return what only customers get whose plan has the feature `export`."""
        return PlainTextResponse("time,level,message\n2026-01-01T00:00:00Z,info,hello\n")

    @app.post("/ingest")
    async def ingest(
        request: Request,
        x_customer: Annotated[str, Header()],
        x_batch: Annotated[str, Header()] = "",
    ) -> dict[str, int]:
        """Take log lines and meter their size; a batch sent again under its name counts once."""
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, "A batch holds at most 64 MiB.")
        if size:
            paywall.track(
                x_customer,
                "logs_gb",
                Decimal(size) / BYTES_PER_GB,
                id=f"{x_customer}:{x_batch}" if x_batch else None,
            )
        return {"bytes": size}


def paywall_from_environment() -> Paywall:
    """Return the paywall that SOLVENT_URL and SOLVENT_KEY describe; ends the program without."""
    url, key = os.environ.get("SOLVENT_URL"), os.environ.get("SOLVENT_KEY")
    if not url or not key:
        sys.exit("Set SOLVENT_URL and SOLVENT_KEY: `solvent up` prints both.")
    return Paywall(url, key, upgrade_url=os.environ.get("UPGRADE_URL", "/plans"))


app = build_app(paywall_from_environment())
