"""Does a sign-in link work once and for a while, and a session for its member and business only?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import SessionInvalid, SignInLinkInvalid
from solvent.kernel.tenants.model import Mode, Role
from solvent.kit.clock import FrozenClock
from solvent.kit.ctx import OPERATOR


@pytest.fixture
async def link(edge, business):
    async with edge.open(business.live.id, OPERATOR) as ctx:
        return await tenants.create_sign_in_link(ctx, business.owner.id)


@pytest.fixture
async def opened(edge, link):
    return await tenants.redeem_sign_in_link(edge, link.token)


async def whose(edge, token: str, *, now=None):
    async with edge.db.transaction() as tx:
        return await tenants.authenticate_session(tx, token, now=now or edge.clock.now())


async def test_a_link_signs_its_member_in(edge, business, opened) -> None:
    principal = await whose(edge, opened.token)
    assert principal.tenant_id == business.live.id
    assert (principal.actor.kind, principal.actor.id) == ("member", business.owner.id)
    assert principal.actor.may("*")


async def test_link_once(edge, link) -> None:
    """Of ten who follow a link at the same moment, one gets in."""
    ended = await asyncio.gather(
        *(tenants.redeem_sign_in_link(edge, link.token) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(end, Exception) for end in ended) == 1
    assert sum(isinstance(end, SignInLinkInvalid) for end in ended) == 9


async def test_a_link_ends_after_15_minutes(edge, link) -> None:
    late = replace(edge, clock=FrozenClock(link.expires_at))
    with pytest.raises(SignInLinkInvalid):
        await tenants.redeem_sign_in_link(late, link.token)
    just = replace(edge, clock=FrozenClock(link.expires_at - timedelta(microseconds=1)))
    await tenants.redeem_sign_in_link(just, link.token)
    assert link.expires_at - edge.clock.now() <= timedelta(minutes=15)


@pytest.mark.parametrize("token", ["", "x", "0" * 52, "0" * 51, "a\0", "0" * 5000])
async def test_an_unknown_token_opens_nothing(edge, token) -> None:
    with pytest.raises(SignInLinkInvalid):
        await tenants.redeem_sign_in_link(edge, token)
    with pytest.raises(SessionInvalid):
        await whose(edge, token)


async def test_a_link_is_no_session(edge, link, opened) -> None:
    with pytest.raises(SessionInvalid):
        await whose(edge, link.token)
    with pytest.raises(SignInLinkInvalid):
        await tenants.redeem_sign_in_link(edge, opened.token)


async def test_a_session_ends(edge, business, opened) -> None:
    until = opened.session.expires_at
    await whose(edge, opened.token, now=until - timedelta(microseconds=1))
    with pytest.raises(SessionInvalid):
        await whose(edge, opened.token, now=until)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.end_session(ctx, opened.session.id)
    with pytest.raises(SessionInvalid):
        await whose(edge, opened.token)


async def test_a_session_turns_to_the_twin_and_back(edge, business, opened) -> None:
    for mode, tenant in ((Mode.TEST, business.test), (Mode.LIVE, business.live)):
        seen = await whose(edge, opened.token)
        async with edge.open(seen.tenant_id, seen.actor) as ctx:
            await tenants.switch_session(ctx, opened.session.id, mode)
        assert (await whose(edge, opened.token)).tenant_id == tenant.id


async def test_a_session_is_signed_out_from_either_half(edge, business, opened) -> None:
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.switch_session(ctx, opened.session.id, Mode.TEST)
    async with edge.open(business.test.id, OPERATOR) as ctx:
        await tenants.end_session(ctx, opened.session.id)
    with pytest.raises(SessionInvalid):
        await whose(edge, opened.token)


async def test_mallory_turns_and_ends_no_session_but_her_own(edge, mallorys, opened) -> None:
    for tenant in (mallorys.live, mallorys.test):
        async with edge.open(tenant.id, OPERATOR) as ctx:
            for use_case in (
                tenants.switch_session(ctx, opened.session.id, Mode.TEST),
                tenants.end_session(ctx, opened.session.id),
            ):
                with pytest.raises(SessionInvalid):
                    await use_case
    await whose(edge, opened.token)


async def test_a_new_role_holds_at_once_and_a_removed_member_is_out(edge, business) -> None:
    async with edge.open(business.live.id, OPERATOR) as ctx:
        bob = await tenants.add_member(ctx, email="bob@b.example", role=Role.ADMIN)
        link = await tenants.create_sign_in_link(ctx, bob.id)
        unused = await tenants.create_sign_in_link(ctx, bob.id)
    opened = await tenants.redeem_sign_in_link(edge, link.token)
    assert (await whose(edge, opened.token)).actor.may("members:write")
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.change_member(ctx, bob.id, role=Role.VIEWER)
    assert not (await whose(edge, opened.token)).actor.may("members:write")
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.remove_member(ctx, bob.id)
    with pytest.raises(SessionInvalid):
        await whose(edge, opened.token)
    with pytest.raises(SignInLinkInvalid):
        await tenants.redeem_sign_in_link(edge, unused.token)


async def test_no_token_is_kept(engines, business, link, opened) -> None:
    import asyncpg

    owner = await asyncpg.connect(engines.access.postgres.owner_dsn)
    kept = await owner.fetch(
        "select to_jsonb(l)::text from tenants_sign_in_link l where tenant_id = $1"
        " union all select to_jsonb(s)::text from tenants_session s where tenant_id = $1"
        " union all select to_jsonb(r)::text from audit_record r where tenant_id = $1",
        business.live.id,
    )
    await owner.close()
    assert len(kept) > 3
    assert not any(link.token in row[0] or opened.token in row[0] for row in kept)


async def test_a_session_cookie_works_over_http(http, opened, business) -> None:
    answer = await http.get("/v1/tenant", headers={"cookie": f"solvent_session={opened.token}"})
    assert (answer.status_code, answer.json()["id"]) == (200, business.live.id)
