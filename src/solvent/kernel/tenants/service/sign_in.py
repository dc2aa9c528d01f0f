"""How does a member get into the console, and out?"""

from __future__ import annotations

from datetime import datetime, timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import (
    MemberUnknown,
    SessionInvalid,
    SessionUnknown,
    SignInLinkInvalid,
)
from solvent.kernel.tenants.model import (
    MEMBER_PREFIX,
    SESSION_PREFIX,
    Mode,
    OpenedSession,
    Session,
    SignInLink,
)
from solvent.kernel.tenants.rules import secrets
from solvent.kernel.tenants.rules.scopes import SCOPES_OF_ROLE
from solvent.kit.ctx import Actor, Ctx, Edge, Principal
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId, is_id, random_token

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
MEMBER = "member"


async def create_sign_in_link(ctx: Ctx, member_id: str) -> SignInLink:
    """Make a token that signs this member in once, within 15 minutes. Needs `members:write`.

    In a tenant's live half, where members are, and by nobody who may do less than the member.

    Raises:
        MemberUnknown: there is none.
        ScopeMissing: the member may do what the caller may not.
    """
    ctx.require("members:write")
    known = is_id(member_id, prefix=MEMBER_PREFIX)
    member = await store.member.by_id(ctx.tx, ctx.tenant_id, member_id) if known else None
    if member is None:
        raise MemberUnknown
    for scope in SCOPES_OF_ROLE[member.role]:
        ctx.require(scope)
    token, now = random_token(secrets.TOKEN_BYTES), ctx.now()
    link = SignInLink(token, member_id, now + LINK_LIFE)
    await store.member.forget_links(ctx.tx, ctx.tenant_id, before=now)
    await store.member.insert_link(
        ctx.tx, ctx.tenant_id, member_id, token_hash=_hash(token), at=now, until=link.expires_at
    )
    audit.record(ctx, action="tenants.sign_in_link_made", subject=member_id)
    return link


async def redeem_sign_in_link(edge: Edge, token: str) -> OpenedSession:
    """Sign in by a link's token, which is used up by that; raises SignInLinkInvalid."""
    token_hash = secrets.token_hash(token)
    if token_hash is None:
        raise SignInLinkInvalid

    async def admit(tx: Tx) -> Principal:
        found = await store.member.redeem_link(tx, token_hash, now=edge.clock.now())
        if found is None:
            raise SignInLinkInvalid
        return Principal(found[0], Actor(MEMBER, found[1]))

    async with edge.admit(admit) as ctx:
        return await _open_session(ctx)


async def switch_session(ctx: Ctx, session_id: str, mode: Mode) -> None:
    """Turn the console to the other half of the business; raises SessionInvalid."""
    changed = await store.member.change_session(ctx.tx, ctx.tenant_id, session_id, mode=mode)
    if not changed:
        raise SessionInvalid
    audit.record(ctx, action="tenants.session_switched", subject=session_id, data={"mode": mode})


async def end_session(ctx: Ctx, session_id: str) -> None:
    """Sign out; raises SessionInvalid."""
    ended = await store.member.change_session(ctx.tx, ctx.tenant_id, session_id, ended_at=ctx.now())
    if not ended:
        raise SessionInvalid
    audit.record(ctx, action="tenants.session_ended", subject=session_id)


async def list_sessions(ctx: Ctx, *, member_id: str | None, now: datetime) -> list[Session]:
    """Return open sessions, newest first; a member's own unless others' are asked for.

    `now` is the real time, which sessions live in. Others' need `members:read`.
    """
    own = ctx.actor.id if ctx.actor.kind == MEMBER else None
    wanted = member_id or own
    if wanted is None or wanted != own:
        ctx.require("members:read")
    return await store.member.list_sessions(ctx.tx, ctx.tenant_id, member_id=wanted, now=now)


async def end_current_session(ctx: Ctx, token: str, *, now: datetime) -> None:
    """Sign out of the session that this token opens; raises SessionInvalid."""
    token_hash = secrets.token_hash(token)
    seen = await store.member.open_session(ctx.tx, token_hash, now=now) if token_hash else None
    if seen is None or (seen.tenant_id, seen.member_id) != (ctx.tenant_id, ctx.actor.id):
        raise SessionInvalid
    await end_session(ctx, seen.session_id)


async def end_session_of(ctx: Ctx, session_id: str, *, now: datetime) -> None:
    """End one of the business's sessions; another member's needs `members:write`.

    Raises:
        SessionUnknown: no such session is open, or it is none of one's own business.
    """
    found = await store.member.list_sessions(ctx.tx, ctx.tenant_id, member_id=None, now=now)
    ends = next((one for one in found if one.id == session_id), None)
    own = ends is not None and (ctx.actor.kind, ctx.actor.id) == (MEMBER, ends.member_id)
    if not own:
        ctx.require("members:write")
    if ends is None:
        raise SessionUnknown
    await end_session(ctx, session_id)


async def _open_session(ctx: Ctx) -> OpenedSession:
    token, now = random_token(secrets.TOKEN_BYTES), ctx.now()
    session = Session(
        tenant_id=TenantId(ctx.tenant_id),
        id=ctx.ids.new(SESSION_PREFIX),
        member_id=ctx.actor.id,
        mode=Mode.LIVE,
        created_at=now,
        expires_at=now + SESSION_LIFE,
    )
    await store.member.insert_session(ctx.tx, session, token_hash=_hash(token))
    audit.record(
        ctx, action="tenants.signed_in", subject=ctx.actor.id, data={"session": session.id}
    )
    return OpenedSession(session, token)


def _hash(token: str) -> bytes:
    token_hash = secrets.token_hash(token)
    if token_hash is None:
        msg = "a token we made does not read as one"
        raise AssertionError(msg)
    return token_hash
