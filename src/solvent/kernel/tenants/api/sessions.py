"""How does a member sign in by a link over HTTP, see where they are signed in, and sign out?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import Mode, OpenedSession, Session
from solvent.kit.http import Page, PageQuery, PublicRouter, RequestCtx, Router, page_of
from solvent.kit.http.credentials import SESSION_COOKIE

if TYPE_CHECKING:
    from solvent.kit.ctx import Edge

router = Router(tags=["sessions"])
public = PublicRouter(tags=["sessions"])

TOKEN_LENGTH_MAX = 64


class SignInBody(BaseModel):
    """The token of a sign-in link."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str = Field(max_length=TOKEN_LENGTH_MAX)


class SessionShown(BaseModel):
    """A member's signed-in session; `mode` says which half of the business it looks at."""

    model_config = ConfigDict(frozen=True)

    id: str
    member_id: str
    mode: Mode
    created_at: datetime
    expires_at: datetime


class SignInLinkShown(BaseModel):
    """A link's token and address; both are shown this once."""

    model_config = ConfigDict(frozen=True)

    token: str
    path: str
    expires_at: datetime


@public.post("/sessions", status_code=201)
async def sign_in(request: Request, response: Response, body: SignInBody) -> SessionShown:
    """Sign a member in by a link's token, which is used up; the session comes as a cookie."""
    edge: Edge = request.app.state.edge
    opened = await service.redeem_sign_in_link(edge, body.token)
    set_cookie(response, opened, secure=request.scope["scheme"] == "https")
    response.headers["cache-control"] = "no-store"
    return _render(opened.session)


@router.get("/sessions")
async def list_sessions(
    ctx: RequestCtx,
    request: Request,
    page: PageQuery,
    member: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[SessionShown]:
    """List open sessions, newest first: a member's own; with `members:read` anybody's."""
    edge: Edge = request.app.state.edge
    found = await service.list_sessions(ctx, member_id=member, now=edge.clock.now())
    rest = [one for one in found if page.after is None or one.id < page.after]
    return page_of(rest[: page.limit + 1], page, key=lambda one: one.id, render=_render)


@router.delete("/sessions/current", status_code=204)
async def sign_out(ctx: RequestCtx, request: Request, response: Response) -> None:
    """Sign out: end the session whose cookie this request carries."""
    edge: Edge = request.app.state.edge
    token = request.cookies.get(SESSION_COOKIE, "")
    await service.end_current_session(ctx, token, now=edge.clock.now())
    response.delete_cookie(SESSION_COOKIE)


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(ctx: RequestCtx, request: Request, session_id: str) -> None:
    """End a session of one's own, say on a lost machine; with `members:write` anybody's."""
    edge: Edge = request.app.state.edge
    await service.end_session_of(ctx, session_id, now=edge.clock.now())


@router.post("/members/{member_id}/sign-in-links", status_code=201)
async def create_sign_in_link(ctx: RequestCtx, member_id: str) -> SignInLinkShown:
    """Make a link that signs this member in once, within 15 minutes."""
    made = await service.create_sign_in_link(ctx, member_id)
    path = f"/sign-in/member?token={made.token}"
    return SignInLinkShown(token=made.token, path=path, expires_at=made.expires_at)


def set_cookie(response: Response, opened: OpenedSession, *, secure: bool) -> None:
    """Hand the session to the browser, and to no script in it."""
    life = opened.session.expires_at - opened.session.created_at
    response.set_cookie(
        SESSION_COOKIE,
        opened.token,
        max_age=int(life.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def _render(session: Session) -> SessionShown:
    return SessionShown(
        id=session.id,
        member_id=session.member_id,
        mode=session.mode,
        created_at=session.created_at,
        expires_at=session.expires_at,
    )
