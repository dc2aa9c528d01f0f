"""How do the operator, who sits at the terminal, and a member come in by a link?

`solvent up` prints a link with a token of 160 random bits; its SHA-256 is kept, it works once
and for 15 minutes, and is exchanged for a session cookie of twelve hours. A member's link is made
by `POST /v1/members/{member_id}/sign-in-links`; it opens a page with a button, as what reads mail
for viruses follows every link in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from solvent.app import environment
from solvent.app.page import page, wants_page
from solvent.app.running import read_running, read_url, told_away
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.api.sessions import set_cookie
from solvent.kernel.tenants.errors import SignInLinkInvalid
from solvent.kit.db import Database
from solvent.kit.errors import SolventError, Unauthenticated, Unavailable
from solvent.kit.http.credentials import SESSION_COOKIE
from solvent.kit.ids import random_token

if TYPE_CHECKING:
    from solvent.app.house import House

router = APIRouter(include_in_schema=False)

TOKEN_BYTES = 20
LINK_S = 15 * 60
SESSION_S = 12 * 3600
COOKIE = "solvent_operator"
TOKEN_LENGTH_MAX = 64
FIELDS_MAX = 10
SPENT = "This link is spent."
ASK = "Ask whoever invited you for another one."


class LinkSpent(Unauthenticated):
    """This sign-in link was used or is older than 15 minutes; `solvent sign-in` prints another."""

    code = "app.link_spent"


async def new_link(system: Database, base_url: str) -> str:
    """Return a fresh one-time link to the start page."""
    token = await _issue(system, kind="link", lifetime_s=LINK_S)
    return f"{base_url.rstrip('/')}/sign-in?token={token}"


@router.get("/sign-in")
async def sign_in(request: Request, token: str = "") -> Response:
    """Exchange a link's token for a session; a browser with a spent link is shown a page.

    Raises:
        LinkSpent: used, expired, or never made.
    """
    house: House = request.app.state.house
    if not await _redeem(house.system, token):
        if not wants_page(request):
            raise LinkSpent
        spent = LinkSpent()
        return page(
            "sign_in.html", status=spent.status, spent="This link is spent.", how=str(spent)
        )
    session = await _issue(house.system, kind="session", lifetime_s=SESSION_S)
    answer = RedirectResponse("/", 303, headers={"cache-control": "no-store"})
    secure = request.scope["scheme"] == "https"
    answer.set_cookie(
        COOKIE, session, max_age=SESSION_S, httponly=True, samesite="lax", secure=secure
    )
    return answer


@router.get("/sign-in/member")
async def show_member_link(token: str = "") -> Response:
    """Show a button that signs a member in; following the link alone uses nothing up."""
    return page("sign_in.html", token=token[:TOKEN_LENGTH_MAX])


@router.post("/sign-in/member")
async def sign_member_in(request: Request) -> Response:
    """Exchange a member's link for a session, and lead to the start page.

    Raises:
        SignInLinkInvalid: used, expired, or never made; a browser is shown a page.
    """
    house: House = request.app.state.house
    form = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=FIELDS_MAX)
    try:
        opened = await tenants.redeem_sign_in_link(house.edge, (form.get("token") or [""])[0])
    except SignInLinkInvalid as spent:
        if not wants_page(request):
            raise
        return page("sign_in.html", status=spent.status, spent=str(spent), how=ASK)
    answer = RedirectResponse("/", 303, headers={"cache-control": "no-store"})
    set_cookie(answer, opened, secure=request.scope["scheme"] == "https")
    return answer


async def is_member(request: Request) -> bool:
    """Return whether the request carries a member's session."""
    house: House = request.app.state.house
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        return False
    try:
        async with house.edge.db.transaction() as tx:
            await tenants.authenticate_session(tx, token, now=house.edge.clock.now())
    except SolventError:
        return False
    return True


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
    settings = environment.settings()
    url = settings.http.public_url or read_url(data_dir)
    try:
        system = await Database.connect(dsn, name="solvent-sign-in", size_max=1)
    except Unavailable as away:
        raise told_away(away, data_dir, settings.engines) from away
    sys.stdout.write(await new_link(system, url) + "\n")
    await system.close()


def main() -> None:
    """Print a link for the operator at the terminal."""
    asyncio.run(print_link(environment.data_dir()))


if __name__ == "__main__":
    main()
