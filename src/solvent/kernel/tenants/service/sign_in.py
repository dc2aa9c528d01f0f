"""How does a member get into the console, and out?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import MemberUnknown, SessionInvalid, SignInLinkInvalid
from solvent.kernel.tenants.model import (
    MEMBER_PREFIX,
    SESSION_PREFIX,
    Mode,
    OpenedSession,
    Session,
    SignInLink,
)
from solvent.kernel.tenants.rules import secrets
from solvent.kit.ctx import Actor, Ctx, Edge, Principal
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId, is_id, random_token

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)


async def create_sign_in_link(ctx: Ctx, member_id: str) -> SignInLink:
    """Make a token that signs this member in once, within 15 minutes. Needs `members:write`.

    In a tenant's live half, where members are. Raises MemberUnknown.
    """
    ctx.require("members:write")
    known = is_id(member_id, prefix=MEMBER_PREFIX)
    member = await store.member.by_id(ctx.tx, ctx.tenant_id, member_id) if known else None
    if member is None:
        raise MemberUnknown
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
        return Principal(found[0], Actor("member", found[1]))

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
