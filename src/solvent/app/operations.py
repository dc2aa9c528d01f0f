"""Is this process alive, is it ready, what does it count, and where does its time go?"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from typing import Annotated, cast

import nats.errors
from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from solvent.app.beat import BeatWatch
from solvent.app.house import House
from solvent.kit.bus.stream import SUBJECT_METRICS
from solvent.kit.errors import Denied, Unavailable
from solvent.kit.telemetry import BUS_CONNECTED, metrics_text

router = APIRouter(tags=["operations"])

PROFILE_S_MAX = 60
PROFILE_INTERVAL_S = 0.002
CHECK_WITHIN_S = 2
FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})
"""What proxies add: a request with one comes from further away than its connection."""


class OperatorKeyMissing(Denied):
    """This address needs the operator's key in `X-Operator-Key`."""

    code = "app.operator_key_missing"


class WorkerAway(Unavailable):
    """No worker answers."""

    code = "app.worker_away"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process runs and its loop turns; nothing else is asked."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say whether requests can be served: database, event log and relay, each by name."""
    house: House = request.app.state.house
    beat: BeatWatch = request.app.state.beat
    checks = {
        "database": await _answers(house),
        "event_log": house.bus.is_connected,
        "relay": beat.is_fresh(),
    }
    ready = checks["database"] and checks["event_log"] and checks["relay"]
    body = {"ready": ready, **{name: "ok" if good else "away" for name, good in checks.items()}}
    return JSONResponse(body, 200 if ready else Unavailable.status)


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """Return the metrics in Prometheus' text form, to the operator or to this machine."""
    require_operator(request, local_is_enough=True)
    house: House = request.app.state.house
    BUS_CONNECTED.set(int(house.bus.is_connected))
    return PlainTextResponse(metrics_text(), media_type="text/plain; version=0.0.4")


@router.get("/metrics/worker")
async def worker_metrics(request: Request) -> PlainTextResponse:
    """Return the worker's metrics, asked for over the event log's connection.

    Raises:
        WorkerAway: no worker answered within two seconds.
    """
    require_operator(request, local_is_enough=True)
    house: House = request.app.state.house
    try:
        told = await house.bus.request(SUBJECT_METRICS, timeout=CHECK_WITHIN_S)
    except (nats.errors.Error, TimeoutError):
        raise WorkerAway from None
    return PlainTextResponse(told.data, media_type="text/plain; version=0.0.4")


@router.get("/debug/profile")
async def profile(
    request: Request, seconds: Annotated[float, Query(gt=0, le=PROFILE_S_MAX)] = 5
) -> HTMLResponse:
    """Sample this process for some seconds and return where its time went, as a page."""
    require_operator(request, local_is_enough=False)
    from pyinstrument import Profiler

    profiler = Profiler(interval=PROFILE_INTERVAL_S, async_mode="disabled")
    profiler.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        profiler.stop()
    return HTMLResponse(profiler.output_html())


def require_operator(request: Request, *, local_is_enough: bool) -> None:
    """Let only the operator pass: by key, or where enough, from this machine if no key is set.

    Raises:
        OperatorKeyMissing: neither.
    """
    house: House = request.app.state.house
    key = house.settings.http.operator_key
    given = request.headers.get("x-operator-key", "")
    if key and hmac.compare_digest(key.encode(), given.encode()):
        return
    if not key and local_is_enough and _is_local(request):
        return
    raise OperatorKeyMissing


def _is_local(request: Request) -> bool:
    """Return whether the caller sits on this machine, and not behind a proxy on it."""
    if not FORWARDED.isdisjoint(request.headers.keys()):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _answers(house: House) -> bool:
    try:
        async with asyncio.timeout(CHECK_WITHIN_S), house.edge.db.transaction() as tx:
            return cast("int", await tx.fetchval("select 1")) == 1
    except (Unavailable, TimeoutError):
        return False
