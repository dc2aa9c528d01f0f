"""How does the operator prove to the start page that they sit at the terminal?

`solvent up` prints a link with a token of 160 random bits; its SHA-256 is kept, it works once
and for 15 minutes, and is exchanged for a session cookie of twelve hours.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from solvent.app import environment
from solvent.app.running import read_running, read_url
from solvent.kit.db import Database
from solvent.kit.errors import Unauthenticated
from solvent.kit.ids import random_token

if TYPE_CHECKING:
    from solvent.app.house import House

router = APIRouter(include_in_schema=False)

TOKEN_BYTES = 20
LINK_S = 15 * 60
SESSION_S = 12 * 3600
COOKIE = "solvent_operator"
TOKEN_LENGTH_MAX = 64


class LinkSpent(Unauthenticated):
    """This sign-in link was used or is older than 15 minutes; `solvent sign-in` prints another."""

    code = "app.link_spent"


async def new_link(system: Database, base_url: str) -> str:
    """Return a fresh one-time link to the start page."""
    token = await _issue(system, kind="link", lifetime_s=LINK_S)
    return f"{base_url.rstrip('/')}/sign-in?token={token}"


@router.get("/sign-in")
async def sign_in(request: Request, token: str = "") -> Response:
    """Exchange a link's token for a session.

    Raises:
        LinkSpent: used, expired, or never made.
    """
    house: House = request.app.state.house
    if not await _redeem(house.system, token):
        raise LinkSpent
    session = await _issue(house.system, kind="session", lifetime_s=SESSION_S)
    answer = RedirectResponse("/", 303, headers={"cache-control": "no-store"})
    secure = request.scope["scheme"] == "https"
    answer.set_cookie(
        COOKIE, session, max_age=SESSION_S, httponly=True, samesite="lax", secure=secure
    )
    return answer


async def is_signed_in(request: Request) -> bool:
    """Return whether the request carries a session of the operator."""
    house: House = request.app.state.house
    token = request.cookies.get(COOKIE, "")
    if not token or len(token) > TOKEN_LENGTH_MAX:
        return False
    async with house.system.transaction() as tx:
        found = await tx.fetchval(
            "select true from kit_operator_token"
            " where token_hash = $1 and kind = 'session' and expires_at > now()",
            _hash(token),
        )
    return bool(found)


async def _issue(system: Database, *, kind: str, lifetime_s: int) -> str:
    token = random_token(TOKEN_BYTES)
    async with system.transaction() as tx:
        await tx.execute("delete from kit_operator_token where expires_at < now()")
        await tx.execute(
            "insert into kit_operator_token (token_hash, kind, expires_at)"
            " values ($1, $2, now() + make_interval(secs => $3))",
            _hash(token),
            kind,
            lifetime_s,
        )
    return token


async def _redeem(system: Database, token: str) -> bool:
    async with system.transaction() as tx:
        spent = await tx.execute(
            "delete from kit_operator_token"
            " where token_hash = $1 and kind = 'link' and expires_at > now()",
            _hash(token[:TOKEN_LENGTH_MAX]),
        )
    return spent > 0


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def print_link(data_dir: Path) -> None:
    """Print a fresh link to the running start page.

    Raises:
        NotRunning: nothing runs on the data directory.
    """
    dsn = read_running(data_dir).postgres.system_dsn
    url = environment.settings().http.public_url or read_url(data_dir)
    system = await Database.connect(dsn, name="solvent-sign-in", size_max=1)
    sys.stdout.write(await new_link(system, url) + "\n")
    await system.close()


def main() -> None:
    """Print a link for the operator at the terminal."""
    asyncio.run(print_link(environment.data_dir()))


if __name__ == "__main__":
    main()
