"""What does the founder see first: what runs, what happened last, and how to call it?"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import nats.errors
import nats.js.errors
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from solvent.app.page import page
from solvent.app.sign_in import is_member, is_signed_in
from solvent.kit.bus.envelope import decode
from solvent.kit.bus.stream import STREAM
from solvent.kit.errors import Unavailable

if TYPE_CHECKING:
    from fastapi import FastAPI

    from solvent.app.beat import BeatWatch
    from solvent.app.house import House
    from solvent.kit.bus import Envelope

router = APIRouter(include_in_schema=False)

EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs, or does not."""

    name: str
    works: bool
    tells: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One address of the API."""

    method: str
    path: str
    summary: str
    description: str
    tag: str


@router.get("/")
async def start(request: Request) -> HTMLResponse:
    """Show what runs: to who is signed in its versions, to the operator the last events as well."""
    house: House = request.app.state.house
    operates = await is_signed_in(request)
    events = await _last_events(house) if operates else []
    parts = await _parts(request)
    if not operates and not await is_member(request):
        parts = [replace(one, tells="") for one in parts]
    return page("start.html", parts=parts, signed_in=operates, events=events)


@router.get("/reference")
async def reference(request: Request) -> HTMLResponse:
    """Show every address of the API."""
    return page("reference.html", groups=_operations(request.app))


async def _parts(request: Request) -> list[Part]:
    house: House = request.app.state.house
    beat: BeatWatch = request.app.state.beat
    try:
        async with house.edge.db.transaction() as tx:
            version = str(await tx.fetchval("show server_version"))
    except Unavailable:
        version = ""
    connected = house.bus.is_connected
    return [
        Part("API", works=True, tells="answers at this address"),
        Part("PostgreSQL", works=bool(version), tells=version or "does not answer"),
        Part("NATS JetStream", works=connected, tells=_bus_version(house) or "does not answer"),
        Part(
            "Worker", works=beat.is_fresh(), tells="relays events" if beat.is_fresh() else "silent"
        ),
    ]


def _bus_version(house: House) -> str:
    if not house.bus.is_connected:
        return ""
    version = house.bus.connected_server_version
    return f"{version.major}.{version.minor}.{version.patch}"


async def _last_events(house: House) -> list[Envelope]:
    """Return the newest events of all tenants, newest first."""
    js = house.bus.jetstream()
    try:
        state = (await js.stream_info(STREAM)).state
        first = max(state.first_seq, state.last_seq - EVENTS_SHOWN + 1)
        found: list[Envelope] = []
        for seq in range(state.last_seq, max(first, 1) - 1, -1):
            message = await js.get_msg(STREAM, seq=seq, direct=True)
            with contextlib.suppress(ValueError):  # handlers give up what is none, and log it
                found.append(decode(message.data or b""))
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
        return []
    return found


def _operations(app: FastAPI) -> dict[str, list[Operation]]:
    """Return the API's addresses by tag, as its OpenAPI document has them."""
    groups: dict[str, list[Operation]] = {}
    paths: dict[str, dict[str, dict[str, Any]]] = app.openapi()["paths"]
    for path, methods in paths.items():
        for method, told in methods.items():
            tag = str((told.get("tags") or ["other"])[0])
            one = Operation(
                method.upper(), path, told.get("summary", ""), told.get("description", ""), tag
            )
            groups.setdefault(tag, []).append(one)
    return groups
